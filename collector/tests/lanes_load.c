/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collector without a kernel side, for tests of analyzers that share: asks policysync where to
 * send, and sends events of many pod groups, all told beforehand. Event n of a node is always the
 * same, with the same stamps, so two runs must end with the same alerts and baselines. Every second
 * event opens a file that nobody else opens, the others files that are opened again and again.
 * Says every 20 ms how many batches there are, how many are held, dropped, refused by owner. Ends
 * when all are durable.
 *
 * usage: lanes_load POLICYSYNC STATE_DIR NODE GROUPS BATCHES PAUSE_US FIRST_WALL_NS
 */
#include "collector/lanes.h"
#include "collector/node_watch.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "common/rpc/client.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define TELL_NS      (20 * PW_NS_PER_MS)
#define BACKLOG      (256u << 20)
#define EVENTS       8u
#define OBJECT_ID    1000u
#define COMMON_FILES 40u
#define STEP_NS      (250 * PW_NS_PER_US) /* between two events */

struct load {
	uint64_t node, groups, batches, pause_us, wall_ns;
	struct pw_rpc_loop *loop;
	struct lanes *lanes;
	struct node_watch *watch;
	_Atomic(struct node_update *) update; /* newest that has a map, for the main thread */
	uint64_t next;                        /* batch */
	uint64_t lost;
	struct pw_mono told;
};

static void on_update(void *ctx, struct node_update *update)
{
	struct load *l = ctx;

	if (update->has_map || update->analyzer_count > 0)
		update = atomic_exchange(&l->update, update);
	node_update_free(update);
}

static void on_lost(void *ctx, struct pw_batch *batch)
{
	struct load *l = ctx;

	l->lost += batch->event_count;
	pw_batch_free(batch);
}

/* Maps of policysync; without one the first analyzer that it names. */
static int follow(struct load *l, struct pw_err *err)
{
	struct node_update *u = atomic_exchange(&l->update, NULL);
	int r = 0;

	if (u && u->has_map)
		r = lanes_use_map(l->lanes, &u->map, err);
	else if (u && lanes_epoch(l->lanes) == 0)
		r = lanes_use_one(l->lanes, u->analyzers[0].address, err);
	node_update_free(u);
	return r;
}

static int add_process(struct pw_batch *b, uint64_t node, uint32_t group)
{
	struct pw_container_def c = {.ref = group + 1};
	const struct pw_process_def p = {
		.ref = group + 1, .container = group + 1, .pid = group + 7, .exe = 1};
	char id[64], key[64];
	int r;

	c.id = pw_slice_of(id,
		(size_t)snprintf(id, sizeof(id), "%04llx%08x", (unsigned long long)node, group));
	c.pod_group = pw_slice_of(
		key, (size_t)snprintf(key, sizeof(key), "test/Deployment/load-%u/main", group));
	r = pw_batch_add_string(b, 1, PW_SLICE_LIT("/bin/load"));
	if (r == 0)
		r = pw_batch_add_container(b, &c);
	return r < 0 ? r : pw_batch_add_process(b, &p);
}

static int add_event(const struct load *l, struct pw_batch *b, uint64_t n, uint32_t id)
{
	uint32_t group = (uint32_t)((n / 2) % l->groups);
	const struct pw_event_row row = {.time = {(n + 1) * STEP_NS},
		.process = group + 1,
		.object = id,
		.aux = 1, /* read */
		.count = 1,
		.ret = 3,
		.kind = PW_EVENT_OPEN};
	char path[64];
	int r = add_process(b, l->node, group);

	if (n % 2 == 0)
		(void)snprintf(path, sizeof(path), "/etc/attacks/%llu",
			(unsigned long long)(l->node * 100000000 + n));
	else
		(void)snprintf(path, sizeof(path), "/srv/data/%llu",
			(unsigned long long)(n / 2 / l->groups % COMMON_FILES));
	if (r == 0)
		r = pw_batch_add_string(b, id, pw_slice_str(path));
	return r < 0 ? r : pw_batch_add_event(b, &row);
}

/* Every batch has a dictionary epoch of its own: ids are used again. */
static int make_batch(const struct load *l, struct pw_batch **ret)
{
	const struct pw_batch_limits limits = {EVENTS, EVENTS + 8, EVENTS, EVENTS, 64 << 10};
	struct pw_batch *b = NULL;
	int r = pw_batch_new(&limits, 1 + l->next, &b);

	for (uint32_t i = 0; r == 0 && i < EVENTS; i++)
		r = add_event(l, b, l->next * EVENTS + i, OBJECT_ID + i);
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

	lanes_get_stats(l->lanes, &s);
	if (now.ns - l->told.ns >= TELL_NS || s.idle) {
		l->told = now;
		(void)printf("%llu %llu %llu %llu\n", (unsigned long long)l->next,
			(unsigned long long)s.backlog_batches,
			(unsigned long long)(s.dropped_batches + l->lost),
			(unsigned long long)s.not_owner);
		(void)fflush(stdout);
	}
	return s.idle;
}

static int push_all(struct load *l, struct pw_err *err)
{
	int r = 0;

	while (r == 0 && l->next < l->batches) {
		struct pw_batch *b = NULL;

		r = follow(l, err);
		if (r == 0)
			r = make_batch(l, &b);
		if (r < 0)
			break;
		lanes_push(l->lanes, b);
		l->next++;
		(void)tell(l);
		(void)usleep((useconds_t)l->pause_us);
	}
	while (r == 0 && !tell(l)) {
		r = follow(l, err);
		(void)usleep(20000);
	}
	return r;
}

static int start(struct load *l, const char *policysync, const char *state_dir, struct pw_err *err)
{
	struct lanes_settings s = {.uplink = {.boot_id = {7},
					   .backlog_bytes = BACKLOG,
					   .state_dir = state_dir,
					   .boot_to_wall_ns = (int64_t)l->wall_ns},
		.on_lost = on_lost,
		.ctx = l};
	struct pw_channel_config channel = {.target = policysync};
	char node[32];
	int r = pw_rpc_loop_start("load", &l->loop, err);

	s.uplink.node = pw_slice_of(node,
		(size_t)snprintf(node, sizeof(node), "load-%llu", (unsigned long long)l->node));
	s.uplink.instance[0] = (uint8_t)(l->node + 1);
	if (r == 0)
		r = lanes_new(l->loop, &s, &l->lanes, err);
	channel.loop = l->loop;
	if (r == 0)
		r = node_watch_new(&channel, s.uplink.node, on_update, l, &l->watch);
	return r < 0 ? r : node_watch_start(l->watch, lanes_instance(l->lanes), err);
}

static int run(struct load *l, const char *policysync, const char *state_dir, struct pw_err *err)
{
	struct uplink_stats s = {0};
	int r = start(l, policysync, state_dir, err);

	/* Nothing is made before it is known where to: all of it comes in the same order. */
	while (r == 0 && !s.connected) {
		r = follow(l, err);
		lanes_get_stats(l->lanes, &s);
		(void)usleep(10000);
	}
	if (r == 0)
		r = push_all(l, err);
	node_watch_free(l->watch);
	lanes_free(l->lanes);
	if (l->loop)
		pw_rpc_loop_stop(l->loop);
	node_update_free(atomic_exchange(&l->update, NULL));
	return r;
}

int main(int argc, char **argv)
{
	struct load l = {.next = 0};
	struct pw_err err = PW_ERR_INIT;
	uint64_t *const numbers[] = {&l.node, &l.groups, &l.batches, &l.pause_us, &l.wall_ns};
	bool ok = argc == 8;
	int r;

	for (size_t i = 0; ok && i < PW_COUNT(numbers); i++)
		ok = pw_num_u64(pw_slice_str(argv[3 + i]), PW_WIRE_TIME_MAX - 1, numbers[i]) == 0;
	if (!ok || l.groups == 0) {
		(void)fprintf(stderr, "usage: lanes_load POLICYSYNC STATE_DIR NODE GROUPS BATCHES "
				      "PAUSE_US FIRST_WALL_NS\n");
		return 2;
	}
	pw_log_setup(PW_LOG_INFO, PW_LOG_LOGFMT, "lanes_load");
	r = run(&l, argv[1], argv[2], &err);
	if (r < 0)
		(void)fprintf(stderr, "lanes_load: %s\n", err.msg);
	return r < 0 ? 1 : 0;
}
