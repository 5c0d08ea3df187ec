// SPDX-License-Identifier: Apache-2.0
#include "policysync/shards.h"
#include "common/base/escape.h"
#include "common/base/log.h"
#include <errno.h>
#include <utlist.h>

#define TICK_MS 200u

struct watcher {
	struct shards *shards;
	struct pw_call *call; /* held */
	int member;           /* -1 before the hello, and after another stream took its place */
	bool finished;
	struct watcher *prev, *next;
};

struct shards {
	struct pw_rpc_loop *loop;
	struct pw_metrics *metrics;
	struct shard_map *map;
	struct pw_rpc_timer *timer;
	struct watcher *watchers;
	uint32_t count;
	void (*on_map)(void *ctx, const Podward__V1__ShardMap *map);
	void *map_ctx;
};

static void finish(struct watcher *w, int status, const char *detail)
{
	if (w->finished)
		return;
	w->finished = true;
	pw_call_finish(w->call, status, detail);
}

static void send_map(struct watcher *w)
{
	const Podward__V1__ShardMap *map = shard_map_message(w->shards->map);

	if (!map || w->member < 0 || w->finished)
		return;
	/* It must see every map: what it lost and got back between two is not what it had. */
	if (pw_call_send(w->call, &map->base) < 0)
		finish(w, PW_RPC_UNAVAILABLE, "maps are not read");
}

static void publish_figures(struct shards *s)
{
	struct shard_map_stats stats;

	if (!s->metrics)
		return;
	shard_map_get_stats(s->map, &stats);
	pw_metric_set(metric(s->metrics, METRIC_SHARD_EPOCH, NULL, NULL), (double)stats.epoch);
	pw_metric_set(metric(s->metrics, METRIC_SHARD_MEMBERS, NULL, NULL), stats.members);
	pw_metric_set(metric(s->metrics, METRIC_SHARD_WAITING, NULL, NULL), stats.waiting);
	pw_metric_set_counter(metric(s->metrics, METRIC_SHARD_MOVED, NULL, NULL), stats.moved);
	pw_metric_set_counter(metric(s->metrics, METRIC_SHARD_OVERDUE, NULL, NULL), stats.overdue);
}

static void look(struct shards *s)
{
	enum shard_map_change change = shard_map_tick(s->map, pw_mono_now());
	const Podward__V1__ShardMap *map = shard_map_message(s->map);
	struct watcher *w;

	publish_figures(s);
	if (change == SHARD_MAP_SAME)
		return;
	DL_FOREACH (s->watchers, w)
		send_map(w);
	if (change != SHARD_MAP_OWNERS)
		return;
	pw_log_info("shards", "map %llu: %zu analyzers share the pod groups",
		(unsigned long long)map->epoch, map->n_members);
	if (s->on_map)
		s->on_map(s->map_ctx, map);
}

static void on_timer(void *ctx)
{
	struct shards *s = ctx;

	look(s);
	pw_rpc_timer_set(s->timer, TICK_MS);
}

static int on_open(struct pw_call *call, void *method_ctx)
{
	struct shards *s = method_ctx;
	struct watcher *w;

	if (s->count >= SHARDS_CALLS)
		return PW_RPC_RESOURCE_EXHAUSTED;
	w = pw_alloc0(1, sizeof(*w));
	if (!w)
		return PW_RPC_RESOURCE_EXHAUSTED;
	w->shards = s;
	w->member = -1;
	w->call = pw_call_hold(call);
	pw_call_set_ctx(call, w);
	DL_APPEND(s->watchers, w);
	s->count++;
	return 0;
}

static void take_over(struct watcher *w, int member)
{
	struct watcher *old;

	DL_FOREACH (w->shards->watchers, old)
		if (old != w && old->member == member) {
			old->member = -1;
			finish(old, PW_RPC_CANCELLED, "the analyzer has a newer stream");
		}
	w->member = member;
}

static struct pw_slice slice_of(ProtobufCBinaryData b)
{
	return pw_slice_of(b.data, b.len);
}

static void take_hello(struct watcher *w, const Podward__V1__ShardStatus *m)
{
	struct shard_map_hello hello = {
		.name = slice_of(m->analyzer), .address = slice_of(m->address), .epoch = m->epoch};
	struct pw_err err = PW_ERR_INIT;
	int r = 0;

	if (m->schema != 1) {
		finish(w, PW_RPC_FAILED_PRECONDITION, "schema: this policysync knows schema 1");
		return;
	}
	if (!pw_call_may_be(w->call, hello.name)) {
		finish(w, PW_RPC_PERMISSION_DENIED,
			"analyzer: the certificate is for another analyzer");
		return;
	}
	if (m->instance.len != sizeof(hello.instance))
		r = pw_err_set(&err, -EINVAL, "instance: expected 16 bytes");
	else if (m->slots.len > 0 && m->slots.len != PW_SLOT_BYTES)
		r = pw_err_set(&err, -EINVAL, "slots: expected %u bytes", PW_SLOT_BYTES);
	if (r == 0) {
		memcpy(hello.instance, m->instance.data, sizeof(hello.instance));
		hello.slots = m->slots.len > 0 ? m->slots.data : NULL;
		r = shard_map_join(w->shards->map, &hello, pw_mono_now(), &err);
	}
	if (r < 0) {
		finish(w, r == -ENOSPC ? PW_RPC_RESOURCE_EXHAUSTED : PW_RPC_INVALID_ARGUMENT,
			err.msg);
		return;
	}
	pw_log_info("shards", "analyzer %.*s shares", (int)hello.name.len,
		(const char *)hello.name.ptr); /* printable, the map has looked */
	take_over(w, r);
	send_map(w);
}

static void take_status(struct watcher *w, const Podward__V1__ShardStatus *m)
{
	struct shards *s = w->shards;

	if (!shard_map_heard(s->map, w->member, pw_mono_now())) {
		w->member = -1;
		finish(w, PW_RPC_UNAVAILABLE, "given up as silent, say hello again");
		return;
	}
	if (m->leaving)
		shard_map_leaving(s->map, w->member);
	shard_map_released(s->map, w->member, m->released_epoch);
}

static void on_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	struct watcher *w = pw_call_ctx(call);
	const Podward__V1__ShardStatus *m = (const Podward__V1__ShardStatus *)msg;

	if (w->finished)
		return;
	if (w->member < 0)
		take_hello(w, m);
	else
		take_status(w, m);
	look(w->shards);
	if (!w->finished)
		pw_call_next(call);
}

static void on_stop(struct pw_call *call)
{
	finish(pw_call_ctx(call), PW_RPC_UNAVAILABLE, "policysync stops");
}

static void on_closed(struct pw_call *call)
{
	struct watcher *w = pw_call_ctx(call);

	if (!w)
		return;
	if (w->member >= 0)
		shard_map_lost(w->shards->map, w->member);
	DL_DELETE(w->shards->watchers, w);
	w->shards->count--;
	pw_call_put(w->call);
	free(w);
}

static void start_timer(void *ctx)
{
	struct shards *s = ctx;

	if (pw_rpc_timer_new(s->loop, on_timer, s, &s->timer) == 0)
		pw_rpc_timer_set(s->timer, TICK_MS);
}

int shards_new(struct pw_rpc_loop *loop, const struct shard_map_settings *settings,
	struct pw_metrics *metrics, struct shards **ret)
{
	struct shards *s = pw_alloc0(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->metrics = metrics;
	r = shard_map_new(settings, &s->map);
	if (r == 0)
		r = pw_rpc_loop_call(loop, start_timer, s);
	if (r == 0 && !s->timer)
		r = -ENOMEM;
	if (r < 0) {
		shard_map_free(s->map);
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

static void free_timer(void *ctx)
{
	struct shards *s = ctx;

	pw_rpc_timer_free(s->timer);
}

void shards_free(struct shards *s)
{
	if (!s)
		return;
	if (pw_rpc_loop_call(s->loop, free_timer, s) < 0)
		pw_log_error("shards", "freed after its loop");
	shard_map_free(s->map);
	free(s);
}

void shards_method(struct shards *s, struct pw_method *out)
{
	*out = (struct pw_method){
		.service = &podward__v1__shard_service__descriptor,
		.name = "Watch",
		.roles = PW_ROLE_ANALYZER,
		.on_open = on_open,
		.on_message = on_message,
		.on_closed = on_closed,
		.on_stop = on_stop,
		.method_ctx = s,
	};
}

void shards_on_map(
	struct shards *s, void (*fn)(void *ctx, const Podward__V1__ShardMap *map), void *ctx)
{
	s->on_map = fn;
	s->map_ctx = ctx;
}

bool shards_may_write(const struct shards *s, struct pw_slice analyzer, uint64_t group_hash)
{
	return shard_map_may_write(s->map, analyzer, group_hash);
}
