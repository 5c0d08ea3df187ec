/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile bytes into the decoder: the input is a row of messages on one stream, each with its
 * length in front (2 bytes, little endian). Beside crashes this finds refusals that changed
 * something, and objects that are used after the stream is gone.
 */
#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/wire/arena_alloc.h"
#include "common/wire/decode.h"

#define ARENA_LIMIT (1u << 20)
#define KEPT        4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t sum;

static void check_unchanged(struct pw_decoder_stats a, struct pw_decoder_stats b)
{
	pw_assert(a.seq == b.seq && a.string_bytes == b.string_bytes && a.strings == b.strings);
	pw_assert(a.processes == b.processes && a.containers == b.containers);
}

/* Touches all that a reader may touch. */
static void read_all(const struct pw_decoded *b)
{
	for (uint32_t i = 0; i < b->event_count; i++) {
		const struct pw_event *e = &b->events[i];
		uint32_t ancestors = 0;

		for (size_t k = 0; k < e->object.len; k++)
			sum += e->object.ptr[k];
		for (const struct pw_process *p = e->process->parent; p; p = p->parent)
			ancestors++;
		pw_assert(ancestors == e->process->ancestors && ancestors <= PW_PROCESS_ANCESTORS);
		pw_assert(e->kind > PW_EVENT_NONE && e->kind < PW_EVENT_KINDS && e->count > 0);
		sum += e->process->exe.len + e->process->args.len;
		if (e->process->container)
			sum += e->process->container->def.pod_group.len;
	}
	for (uint32_t i = 0; i < b->loss_count; i++)
		sum += b->losses[i].count;
}

static void feed(struct pw_decoder *d, struct pw_arena *arena, struct pw_slice bytes,
	struct pw_decoded **ret)
{
	struct pw_decoder_stats before = pw_decoder_stats(d);
	struct pw_err err = PW_ERR_INIT;
	Podward__V1__EventBatch *msg = NULL;
	int r = 0;

	pw_arena_reset(arena);
	msg = (void *)pw_unpack(arena, &podward__v1__event_batch__descriptor, bytes);
	if (!msg)
		return;
	r = pw_decode_batch(d, msg, ret, &err);
	if (r < 0) {
		pw_assert(err.code == r && err.msg[0] != '\0');
		check_unchanged(before, pw_decoder_stats(d));
		return;
	}
	read_all(*ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct pw_decoder_limits limits = {512, 256, 65536, 128, 16};
	struct pw_decoded *kept[KEPT] = {NULL};
	struct pw_decoder *d = NULL;
	struct pw_arena *arena = NULL;
	size_t next = 0;

	if (pw_decoder_new(&limits, &d) < 0 || pw_arena_new(4096, ARENA_LIMIT, &arena) < 0)
		abort();
	while (size >= 2) {
		size_t len = (size_t)data[0] | (size_t)data[1] << 8;

		data += 2;
		size -= 2;
		len = len < size ? len : size;
		pw_decoded_free(kept[next]);
		kept[next] = NULL;
		feed(d, arena, pw_slice_of(data, len), &kept[next]);
		next = (next + 1) % KEPT;
		data += len;
		size -= len;
	}
	pw_arena_free(arena);
	pw_decoder_free(d);
	for (size_t i = 0; i < KEPT; i++) { /* they outlive the stream */
		if (kept[i])
			read_all(kept[i]);
		pw_decoded_free(kept[i]);
	}
	return 0;
}
