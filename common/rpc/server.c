/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/server.h"

#include <errno.h>
#include <string.h>

#include "common/rpc/accept_guard.h"
#include "common/rpc/message.h"
#include "common/rpc/server_core.h"
#include "common/rpc/settings.h"

#define ARENA_CHUNK_BYTES (64 << 10)

static void server_free(struct pw_server *s)
{
	if (!s)
		return;
	pw_assert(!s->core && s->open == 0 && s->armed == 0);
	pw_accepts_free(s);
	pw_rpc_timer_free(s->grace);
	pw_arena_free(s->arena);
	free(s->methods);
	free(s->ports);
	(void)pthread_cond_destroy(&s->ended);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The last thing on the loop: afterwards the struct belongs to the thread in pw_server_stop. */
static void server_on_end(void *ctx)
{
	struct pw_server *s = ctx;

	bool frees_itself;

	pw_rpc_loop_remove(&s->object);
	grpc_server_destroy(PW_TAKE(s->core));
	pw_rpc_timer_free(PW_TAKE(s->grace));
	(void)pthread_mutex_lock(&s->lock);
	pw_rpc_loop_forget(s->loop, &s->stop);
	pw_rpc_loop_forget(s->loop, &s->health.changed);
	s->is_ended = true;
	frees_itself = s->frees_itself;
	(void)pthread_cond_signal(&s->ended);
	(void)pthread_mutex_unlock(&s->lock);
	if (frees_itself)
		server_free(s);
}

/* By a notice of its own: the caller is in the middle of something of this server's. */
void pw_server_settle(struct pw_server *s)
{
	if (s->is_shut && s->open == 0 && s->armed == 0)
		(void)pw_rpc_loop_notify(s->loop, &s->end);
}

static void server_on_shutdown(void *ctx, bool ok)
{
	struct pw_server *s = ctx;

	(void)ok;
	s->is_shut = true;
	pw_server_settle(s);
}

static void server_on_grace(void *ctx)
{
	struct pw_server *s = ctx;

	if (s->core)
		grpc_server_cancel_all_calls(s->core);
}

/* GOAWAY to everybody, no new calls; the open ones have until the grace timer. */
static void server_shut(struct pw_server *s, uint32_t grace_ms)
{
	if (!s->is_stopping) {
		s->is_stopping = true;
		atomic_store(&s->health.is_serving, false);
		pw_health_stop(s);
		pw_calls_stop(s);
		s->loop->pending++;
		grpc_server_shutdown_and_notify(s->core, s->loop->cq, &s->shutdown);
	}
	if (grace_ms == 0)
		server_on_grace(s);
	else
		pw_rpc_timer_set(s->grace, grace_ms);
}

static void server_on_stop(void *ctx)
{
	struct pw_server *s = ctx;
	uint32_t grace_ms;

	(void)pthread_mutex_lock(&s->lock);
	grace_ms = s->grace_ms;
	(void)pthread_mutex_unlock(&s->lock);
	server_shut(s, grace_ms);
}

static void server_on_cancel(struct pw_rpc_object *o)
{
	server_shut(PW_CONTAINER_OF(o, struct pw_server, object), 0);
}

static void server_on_detach(struct pw_rpc_object *o)
{
	(void)o; /* server_on_end was queued before the last operation came back, and has run */
}

static int server_add_method(struct pw_server *s, const struct pw_method *m, struct pw_err *err)
{
	const ProtobufCMethodDescriptor *descriptor = pw_message_method(m->service, m->name);
	pw_auto_free char *path = NULL;
	struct pw_server_method *entry = &s->methods[s->method_count];

	pw_assert(m->on_message);
	if (!descriptor)
		return pw_err_set(err, -ENOENT, "%s has no method %s", m->service->name, m->name);
	path = pw_message_path(m->service, m->name);
	if (!path)
		return pw_err_set(err, -ENOMEM, "method %s", m->name);
	*entry = (struct pw_server_method){.m = *m, .descriptor = descriptor};
	entry->registered =
		grpc_server_register_method(s->core, path, NULL, GRPC_SRM_PAYLOAD_NONE, 0);
	if (!entry->registered)
		return pw_err_set(err, -EEXIST, "%s is in the method table twice", path);
	s->method_count++;
	return 0;
}

static int server_add_methods(
	struct pw_server *s, const struct pw_method *methods, size_t count, struct pw_err *err)
{
	struct pw_method health[PW_HEALTH_METHODS];
	int r = 0;

	s->methods = pw_alloc0(count + PW_HEALTH_METHODS, sizeof(*s->methods));
	if (!s->methods)
		return pw_err_set(err, -ENOMEM, "method table");
	pw_health_init(s, health);
	for (size_t i = 0; r == 0 && i < PW_HEALTH_METHODS; i++)
		r = server_add_method(s, &health[i], err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = server_add_method(s, &methods[i], err);
	return r;
}

static struct pw_server *server_new(struct pw_rpc_loop *loop, const struct pw_server_limits *limits)
{
	static const struct pw_server_limits limits_default = PW_SERVER_LIMITS_DEFAULT;
	struct pw_server *s = pw_alloc0(1, sizeof(*s));

	if (!s)
		return NULL;
	s->object = (struct pw_rpc_object){
		.on_cancel = server_on_cancel, .on_detach = server_on_detach};
	s->loop = loop;
	s->limits = limits ? *limits : limits_default;
	s->shutdown = (struct pw_rpc_tag){server_on_shutdown, s};
	s->stop = (struct pw_rpc_notice){.fn = server_on_stop, .ctx = s};
	s->end = (struct pw_rpc_notice){.fn = server_on_end, .ctx = s};
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->ended, NULL);
	return s;
}

/* What pw_server_start was asked for, and what came of it. */
struct server_wish {
	struct pw_server *server;
	const struct pw_server_config *config;
	struct pw_err *err;
	int result;
	bool has_core; /* then a failed server must go through its shutdown */
};

static int server_build(struct pw_server *s, const struct server_wish *w)
{
	int r;

	r = server_add_methods(s, w->config->methods, w->config->method_count, w->err);
	if (r < 0)
		return r;
	r = pw_arena_new(ARENA_CHUNK_BYTES, s->limits.arena_bytes, &s->arena);
	if (r >= 0)
		r = pw_accepts_new(s);
	if (r < 0)
		return pw_err_set(w->err, r, "gRPC server: %s", pw_err_text(r));
	return pw_server_listen(s, w->config->addresses, w->config->address_count, w->err);
}

/* On the loop. Whatever was bound must be shut down in order, so a failed start is stopped like
 * any. */
static void server_start_here(void *ctx)
{
	struct server_wish *w = ctx;
	struct pw_server *s = w->server;
	struct pw_rpc_args args;

	if (s->loop->is_stopping) {
		w->result = pw_err_set(w->err, -ESHUTDOWN, "gRPC server: the loop stops");
		return;
	}
	w->result = pw_rpc_timer_new(s->loop, server_on_grace, s, &s->grace);
	if (w->result < 0) {
		(void)pw_err_set(w->err, w->result, "gRPC server: %s", pw_err_text(w->result));
		return;
	}
	pw_rpc_args_server(&args, &s->limits);
	s->core = grpc_server_create(&args.args, NULL);
	w->has_core = true;
	grpc_server_register_completion_queue(s->core, s->loop->cq, NULL);
	pw_rpc_loop_add(s->loop, &s->object);
	w->result = server_build(s, w);
	if (w->result < 0) {
		server_shut(s, 0);
		return;
	}
	grpc_server_start(s->core);
	pw_accepts_arm(s);
}

static void server_abandon(const struct server_wish *w)
{
	struct pw_server *s = w->server;

	if (!w->has_core)
		server_free(s);
	else if (pw_rpc_loop_is_here(s->loop))
		s->frees_itself = true; /* its end comes through this very loop */
	else
		pw_server_stop(s, 0);
}

int pw_server_start(
	const struct pw_server_config *config, struct pw_server **ret, struct pw_err *err)
{
	struct server_wish wish = {.config = config, .err = err};
	struct pw_server *s = server_new(config->loop, config->limits);
	int r;

	if (!s)
		return pw_err_set(err, -ENOMEM, "gRPC server");
	wish.server = s;
	s->tls = config->tls;
	pw_accept_guard_arm();
	r = pw_rpc_loop_run(config->loop, server_start_here, &wish);
	if (r < 0)
		(void)pw_err_set(err, r, "gRPC server: %s", pw_err_text(r));
	else
		r = wish.result;
	if (r < 0) {
		server_abandon(&wish);
		return r;
	}
	*ret = s;
	return 0;
}

uint16_t pw_server_port(const struct pw_server *s)
{
	return atomic_load(&s->port);
}

void pw_server_stop(struct pw_server *s, uint32_t grace_ms)
{
	if (!s)
		return;
	(void)pthread_mutex_lock(&s->lock);
	if (!s->is_ended) {
		pw_assert(!pw_rpc_loop_is_here(s->loop));
		s->grace_ms = grace_ms;
		(void)pw_rpc_loop_notify(s->loop, &s->stop);
	}
	while (!s->is_ended)
		(void)pthread_cond_wait(&s->ended, &s->lock);
	(void)pthread_mutex_unlock(&s->lock);
	server_free(s);
}

static uint64_t server_read(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void pw_server_stats(const struct pw_server *s, struct pw_server_stats *ret)
{
	const struct pw_server_counters *c = &s->counters;

	*ret = (struct pw_server_stats){
		.calls_opened = server_read(&c->calls_opened),
		.calls_open = server_read(&c->calls_open),
		.messages_received = server_read(&c->messages_received),
		.messages_sent = server_read(&c->messages_sent),
		.unimplemented = server_read(&c->unimplemented),
		.refused_calls = server_read(&c->refused_calls),
		.refused_roles = server_read(&c->refused_roles),
		.malformed = server_read(&c->malformed),
		.bytes_received = server_read(&c->bytes_received),
		.bytes_sent = server_read(&c->bytes_sent),
		.oversize = server_read(&c->oversize),
	};
}
