/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/server_core.h"

#include <errno.h>
#include <grpc/slice.h>

/* A call that nobody handles: one batch says why, then it is gone. */
struct refusal {
	struct pw_server *server;
	grpc_call *call;
	struct pw_rpc_tag tag;
	int cancelled;
};

static void refusal_on_done(void *ctx, bool ok)
{
	struct refusal *r = ctx;
	struct pw_server *s = r->server;

	(void)ok;
	grpc_call_unref(r->call);
	free(r);
	s->open--;
	pw_server_settle(s);
}

/* detail is a literal. Without memory for the answer the call is cancelled by letting go of it. */
static void refuse(
	struct pw_server *s, grpc_call *call, enum pw_rpc_status status, const char *detail)
{
	grpc_slice text = grpc_slice_from_static_string(detail);
	struct refusal *r = pw_alloc0(1, sizeof(*r));
	grpc_op ops[3] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
		{.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
			.data.send_status_from_server = {.status = (grpc_status_code)status,
				.status_details = &text}},
		{.op = GRPC_OP_RECV_CLOSE_ON_SERVER}};

	if (!r) {
		grpc_call_unref(call);
		return;
	}
	*r = (struct refusal){.server = s, .call = call, .tag = {refusal_on_done, r}};
	ops[2].data.recv_close_on_server.cancelled = &r->cancelled;
	s->open++;
	pw_rpc_start_batch(s->loop, call, ops, PW_COUNT(ops), &r->tag);
}

static void accept_call(struct pw_server *s, struct pw_server_method *method, grpc_call *call)
{
	if (!method) {
		pw_server_count(&s->counters.unimplemented, 1);
		refuse(s, call, PW_RPC_UNIMPLEMENTED, "unknown method");
		return;
	}
	if (s->open >= s->limits.calls) {
		pw_server_count(&s->counters.refused_calls, 1);
		refuse(s, call, PW_RPC_RESOURCE_EXHAUSTED, "too many calls are open");
		return;
	}
	if (pw_call_accept(s, method, call) < 0) {
		pw_server_count(&s->counters.refused_calls, 1);
		refuse(s, call, PW_RPC_RESOURCE_EXHAUSTED, "out of memory");
	}
}

static void accept_clear(struct pw_accept *a)
{
	grpc_slice_unref(a->details.method);
	grpc_slice_unref(a->details.host);
	grpc_metadata_array_destroy(&a->metadata);
	a->details = (grpc_call_details){.method = grpc_empty_slice(), .host = grpc_empty_slice()};
	grpc_metadata_array_init(&a->metadata);
	a->call = NULL;
}

static void accept_arm(struct pw_accept *a)
{
	struct pw_server *s = a->server;
	grpc_completion_queue *cq = s->loop->cq;
	grpc_call_error r;

	s->armed++;
	s->loop->pending++;
	if (a->method)
		r = grpc_server_request_registered_call(s->core, a->method->registered, &a->call,
			&a->deadline, &a->metadata, NULL, cq, cq, &a->tag);
	else
		r = grpc_server_request_call(
			s->core, &a->call, &a->details, &a->metadata, cq, cq, &a->tag);
	pw_assert(r == GRPC_CALL_OK);
}

static void accept_on_call(void *ctx, bool ok)
{
	struct pw_accept *a = ctx;
	struct pw_server *s = a->server;
	grpc_call *call = a->call;

	s->armed--;
	accept_clear(a);
	if (ok && !s->is_stopping)
		accept_arm(a);
	if (ok)
		accept_call(s, a->method, call);
	pw_server_settle(s);
}

static int accept_new(struct pw_server *s, struct pw_server_method *method)
{
	struct pw_accept *a = pw_alloc0(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct pw_accept){
		.next = s->accepts,
		.server = s,
		.method = method,
		.tag = {accept_on_call, a},
		.details = {.method = grpc_empty_slice(), .host = grpc_empty_slice()},
	};
	grpc_metadata_array_init(&a->metadata);
	s->accepts = a;
	return 0;
}

/* The methods', and those of the catch-all: without it unknown methods are never answered. */
int pw_accepts_new(struct pw_server *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < (s->method_count + 1) * PW_ACCEPTS_PER_METHOD; i++) {
		size_t method = i / PW_ACCEPTS_PER_METHOD;

		r = accept_new(s, method < s->method_count ? &s->methods[method] : NULL);
	}
	return r;
}

void pw_accepts_arm(struct pw_server *s)
{
	for (struct pw_accept *a = s->accepts; a; a = a->next)
		accept_arm(a);
}

void pw_accepts_free(struct pw_server *s)
{
	while (s->accepts) {
		struct pw_accept *a = s->accepts;

		s->accepts = a->next;
		accept_clear(a);
		free(a);
	}
}
