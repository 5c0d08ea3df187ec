/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/keep_batch.h"

#include "common/base/arena.h"
#include "common/wire/arena_alloc.h"
#include "common/wire/encode.h"
#include "common/wire/from_wire.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>

#define ARENA_CHUNK (64u * 1024)
/* Of 4 MiB no single array becomes larger than half of it. */
#define ARENA_LIMIT (64u << 20)

static const struct pw_batch_limits limits = {4096, 16384, 8192, 2048, 2u << 20};

int keep_batch_arena(struct pw_arena **ret)
{
	return pw_arena_new(ARENA_CHUNK, ARENA_LIMIT, ret);
}

/* --- batch -> bytes --- */

static int pack(const Podward__V1__EventBatch *msg, struct pw_buf *out)
{
	size_t size = podward__v1__event_batch__get_packed_size(msg);
	uint8_t *at = size > KEEP_BATCH_MAX ? NULL : pw_buf_extend(out, size);

	if (size > KEEP_BATCH_MAX)
		return -E2BIG;
	if (!at)
		return size > 0 ? pw_buf_error(out) : 0;
	(void)podward__v1__event_batch__pack(msg, at);
	return 0;
}

/* What a stream may know from before and the encoder therefore leaves out. */
static void add_left_out(const struct pw_batch *b, Podward__V1__EventBatch *msg)
{
	for (size_t i = 0; i < msg->n_processes; i++) {
		Podward__V1__ProcessDef *p = msg->processes[i];
		const struct pw_process_def *def = pw_batch_find_process(b, p->ref);

		p->parent_ref = def ? def->parent_ref : 0;
	}
	msg->exited = b->exited;
	msg->n_exited = b->exited_count;
}

int keep_batch_encode(
	struct pw_encoder *e, struct pw_arena *arena, const struct pw_batch *b, struct pw_buf *out)
{
	struct pw_batch shown = *b; /* the encoder wants a number */
	Podward__V1__EventBatch msg = PODWARD__V1__EVENT_BATCH__INIT;
	int r = 0;

	if (b->seq == 0)
		shown.seq = 1;
	pw_encoder_reset(e);
	r = pw_encode_batch(e, &shown, arena, &msg);
	if (r == 0) {
		msg.seq = b->seq;
		add_left_out(b, &msg);
		r = pack(&msg, out);
	}
	pw_arena_reset(arena);
	return r;
}

/* --- bytes -> batch --- */

static int add_containers(struct pw_batch *b, const Podward__V1__EventBatch *m)
{
	int r = 0;

	for (size_t i = 0; i < m->n_containers && r == 0; i++) {
		struct pw_container_def def = pw_container_def_of(m->containers[i]);

		r = pw_batch_add_container(b, &def);
	}
	return r;
}

static int add_processes(struct pw_batch *b, const Podward__V1__EventBatch *m)
{
	int r = 0;

	for (size_t i = 0; i < m->n_processes && r == 0; i++) {
		struct pw_process_def def = pw_process_def_of(m->processes[i]);

		r = pw_batch_add_process(b, &def);
	}
	return r;
}

static int add_definitions(struct pw_batch *b, const Podward__V1__EventBatch *m)
{
	int r = m->n_dict == m->n_dict_id ? 0 : -EBADMSG;

	for (size_t i = 0; i < m->n_dict && r == 0; i++)
		r = pw_batch_add_string(b, m->dict_id[i], pw_wire_slice(m->dict[i]));
	if (r == 0)
		r = add_containers(b, m);
	if (r == 0)
		r = add_processes(b, m);
	for (size_t i = 0; i < m->n_exited && r == 0; i++)
		r = pw_batch_add_exited(b, m->exited[i]);
	for (size_t i = 0; i < m->n_losses && r == 0; i++)
		r = pw_batch_add_loss(
			b, m->losses[i]->container, m->losses[i]->reason, m->losses[i]->count);
	return r;
}

static bool columns_fit(const Podward__V1__EventBatch *m)
{
	size_t n = m->kind.len;

	return m->n_time_delta_us == n && m->n_process == n && m->n_ret == n && m->n_object == n &&
	       m->n_aux == n && (m->flags.len == n || m->flags.len == 0) &&
	       (m->n_syscall == n || m->n_syscall == 0) &&
	       (m->n_object2 == n || m->n_object2 == 0) && (m->n_arg == n || m->n_arg == 0) &&
	       (m->n_target == n || m->n_target == 0) && (m->n_count == n || m->n_count == 0) &&
	       m->base_boot_ns < PW_WIRE_TIME_MAX;
}

static int add_events(struct pw_batch *b, const Podward__V1__EventBatch *m)
{
	int r = columns_fit(m) ? 0 : -EBADMSG;

	for (size_t i = 0; i < m->kind.len && r == 0; i++) {
		struct pw_event_row row = {
			.time = {m->base_boot_ns + m->time_delta_us[i] * PW_NS_PER_US},
			.process = m->process[i],
			.object = m->object[i],
			.aux = m->aux[i],
			.count = m->n_count > 0 ? m->count[i] : 1,
			.ret = m->ret[i],
			.kind = m->kind.data[i],
			.flags = m->flags.len > 0 ? m->flags.data[i] : 0,
			.object2 = m->n_object2 > 0 ? m->object2[i] : 0,
			.target = m->n_target > 0 ? m->target[i] : 0,
			.arg = m->n_arg > 0 ? m->arg[i] : 0,
		};

		if (m->n_syscall > 0 && m->syscall[i] >= PW_SYSCALL_MAX)
			return -EBADMSG;
		row.syscall = m->n_syscall > 0 ? (uint16_t)m->syscall[i] : 0;
		r = pw_batch_add_event(b, &row);
	}
	return r;
}

static void batch_freep(struct pw_batch **b)
{
	pw_batch_free(*b);
}

static int build(const Podward__V1__EventBatch *m, struct pw_batch **ret)
{
	pw_cleanup(batch_freep) struct pw_batch *b = NULL;
	int64_t offset = m->boot_to_wall_ns;
	int r = pw_batch_new(&limits, m->dict_epoch, &b);

	if (r == 0)
		r = add_definitions(b, m);
	if (r == 0)
		r = add_events(b, m);
	if (r == 0 && (offset <= -(int64_t)PW_WIRE_TIME_MAX || offset >= (int64_t)PW_WIRE_TIME_MAX))
		r = -EBADMSG;
	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	if (m->origin_seq > 0 && m->origin_instance.len == PW_WIRE_INSTANCE)
		pw_batch_set_origin(b, m->origin_instance.data, m->origin_seq, offset);
	if (m->seq > 0)
		pw_batch_seal(b, m->seq, offset);
	*ret = PW_TAKE(b);
	return 0;
}

int keep_batch_decode(struct pw_arena *arena, struct pw_slice bytes, struct pw_batch **ret)
{
	uint64_t refused = pw_arena_refused(arena);
	const Podward__V1__EventBatch *m = NULL;
	int r = -EBADMSG;

	if (bytes.len > KEEP_BATCH_MAX)
		return -EBADMSG;
	m = (const Podward__V1__EventBatch *)(const void *)pw_unpack(
		arena, &podward__v1__event_batch__descriptor, bytes);
	if (m)
		r = build(m, ret);
	else if (pw_arena_refused(arena) > refused && pw_arena_used(arena) < ARENA_LIMIT / 2)
		r = -ENOMEM; /* not the ceiling, so it was the machine */
	pw_arena_reset(arena);
	return r;
}
