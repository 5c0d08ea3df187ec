/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_atom.h"

#include "analyzer/field_get.h"
#include "analyzer/sig_check.h"

#include <errno.h>

#define BUCKETS (2 * SIG_ATOMS_LIMIT)

int sig_atoms_new(struct pw_arena *arena, struct sig_atoms **ret)
{
	struct sig_atoms *a = pw_arena_alloc0(arena, 1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->arena = arena;
	a->buckets = pw_arena_alloc0(arena, BUCKETS, sizeof(*a->buckets));
	a->sources = pw_arena_alloc0(arena, SIG_SOURCES_LIMIT, sizeof(*a->sources));
	if (!a->buckets || !a->sources)
		return -ENOMEM;
	*ret = a;
	return 0;
}

static int out_of_memory(struct sig_lex *l)
{
	return pw_err_set(l->err, -ENOMEM, "condition: out of memory");
}

/* ---- sources ---- */
static int add_transform(const struct sig_operand *o, struct sig_source *s, struct sig_lex *l)
{
	static const struct {
		const char *name;
		uint8_t transform;
	} rows[] = {{"tolower", SIG_TOLOWER}, {"toupper", SIG_TOUPPER}, {"basename", SIG_BASENAME},
		{"b64", SIG_B64}, {"len", SIG_LEN}};
	uint32_t n = 0;

	while (n < SIG_TRANSFORMS && s->transforms[n])
		n++;
	if (n == SIG_TRANSFORMS)
		return sig_lex_fail(
			l, o->pos, "more than %u transformers in each other", SIG_TRANSFORMS);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		if (!pw_slice_eq_str(o->name, rows[i].name))
			continue;
		if (s->type != FIELD_TEXT && s->type != FIELD_IP)
			return sig_lex_fail(l, o->pos, "%s takes a text", rows[i].name);
		s->transforms[n] = rows[i].transform;
		s->type = rows[i].transform == SIG_LEN ? FIELD_INT : FIELD_TEXT;
		return 0;
	}
	return sig_lex_fail(l, o->pos, "transformer %.*s is not supported", PW_SLICE_ARG(o->name));
}

static int make_source(const struct sig_operand *o, struct sig_source *s, struct sig_lex *l)
{
	const char *fault = NULL;
	int r;

	if (o->kind == SIG_TEXT)
		return sig_lex_fail(l, o->pos, "expected a field");
	if (o->kind == SIG_CALL) {
		if (!o->first || o->first->next)
			return sig_lex_fail(l, o->pos,
				"transformer %.*s with other than one "
				"argument is not supported",
				PW_SLICE_ARG(o->name));
		r = make_source(o->first, s, l);
		return r < 0 ? r : add_transform(o, s, l);
	}
	if (field_ref_make(o->name, o->arg, &s->ref, &fault) < 0) {
		int shown = (int)(o->name.len < 64 ? o->name.len : 64);

		if (!field_find(o->name))
			return sig_lex_fail(
				l, o->pos, "unknown field %.*s", shown, (const char *)o->name.ptr);
		return sig_lex_fail(l, o->pos, "field %.*s %s%s", shown, (const char *)o->name.ptr,
			field_find(o->name)->get ? "" : "is not supported: ", fault);
	}
	s->type = s->ref.spec->type;
	s->is_event = s->ref.spec->scope == FIELD_EVENT;
	return 0;
}

static bool same_source(const struct sig_source *a, const struct sig_source *b)
{
	return a->ref.spec == b->ref.spec && a->ref.index == b->ref.index &&
	       pw_slice_eq(a->ref.key, b->ref.key) &&
	       memcmp(a->transforms, b->transforms, sizeof(a->transforms)) == 0;
}

int sig_atoms_source(struct sig_atoms *a, const struct sig_operand *o, struct sig_lex *l,
	struct sig_source **ret)
{
	struct sig_source made = {.ref = {.index = -1}};
	int r = make_source(o, &made, l);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < a->source_count; i++) {
		if (!same_source(a->sources[i], &made))
			continue;
		*ret = a->sources[i];
		return 0;
	}
	if (a->source_count == SIG_SOURCES_LIMIT)
		return pw_err_set(l->err, -E2BIG, "more than %u different fields in all rules",
			SIG_SOURCES_LIMIT);
	*ret = pw_arena_alloc(a->arena, sizeof(made));
	if (!*ret)
		return out_of_memory(l);
	**ret = made;
	a->sources[a->source_count++] = *ret;
	return 0;
}

/* ---- identity ---- */
static uint64_t mix_slice(uint64_t h, struct pw_slice s)
{
	return pw_hash_mix(pw_hash_mix(h, s.len), pw_hash64(s, h));
}

static struct pw_hash128 identify(const struct sig_atom *t)
{
	struct pw_hash128 id = {(uint64_t)(uintptr_t)t->source, (uint64_t)(uintptr_t)t->right};

	id.high = pw_hash_mix(id.high, (uint64_t)t->op);
	id.low = pw_hash_mix(id.low, (uint64_t)t->how);
	for (uint32_t i = 0; i < t->value_count; i++) {
		id.high = mix_slice(id.high, t->values[i]);
		id.low = mix_slice(id.low + 1, t->values[i]);
	}
	return id;
}

static uint32_t *slot_of(const struct sig_atoms *a, struct pw_hash128 id)
{
	uint32_t i = (uint32_t)(id.high ^ id.low) % BUCKETS;

	while (a->buckets[i]) {
		const struct sig_atom *t = a->items[a->buckets[i] - 1];

		if (t->identity.high == id.high && t->identity.low == id.low)
			break;
		i = (i + 1) % BUCKETS;
	}
	return &a->buckets[i];
}

static int reserve(struct sig_atoms *a, struct sig_lex *l)
{
	uint32_t want = a->capacity ? a->capacity * 2 : 256;
	struct sig_atom **grown;

	if (a->count < a->capacity)
		return 0;
	if (a->count >= SIG_ATOMS_LIMIT)
		return pw_err_set(l->err, -E2BIG, "more than %u different checks in all rules",
			SIG_ATOMS_LIMIT);
	grown = pw_arena_alloc0(a->arena, want, sizeof(struct sig_atom *));
	if (!grown)
		return out_of_memory(l);
	if (a->count > 0)
		memcpy((void *)grown, (const void *)a->items, a->count * sizeof(*grown));
	a->items = grown;
	a->capacity = want;
	return 0;
}

/* The atom that is equal to made, or made itself from now on. */
static int intern(struct sig_atoms *a, const struct sig_atom *made, struct sig_lex *l,
	const struct sig_atom **ret)
{
	struct sig_atom *copy;
	uint32_t *slot;
	int r = reserve(a, l);

	if (r < 0)
		return r;
	slot = slot_of(a, made->identity);
	if (*slot) {
		*ret = a->items[*slot - 1];
		return 0;
	}
	copy = pw_arena_alloc(a->arena, sizeof(*copy));
	if (!copy)
		return out_of_memory(l);
	*copy = *made;
	a->items[a->count++] = copy;
	*slot = a->count;
	*ret = copy;
	return 0;
}

static bool is_special_exists(const struct sig_source *s, enum sig_op op)
{
	return op == SIG_OP_EXISTS && s->ref.spec->get == get_fd_sip_name;
}

static int get_exists(struct sig_atoms *a, const struct sig_source *s, struct sig_lex *l,
	const struct sig_atom **ret)
{
	struct sig_atom t = {.source = s, .how = SIG_HOW_EXISTS, .op = SIG_OP_EXISTS, .always = -1};

	t.identity = identify(&t);
	sig_check_rate(&t);
	return intern(a, &t, l, ret);
}

int sig_atoms_get(struct sig_atoms *a, const struct sig_check *c, int32_t value, struct sig_lex *l,
	struct sig_found *ret)
{
	struct sig_operand instead = {.kind = SIG_FIELD, .name = PW_SLICE_LIT("fd.typechar")};
	struct sig_found found = {NULL, NULL, c->op == SIG_OP_NE};
	struct sig_source *source = NULL, *right = NULL;
	struct sig_atom t = {.op = c->op == SIG_OP_NE ? SIG_OP_EQ : c->op, .always = -1};
	int r = sig_atoms_source(a, c->left, l, &source);

	/* A name that was never answered counts as there once there is a descriptor. */
	if (r == 0 && is_special_exists(source, c->op))
		r = sig_atoms_source(a, &instead, l, &source);
	if (r == 0 && c->right)
		r = sig_atoms_source(a, c->right, l, &right);
	if (r < 0)
		return r;
	t.source = source;
	t.right = right;
	t.values = value < 0 ? c->values : c->values + value;
	t.value_count = value < 0 ? c->value_count : 1;
	r = sig_check_make(&t, c->left->pos, l);
	if (r < 0)
		return r;
	t.identity = identify(&t);
	sig_check_rate(&t);
	r = intern(a, &t, l, &found.atom);
	if (r == 0 && found.inverted)
		r = get_exists(a, source, l, &found.exists);
	if (r == 0)
		*ret = found;
	return r;
}

int sig_atoms_union(struct sig_atoms *a, const struct sig_atom **parts, uint32_t count,
	struct sig_lex *l, const struct sig_atom **ret)
{
	struct sig_atom t = {.source = parts[0]->source,
		.how = SIG_HOW_UNION,
		.op = SIG_OP_IN,
		.always = -1,
		.value_count = count,
		.parts = parts};

	t.identity = (struct pw_hash128){count, (uint64_t)(uintptr_t)t.source};
	for (uint32_t i = 0; i < count; i++) {
		t.identity.high = pw_hash_mix(t.identity.high, parts[i]->identity.high);
		t.identity.low = pw_hash_mix(t.identity.low, parts[i]->identity.low);
	}
	sig_check_rate(&t);
	return intern(a, &t, l, ret);
}
