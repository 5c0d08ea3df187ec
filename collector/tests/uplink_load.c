/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collector without a kernel side, for tests of the stream: pushes batches of events that all
 * differ, keeps what is not durable in --state-dir like the real one, and after any kind of end
 * goes on exactly where it was, because the number of a batch says which events are in it. Says
 * every 20 ms how many batches there are, how many are durable, how many of those since it started,
 * how many were dropped, and how often it was asked to wait. Ends when all are durable.
 *
 * usage: uplink_load TARGET STATE_DIR BATCHES EVENTS_PER_BATCH PAUSE_US [CA CERT KEY]
 */
#include "collector/uplink.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "common/rpc/loop.h"
#include "common/rpc/tls.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define TELL_NS    (20 * PW_NS_PER_MS)
#define BACKLOG    (256u << 20)
#define OBJECT_ID  100u
#define CONTAINER  3u
#define PROCESS    1u
#define EVENTS_MAX 512u

struct load {
	const char *target;
	uint64_t batches, events, pause_us;
	struct uplink *uplink;
	uint64_t next; /* batch */
	struct pw_mono told;
};

static int add_process(struct pw_batch *b)
{
	const struct pw_container_def c = {.ref = CONTAINER,
		.id = PW_SLICE_LIT("c0ffee0000000001"),
		.pod_group = PW_SLICE_LIT("test/load/Deployment/load")};
	const struct pw_process_def p = {
		.ref = PROCESS, .container = CONTAINER, .pid = 7, .exe = 1};
	int r = pw_batch_add_string(b, 1, PW_SLICE_LIT("/bin/load"));

	if (r == 0)
		r = pw_batch_add_container(b, &c);
	return r < 0 ? r : pw_batch_add_process(b, &p);
}

static int add_event(struct pw_batch *b, uint64_t n, uint32_t id)
{
	const struct pw_event_row row = {.time = pw_boot_now(),
		.process = PROCESS,
		.object = id,
		.aux = 1, /* read */
		.count = 1,
		.ret = 3,
		.kind = PW_EVENT_OPEN};
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/etc/attacks/%llu", (unsigned long long)n);
	r = pw_batch_add_string(b, id, pw_slice_str(path));
	return r < 0 ? r : pw_batch_add_event(b, &row);
}

/* Every batch has a dictionary epoch of its own: ids are used again. */
static int make_batch(const struct load *l, struct pw_batch **ret)
{
	const struct pw_batch_limits limits = {EVENTS_MAX, EVENTS_MAX + 8, 8, 4, 256 << 10};
	struct pw_batch *b = NULL;
	int r = pw_batch_new(&limits, uplink_first_epoch(l->uplink) + l->next, &b);

	if (r == 0)
		r = add_process(b);
	for (uint64_t i = 0; r == 0 && i < l->events; i++)
		r = add_event(b, l->next * l->events + i, OBJECT_ID + (uint32_t)i);
	if (r < 0) {
		pw_batch_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

static bool tell(struct load *l)
{
	struct uplink_stats s;
	struct pw_mono now = pw_mono_now();

	uplink_get_stats(l->uplink, &s);
	if (now.ns - l->told.ns >= TELL_NS || s.idle) {
		l->told = now;
		(void)printf("%llu %llu %llu %llu %llu\n", (unsigned long long)l->next,
			(unsigned long long)(l->next - s.backlog_batches),
			(unsigned long long)s.acked_batches, (unsigned long long)s.dropped_batches,
			(unsigned long long)s.throttles);
		(void)fflush(stdout);
	}
	return s.idle;
}

static int push_all(struct load *l)
{
	while (l->next < l->batches) {
		struct pw_batch *b = NULL;
		int r = make_batch(l, &b);

		if (r < 0)
			return r;
		while (!uplink_push(l->uplink, b)) {
			(void)tell(l);
			(void)usleep(1000);
		}
		l->next++;
		(void)tell(l);
		(void)usleep((useconds_t)l->pause_us);
	}
	while (!tell(l))
		(void)usleep(20000);
	return 0;
}

static int run(struct load *l, const char *state_dir, struct pw_tls *tls, struct pw_err *err)
{
	struct uplink_settings s = {.node = PW_SLICE_LIT("load"),
		.boot_id = {7}, /* goes on after the end of any of us */
		.backlog_bytes = BACKLOG,
		.state_dir = state_dir,
		.live = true,
		.tls = tls};
	struct pw_rpc_loop *loop = NULL;
	int r = pw_rpc_loop_start("load", &loop, err);

	if (r < 0)
		return r;
	s.instance[0] = 1;
	r = uplink_new(loop, &s, &l->uplink, err);
	if (r == 0) {
		l->next = uplink_batches_before(l->uplink);
		r = uplink_set_target(l->uplink, l->target, err);
	}
	if (r == 0)
		r = pw_err_set(err, push_all(l), "load");
	uplink_free(l->uplink);
	pw_rpc_loop_stop(loop);
	return r;
}

static bool number(const char *text, uint64_t max, uint64_t *ret)
{
	return pw_num_u64(pw_slice_str(text), max, ret) == 0;
}

int main(int argc, char **argv)
{
	struct load l = {.target = argc > 1 ? argv[1] : NULL};
	struct pw_err err = PW_ERR_INIT;
	struct pw_tls *tls = NULL;
	int r = 0;

	if ((argc != 6 && argc != 9) || !number(argv[3], 1u << 30, &l.batches) ||
		!number(argv[4], EVENTS_MAX, &l.events) ||
		!number(argv[5], 10000000, &l.pause_us)) {
		(void)fprintf(stderr, "usage: uplink_load TARGET STATE_DIR BATCHES EVENTS PAUSE_US "
				      "[CA CERT KEY]\n");
		return 2;
	}
	pw_log_setup(PW_LOG_INFO, PW_LOG_LOGFMT, "uplink_load");
	if (argc == 9)
		r = pw_tls_new(
			&(struct pw_tls_files){argv[6], argv[7], argv[8], NULL, false}, &tls, &err);
	if (r == 0)
		r = run(&l, argv[2], tls, &err);
	pw_tls_free(tls);
	if (r < 0)
		(void)fprintf(stderr, "uplink_load: %s\n", err.msg);
	return r < 0 ? 1 : 0;
}
