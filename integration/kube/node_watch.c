// SPDX-License-Identifier: Apache-2.0
/*
 * A collector as policysync sees it, and nothing more: says each assignment with the time it came.
 *   kube-node-watch ADDRESS NODE      "put ID GROUP POD NS", "gone ID NS", "full NS" until stdin
 * ends
 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/rpc/client.h"
#include "podward/v1/node.pb-c.h"
#include <stdio.h>
#include <unistd.h>

struct watcher {
	struct pw_rpc_loop *loop;
	struct pw_channel *channel;
	struct pw_stream *stream;
	const char *address, *node;
	int result;
};

#define BYTES(b) (int)(b).len, (const char *)(b).data

static void on_up(void *ctx)
{
	struct watcher *w = ctx;
	Podward__V1__NodeHello hello = PODWARD__V1__NODE_HELLO__INIT;

	hello.schema = 1;
	hello.node.data = (uint8_t *)(uintptr_t)w->node;
	hello.node.len = strlen(w->node);
	if (pw_stream_send(w->stream, &hello.base) < 0)
		pw_stream_restart(w->stream, 100);
}

static void on_message(void *ctx, const ProtobufCMessage *msg)
{
	const Podward__V1__NodeUpdate *update = (const Podward__V1__NodeUpdate *)msg;
	struct watcher *w = ctx;
	unsigned long long now = pw_mono_now().ns;

	if (update->full)
		(void)printf("full %llu\n", now);
	for (size_t i = 0; i < update->n_assignments; i++) {
		const Podward__V1__Assignment *a = update->assignments[i];

		(void)printf("put %.*s %.*s %.*s %llu\n", BYTES(a->container_id),
			BYTES(a->pod_group), BYTES(a->pod_name), now);
	}
	for (size_t i = 0; i < update->n_removed; i++)
		(void)printf("gone %.*s %llu\n", BYTES(update->removed[i]), now);
	(void)fflush(stdout);
	pw_stream_next(w->stream);
}

static void on_sent(void *ctx)
{
	struct watcher *w = ctx;

	pw_stream_half_close(w->stream);
}

static void on_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	(void)ctx, (void)delay_ms;
	pw_log_info("node-watch", "down: %d %s", status, detail ? detail : "");
}

static void start(void *ctx)
{
	static const struct pw_stream_ops ops = {on_up, on_message, on_sent, on_down};
	static const struct pw_stream_limits limits = {50, 500, 8 << 20};
	struct watcher *w = ctx;
	struct pw_err err = PW_ERR_INIT;

	w->result =
		pw_channel_new(&(struct pw_channel_config){.loop = w->loop, .target = w->address},
			&w->channel, &err);
	if (w->result == 0)
		w->result = pw_stream_start(w->channel,
			&(struct pw_stream_config){
				.service = &podward__v1__node_service__descriptor,
				.method = "Watch",
				.ops = &ops,
				.ctx = w,
				.limits = &limits},
			&w->stream, &err);
	if (w->result < 0)
		(void)fprintf(stderr, "kube-node-watch: %s\n", err.msg);
}

static void stop(void *ctx)
{
	struct watcher *w = ctx;

	if (w->stream)
		pw_stream_stop(w->stream);
	if (w->channel)
		pw_channel_free(w->channel);
}

int main(int argc, char **argv)
{
	struct watcher w = {.loop = NULL};
	char byte;

	if (argc != 3)
		return 2;
	pw_log_setup(PW_LOG_INFO, PW_LOG_LOGFMT, "kube-node-watch");
	w.address = argv[1];
	w.node = argv[2];
	if (pw_rpc_loop_start("rpc", &w.loop, NULL) < 0 || pw_rpc_loop_call(w.loop, start, &w) < 0)
		return 1;
	while (w.result == 0 && read(STDIN_FILENO, &byte, 1) > 0)
		;
	if (pw_rpc_loop_call(w.loop, stop, &w) < 0)
		return 1;
	pw_rpc_loop_stop(w.loop);
	return w.result < 0;
}
