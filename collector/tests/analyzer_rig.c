/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/tests/analyzer_rig.h"

#include "podward/v1/collect.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

static void reply(struct pw_call *call, Podward__V1__CollectReply *r)
{
	if (pw_call_send(call, &r->base) < 0)
		pw_call_finish(call, PW_RPC_INTERNAL, "send");
}

static void say_welcome(struct analyzer *a, struct pw_call *call)
{
	Podward__V1__CollectReply r = PODWARD__V1__COLLECT_REPLY__INIT;
	Podward__V1__CollectWelcome w = PODWARD__V1__COLLECT_WELCOME__INIT;

	w.instance.data = a->instance;
	w.instance.len = sizeof(a->instance);
	w.received_seq = a->received_seq;
	w.max_batch_events = 512;
	if (atomic_load(&a->manner) == MANNER_BAD_HELLO) {
		w.received_seq = 1000000;
		atomic_store(&a->manner, MANNER_ACK);
	}
	r.message_case = PODWARD__V1__COLLECT_REPLY__MESSAGE_WELCOME;
	r.welcome = &w;
	reply(call, &r);
}

static void say_ack(struct analyzer *a, struct pw_call *call, uint64_t seq)
{
	Podward__V1__CollectReply r = PODWARD__V1__COLLECT_REPLY__INIT;
	Podward__V1__CollectAck ack = PODWARD__V1__COLLECT_ACK__INIT;
	int manner = atomic_load(&a->manner);

	if (manner == MANNER_SILENT || manner == MANNER_STALL)
		return;
	ack.received_seq = seq;
	ack.durable_seq = manner == MANNER_RECEIVED ? 0 : seq;
	if (manner == MANNER_BAD_ACK) {
		ack.received_seq = seq + 1000;
		atomic_store(&a->manner, MANNER_ACK);
	}
	r.message_case = PODWARD__V1__COLLECT_REPLY__MESSAGE_ACK;
	r.ack = &ack;
	reply(call, &r);
}

static void say_extras(struct analyzer *a, struct pw_call *call)
{
	Podward__V1__CollectReply r = PODWARD__V1__COLLECT_REPLY__INIT;
	Podward__V1__CollectThrottle t = PODWARD__V1__COLLECT_THROTTLE__INIT;
	Podward__V1__CollectDrain d = PODWARD__V1__COLLECT_DRAIN__INIT;

	t.delay_ms = atomic_exchange(&a->throttle_ms, 0);
	if (t.delay_ms) {
		r.message_case = PODWARD__V1__COLLECT_REPLY__MESSAGE_THROTTLE;
		r.throttle = &t;
		reply(call, &r);
		atomic_fetch_add(&a->throttled, 1);
	}
	if (atomic_exchange(&a->drain, false)) {
		r.message_case = PODWARD__V1__COLLECT_REPLY__MESSAGE_DRAIN;
		r.drain = &d;
		reply(call, &r);
	}
}

static void take_batch(
	struct analyzer *a, struct pw_call *call, const Podward__V1__EventBatch *batch)
{
	struct pw_decoded *decoded = NULL;
	struct pw_err err = PW_ERR_INIT;
	int r = pw_decode_batch(a->decoder, batch, &decoded, &err);

	if (r < 0) {
		(void)fprintf(stderr, "decode: %s\n", err.msg);
		pw_call_finish(call, PW_RPC_INVALID_ARGUMENT, err.msg);
		return;
	}
	atomic_store(&a->map_epoch, batch->map_epoch);
	if (decoded->seq > a->received_seq) {
		atomic_fetch_add(&a->with_origin, decoded->origin_seq > 0);
		atomic_fetch_add(&a->seen[decoded->seq % SEQ_MAX], 1);
		a->received_seq = decoded->seq;
		atomic_fetch_add(&a->batches, 1);
		for (uint32_t i = 0; i < decoded->event_count; i++)
			atomic_fetch_add(&a->events, decoded->events[i].count);
		for (uint32_t i = 0; i < decoded->loss_count; i++)
			atomic_fetch_add(&a->lost, decoded->losses[i].count);
	}
	say_ack(a, call, decoded->seq);
	pw_decoded_free(decoded);
	say_extras(a, call);
}

static void refuse(struct pw_call *call, uint64_t seq)
{
	Podward__V1__CollectReply r = PODWARD__V1__COLLECT_REPLY__INIT;
	Podward__V1__CollectNotOwner not_owner = PODWARD__V1__COLLECT_NOT_OWNER__INIT;

	not_owner.epoch = 1;
	not_owner.seq = seq;
	r.message_case = PODWARD__V1__COLLECT_REPLY__MESSAGE_NOT_OWNER;
	r.not_owner = &not_owner;
	reply(call, &r);
	pw_call_finish(call, PW_RPC_FAILED_PRECONDITION, "another map");
}

static int on_open(struct pw_call *call, void *method_ctx)
{
	struct analyzer *a = method_ctx;
	struct pw_decoder_limits limits = PW_DECODER_LIMITS_DEFAULT;

	pw_call_set_ctx(call, a);
	pw_decoder_free(a->decoder);
	a->decoder = NULL;
	atomic_fetch_add(&a->streams, 1);
	return pw_decoder_new(&limits, &a->decoder) == 0 ? 0 : PW_RPC_INTERNAL;
}

static void on_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	struct analyzer *a = pw_call_ctx(call);
	const Podward__V1__CollectRequest *m =
		(const Podward__V1__CollectRequest *)(const void *)msg;

	if (m->message_case == PODWARD__V1__COLLECT_REQUEST__MESSAGE_HELLO) {
		atomic_store(&a->first_seq, m->hello->first_seq);
		atomic_store(&a->next_seq, m->hello->next_seq);
		atomic_fetch_add(&a->hellos, 1);
		say_welcome(a, call);
		if (a->received_seq > 0)
			say_ack(a, call, a->received_seq);
	} else if (m->message_case == PODWARD__V1__COLLECT_REQUEST__MESSAGE_BATCH) {
		if (atomic_exchange(&a->hang_up, false)) {
			pw_call_finish(call, PW_RPC_UNAVAILABLE, "hanging up");
			return;
		}
		if (atomic_exchange(&a->not_owner, false)) {
			refuse(call, m->batch->seq);
			return;
		}
		take_batch(a, call, m->batch);
	}
	if (atomic_load(&a->manner) != MANNER_STALL)
		pw_call_next(call);
}

static void on_half_close(struct pw_call *call)
{
	struct analyzer *a = pw_call_ctx(call);

	atomic_fetch_add(&a->drained, 1);
	pw_call_finish(call, PW_RPC_OK, "");
}

void analyzer_listen(struct analyzer *a)
{
	const char *const addresses[] = {a->address};
	struct pw_method method = {
		.service = &podward__v1__collect_service__descriptor,
		.name = "Stream",
		.on_open = on_open,
		.on_message = on_message,
		.on_half_close = on_half_close,
		.method_ctx = a,
	};
	struct pw_err err = PW_ERR_INIT;

	if (pw_server_start(&(struct pw_server_config){.loop = a->loop,
				    .addresses = addresses,
				    .address_count = 1,
				    .methods = &method,
				    .method_count = 1},
		    &a->server, &err) < 0)
		fail_msg("%s", err.msg);
}

void analyzer_start(struct analyzer *a, const char *name)
{
	struct pw_err err = PW_ERR_INIT;

	memset(a, 0, sizeof(*a));
	(void)snprintf(
		a->address, sizeof(a->address), "unix-abstract:podward-%s-%d", name, (int)getpid());
	a->instance[0] = (uint8_t)name[strlen(name) - 1]; /* before anybody may ask */
	assert_int_equal(pw_rpc_loop_start("analyzer", &a->loop, &err), 0);
	analyzer_listen(a);
}

void analyzer_halt(struct analyzer *a)
{
	pw_server_stop(a->server, 0);
	a->server = NULL;
}

void analyzer_stop(struct analyzer *a)
{
	if (a->server)
		analyzer_halt(a);
	pw_rpc_loop_stop(a->loop);
	pw_decoder_free(a->decoder);
}
