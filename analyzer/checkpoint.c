/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/checkpoint.h"

#include <errno.h>
#include <zstd.h>

#define MAGIC       0x31425750u /* "PWB1", little-endian */
#define PACKED      0x31505750u /* "PWP1" */
#define LEVEL       3
#define PACKED_HEAD 28u
#define TEXT_MAX    65535u
#define TEMPLATE    ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_TEMPLATE)

/*
 * Canonical form, numbers little-endian: magic, count of versions, their hashes ascending, count of
 * rows; rows ascending by (dimension, actor, object, flags): dimension 1, flags 1, texts with
 * length 2, first time 8, containers 3 x 4, versions 4 (bits in the order of the hashes).
 */
static void put(struct pw_buf *out, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		(void)pw_buf_add_byte(out, (uint8_t)(value >> 8 * i));
}

static void put_text(struct pw_buf *out, struct pw_slice s)
{
	put(out, s.len, 2);
	(void)pw_buf_add_slice(out, s);
}

struct sorted {
	struct pw_slice actor, object;
	const struct baseline_row *row;
};

static int by_text(const void *a, const void *b)
{
	const struct sorted *one = a, *two = b;
	int r;

	if (one->row->dimension != two->row->dimension)
		return one->row->dimension < two->row->dimension ? -1 : 1;
	r = pw_slice_cmp(one->actor, two->actor);
	if (r == 0)
		r = pw_slice_cmp(one->object, two->object);
	if (r != 0)
		return r;
	return one->row->flags < two->row->flags ? -1 : one->row->flags > two->row->flags;
}

/* Ascending hashes; order[i] = bit in the baseline. Few: sorted by insertion. */
static uint32_t sort_versions(const struct baseline *b, uint32_t order[BASELINE_VERSIONS])
{
	uint32_t count = baseline_version_count(b);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = i;

		for (; at > 0 &&
			baseline_version_hash(b, order[at - 1]) > baseline_version_hash(b, i);
			at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	return count;
}

static uint32_t bits_in_order(uint32_t bits, const uint32_t *order, uint32_t count)
{
	uint32_t out = 0;

	for (uint32_t i = 0; i < count; i++)
		if (bits & 1u << order[i])
			out |= 1u << i;
	return out;
}

int checkpoint_encode(const struct baseline *b, struct pw_buf *out)
{
	uint32_t rows = baseline_count(b), order[BASELINE_VERSIONS];
	uint32_t versions = sort_versions(b, order);
	pw_auto_free struct sorted *list = pw_alloc0(rows + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < rows; i++) {
		const struct baseline_row *row = baseline_at(b, i);

		list[i] = (struct sorted){baseline_actor(b, row), baseline_object(b, row), row};
	}
	qsort(list, rows, sizeof(*list), by_text);
	put(out, MAGIC, 4);
	put(out, versions, 1);
	for (uint32_t i = 0; i < versions; i++)
		put(out, baseline_version_hash(b, order[i]), 8);
	put(out, rows, 4);
	for (uint32_t i = 0; i < rows; i++) {
		const struct baseline_row *row = list[i].row;

		put(out, row->dimension, 1);
		put(out, row->flags, 1);
		put_text(out, list[i].actor);
		put_text(out, list[i].object);
		put(out, (uint64_t)row->first_wall_ns, 8);
		for (uint32_t k = 0; k < BASELINE_CONTAINERS; k++)
			put(out, row->containers[k], 4);
		put(out, bits_in_order(row->versions, order, versions), 4);
	}
	return pw_buf_error(out);
}

/* Sticky reader: after the first short read everything is 0 and bad is set. */
struct reader {
	struct pw_slice rest;
	bool bad;
};

static uint64_t get(struct reader *r, unsigned bytes)
{
	uint64_t value = 0;

	if (r->bad || r->rest.len < bytes) {
		r->bad = true;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)r->rest.ptr[i] << 8 * i;
	r->rest = pw_slice_sub(r->rest, bytes, r->rest.len);
	return value;
}

static struct pw_slice get_text(struct reader *r)
{
	size_t len = (size_t)get(r, 2);
	struct pw_slice s = pw_slice_sub(r->rest, 0, len);

	if (s.len < len || len > BEHAVIOUR_TEXT_BYTES) {
		r->bad = true;
		return (struct pw_slice){NULL, 0};
	}
	r->rest = pw_slice_sub(r->rest, len, r->rest.len);
	return s;
}

static int refuse(struct pw_err *err, const char *what)
{
	return pw_err_set(err, -EINVAL, "checkpoint: %s", what);
}

static int get_versions(
	struct reader *r, struct baseline *b, uint32_t bits[BASELINE_VERSIONS], uint32_t *ret_count)
{
	uint32_t count = (uint32_t)get(r, 1);
	uint64_t last = 0;

	if (count > BASELINE_VERSIONS)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t hash = get(r, 8);

		if (r->bad || (i > 0 && hash <= last))
			return -EINVAL;
		bits[i] = baseline_version(b, hash);
		if (bits[i] == BASELINE_NO_VERSION)
			return -ENOSPC;
		last = hash;
	}
	*ret_count = count;
	return 0;
}

static int get_row(struct reader *r, struct baseline *b, const uint32_t *bits, uint32_t versions)
{
	struct behaviour what = {.dimension = (uint32_t)get(r, 1)};
	struct baseline_seen seen = {.flags = (uint32_t)get(r, 1)};
	uint32_t set, last = 0;
	int e;

	what.actor = get_text(r);
	what.object = get_text(r);
	seen.wall_ns = (int64_t)get(r, 8);
	for (uint32_t k = 0; k < BASELINE_CONTAINERS; k++) {
		seen.containers[k] = (uint32_t)get(r, 4);
		if (!(seen.flags & TEMPLATE) && k > 0 && seen.containers[k] &&
			(seen.containers[k] <= last || last == 0))
			r->bad = true;
		last = seen.containers[k];
	}
	set = (uint32_t)get(r, 4);
	if (r->bad || what.dimension == 0 || what.dimension >= BEHAVIOUR_DIMENSIONS ||
		what.object.len == 0 || (seen.flags & ~BASELINE_FLAGS) != 0 ||
		(versions < 32 && set >> versions != 0))
		return -EINVAL;
	for (uint32_t i = 0; i < versions; i++)
		if (set & 1u << i)
			seen.versions |= 1u << bits[i];
	what.key = behaviour_key(what.dimension, what.actor, what.object);
	e = baseline_restore(b, &what, &seen);
	return e < 0 ? e : 0;
}

int checkpoint_decode(struct pw_slice bytes, struct baseline *b, struct pw_err *err)
{
	struct reader r = {bytes, false};
	uint32_t bits[BASELINE_VERSIONS], versions = 0;
	uint64_t rows;
	int e;

	if (get(&r, 4) != MAGIC)
		return refuse(err, "these bytes are no baseline");
	e = get_versions(&r, b, bits, &versions);
	if (e < 0)
		return pw_err_set(err, e, "checkpoint: image versions");
	rows = get(&r, 4);
	if (r.bad || rows > baseline_limit(b))
		return r.bad ? refuse(err, "ends in its head")
			     : pw_err_set(err, -E2BIG, "checkpoint: more behaviours than allowed");
	for (uint64_t i = 0; i < rows; i++) {
		e = get_row(&r, b, bits, versions);
		if (e < 0)
			return pw_err_set(err, e, "checkpoint: behaviour %llu: %s",
				(unsigned long long)i, pw_err_text(e));
	}
	if (r.rest.len > 0)
		return refuse(err, "more bytes than behaviours");
	e = baseline_sweep(b);
	return e < 0 ? pw_err_set(err, e, "checkpoint: out of memory") : 0;
}

struct pw_hash128 checkpoint_digest(struct pw_slice canonical)
{
	return pw_hash128(canonical, 0);
}

int checkpoint_pack(const struct baseline *b, struct pw_buf *out)
{
	pw_auto_buf plain;
	struct pw_hash128 digest;
	size_t bound, len;
	uint8_t *room;
	int r;

	pw_buf_init(&plain, CHECKPOINT_BYTES);
	r = checkpoint_encode(b, &plain);
	if (r < 0)
		return r;
	digest = checkpoint_digest(pw_buf_slice(&plain));
	put(out, PACKED, 4);
	put(out, plain.len, 8);
	put(out, digest.high, 8);
	put(out, digest.low, 8);
	bound = ZSTD_compressBound(plain.len);
	room = pw_buf_extend(out, bound);
	if (!room)
		return pw_buf_error(out);
	len = ZSTD_compress(room, bound, plain.data, plain.len, LEVEL);
	if (ZSTD_isError(len))
		return -ENOMEM;
	out->len -= bound - len;
	return 0;
}

int checkpoint_unpack(struct pw_slice packed, struct baseline *b, struct pw_err *err)
{
	struct reader r = {packed, false};
	struct pw_hash128 want, got;
	pw_auto_buf plain;
	size_t size, len;
	uint8_t *room;

	pw_buf_init(&plain, CHECKPOINT_BYTES);
	if (get(&r, 4) != PACKED)
		return refuse(err, "these bytes are no packed baseline");
	size = (size_t)get(&r, 8);
	want.high = get(&r, 8);
	want.low = get(&r, 8);
	if (r.bad || size == 0)
		return refuse(err, "ends in its head");
	if (size > CHECKPOINT_BYTES)
		return pw_err_set(err, -E2BIG, "checkpoint: says that it holds %zu bytes", size);
	room = pw_buf_extend(&plain, size);
	if (!room)
		return pw_err_set(err, -ENOMEM, "checkpoint: out of memory");
	len = ZSTD_decompress(room, size, r.rest.ptr, r.rest.len);
	if (ZSTD_isError(len) || len != size)
		return refuse(err, "does not unpack to what its head says");
	got = checkpoint_digest(pw_buf_slice(&plain));
	if (got.high != want.high || got.low != want.low)
		return refuse(err, "the digest does not fit the content");
	return checkpoint_decode(pw_buf_slice(&plain), b, err);
}
