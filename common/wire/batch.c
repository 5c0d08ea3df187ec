/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire/batch.h"

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/u64map.h"
#include "common/wire/container.h"

#include <errno.h>

#define CHUNK_BYTES    (16u * 1024)
#define LOSS_EXTRA     16u /* losses: one per container is plenty, and those of the node */
#define TIME_SPAN_NS   ((uint64_t)UINT32_MAX * PW_NS_PER_US)
#define FIRST_CAPACITY 32u
/* One map for all kinds of ids: kind in the upper half of the key, place in the array as value. */
enum id_kind { ID_STRING = 1, ID_PROCESS, ID_CONTAINER, ID_EXITED };

struct pw_batch_index {
	struct pw_u64map *places;
	uint32_t event_cap, string_cap, process_cap, container_cap, exited_cap, loss_cap;
	uint32_t loss_limit;
	size_t charged; /* against limits.bytes */
	uint64_t first_ns, last_ns;
	bool sealed;
};

const char *pw_event_kind_name(uint32_t kind)
{
	static const char *const names[PW_EVENT_KINDS] = {
		"unknown",
#define PW_KIND(suffix, number, name) [number] = name,
#include "common/wire/kinds.def"
#undef PW_KIND
	};

	return names[kind < PW_EVENT_KINDS ? kind : PW_EVENT_NONE];
}

static uint64_t key_of(enum id_kind kind, uint32_t id)
{
	return (uint64_t)kind << 32 | id;
}

static bool has(const struct pw_batch *b, enum id_kind kind, uint32_t id)
{
	return pw_u64map_has(b->index->places, key_of(kind, id));
}

static bool has_or_zero(const struct pw_batch *b, enum id_kind kind, uint32_t id)
{
	return id == 0 || has(b, kind, id);
}

static bool is_ref(uint32_t ref)
{
	return ref > 0 && ref <= PW_WIRE_REF_MAX;
}

static void *array_grown(void *array, uint32_t *capacity, uint32_t limit, size_t size)
{
	uint32_t wanted = *capacity == 0 ? FIRST_CAPACITY : *capacity * 2;
	void *grown = NULL;

	if (wanted > limit || wanted < *capacity)
		wanted = limit;
	grown = pw_realloc(array, wanted, size);
	if (grown)
		*capacity = wanted;
	return grown;
}

/* Room for one more element: 0, -ENOSPC at the limit, -ENOMEM. Leaves the count alone. */
#define RESERVE(b, array, count, capacity, limit)                                                 \
	__extension__({                                                                           \
		int reserve_r_ = 0;                                                               \
		if ((b)->count >= (limit)) {                                                      \
			reserve_r_ = -ENOSPC;                                                     \
		} else if ((b)->count == (b)->index->capacity) {                                  \
			void *grown_ = array_grown(                                               \
				(b)->array, &(b)->index->capacity, (limit), sizeof(*(b)->array)); \
			if (grown_)                                                               \
				(b)->array = grown_;                                              \
			else                                                                      \
				reserve_r_ = -ENOMEM;                                             \
		}                                                                                 \
		reserve_r_;                                                                       \
	})

static size_t capacity_bytes(const struct pw_batch *b)
{
	const struct pw_batch_index *x = b->index;

	return x->event_cap * sizeof(*b->events) + x->string_cap * sizeof(*b->strings) +
	       x->process_cap * sizeof(*b->processes) + x->container_cap * sizeof(*b->containers) +
	       x->exited_cap * sizeof(*b->exited) + x->loss_cap * sizeof(*b->losses);
}

static void bytes_update(struct pw_batch *b)
{
	b->bytes = sizeof(*b) + sizeof(*b->index) + capacity_bytes(b) + pw_arena_used(b->arena) +
		   pw_u64map_bytes(b->index->places);
}

static bool fits(const struct pw_batch *b, size_t bytes)
{
	return bytes <= b->limits.bytes - b->index->charged;
}

static void batch_freep(struct pw_batch **b)
{
	pw_batch_free(*b);
}

int pw_batch_new(const struct pw_batch_limits *limits, uint64_t dict_epoch, struct pw_batch **ret)
{
	pw_cleanup(batch_freep) struct pw_batch *b = pw_alloc0(1, sizeof(*b));
	size_t ids = (size_t)limits->strings + limits->containers + (size_t)limits->processes * 2;
	size_t texts = (size_t)limits->strings + (size_t)limits->containers * PW_CONTAINER_TEXTS;
	int r = 0;

	if (!b)
		return -ENOMEM;
	b->limits = *limits;
	b->dict_epoch = dict_epoch;
	b->index = pw_alloc0(1, sizeof(*b->index));
	if (!b->index)
		return -ENOMEM;
	b->index->loss_limit = limits->containers + LOSS_EXTRA;
	r = pw_u64map_new(ids, &b->index->places);
	if (r < 0)
		return r;
	/* Twice and more than what fits() lets in: alignment and chunk ends must never refuse. */
	r = pw_arena_new(CHUNK_BYTES,
		limits->bytes * 2 + texts * 64 + CHUNK_BYTES * 2 + PW_WIRE_STRING_MAX * 2,
		&b->arena);
	if (r < 0)
		return r;
	bytes_update(b);
	*ret = PW_TAKE(b);
	return 0;
}

void pw_batch_free(struct pw_batch *b)
{
	if (!b)
		return;
	if (b->index)
		pw_u64map_free(b->index->places);
	free(b->index);
	free(b->events);
	free(b->strings);
	free(b->processes);
	free(b->containers);
	free(b->exited);
	free(b->losses);
	pw_arena_free(b->arena);
	free(b);
}

static int remember(struct pw_batch *b, enum id_kind kind, uint32_t id, uint32_t place)
{
	int r = pw_u64map_put(b->index->places, key_of(kind, id), place);

	return r < 0 ? r : 0;
}

int pw_batch_add_string(struct pw_batch *b, uint32_t id, struct pw_slice bytes)
{
	struct pw_slice copy = {0};
	int r = 0;

	if (!is_ref(id) || b->index->sealed)
		return -EINVAL;
	if (has(b, ID_STRING, id))
		return 0;
	if (bytes.len > PW_WIRE_STRING_MAX)
		return -E2BIG;
	if (!fits(b, bytes.len + sizeof(*b->strings)))
		return -ENOSPC;
	r = RESERVE(b, strings, string_count, string_cap, b->limits.strings);
	if (r < 0)
		return r;
	copy = pw_arena_dup(b->arena, bytes);
	if (!copy.ptr && bytes.len > 0)
		return -ENOMEM;
	r = remember(b, ID_STRING, id, b->string_count);
	if (r < 0)
		return r;
	b->strings[b->string_count++] = (struct pw_batch_string){id, copy};
	b->index->charged += bytes.len + sizeof(*b->strings);
	bytes_update(b);
	return 0;
}

int pw_batch_add_container(struct pw_batch *b, const struct pw_container_def *def)
{
	struct pw_container_def copy = *def;
	struct pw_slice *texts[PW_CONTAINER_TEXTS];
	size_t total = sizeof(copy);
	int r = 0;

	if (!is_ref(def->ref) || b->index->sealed)
		return -EINVAL;
	if (has(b, ID_CONTAINER, def->ref))
		return 0;
	pw_container_texts(&copy, texts);
	for (size_t i = 0; i < PW_CONTAINER_TEXTS; i++) {
		if (texts[i]->len > PW_WIRE_STRING_MAX)
			return -E2BIG;
		total += texts[i]->len;
	}
	if (!fits(b, total))
		return -ENOSPC;
	r = RESERVE(b, containers, container_count, container_cap, b->limits.containers);
	if (r < 0)
		return r;
	for (size_t i = 0; i < PW_CONTAINER_TEXTS; i++) {
		*texts[i] = pw_arena_dup(b->arena, *texts[i]);
		if (!texts[i]->ptr && texts[i]->len > 0)
			return -ENOMEM;
	}
	r = remember(b, ID_CONTAINER, def->ref, b->container_count);
	if (r < 0)
		return r;
	b->containers[b->container_count++] = copy;
	b->index->charged += total;
	bytes_update(b);
	return 0;
}

static bool process_may_enter(const struct pw_batch *b, const struct pw_process_def *def)
{
	return is_ref(def->ref) && def->parent_ref <= PW_WIRE_REF_MAX &&
	       def->start.ns < PW_WIRE_TIME_MAX && has_or_zero(b, ID_CONTAINER, def->container) &&
	       has_or_zero(b, ID_STRING, def->exe) && has_or_zero(b, ID_STRING, def->args) &&
	       has_or_zero(b, ID_STRING, def->cwd) && has_or_zero(b, ID_STRING, def->comm) &&
	       has_or_zero(b, ID_STRING, def->env) && has_or_zero(b, ID_STRING, def->script);
}

int pw_batch_add_process(struct pw_batch *b, const struct pw_process_def *def)
{
	int r = 0;

	if (b->index->sealed)
		return -EINVAL;
	if (has(b, ID_PROCESS, def->ref))
		return 0;
	if (!process_may_enter(b, def))
		return -EINVAL;
	if (!fits(b, sizeof(*def)))
		return -ENOSPC;
	r = RESERVE(b, processes, process_count, process_cap, b->limits.processes);
	if (r < 0)
		return r;
	r = remember(b, ID_PROCESS, def->ref, b->process_count);
	if (r < 0)
		return r;
	b->processes[b->process_count++] = *def;
	b->index->charged += sizeof(*def);
	bytes_update(b);
	return 0;
}

static bool event_may_enter(const struct pw_batch *b, const struct pw_event_row *row)
{
	return row->kind > PW_EVENT_NONE && row->kind < PW_EVENT_KINDS && row->count > 0 &&
	       row->time.ns < PW_WIRE_TIME_MAX && row->process > 0 &&
	       has(b, ID_PROCESS, row->process) && has_or_zero(b, ID_STRING, row->object) &&
	       has_or_zero(b, ID_STRING, row->object2) && has_or_zero(b, ID_PROCESS, row->target) &&
	       row->syscall < PW_SYSCALL_MAX;
}

int pw_batch_add_event(struct pw_batch *b, const struct pw_event_row *row)
{
	struct pw_batch_index *x = b->index;
	uint64_t first = row->time.ns;
	uint64_t last = row->time.ns;
	int r = 0;

	if (x->sealed || !event_may_enter(b, row))
		return -EINVAL;
	if (b->event_count > 0) {
		first = x->first_ns < first ? x->first_ns : first;
		last = x->last_ns > last ? x->last_ns : last;
	}
	if (last - first > TIME_SPAN_NS)
		return -ENOSPC;
	r = RESERVE(b, events, event_count, event_cap, b->limits.events);
	if (r < 0)
		return r;
	b->events[b->event_count++] = *row;
	x->first_ns = first;
	x->last_ns = last;
	bytes_update(b);
	return 0;
}

int pw_batch_add_exited(struct pw_batch *b, uint32_t process_ref)
{
	int r = 0;

	if (!is_ref(process_ref) || b->index->sealed)
		return -EINVAL;
	if (has(b, ID_EXITED, process_ref))
		return 0;
	r = RESERVE(b, exited, exited_count, exited_cap, b->limits.processes);
	if (r < 0)
		return r;
	r = remember(b, ID_EXITED, process_ref, b->exited_count);
	if (r < 0)
		return r;
	b->exited[b->exited_count++] = process_ref;
	bytes_update(b);
	return 0;
}

int pw_batch_add_loss(struct pw_batch *b, uint32_t container, uint32_t reason, uint64_t count)
{
	int r = 0;

	if (reason == 0 || b->index->sealed || !has_or_zero(b, ID_CONTAINER, container))
		return -EINVAL;
	if (count == 0)
		return 0;
	for (uint32_t i = 0; i < b->loss_count; i++) {
		struct pw_loss *loss = &b->losses[i];

		if (loss->container != container || loss->reason != reason)
			continue;
		if (__builtin_add_overflow(loss->count, count, &loss->count))
			loss->count = UINT64_MAX;
		return 0;
	}
	r = RESERVE(b, losses, loss_count, loss_cap, b->index->loss_limit);
	if (r < 0)
		return r;
	b->losses[b->loss_count++] = (struct pw_loss){container, reason, count};
	bytes_update(b);
	return 0;
}

const struct pw_process_def *pw_batch_find_process(const struct pw_batch *b, uint32_t ref)
{
	const uint64_t *place = pw_u64map_find(b->index->places, key_of(ID_PROCESS, ref));

	return place ? &b->processes[*place] : NULL;
}

const struct pw_container_def *pw_batch_find_container(const struct pw_batch *b, uint32_t ref)
{
	const uint64_t *place = pw_u64map_find(b->index->places, key_of(ID_CONTAINER, ref));

	return place ? &b->containers[*place] : NULL;
}

struct pw_slice pw_batch_find_string(const struct pw_batch *b, uint32_t id)
{
	const uint64_t *place = pw_u64map_find(b->index->places, key_of(ID_STRING, id));

	return place ? b->strings[*place].bytes : (struct pw_slice){NULL, 0};
}

bool pw_batch_has_string(const struct pw_batch *b, uint32_t id)
{
	return has(b, ID_STRING, id);
}

bool pw_batch_has_process(const struct pw_batch *b, uint32_t ref)
{
	return has(b, ID_PROCESS, ref);
}

bool pw_batch_has_container(const struct pw_batch *b, uint32_t ref)
{
	return has(b, ID_CONTAINER, ref);
}

void pw_batch_set_origin(struct pw_batch *b, const uint8_t instance[PW_WIRE_INSTANCE], uint64_t seq,
	int64_t boot_to_wall_ns)
{
	pw_assert(seq > 0 && !b->index->sealed);
	memcpy(b->origin, instance, sizeof(b->origin));
	b->origin_seq = seq;
	b->boot_to_wall_ns = boot_to_wall_ns;
}

void pw_batch_seal(struct pw_batch *b, uint64_t seq, int64_t boot_to_wall_ns)
{
	pw_assert(seq > 0 && !b->index->sealed);
	b->seq = seq;
	b->boot_to_wall_ns = boot_to_wall_ns;
	b->index->sealed = true;
}
