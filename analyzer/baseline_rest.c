/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/baseline_rest.h"

#include "analyzer/baseline_core.h"
#include "common/base/compress.h"

#include <errno.h>

#define LEVEL   3
#define FLAG(x) BASELINE_FLAG(x)

struct baseline_packed {
	uint8_t *bytes; /* compressed: rows without key, heap of texts */
	size_t len;
	uint32_t *origins; /* of each row that is kept: its index when awake */
	uint32_t *templates;
	uint32_t kept, rows, heap_len;
};

/* What changes hands at the end of going to rest, or is thrown away together. */
struct parts {
	struct baseline_packed *packed;
	struct hot *hot;
	struct texts *texts;
	struct baseline_row *rows;
	uint32_t *places; /* of each row: its place among the kept ones, UINT32_MAX = packed only */
	uint32_t *templates;
};

void baseline_packed_free(struct baseline_packed *p)
{
	if (!p)
		return;
	free(p->bytes);
	free(p->origins);
	free(p->templates);
	free(p);
}

size_t baseline_packed_bytes(const struct baseline_packed *p)
{
	return p ? sizeof(*p) + p->len + (size_t)p->kept * (sizeof(*p->origins) + sizeof(uint32_t))
		 : 0;
}

bool baseline_rest_is(const struct baseline *b)
{
	return b->packed != NULL;
}

static void parts_done(struct parts *p)
{
	baseline_packed_free(p->packed);
	hot_free(p->hot);
	texts_free(p->texts);
	free(p->rows);
	free(p->places);
	free(p->templates);
}

/* Templates and what counts for some images only are asked with their rows. */
static bool is_kept(const struct baseline_row *row)
{
	return (row->flags & FLAG(TEMPLATE)) || row->versions != 0;
}

static int pack(const struct baseline *b, struct baseline_packed *p)
{
	struct pw_slice heap = texts_heap(b->texts);
	pw_auto_buf plain, out;
	int r;

	pw_buf_init(&plain, (size_t)b->count * sizeof(*b->rows) + heap.len + 1);
	pw_buf_init(&out, plain.limit + (64u << 10));
	for (uint32_t i = 0; i < b->count; i++) {
		struct baseline_row row = b->rows[i];

		row.key = 0; /* is in the hot set */
		(void)pw_buf_add(&plain, &row, sizeof(row));
	}
	(void)pw_buf_add_slice(&plain, heap);
	r = pw_buf_error(&plain);
	if (r == 0)
		r = pw_zstd_pack(pw_buf_slice(&plain), LEVEL, &out);
	if (r < 0)
		return r;
	p->bytes = pw_alloc0(out.len + 1, 1);
	if (!p->bytes)
		return -ENOMEM;
	memcpy(p->bytes, out.data, out.len);
	p->len = out.len;
	p->rows = b->count;
	p->heap_len = (uint32_t)heap.len;
	return 0;
}

static int keep_rows(const struct baseline *b, struct parts *p)
{
	uint32_t at = 0, templates = 0;

	for (uint32_t i = 0; i < b->count; i++)
		p->packed->kept += is_kept(&b->rows[i]);
	p->packed->origins = pw_alloc0(p->packed->kept + 1, sizeof(*p->packed->origins));
	p->rows = pw_alloc0(p->packed->kept + 1, sizeof(*p->rows));
	p->places = pw_alloc0(b->count + 1, sizeof(*p->places));
	p->templates = pw_alloc0(p->packed->kept + 1, sizeof(*p->templates));
	if (!p->packed->origins || !p->rows || !p->places || !p->templates)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->count; i++) {
		struct baseline_row row = b->rows[i];
		int r;

		p->places[i] = UINT32_MAX;
		if (!is_kept(&row))
			continue;
		r = texts_add(p->texts, texts_get(b->texts, row.actor), &row.actor);
		if (r == 0)
			r = texts_add(p->texts, texts_get(b->texts, row.object), &row.object);
		if (r < 0)
			return r;
		p->packed->origins[at] = i;
		p->rows[at] = row;
		p->places[i] = at++;
	}
	/* In their own order: the first that stands for a name answers. */
	for (; templates < b->template_count; templates++)
		p->templates[templates] = p->places[b->templates[templates]];
	return 0;
}

static uint32_t answer_bits(const struct baseline_row *row)
{
	enum baseline_answer answer = baseline_answer_of(row, 0);

	return BASELINE_AWAY | (answer == BASELINE_KNOWN                 ? BASELINE_PLAIN
				       : answer == BASELINE_STARTUP_ONLY ? BASELINE_START
									 : 0);
}

static int fill_hot(const struct baseline *b, struct parts *p)
{
	uint32_t cursor = 0, *value;
	uint64_t key;
	int r = hot_reserve(p->hot, b->count);

	while (r == 0 && hot_next(b->hot, &cursor, &key, &value)) {
		uint32_t place;

		if (*value & BASELINE_CACHED)
			continue;
		place = p->places[*value];
		r = hot_put(p->hot, key,
			place != UINT32_MAX ? place : *value | answer_bits(&b->rows[*value]));
	}
	return r;
}

int baseline_rest(struct baseline *b)
{
	struct parts p = {.packed = NULL};
	int r;

	if (b->packed)
		return 0;
	if (b->changed > 0)
		return -EBUSY;
	p.packed = pw_alloc0(1, sizeof(*p.packed));
	r = p.packed ? pack(b, p.packed) : -ENOMEM;
	if (r == 0)
		r = texts_new(BASELINE_TEXTS, &p.texts);
	if (r == 0)
		r = keep_rows(b, &p);
	if (r == 0)
		r = hot_new(&p.hot);
	if (r == 0)
		r = fill_hot(b, &p);
	if (r < 0) {
		parts_done(&p);
		return r == -E2BIG ? -ENOMEM : r;
	}
	hot_free(b->hot);
	texts_free(b->texts);
	free(b->rows);
	free(p.places);
	p.packed->templates = b->templates;
	b->hot = p.hot;
	b->texts = p.texts;
	b->rows = p.rows;
	b->templates = p.templates;
	b->packed = p.packed;
	b->cap = p.packed->kept;
	b->cached = 0;
	return 0;
}

/* Values of the hot set are indexes again, and rows have their keys. */
static void give_back(
	struct baseline *b, struct baseline_row *rows, const struct baseline_packed *p)
{
	uint32_t cursor = 0, *value;
	uint64_t key;

	while (hot_next(b->hot, &cursor, &key, &value)) {
		uint32_t index = *value & BASELINE_INDEX;

		if (!(*value & BASELINE_AWAY))
			index = p->origins[index];
		if (*value & BASELINE_CACHED) {
			*value = BASELINE_CACHED | index;
			continue;
		}
		*value = index;
		rows[index].key = key;
	}
}

static int wake(struct baseline *b)
{
	struct baseline_packed *p = b->packed;
	struct baseline_row *rows;
	struct texts *texts = NULL;
	size_t rows_len = (size_t)p->rows * sizeof(*rows);
	pw_auto_buf plain;
	int r;

	pw_buf_init(&plain, rows_len + p->heap_len + 1);
	r = pw_zstd_unpack(pw_slice_of(p->bytes, p->len), &plain);
	pw_assert(r == 0 || r == -ENOMEM);
	if (r < 0)
		return r;
	rows = pw_alloc0(p->rows + 1, sizeof(*rows));
	if (!rows || texts_from(BASELINE_TEXTS, pw_slice_of(plain.data + rows_len, p->heap_len),
			     &texts) < 0) {
		free(rows);
		return -ENOMEM;
	}
	memcpy(rows, plain.data, rows_len);
	give_back(b, rows, p);
	texts_free(b->texts);
	free(b->rows);
	free(b->templates);
	b->texts = texts;
	b->rows = rows;
	b->cap = p->rows + 1;
	b->templates = p->templates;
	p->templates = NULL;
	b->packed = NULL;
	baseline_packed_free(p);
	return 0;
}

int baseline_rest_wake(struct baseline *b)
{
	return b->packed ? wake(b) : 0;
}

static bool accepts(const struct baseline_row *row, uint32_t versions, bool is_start)
{
	enum baseline_answer answer = baseline_answer_of(row, versions);

	return answer == BASELINE_KNOWN || (is_start && answer == BASELINE_STARTUP_ONLY);
}

/* By a template; remembered when it is so at any time. */
static bool template_knows(
	struct baseline *b, const struct behaviour *what, uint32_t versions, bool is_start)
{
	const struct baseline_row *t = baseline_standing_for(b, what, FLAG(TEMPLATE));

	if (!t || !accepts(t, versions, is_start))
		return false;
	if (baseline_answer_of(t, 0) == BASELINE_KNOWN && b->cached < BASELINE_REST_CACHE &&
		hot_put(b->hot, what->key, BASELINE_CACHED | (uint32_t)(t - b->rows)) == 0)
		b->cached++;
	return true;
}

bool baseline_rest_knows(
	struct baseline *b, const struct behaviour *what, uint32_t versions, bool is_start)
{
	const uint32_t *at = hot_find(b->hot, what->key);

	if (!at)
		return template_knows(b, what, versions, is_start);
	if (*at & BASELINE_AWAY)
		return *at & (BASELINE_PLAIN | (is_start ? BASELINE_START : 0));
	return accepts(&b->rows[*at & BASELINE_INDEX], versions, is_start);
}
