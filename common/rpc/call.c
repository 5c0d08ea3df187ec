/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/server.h"

#include <errno.h>
#include <stdio.h>
#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>

#include "common/base/log.h"
#include "common/rpc/message.h"
#include "common/rpc/security.h"
#include "common/rpc/server_core.h"
#include "common/rpc/settings.h"

#define QUEUE_START 8u

/* Messages that wait for the one before them: a ring that grows up to the server's limit. */
struct call_queue {
	grpc_byte_buffer **items;
	uint32_t head, len, cap;
	size_t bytes;
};

struct pw_call {
	struct pw_call *next, **link; /* link is NULL when not in the server's list */
	struct pw_server *server;     /* NULL once closed; the struct may be held longer */
	const struct pw_server_method *method;
	void *ctx;
	grpc_call *core;
	char *peer;                  /* gpr_free */
	struct pw_identity identity; /* of its certificate, if it needs one */
	bool has_identity;
	bool is_shared; /* without a name it is for all of its role */
	_Atomic uint32_t refs;
	uint32_t pending; /* operations under way; at least the wait for the close */
	struct pw_rpc_tag tag_opened, tag_read, tag_sent, tag_status, tag_closed;
	grpc_byte_buffer *received, *sending;
	struct call_queue queue;
	int cancelled, status;
	char *detail;
	bool is_accepted; /* on_open said so: on_closed is due */
	bool is_reading, is_sending;
	bool is_finished; /* pw_call_finish was called: the status follows the queue */
	bool is_status_sent;
	bool is_half_closed;
	bool is_ended;   /* gRPC has closed the call: nothing may be started */
	bool wants_room; /* a send was refused: on_sent is due */
};

static void call_batch(struct pw_call *c, const grpc_op *ops, size_t count, struct pw_rpc_tag *tag)
{
	c->pending++;
	pw_rpc_start_batch(c->server->loop, c->core, ops, count, tag);
}

static grpc_byte_buffer *queue_pop(struct call_queue *q)
{
	grpc_byte_buffer *item = q->items[q->head];

	q->head = (q->head + 1) % q->cap;
	q->len--;
	q->bytes -= grpc_byte_buffer_length(item);
	return item;
}

static int queue_grow(struct call_queue *q, uint32_t limit)
{
	uint32_t cap = q->cap ? q->cap * 2 : QUEUE_START;
	grpc_byte_buffer **items;

	if (q->len < q->cap)
		return 0;
	cap = cap < limit ? cap : limit;
	items = pw_alloc0(cap, sizeof(grpc_byte_buffer *));
	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < q->len; i++)
		items[i] = q->items[(q->head + i) % q->cap];
	free(q->items);
	q->items = items;
	q->cap = cap;
	q->head = 0;
	return 0;
}

static void queue_clear(struct call_queue *q)
{
	while (q->len > 0)
		grpc_byte_buffer_destroy(queue_pop(q));
	free(q->items);
	*q = (struct call_queue){0};
}

static void call_send_status(struct pw_call *c)
{
	grpc_slice text = grpc_slice_from_copied_string(c->detail ? c->detail : "");
	grpc_op ops[2] = {
		{.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
			.data.send_status_from_server = {.status = (grpc_status_code)c->status,
				.status_details = &text}},
		{.op = GRPC_OP_SEND_INITIAL_METADATA}};

	c->is_status_sent = true;
	/* A refused call has sent nothing yet. */
	call_batch(c, ops, c->is_accepted ? 1 : 2, &c->tag_status);
	grpc_slice_unref(text);
}

/* Starts the next send, or the status when nothing is left to send. */
static void call_pump(struct pw_call *c)
{
	grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};

	if (c->is_sending || c->is_ended || c->is_status_sent)
		return;
	if (c->queue.len == 0) {
		if (c->is_finished)
			call_send_status(c);
		return;
	}
	c->sending = queue_pop(&c->queue);
	c->is_sending = true;
	op.data.send_message.send_message = c->sending;
	call_batch(c, &op, 1, &c->tag_sent);
}

static void call_read(struct pw_call *c)
{
	grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &c->received};

	if (c->is_reading || c->is_half_closed || c->is_finished || c->is_ended)
		return;
	c->is_reading = true;
	call_batch(c, &op, 1, &c->tag_read);
}

static void call_link(struct pw_call *c)
{
	struct pw_call **head = &c->server->calls;

	c->next = *head;
	c->link = head;
	if (c->next)
		c->next->link = &c->next;
	*head = c;
}

static void call_unlink(struct pw_call *c)
{
	if (!c->link)
		return;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->link = NULL;
}

/* No call leaves the list meanwhile: that takes a completion. */
void pw_calls_stop(struct pw_server *s)
{
	for (struct pw_call *c = s->calls; c; c = c->next)
		if (c->method->m.on_stop)
			c->method->m.on_stop(c);
}

/* Every operation has come back: the last callback, then the struct lives for its holders only. */
static void call_close(struct pw_call *c)
{
	struct pw_server *s = c->server;

	call_unlink(c);
	if (c->is_accepted && c->method->m.on_closed)
		c->method->m.on_closed(c);
	c->server = NULL;
	queue_clear(&c->queue);
	grpc_call_unref(PW_TAKE(c->core));
	pw_call_put(c);
	s->open--;
	(void)atomic_fetch_sub_explicit(&s->counters.calls_open, 1, memory_order_relaxed);
	pw_server_settle(s);
}

/* Last line of every completion: c may be gone afterwards. */
static void call_settle(struct pw_call *c)
{
	if (--c->pending == 0)
		call_close(c);
}

static void call_on_opened(void *ctx, bool ok)
{
	struct pw_call *c = ctx;

	(void)ok;
	c->is_sending = false;
	call_pump(c);
	call_settle(c);
}

static void call_on_sent(void *ctx, bool ok)
{
	struct pw_call *c = ctx;
	const struct pw_server_limits *limits = &c->server->limits;

	c->is_sending = false;
	grpc_byte_buffer_destroy(PW_TAKE(c->sending));
	if (ok) {
		pw_server_count(&c->server->counters.messages_sent, 1);
		call_pump(c);
	}
	if (ok && c->wants_room && !c->is_finished && !c->is_ended &&
		c->queue.len <= limits->send_queue / 2 &&
		c->queue.bytes <= limits->send_queue_bytes / 2) {
		c->wants_room = false;
		if (c->method->m.on_sent)
			c->method->m.on_sent(c);
	}
	call_settle(c);
}

static void call_on_status(void *ctx, bool ok)
{
	(void)ok;
	call_settle(ctx);
}

static void call_on_closed(void *ctx, bool ok)
{
	struct pw_call *c = ctx;

	(void)ok;
	c->is_ended = true;
	call_settle(c);
}

static void call_on_half_close(struct pw_call *c)
{
	c->is_half_closed = true;
	if (c->method->m.on_half_close)
		c->method->m.on_half_close(c);
	else
		pw_call_finish(c, PW_RPC_OK, "");
}

static void call_deliver(struct pw_call *c, grpc_byte_buffer *received)
{
	struct pw_server *s = c->server;
	const ProtobufCMessageDescriptor *type = c->method->descriptor->input;
	const ProtobufCMessage *msg;
	char detail[200];
	int r;

	pw_server_count(&s->counters.bytes_received, grpc_byte_buffer_length(received));
	r = pw_message_decode(s->arena, type, received, &msg);
	if (r < 0) {
		int status = pw_message_status(r, type, detail, sizeof(detail));

		pw_server_count(&s->counters.malformed, 1);
		pw_call_finish(c, status, detail);
		return;
	}
	pw_server_count(&s->counters.messages_received, 1);
	c->method->m.on_message(c, msg);
}

static void call_on_read(void *ctx, bool ok)
{
	struct pw_call *c = ctx;
	grpc_byte_buffer *received = PW_TAKE(c->received); /* the callback may start a read */

	c->is_reading = false;
	/* Seen with 1.51: false only when gRPC itself refused the message; a cancel says true and
	 * NULL. */
	if (!ok)
		pw_server_count(&c->server->counters.oversize, 1);
	if (ok && !c->is_finished && !c->is_ended) {
		if (received)
			call_deliver(c, received);
		else if (!grpc_call_failed_before_recv_message(c->core))
			call_on_half_close(c);
	}
	if (received)
		grpc_byte_buffer_destroy(received);
	call_settle(c);
}

/* Refusals are told by a status, not by a broken connection: the peer's log should say why. */
static int call_ask(struct pw_call *c)
{
	const struct pw_method *m = &c->method->m;
	char who[300], detail[420];

	if (!c->has_identity || m->roles == 0 || (m->roles & c->identity.role) != 0)
		return m->on_open ? m->on_open(c, m->method_ctx) : 0;
	pw_server_count(&c->server->counters.refused_roles, 1);
	(void)snprintf(detail, sizeof(detail), "%s may not call %s",
		pw_identity_text(&c->identity, who, sizeof(who)), m->name);
	pw_log_limited(PW_LOG_WARN, 6, "rpc", "call from %s refused: %s", pw_call_peer(c), detail);
	free(c->detail);
	c->detail = pw_strdup(detail);
	return PW_RPC_PERMISSION_DENIED;
}

static void call_open(struct pw_call *c)
{
	grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
		.data.recv_close_on_server.cancelled = &c->cancelled};
	grpc_metadata open = {.key = grpc_slice_from_static_string(PW_RPC_OPEN_KEY),
		.value = grpc_slice_from_static_string("1")};
	grpc_op initial = {.op = GRPC_OP_SEND_INITIAL_METADATA,
		.data.send_initial_metadata = {.count = 1, .metadata = &open}};
	int status;

	call_batch(c, &close, 1, &c->tag_closed);
	c->is_sending = true; /* what on_open sends waits for the initial metadata */
	status = call_ask(c);
	if (status > 0) {
		pw_server_count(&c->server->counters.refused_calls, 1);
		queue_clear(&c->queue);
		c->is_sending = false;
		c->is_finished = false;
		pw_call_finish(c, status, c->detail ? c->detail : "refused");
		return;
	}
	c->is_accepted = true;
	call_link(c);
	call_batch(c, &initial, 1, &c->tag_opened);
	call_read(c);
}

int pw_call_accept(struct pw_server *s, struct pw_server_method *method, grpc_call *core)
{
	struct pw_call *c = pw_alloc0(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*c = (struct pw_call){
		.server = s,
		.method = method,
		.core = core,
		.peer = grpc_call_get_peer(core),
		.refs = 1,
		.tag_opened = {call_on_opened, c},
		.tag_read = {call_on_read, c},
		.tag_sent = {call_on_sent, c},
		.tag_status = {call_on_status, c},
		.tag_closed = {call_on_closed, c},
	};
	c->has_identity = s->tls && !pw_address_is_unix(pw_call_peer(c));
	c->is_shared = s->tls && pw_tls_is_shared(s->tls);
	if (c->has_identity)
		pw_credentials_identity(core, pw_tls_domain(s->tls), &c->identity);
	s->open++;
	pw_server_count(&s->counters.calls_opened, 1);
	pw_server_count(&s->counters.calls_open, 1);
	call_open(c);
	return 0;
}

void pw_call_set_ctx(struct pw_call *c, void *ctx)
{
	c->ctx = ctx;
}

void *pw_call_ctx(const struct pw_call *c)
{
	return c->ctx;
}

void *pw_call_method_ctx(const struct pw_call *c)
{
	return c->method->m.method_ctx;
}

const char *pw_call_peer(const struct pw_call *c)
{
	return c->peer ? c->peer : "unknown";
}

bool pw_call_may_be(const struct pw_call *c, struct pw_slice name)
{
	if (!c->has_identity)
		return true;
	return c->identity.name[0] ? pw_slice_eq_str(name, c->identity.name) : c->is_shared;
}

void pw_call_next(struct pw_call *c)
{
	if (!c->server)
		return;
	pw_assert(pw_rpc_loop_is_here(c->server->loop));
	call_read(c);
}

static bool call_has_room(const struct pw_call *c, size_t more)
{
	const struct pw_server_limits *limits = &c->server->limits;

	if (c->queue.len == 0)
		return true;
	return c->queue.len < limits->send_queue &&
	       c->queue.bytes + more <= limits->send_queue_bytes;
}

static int call_enqueue(struct pw_call *c, grpc_byte_buffer *bytes)
{
	struct call_queue *q = &c->queue;
	size_t len = grpc_byte_buffer_length(bytes);
	int r;

	if (!call_has_room(c, len)) {
		c->wants_room = true;
		return -EAGAIN;
	}
	r = queue_grow(q, c->server->limits.send_queue);
	if (r < 0)
		return r;
	q->items[(q->head + q->len++) % q->cap] = bytes;
	q->bytes += len;
	pw_server_count(&c->server->counters.bytes_sent, len);
	return 0;
}

int pw_call_send(struct pw_call *c, const ProtobufCMessage *msg)
{
	grpc_byte_buffer *bytes;
	int r;

	if (!c->server || c->is_finished || c->is_ended)
		return -EPIPE;
	pw_assert(pw_rpc_loop_is_here(c->server->loop));
	if (!call_has_room(c, 0)) {
		c->wants_room = true;
		return -EAGAIN;
	}
	r = pw_message_encode(msg, &bytes);
	if (r < 0)
		return r;
	r = call_enqueue(c, bytes);
	if (r < 0)
		grpc_byte_buffer_destroy(bytes);
	else
		call_pump(c);
	return r;
}

void pw_call_finish(struct pw_call *c, int status, const char *detail)
{
	char *text;

	if (!c->server || c->is_finished)
		return;
	pw_assert(pw_rpc_loop_is_here(c->server->loop));
	text = pw_strdup(detail ? detail : "");
	free(c->detail);
	c->detail = text; /* without memory the status goes alone */
	c->status = status;
	c->is_finished = true;
	call_pump(c);
}

struct pw_call *pw_call_hold(struct pw_call *c)
{
	(void)atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void pw_call_put(struct pw_call *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
		return;
	gpr_free(c->peer);
	free(c->detail);
	free(c);
}
