/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/server_core.h"

#include <errno.h>
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"

typedef Grpc__Health__V1__HealthCheckRequest health_request;
typedef Grpc__Health__V1__HealthCheckResponse health_response;
typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus health_status;

#define SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define NO_SUCH     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN
#define NONE_SENT   GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__UNKNOWN

/* Context of one Watch call. Ceiling: the server's number of calls. */
struct pw_health_watch {
	struct pw_health_watch *next, **link;
	struct pw_server *server;
	struct pw_call *call;
	health_status sent;
	bool is_asked; /* the request has come */
	bool is_known; /* and names a service of ours */
};

static bool health_knows(const struct pw_server *s, const char *service)
{
	if (service[0] == '\0')
		return true;
	for (size_t i = 0; i < s->method_count; i++) {
		if (strcmp(s->methods[i].m.service->name, service) == 0)
			return true;
	}
	return false;
}

static health_status health_now(const struct pw_server *s)
{
	return atomic_load_explicit(&s->health.is_serving, memory_order_relaxed) ? SERVING
										 : NOT_SERVING;
}

static int health_send(struct pw_call *call, health_status status)
{
	health_response reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	reply.status = status;
	return pw_call_send(call, &reply.base);
}

static void check_on_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	const health_request *request = (const health_request *)msg;
	struct pw_server *s = pw_call_method_ctx(call);

	if (!health_knows(s, request->service))
		pw_call_finish(call, PW_RPC_NOT_FOUND, "unknown service");
	else if (health_send(call, health_now(s)) < 0)
		pw_call_finish(call, PW_RPC_RESOURCE_EXHAUSTED, "out of memory");
	else
		pw_call_finish(call, PW_RPC_OK, "");
}

/* Sends what is not yet told. Of quick flips only the last one is. */
static void watch_tell(struct pw_health_watch *w)
{
	health_status status = w->is_known ? health_now(w->server) : NO_SUCH;
	int r;

	if (!w->is_asked || status == w->sent)
		return;
	r = health_send(w->call, status);
	if (r == 0)
		w->sent = status;
	else if (r != -EAGAIN) /* else on_sent comes */
		pw_call_finish(w->call, PW_RPC_RESOURCE_EXHAUSTED, "out of memory");
}

static int watch_on_open(struct pw_call *call, void *method_ctx)
{
	struct pw_server *s = method_ctx;
	struct pw_health_watch *w = pw_alloc0(1, sizeof(*w));

	if (!w)
		return PW_RPC_RESOURCE_EXHAUSTED;
	*w = (struct pw_health_watch){
		.next = s->health.watches,
		.link = &s->health.watches,
		.server = s,
		.call = call,
		.sent = NONE_SENT,
	};
	if (w->next)
		w->next->link = &w->next;
	s->health.watches = w;
	pw_call_set_ctx(call, w);
	return 0;
}

static void watch_on_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	const health_request *request = (const health_request *)msg;
	struct pw_health_watch *w = pw_call_ctx(call);

	if (w->is_asked) {
		pw_call_finish(call, PW_RPC_INVALID_ARGUMENT, "one request only");
		return;
	}
	w->is_asked = true;
	w->is_known = health_knows(w->server, request->service);
	watch_tell(w);
	pw_call_next(call);
}

static void watch_on_half_close(struct pw_call *call)
{
	(void)call; /* the usual end of a request; the answers go on */
}

static void watch_on_sent(struct pw_call *call)
{
	watch_tell(pw_call_ctx(call));
}

static void watch_on_closed(struct pw_call *call)
{
	struct pw_health_watch *w = pw_call_ctx(call);

	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	free(w);
}

static void health_on_changed(void *ctx)
{
	struct pw_server *s = ctx;

	for (struct pw_health_watch *w = s->health.watches; w; w = w->next)
		watch_tell(w);
}

void pw_health_init(struct pw_server *s, struct pw_method methods[PW_HEALTH_METHODS])
{
	s->health.changed = (struct pw_rpc_notice){.fn = health_on_changed, .ctx = s};
	atomic_init(&s->health.is_serving, true);
	methods[0] = (struct pw_method){
		.service = &grpc__health__v1__health__descriptor,
		.name = "Check",
		.on_message = check_on_message,
		.method_ctx = s,
	};
	methods[1] = (struct pw_method){
		.service = &grpc__health__v1__health__descriptor,
		.name = "Watch",
		.on_open = watch_on_open,
		.on_message = watch_on_message,
		.on_half_close = watch_on_half_close,
		.on_sent = watch_on_sent,
		.on_closed = watch_on_closed,
		.method_ctx = s,
	};
}

/* Watches would last for the whole grace period. */
void pw_health_stop(struct pw_server *s)
{
	for (struct pw_health_watch *w = s->health.watches; w; w = w->next)
		pw_call_finish(w->call, PW_RPC_UNAVAILABLE, "the server stops");
}

void pw_server_set_serving(struct pw_server *s, bool serving)
{
	atomic_store_explicit(&s->health.is_serving, serving, memory_order_relaxed);
	(void)pthread_mutex_lock(&s->lock);
	if (!s->is_ended)
		(void)pw_rpc_loop_notify(s->loop, &s->health.changed);
	(void)pthread_mutex_unlock(&s->lock);
}
