/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/engine.h"

#include "analyzer/profile_load.h"
#include "common/base/log.h"
#include "common/base/random.h"

#include <errno.h>

struct engine {
	struct engine_config config;
	uint8_t instance[16];
	struct state state;
	struct pw_rpc_loop *loop;
	/* The rest belongs to the rpc loop's thread. */
	struct pw_channel *channel;
	struct forward *forward;
	struct policy_feed *feed;
	struct profile_load *load; /* NULL = it shares */
	struct share *share;       /* NULL = it does not */
	struct intake *intake;
	struct pw_server *server;
	bool is_ready, is_stopping;
	struct pw_err start_err;
	int start_result;
};

/* With a share, each batch waits for its own. */
static bool knows_profiles(const struct engine *e)
{
	if (e->share)
		return share_has_map(e->share);
	return e->load && profile_load_is_done(e->load);
}

static void become_ready(struct engine *e)
{
	if (e->is_ready || e->is_stopping || !knows_profiles(e) ||
		pw_snapshot_version(e->state.policy) == 0)
		return;
	e->is_ready = true;
	intake_arm(e->intake);
	pw_server_set_serving(e->server, true);
	pw_log_info("analyzer", "ready: batches of collectors are judged from now on");
}

static void on_policy(void *ctx)
{
	become_ready(ctx);
}

static void on_loaded(void *ctx)
{
	become_ready(ctx);
}

static void on_commit(void *ctx)
{
	struct engine *e = ctx;

	if (e->intake)
		intake_on_commit(e->intake);
	if (e->share)
		share_on_commit(e->share);
}

static void on_share(void *ctx)
{
	struct engine *e = ctx;

	become_ready(e);
	if (e->intake)
		intake_on_share(e->intake);
}

/* Notes of all shards; on the rpc loop's thread. */
static void take_notes(void *ctx)
{
	struct engine *e = ctx;

	for (uint32_t i = 0; i < e->state.shard_count; i++) {
		struct shard_note *note;

		while (e->intake && (note = shard_take(e->state.shards[i]))) {
			if (e->feed)
				policy_feed_on_report(e->feed, note->report);
			if (note->kind == SHARD_NOTE_RELEASE ||
				(e->share && note->kind == SHARD_NOTE_LOAD))
				share_note(e->share, note);
			else if (note->kind == SHARD_NOTE_LOAD)
				profile_load_note(e->load, note);
			else
				intake_note(e->intake, note);
		}
	}
}

/* On a shard's thread. A refused post is made up for by the shard's next tick. */
static void wake(void *ctx)
{
	struct engine *e = ctx;

	(void)!pw_rpc_loop_post(e->loop, take_notes, e);
}

static int start_shards(struct engine *e, struct pw_err *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < e->config.shard_count; i++) {
		struct shard_config c = {
			.index = i,
			.count = e->config.shard_count,
			.policy = e->state.policy,
			.flush_ms = e->config.flush_ms,
			.group_limit = e->config.group_limit,
			.wake = wake,
			.wake_ctx = e,
		};

		r = shard_start(&c, &e->state.shards[i], err);
		e->state.shard_count += r == 0;
	}
	return r;
}

static int start_reports(struct engine *e)
{
	struct forward_config c = {
		.channel = e->channel,
		.name = e->config.name,
		.item_limit = FORWARD_ITEMS,
		.byte_limit = e->config.report_bytes,
		.on_commit = on_commit,
		.ctx = e,
	};

	memcpy(c.instance, e->instance, sizeof(c.instance));
	return forward_start(&c, &e->forward, &e->start_err);
}

static int start_intake(struct engine *e)
{
	struct pw_server_limits limits = PW_SERVER_LIMITS_DEFAULT;
	struct pw_method method;
	struct intake_config c = {
		.loop = e->loop,
		.shards = e->state.shards,
		.shard_count = e->state.shard_count,
		.forward = e->forward,
		.source_limit = INTAKE_SOURCES,
		.share = e->share,
	};
	int r;

	limits.age_ms = e->config.connection_age_ms;
	memcpy(c.instance, e->instance, sizeof(c.instance));
	r = intake_new(&c, &e->intake, &e->start_err);
	if (r < 0)
		return r;
	method = intake_method(e->intake);
	r = pw_server_start(&(struct pw_server_config){.loop = e->loop,
				    .addresses = e->config.listen,
				    .address_count = e->config.listen_count,
				    .methods = &method,
				    .method_count = 1,
				    .limits = &limits,
				    .tls = e->config.tls},
		&e->server, &e->start_err);
	if (r == 0)
		pw_server_set_serving(e->server, false);
	return r;
}

static int start_policies(struct engine *e)
{
	struct policy_feed_config feed = {
		.channel = e->channel,
		.name = e->config.name,
		.policy = e->state.policy,
		.on_policy = on_policy,
		.ctx = e,
	};
	struct profile_load_config load = {
		.channel = e->channel,
		.shards = e->state.shards,
		.shard_count = e->state.shard_count,
		.on_loaded = on_loaded,
		.ctx = e,
	};
	int r = policy_feed_start(&feed, &e->feed, &e->start_err);

	return r < 0 || e->share ? r : profile_load_start(&load, &e->load, &e->start_err);
}

static int start_share(struct engine *e)
{
	struct share_config c = {
		.loop = e->loop,
		.channel = e->channel,
		.name = e->config.name,
		.address = e->config.advertise,
		.shards = e->state.shards,
		.shard_count = e->state.shard_count,
		.forward = e->forward,
		.on_change = on_share,
		.ctx = e,
	};

	memcpy(c.instance, e->instance, sizeof(c.instance));
	return share_start(&c, &e->share, &e->start_err);
}

/* On the rpc loop's thread. */
static void start_rpc(void *ctx)
{
	struct engine *e = ctx;
	const struct pw_channel_config policysync = {.loop = e->loop,
		.target = e->config.policysync,
		.tls = e->config.tls,
		.role = PW_ROLE_POLICYSYNC};
	int r = pw_channel_new(&policysync, &e->channel, &e->start_err);

	if (r == 0)
		r = start_reports(e);
	if (r == 0 && e->config.advertise)
		r = start_share(e);
	if (r == 0)
		r = start_intake(e);
	if (r == 0)
		r = start_policies(e);
	e->start_result = r;
}

static int start_all(struct engine *e, struct pw_err *err)
{
	int r = pw_snapshot_new(policy_destroy, &e->state.policy);

	if (r == 0)
		r = pw_snapshot_new(free, &e->state.rpc);
	if (r == 0)
		r = pw_rpc_loop_start("rpc", &e->loop, err);
	if (r == 0)
		r = start_shards(e, err);
	if (r == 0)
		r = pw_rpc_loop_call(e->loop, start_rpc, e);
	if (r == 0 && e->start_result < 0) {
		*err = e->start_err;
		r = e->start_result;
	}
	return r < 0 ? pw_err_set(err, r, "start: %s", pw_err_text(r)) : 0;
}

int engine_start(const struct engine_config *config, struct engine **ret, struct pw_err *err)
{
	struct engine *e = pw_alloc0(1, sizeof(*e));
	struct pw_err own = PW_ERR_INIT;
	int r;

	if (!e)
		return pw_err_set(err, -ENOMEM, "out of memory");
	e->config = *config;
	pw_random_bytes(e->instance, sizeof(e->instance));
	r = start_all(e, &own);
	if (r < 0) {
		engine_stop(e, 0);
		return pw_err_set(err, r, "%s", own.msg);
	}
	*ret = e;
	return 0;
}

struct state *engine_state(struct engine *e)
{
	return &e->state;
}

uint16_t engine_port(const struct engine *e)
{
	return pw_server_port(e->server);
}

static void publish(void *ctx)
{
	struct engine *e = ctx;
	struct state_rpc *s = pw_alloc0(1, sizeof(*s));

	if (!s)
		return;
	intake_get_stats(e->intake, &s->intake);
	forward_get_stats(e->forward, &s->forward);
	if (e->feed)
		policy_feed_get_stats(e->feed, &s->feed);
	s->sources = intake_sources(e->intake);
	s->is_ready = e->is_ready;
	if (e->share) {
		share_get_stats(e->share, &s->share);
		s->has_left = share_has_left(e->share);
	}
	if (pw_snapshot_publish(e->state.rpc, s) < 0)
		free(s);
}

bool engine_is_ready(const struct engine *e)
{
	struct pw_snapshot_ref *ref = pw_snapshot_get(e->state.rpc);
	const struct state_rpc *s = ref ? pw_snapshot_value(ref) : NULL;
	bool ready = s && s->is_ready;

	pw_snapshot_put(ref);
	return ready;
}

static void leave(void *ctx)
{
	struct engine *e = ctx;

	if (e->share)
		share_leave(e->share);
	publish(e);
}

void engine_leave(struct engine *e)
{
	(void)!pw_rpc_loop_call(e->loop, leave, e);
}

bool engine_has_left(const struct engine *e)
{
	struct pw_snapshot_ref *ref = pw_snapshot_get(e->state.rpc);
	const struct state_rpc *s = ref ? pw_snapshot_value(ref) : NULL;
	bool left = !e->share || (s && s->has_left);

	pw_snapshot_put(ref);
	return left;
}

void engine_publish(struct engine *e)
{
	(void)!pw_rpc_loop_post(e->loop, publish, e);
}

static void stop_taking(void *ctx)
{
	struct engine *e = ctx;

	e->is_stopping = true;
	policy_feed_stop(PW_TAKE(e->feed));
	profile_load_stop(PW_TAKE(e->load));
	share_halt(e->share);
	if (e->intake)
		intake_drain(e->intake);
}

static void stop_rest(void *ctx)
{
	struct engine *e = ctx;

	take_notes(e);
	intake_free(PW_TAKE(e->intake));
	share_free(PW_TAKE(e->share));
	forward_stop(PW_TAKE(e->forward));
	pw_channel_free(PW_TAKE(e->channel));
}

void engine_stop(struct engine *e, uint32_t grace_ms)
{
	if (!e)
		return;
	if (e->loop) {
		(void)!pw_rpc_loop_call(e->loop, stop_taking, e);
		if (e->server)
			pw_server_stop(e->server, grace_ms);
	}
	for (uint32_t i = 0; i < e->state.shard_count; i++)
		shard_stop(e->state.shards[i]);
	if (e->loop) {
		(void)!pw_rpc_loop_call(e->loop, stop_rest, e);
		pw_rpc_loop_stop(e->loop);
	}
	for (uint32_t i = 0; i < e->state.shard_count; i++)
		shard_free(e->state.shards[i]);
	pw_snapshot_free(e->state.rpc);
	pw_snapshot_free(e->state.policy);
	free(e);
}
