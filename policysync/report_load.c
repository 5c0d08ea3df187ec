// SPDX-License-Identifier: Apache-2.0
#include "policysync/report_load.h"
#include "common/base/log.h"
#include "common/wire/slot.h"
#include "podward/v1/report.pb-c.h"
#include <errno.h>

#define GROUPS_MAX 4096
#define PAGE_ARENA ((size_t)4 << 20)

/* Belongs to the rpc loop, or to the keeper while reading is true. */
struct load {
	struct load_ctx *ctx;
	struct pw_call *call; /* held */
	struct pw_arena *page_arena, *filter_arena;
	struct profile_filter filter;
	uint8_t slots[PW_SLOT_BYTES];
	struct profile_cursor cursor;
	Podward__V1__ProfileDelta *page; /* read and not sent yet */
	int result;
	struct pw_err err;
	bool reading, closed;
};

static void load_free(struct load *l)
{
	if (!l)
		return;
	pw_arena_free(l->page_arena);
	pw_arena_free(l->filter_arena);
	if (l->call)
		pw_call_put(l->call);
	free(l);
}

static void on_page(void *ctx);

/* Keeper's thread. */
static void read_page(void *ctx)
{
	struct load *l = ctx;

	pw_arena_reset(l->page_arena);
	l->page = NULL;
	l->result = profile_store_read(keeper_profiles(l->ctx->keeper), &l->cursor, &l->filter,
		l->page_arena, &l->page, &l->err);
	/* One call in flight per stream, and the loop stops after the keeper. */
	pw_assert(pw_rpc_loop_post(l->ctx->loop, on_page, l) == 0);
}

static void ask_page(struct load *l)
{
	l->reading = true;
	if (keeper_post(l->ctx->keeper, read_page, l) == 0)
		return;
	l->reading = false;
	pw_call_finish(l->call, PW_RPC_UNAVAILABLE, "too much is waiting for the database");
}

static void send_page(struct load *l)
{
	int r = pw_call_send(l->call, &l->page->base);

	if (r == -EAGAIN)
		return; /* on_sent comes back here */
	l->page = NULL;
	if (r == 0)
		ask_page(l);
	else
		pw_call_finish(l->call, PW_RPC_RESOURCE_EXHAUSTED, "out of memory");
}

static void on_page(void *ctx)
{
	struct load *l = ctx;

	l->reading = false;
	if (l->closed) {
		load_free(l);
	} else if (l->result == 1) {
		send_page(l);
	} else if (l->result == 0) {
		pw_call_finish(l->call, PW_RPC_OK, "");
	} else {
		pw_log_limited(
			PW_LOG_ERROR, 6, "report", "profiles cannot be read: %s", l->err.msg);
		pw_call_finish(l->call, PW_RPC_UNAVAILABLE, "profiles cannot be read");
	}
}

static int on_open(struct pw_call *call, void *method_ctx)
{
	struct load *l = pw_alloc0(1, sizeof(*l));

	if (!l || pw_arena_new(32 << 10, PAGE_ARENA, &l->page_arena) < 0 ||
		pw_arena_new(4 << 10, PAGE_ARENA, &l->filter_arena) < 0) {
		load_free(l);
		return PW_RPC_RESOURCE_EXHAUSTED;
	}
	l->ctx = method_ctx;
	l->call = pw_call_hold(call);
	pw_call_set_ctx(call, l);
	return 0;
}

static int copy_filter(struct load *l, const Podward__V1__LoadProfilesRequest *request)
{
	ProtobufCBinaryData *groups;

	if (request->n_pod_groups > GROUPS_MAX)
		return -E2BIG;
	groups = pw_arena_alloc0(l->filter_arena, request->n_pod_groups + 1, sizeof(*groups));
	for (size_t i = 0; groups && i < request->n_pod_groups; i++) {
		const ProtobufCBinaryData *from = &request->pod_groups[i];
		struct pw_slice copy =
			pw_arena_dup(l->filter_arena, pw_slice_of(from->data, from->len));

		if (from->len > 0 && !copy.ptr)
			return -ENOMEM;
		groups[i] = (ProtobufCBinaryData){from->len, (uint8_t *)(uintptr_t)copy.ptr};
	}
	l->filter = (struct profile_filter){groups, request->n_pod_groups, NULL};
	if (request->slots.len > 0) {
		memcpy(l->slots, request->slots.data, sizeof(l->slots));
		l->filter.slots = l->slots;
	}
	return groups ? 0 : -ENOMEM;
}

static void on_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	struct load *l = pw_call_ctx(call);
	const Podward__V1__LoadProfilesRequest *request =
		(const Podward__V1__LoadProfilesRequest *)msg;

	if (l->ctx->held) {
		pw_call_finish(call, PW_RPC_UNAVAILABLE, "profiles are not listed yet");
		return;
	}
	if (request->slots.len != 0 && request->slots.len != sizeof(l->slots)) {
		pw_call_finish(call, PW_RPC_INVALID_ARGUMENT, "slots: expected 128 bytes");
		return;
	}
	if (copy_filter(l, request) < 0)
		pw_call_finish(call, PW_RPC_RESOURCE_EXHAUSTED, "pod_groups: too many");
	else
		ask_page(l);
}

/* The request is complete: nothing more comes, the answer goes on. */
static void on_half_close(struct pw_call *call)
{
	(void)call;
}

static void on_sent(struct pw_call *call)
{
	struct load *l = pw_call_ctx(call);

	if (l->page && !l->reading)
		send_page(l);
}

static void on_closed(struct pw_call *call)
{
	struct load *l = pw_call_ctx(call);

	if (!l)
		return;
	l->closed = true;
	if (!l->reading)
		load_free(l);
}

void report_load_method(struct load_ctx *ctx, struct pw_method *out)
{
	*out = (struct pw_method){
		.service = &podward__v1__report_service__descriptor,
		.name = "LoadProfiles",
		.roles = PW_ROLE_ANALYZER,
		.on_open = on_open,
		.on_message = on_message,
		.on_half_close = on_half_close,
		.on_sent = on_sent,
		.on_closed = on_closed,
		.method_ctx = ctx,
	};
}
