/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/baseline_core.h"

#define FLAG(x)  BASELINE_FLAG(x)
#define ACCEPTED BASELINE_ACCEPTED

const struct baseline_row *baseline_standing_for(
	const struct baseline *b, const struct behaviour *what, uint32_t flags)
{
	uint32_t actor = b->template_count ? texts_find(b->texts, what->actor) : 0;

	if (b->template_count == 0 || (what->actor.len > 0 && !actor))
		return NULL;
	for (uint32_t i = 0; i < b->template_count; i++) {
		const struct baseline_row *t = &b->rows[b->templates[i]];

		if (t->dimension == what->dimension && t->actor == actor && (t->flags & flags) &&
			template_fits(texts_get(b->texts, t->object), what->object) &&
			!template_is_sensitive(what->object))
			return t;
	}
	return NULL;
}

const struct baseline_row *baseline_covering(const struct baseline *b, const struct behaviour *what)
{
	return baseline_standing_for(b, what, FLAG(STEADY) | FLAG(REMOVED));
}

enum baseline_answer baseline_answer_of(const struct baseline_row *row, uint32_t versions)
{
	if (!row)
		return BASELINE_UNKNOWN;
	if (row->flags & FLAG(REMOVED))
		return BASELINE_REMOVED;
	if (row->flags & FLAG(PENDING))
		return BASELINE_PENDING;
	if ((row->flags & FLAG(STEADY)) || (row->versions & versions))
		return BASELINE_KNOWN;
	if (row->flags & FLAG(STARTUP))
		return BASELINE_STARTUP_ONLY;
	return row->flags & FLAG(CANDIDATE) ? BASELINE_CANDIDATE : BASELINE_UNKNOWN;
}

/* By a template; remembered, so that the next time is one probe. */
static enum baseline_answer ask_templates(struct baseline *b, const struct behaviour *what,
	uint32_t versions, const struct baseline_row **row)
{
	const struct baseline_row *t = baseline_standing_for(b, what, FLAG(TEMPLATE));
	enum baseline_answer answer = baseline_answer_of(t, versions);
	bool has_row = *row != NULL;

	if (answer != BASELINE_KNOWN && (has_row || answer != BASELINE_STARTUP_ONLY))
		return baseline_answer_of(*row, versions);
	*row = t;
	if (!has_row && b->cached < BASELINE_CACHE &&
		hot_put(b->hot, what->key, BASELINE_CACHED | (uint32_t)(t - b->rows)) == 0)
		b->cached++;
	return answer;
}

enum baseline_answer baseline_ask(struct baseline *b, const struct behaviour *what,
	uint32_t versions, const struct baseline_row **ret_row)
{
	const uint32_t *at = hot_find(b->hot, what->key);
	const struct baseline_row *row = at ? &b->rows[*at & BASELINE_INDEX] : NULL;
	enum baseline_answer answer = baseline_answer_of(row, versions);

	pw_assert(!b->packed);
	if ((answer == BASELINE_UNKNOWN || answer == BASELINE_STARTUP_ONLY) &&
		b->template_count > 0)
		answer = ask_templates(b, what, versions, &row);
	if (answer == BASELINE_UNKNOWN) {
		const struct baseline_row *side = baseline_find(b, baseline_side_key(what->key));

		answer = baseline_answer_of(side, versions);
		row = side ? side : row;
	}
	if (ret_row)
		*ret_row = row;
	return answer;
}

const struct baseline_row *baseline_find(const struct baseline *b, uint64_t key)
{
	const uint32_t *at = hot_find(b->hot, key);

	pw_assert(!b->packed);
	return !at || (*at & BASELINE_CACHED) ? NULL : &b->rows[*at];
}

static size_t common_prefix(struct pw_slice a, struct pw_slice b)
{
	size_t i = 0;

	while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i])
		i++;
	return i;
}

const struct baseline_row *baseline_nearest(const struct baseline *b, const struct behaviour *what)
{
	uint32_t actor = texts_find(b->texts, what->actor);
	const struct baseline_row *best = NULL;
	size_t best_score = 0;

	for (uint32_t i = 0; !b->packed && i < b->count; i++) {
		const struct baseline_row *row = &b->rows[i];
		size_t score;

		if (row->dimension != what->dimension || (row->flags & FLAG(REMOVED)) ||
			!(row->flags & ACCEPTED))
			continue;
		/* The same actor outweighs any common beginning. */
		score = 1 + common_prefix(baseline_object(b, row), what->object);
		if (row->actor == actor && (actor || what->actor.len == 0))
			score += 2 * BEHAVIOUR_TEXT_BYTES;
		if (score > best_score) {
			best_score = score;
			best = row;
		}
	}
	return best;
}

struct pw_slice baseline_actor(const struct baseline *b, const struct baseline_row *row)
{
	return texts_get(b->texts, row->actor);
}

struct pw_slice baseline_object(const struct baseline *b, const struct baseline_row *row)
{
	return texts_get(b->texts, row->object);
}

uint32_t baseline_count(const struct baseline *b)
{
	return b->count;
}

const struct baseline_row *baseline_at(const struct baseline *b, uint32_t index)
{
	pw_assert(!b->packed);
	return &b->rows[index];
}

uint32_t baseline_limit(const struct baseline *b)
{
	return b->limit;
}

uint32_t baseline_template_count(const struct baseline *b)
{
	return b->template_count;
}

uint32_t baseline_changed_count(const struct baseline *b)
{
	return b->changed;
}

const struct baseline_row *baseline_changed_at(const struct baseline *b, uint32_t index)
{
	return &b->rows[b->changes[index]];
}

void baseline_changes_taken(struct baseline *b)
{
	for (uint32_t i = 0; i < b->changed; i++)
		b->rows[b->changes[i]].changed = false;
	b->changed = b->changes_cap = 0;
	free(b->changes);
	b->changes = NULL;
}

uint64_t baseline_refused(const struct baseline *b)
{
	return b->refused;
}

size_t baseline_bytes(const struct baseline *b)
{
	return sizeof(*b) + hot_bytes(b->hot) + texts_bytes(b->texts) +
	       (size_t)b->cap * sizeof(*b->rows) + (size_t)b->changes_cap * sizeof(*b->changes) +
	       (b->templates && !b->packed ? BASELINE_TEMPLATES * sizeof(*b->templates) : 0) +
	       baseline_packed_bytes(b->packed);
}

size_t baseline_hot_bytes(const struct baseline *b)
{
	return hot_bytes(b->hot);
}
