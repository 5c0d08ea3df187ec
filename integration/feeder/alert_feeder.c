// SPDX-License-Identifier: Apache-2.0
/*
 * Gives numbered alerts to policysync as an analyzer would, for load tests: messages in order, sent
 * again from the last committed one after every reconnect. Ends with 0 when all are committed.
 * alert-feeder ADDRESS FIRST COUNT [ALERTS_PER_MESSAGE [NAMESPACE POD UID]]
 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/loop.h"
#include "common/base/random.h"
#include "common/rpc/client.h"
#include "podward/v1/report.pb-c.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH_MAX = 200 };

struct feeder {
	struct pw_loop *main;
	struct pw_channel *channel;
	struct pw_stream *stream;
	uint64_t first, count, batch, messages;
	uint64_t next, committed; /* messages, from 1 */
	char pod_group[128];
	const char *pod, *uid; /* NULL = not in a cluster */
	uint8_t instance[16];
};

static ProtobufCBinaryData text_of(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static void send_hello(struct feeder *f)
{
	Podward__V1__ReportHello hello = PODWARD__V1__REPORT_HELLO__INIT;
	Podward__V1__ReportRequest m = PODWARD__V1__REPORT_REQUEST__INIT;

	hello.schema = 1;
	hello.analyzer = text_of("feeder");
	hello.instance = (ProtobufCBinaryData){sizeof(f->instance), f->instance};
	m.message_case = PODWARD__V1__REPORT_REQUEST__MESSAGE_HELLO;
	m.hello = &hello;
	if (pw_stream_send(f->stream, &m.base) < 0)
		pw_stream_restart(f->stream, 1000);
}

struct made {
	Podward__V1__Alert alert;
	Podward__V1__AlertProcess process;
	Podward__V1__AlertProcess *lineage[1];
	uint8_t id[16];
};

/* About the size of a real one; every severity. */
static void make(const struct feeder *f, struct made *m, uint64_t number)
{
	Podward__V1__Alert *a = &m->alert;

	podward__v1__alert__init(a);
	podward__v1__alert_process__init(&m->process);
	memset(m->id, 0, sizeof(m->id));
	memcpy(m->id, &number, sizeof(number));
	a->id = (ProtobufCBinaryData){sizeof(m->id), m->id};
	a->first_wall_ns = pw_wall_now().ns;
	a->severity = (Podward__V1__Severity)(1 + number % 5);
	a->engine = PODWARD__V1__ENGINE__ENGINE_SIGNATURE;
	a->detector = text_of("sig/default/credential.read");
	a->title = text_of("Credentials were read");
	a->reason = text_of("/bin/cat read /etc/shadow, which only login programs read");
	a->pod_group = text_of(f->pod_group);
	if (f->pod) {
		a->pod_name = text_of(f->pod);
		a->pod_uid = text_of(f->uid);
	}
	a->node = text_of("node-1");
	a->container_id =
		text_of("8dfafdbc3a40e1b28dfafdbc3a40e1b28dfafdbc3a40e1b28dfafdbc3a40e1b2");
	a->container_name = text_of("server");
	a->image = text_of("registry.example/shop/cart:1.2.3");
	a->event_kind = 2;
	a->object = text_of("/etc/shadow");
	a->mode = text_of("Alert");
	m->process.pid = 42;
	m->process.exe = text_of("/bin/cat");
	m->process.args = text_of("cat");
	m->process.cwd = text_of("/srv");
	m->lineage[0] = &m->process;
	a->lineage = m->lineage;
	a->n_lineage = 1;
}

static void send_next(struct feeder *f)
{
	static struct made made[BATCH_MAX];
	static Podward__V1__Alert *alerts[BATCH_MAX];
	Podward__V1__ReportItems items = PODWARD__V1__REPORT_ITEMS__INIT;
	Podward__V1__ReportRequest m = PODWARD__V1__REPORT_REQUEST__INIT;
	uint64_t from = (f->next - 1) * f->batch;

	if (f->next > f->messages || !pw_stream_may_send(f->stream))
		return;
	for (size_t i = 0; i < f->batch && from + i < f->count; i++) {
		make(f, &made[i], f->first + from + i);
		alerts[i] = &made[i].alert;
		items.n_alerts++;
	}
	items.seq = f->next;
	items.alerts = alerts;
	m.message_case = PODWARD__V1__REPORT_REQUEST__MESSAGE_ITEMS;
	m.items = &items;
	if (pw_stream_send(f->stream, &m.base) == 0)
		f->next++;
}

static void on_up(void *ctx)
{
	struct feeder *f = ctx;

	f->next = f->committed + 1;
	send_hello(f);
}

static void on_sent(void *ctx)
{
	send_next(ctx);
}

static void on_message(void *ctx, const ProtobufCMessage *msg)
{
	struct feeder *f = ctx;
	const Podward__V1__ReportReply *reply = (const Podward__V1__ReportReply *)msg;

	if (reply->committed_seq > f->committed)
		f->committed = reply->committed_seq;
	if (f->committed >= f->messages)
		pw_loop_stop(f->main);
	pw_stream_next(f->stream);
}

static void on_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	struct feeder *f = ctx;

	(void)fprintf(stderr, "feeder: stream ended (%s: %s), %llu of %llu committed\n",
		pw_rpc_status_name(status), detail, (unsigned long long)f->committed,
		(unsigned long long)f->messages);
	(void)delay_ms;
}

/* On the rpc loop. */
static void start_stream(void *ctx)
{
	static const struct pw_stream_ops ops = {on_up, on_message, on_sent, on_down};
	static const struct pw_stream_limits limits = {50, 500, 1 << 20};
	struct feeder *f = ctx;
	struct pw_err err = PW_ERR_INIT;

	if (pw_stream_start(f->channel,
		    &(struct pw_stream_config){
			    &podward__v1__report_service__descriptor, "Report", &ops, f, &limits},
		    &f->stream, &err) < 0) {
		(void)fprintf(stderr, "alert-feeder: %s\n", err.msg);
		pw_loop_stop(f->main);
	}
}

static void stop_stream(void *ctx)
{
	struct feeder *f = ctx;

	if (f->stream)
		pw_stream_stop(f->stream);
}

static int run(struct feeder *f, const char *address, struct pw_err *err)
{
	struct pw_rpc_loop *rpc = NULL;
	int r = pw_loop_new(&f->main, err);

	if (r == 0)
		r = pw_rpc_loop_start("rpc", &rpc, err);
	if (r == 0)
		r = pw_channel_new(&(struct pw_channel_config){.loop = rpc, .target = address},
			&f->channel, err);
	if (r == 0)
		r = pw_rpc_loop_call(rpc, start_stream, f);
	if (r == 0)
		r = pw_loop_run(f->main, err);
	if (rpc && pw_rpc_loop_call(rpc, stop_stream, f) < 0)
		(void)fprintf(stderr, "alert-feeder: the stream does not stop\n");
	pw_channel_free(f->channel);
	pw_rpc_loop_stop(rpc);
	pw_loop_free(f->main);
	return r;
}

int main(int argc, char **argv)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct feeder f = {.batch = 50};
	struct pw_err err = PW_ERR_INIT;

	if (argc < 4) {
		(void)fprintf(stderr, "alert-feeder ADDRESS FIRST COUNT [ALERTS_PER_MESSAGE "
				      "[NAMESPACE POD UID]]\n");
		return 2;
	}
	f.first = strtoull(argv[2], NULL, 10);
	f.count = strtoull(argv[3], NULL, 10);
	if (argc > 4)
		f.batch = strtoull(argv[4], NULL, 10);
	(void)snprintf(f.pod_group, sizeof(f.pod_group), "%s/Deployment/cart/server",
		argc > 7 ? argv[5] : "shop");
	if (argc > 7) {
		f.pod = argv[6];
		f.uid = argv[7];
	}
	if (f.batch == 0 || f.batch > BATCH_MAX || f.count == 0)
		return 2;
	f.messages = (f.count + f.batch - 1) / f.batch;
	pw_random_bytes(f.instance, sizeof(f.instance));
	(void)sigaction(SIGPIPE, &ignore, NULL);
	pw_log_setup(PW_LOG_WARN, PW_LOG_LOGFMT, "alert-feeder");
	if (run(&f, argv[1], &err) < 0) {
		(void)fprintf(stderr, "alert-feeder: %s\n", err.msg);
		return 1;
	}
	return f.committed >= f.messages ? 0 : 1;
}
