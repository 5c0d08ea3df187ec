// SPDX-License-Identifier: Apache-2.0
/*
 * An analyzer as policysync sees it, as far as profiles go.
 *   kube-report ADDRESS report GROUP FIRST COUNT GENERATION   "committed"
 *   kube-report ADDRESS hit NAMESPACE NAME COUNT              "committed"; NAMESPACE "-" = none
 *   kube-report ADDRESS load                                  "GROUP BEHAVIOURS GENERATION" lines,
 * "end"
 */
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "common/rpc/client.h"
#include "podward/v1/report.pb-c.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MANY 1024

struct client {
	struct pw_rpc_loop *loop;
	struct pw_channel *channel;
	struct pw_stream *stream;
	char **words;
	bool loads, greeted;
	uint64_t first, count, generation, sent;
	uint64_t hits; /* of an exclusion, in place of a profile; words: namespace or "-", name */
	_Atomic int done;
};

static ProtobufCBinaryData text_of(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static void send_or_restart(struct client *c, const ProtobufCMessage *msg)
{
	if (pw_stream_send(c->stream, msg) < 0)
		pw_stream_restart(c->stream, 100);
}

static void send_hello(struct client *c)
{
	Podward__V1__ReportHello hello = PODWARD__V1__REPORT_HELLO__INIT;
	Podward__V1__ReportRequest request = PODWARD__V1__REPORT_REQUEST__INIT;

	hello.schema = 1;
	hello.analyzer = text_of("analyzer-t");
	hello.instance = text_of("0123456789abcdef");
	request.message_case = PODWARD__V1__REPORT_REQUEST__MESSAGE_HELLO;
	request.hello = &hello;
	send_or_restart(c, &request.base);
}

static void fill(struct client *c, Podward__V1__Behaviour *b, char object[32])
{
	(void)snprintf(object, 32, "/opt/app/file-%llu", (unsigned long long)(c->first + c->sent));
	podward__v1__behaviour__init(b);
	b->dimension = PODWARD__V1__DIMENSION__DIMENSION_FILE_READ;
	b->actor = text_of("/opt/app/run");
	b->object = text_of(object);
	b->key = pw_hash64(pw_slice_str(object), 0);
	b->first_wall_ns = 1700000000000000000ll;
	b->flags = 2;
}

static void send_part(struct client *c)
{
	static Podward__V1__Behaviour behaviours[MANY], *list[MANY];
	static char objects[MANY][32];
	Podward__V1__ProfileState state = PODWARD__V1__PROFILE_STATE__INIT;
	Podward__V1__ProfileDelta delta = PODWARD__V1__PROFILE_DELTA__INIT, *deltas = &delta;
	Podward__V1__ReportItems items = PODWARD__V1__REPORT_ITEMS__INIT;
	Podward__V1__ReportRequest request = PODWARD__V1__REPORT_REQUEST__INIT;
	size_t n = 0;

	for (; n < MANY && c->sent < c->count; n++, c->sent++) {
		fill(c, &behaviours[n], objects[n]);
		list[n] = &behaviours[n];
	}
	state.pod_group = text_of(c->words[0]);
	state.generation = c->generation;
	state.phase = PODWARD__V1__PROFILE_PHASE__PROFILE_PHASE_COLLECTING;
	state.learning_started_wall_ns = 1700000000000000000ll;
	state.learning_duration_ns = 3600 * PW_NS_PER_S;
	delta.state = &state;
	delta.behaviours = list;
	delta.n_behaviours = n;
	items.seq = (c->sent + MANY - 1) / MANY;
	items.profiles = &deltas;
	items.n_profiles = 1;
	request.message_case = PODWARD__V1__REPORT_REQUEST__MESSAGE_ITEMS;
	request.items = &items;
	send_or_restart(c, &request.base);
}

static void send_hit(struct client *c)
{
	Podward__V1__ExclusionHit hit = PODWARD__V1__EXCLUSION_HIT__INIT, *hits = &hit;
	Podward__V1__ReportItems items = PODWARD__V1__REPORT_ITEMS__INIT;
	Podward__V1__ReportRequest request = PODWARD__V1__REPORT_REQUEST__INIT;

	if (strcmp(c->words[0], "-") != 0)
		hit.namespace_ = text_of(c->words[0]);
	hit.name = text_of(c->words[1]);
	hit.count = c->hits;
	hit.last_wall_ns = 1700000000000000000ll;
	items.seq = 1;
	items.hits = &hits;
	items.n_hits = 1;
	request.message_case = PODWARD__V1__REPORT_REQUEST__MESSAGE_ITEMS;
	request.items = &items;
	c->sent = 1;
	send_or_restart(c, &request.base);
}

static void on_up(void *ctx)
{
	struct client *c = ctx;
	Podward__V1__LoadProfilesRequest request = PODWARD__V1__LOAD_PROFILES_REQUEST__INIT;

	c->sent = 0;
	if (c->loads)
		send_or_restart(c, &request.base);
	else
		send_hello(c);
}

static void on_sent(void *ctx)
{
	struct client *c = ctx;

	if (c->loads)
		pw_stream_half_close(c->stream);
	else if (c->sent < c->count && c->hits > 0)
		send_hit(c);
	else if (c->sent < c->count)
		send_part(c);
}

static void on_page(const Podward__V1__ProfileDelta *page)
{
	(void)printf("%.*s %zu %llu\n", (int)page->state->pod_group.len,
		(const char *)page->state->pod_group.data, page->n_behaviours,
		(unsigned long long)page->state->generation);
}

static void on_message(void *ctx, const ProtobufCMessage *msg)
{
	struct client *c = ctx;

	if (c->loads)
		on_page((const Podward__V1__ProfileDelta *)msg);
	else if (((const Podward__V1__ReportReply *)msg)->committed_seq ==
		 (c->count + MANY - 1) / MANY)
		c->done = 1;
	pw_stream_next(c->stream);
}

static void on_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	struct client *c = ctx;

	(void)delay_ms;
	pw_log_info("report", "down: %d %s", status, detail ? detail : "");
	if (c->loads && status == PW_RPC_OK)
		c->done = 1;
}

static void start(void *ctx)
{
	static const struct pw_stream_ops ops = {on_up, on_message, on_sent, on_down};
	static const struct pw_stream_limits limits = {50, 500, 8 << 20};
	struct client *c = ctx;
	struct pw_err err = PW_ERR_INIT;

	if (pw_stream_start(c->channel,
		    &(struct pw_stream_config){.service = &podward__v1__report_service__descriptor,
			    .method = c->loads ? "LoadProfiles" : "Report",
			    .ops = &ops,
			    .ctx = c,
			    .limits = &limits},
		    &c->stream, &err) < 0)
		(void)fprintf(stderr, "kube-report: %s\n", err.msg);
}

static void stop(void *ctx)
{
	struct client *c = ctx;

	if (c->stream)
		pw_stream_stop(c->stream);
	pw_channel_free(c->channel);
}

static int run(struct client *c, const char *address)
{
	const struct timespec pause = {0, 5000000};

	if (pw_rpc_loop_start("rpc", &c->loop, NULL) < 0)
		return 1;
	if (pw_channel_new(&(struct pw_channel_config){.loop = c->loop, .target = address},
		    &c->channel, NULL) < 0 ||
		pw_rpc_loop_call(c->loop, start, c) < 0)
		return 1;
	for (int i = 0; !c->done && i < 6000; i++)
		(void)nanosleep(&pause, NULL);
	if (pw_rpc_loop_call(c->loop, stop, c) < 0)
		return 1;
	pw_rpc_loop_stop(c->loop);
	(void)printf("%s\n", !c->done ? "nothing" : c->loads ? "end" : "committed");
	return !c->done;
}

int main(int argc, char **argv)
{
	struct client c = {.words = argv + 3};

	pw_log_setup(PW_LOG_INFO, PW_LOG_LOGFMT, "kube-report");
	if (argc == 3 && strcmp(argv[2], "load") == 0) {
		c.loads = true;
		return run(&c, argv[1]);
	}
	if (argc == 6 && strcmp(argv[2], "hit") == 0 &&
		pw_num_u64(pw_slice_str(argv[5]), UINT32_MAX, &c.hits) == 0) {
		c.count = 1;
		return run(&c, argv[1]);
	}
	if (argc != 7 || pw_num_u64(pw_slice_str(argv[4]), UINT32_MAX, &c.first) < 0 ||
		pw_num_u64(pw_slice_str(argv[5]), UINT32_MAX, &c.count) < 0 ||
		pw_num_u64(pw_slice_str(argv[6]), UINT32_MAX, &c.generation) < 0)
		return 2;
	return run(&c, argv[1]);
}
