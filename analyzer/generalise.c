/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/generalise.h"

#include "analyzer/generalise_name.h"
#include "common/base/arena.h"

#include <errno.h>

#define DIM(x)      ((uint32_t)PODWARD__V1__DIMENSION__DIMENSION_##x)
#define FLAG(x)     ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_##x)
#define DEPTH_MAX   64u
#define TEXT_MAX    2048u
#define COUNTED     64u /* containers that are told apart for the figure in a template */
#define ARENA_LIMIT ((size_t)256 << 20)

/* A row with what is left of its object below the folder at hand. */
struct item {
	const struct baseline_row *row;
	struct pw_slice rest;
};

/* Items with the same next component. */
struct child {
	struct pw_slice name;
	struct item *items;
	size_t count;
	uint32_t containers[BASELINE_CONTAINERS];
	uint64_t form;
};

struct made {
	struct behaviour what;
	struct baseline_seen seen;
	struct made *next;
};

struct walk {
	const struct baseline *b;
	const struct generalise_options *options;
	struct pw_arena *arena;
	struct made *made;
	uint32_t dimension;
	struct pw_slice actor;
	uint8_t text[TEXT_MAX];
	size_t len;
	bool has_token, separate;
	uint32_t depth;
};

static struct pw_slice next_component(struct pw_slice rest)
{
	ptrdiff_t slash = pw_slice_find_byte(rest, '/');

	return slash < 0 ? rest : pw_slice_sub(rest, 0, (size_t)slash);
}

static int by_component(const void *a, const void *b)
{
	const struct item *one = a, *two = b;
	int r = pw_slice_cmp(next_component(one->rest), next_component(two->rest));

	if (r != 0)
		return r;
	return one->row->key < two->row->key ? -1 : one->row->key > two->row->key;
}

static int by_form(const void *a, const void *b)
{
	const struct child *one = a, *two = b;

	if (one->form != two->form)
		return one->form < two->form ? -1 : 1;
	return pw_slice_cmp(one->name, two->name);
}

static int make_children(
	struct walk *w, struct item *items, size_t count, struct child **ret, size_t *ret_count)
{
	struct child *children = pw_arena_alloc0(w->arena, count, sizeof(*children));
	size_t n = 0;

	if (!children)
		return -ENOMEM;
	qsort(items, count, sizeof(*items), by_component);
	for (size_t i = 0; i < count; i++) {
		struct pw_slice name = next_component(items[i].rest);
		struct child *c;

		if (n == 0 || !pw_slice_eq(children[n - 1].name, name)) {
			c = &children[n++];
			c->name = name;
			c->items = &items[i];
			c->form = generalise_form(name);
		}
		c = &children[n - 1];
		c->count++;
		for (uint32_t k = 0; k < BASELINE_CONTAINERS; k++)
			(void)baseline_add_container(c->containers, items[i].row->containers[k]);
	}
	*ret = children;
	*ret_count = n;
	return 0;
}

static uint32_t count_containers(const struct item *items, size_t count)
{
	uint32_t seen[COUNTED], n = 0;

	for (size_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < BASELINE_CONTAINERS; k++) {
			uint32_t hash = items[i].row->containers[k], at = 0;

			while (at < n && seen[at] != hash)
				at++;
			if (hash && at == n && n < COUNTED)
				seen[n++] = hash;
		}
	}
	return n;
}

/* The objects of these rows are the text at hand. */
static int emit(struct walk *w, const struct item *items, size_t count)
{
	struct made *m = pw_arena_alloc0(w->arena, 1, sizeof(*m));
	struct pw_slice text = pw_arena_dup(w->arena, pw_slice_of(w->text, w->len));
	struct pw_slice actor = pw_arena_dup(w->arena, w->actor);

	if (!m || !text.ptr || (w->actor.len > 0 && !actor.ptr))
		return -ENOMEM;
	m->what = (struct behaviour){
		behaviour_key(w->dimension, actor, text), w->dimension, actor, text};
	m->seen.flags = FLAG(TEMPLATE);
	m->seen.wall_ns = INT64_MAX;
	for (size_t i = 0; i < count; i++) {
		m->seen.flags |= items[i].row->flags;
		m->seen.versions |= items[i].row->versions;
		if (items[i].row->first_wall_ns < m->seen.wall_ns)
			m->seen.wall_ns = items[i].row->first_wall_ns;
	}
	m->seen.containers[0] = (uint32_t)count;
	m->seen.containers[1] = count_containers(items, count);
	m->next = w->made;
	w->made = m;
	return 0;
}

static int walk(struct walk *w, struct item *items, size_t count);

/* One step down: the component's text behind what is there, the items moved past it. */
static int descend(
	struct walk *w, struct pw_slice component, bool token, struct item *items, size_t count)
{
	size_t len = w->len, ended = 0;
	bool has_token = w->has_token, separate = w->separate;
	int r = 0;

	if (len + component.len + 1 > TEXT_MAX || w->depth == DEPTH_MAX)
		return 0; /* too long or too deep: its rows stay as they are */
	if (w->separate)
		w->text[w->len++] = '/';
	if (component.len > 0)
		memcpy(w->text + w->len, component.ptr, component.len);
	w->len += component.len;
	w->has_token |= token;
	w->separate = true;
	w->depth++;
	for (size_t i = 0; i < count; i++) {
		struct item it = items[i];
		size_t name = next_component(it.rest).len;

		if (name == it.rest.len) {
			items[i] = items[ended];
			items[ended] = it;
			items[ended++].rest = (struct pw_slice){NULL, 0};
		} else {
			items[i].rest = pw_slice_sub(it.rest, name + 1, it.rest.len);
		}
	}
	if (ended > 0 && w->has_token)
		r = emit(w, items, ended);
	if (r == 0 && ended < count)
		r = walk(w, items + ended, count - ended);
	w->len = len;
	w->has_token = has_token;
	w->separate = separate;
	w->depth--;
	return r;
}

static bool is_single(const struct child *c)
{
	return c->containers[1] == 0;
}

/* The names of one form, each of one container: do they vary? */
static bool is_varied(const struct walk *w, const struct child *c, size_t count)
{
	uint32_t first = c[0].containers[0];
	bool differ = false, look = true;

	if (count < 2)
		return false;
	for (size_t i = 0; i < count; i++) {
		differ |= c[i].containers[0] != first;
		look &= generalise_looks_varied(c[i].name);
	}
	if (w->options->containers >= GENERALISE_CONTAINERS && differ)
		return look || count >= GENERALISE_CONTAINERS;
	/* One container, or a form that only one of them shows: by the look of several names. */
	return look && count >= GENERALISE_CONTAINERS && w->dimension != DIM(EXEC);
}

/* All items of these children in one array, under one component. */
static int descend_together(
	struct walk *w, const struct child *c, size_t count, struct pw_slice component)
{
	struct item *items;
	size_t total = 0, at = 0;

	for (size_t i = 0; i < count; i++)
		total += c[i].count;
	items = pw_arena_alloc0(w->arena, total, sizeof(*items));
	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		memcpy(items + at, c[i].items, c[i].count * sizeof(*items));
		at += c[i].count;
	}
	return descend(w, component, true, items, total);
}

/* The names of one form as one template, if there is a text for them. */
static int descend_form(struct walk *w, const struct child *c, size_t count, bool *ret_done)
{
	struct pw_slice *names = pw_arena_alloc0(w->arena, count, sizeof(*names));
	uint8_t text[GENERALISE_NAME_BYTES];
	size_t len;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		names[i] = c[i].name;
	*ret_done = generalise_name(names, count, text, &len) == 0;
	return *ret_done ? descend_together(w, c, count, pw_slice_of(text, len)) : 0;
}

/* The singles of each form together where they vary. What is left comes to the front. */
static int walk_singles(struct walk *w, struct child *singles, size_t count, size_t *ret_left)
{
	size_t from = 0, left = 0;
	int r = 0;

	qsort(singles, count, sizeof(*singles), by_form);
	while (r == 0 && from < count) {
		size_t to = from + 1;
		bool done = false;

		while (to < count && singles[to].form == singles[from].form)
			to++;
		if (is_varied(w, singles + from, to - from))
			r = descend_form(w, singles + from, to - from, &done);
		for (; !done && from < to; from++)
			singles[left++] = singles[from];
		from = to;
	}
	*ret_left = left;
	return r;
}

static bool is_crowded(const struct walk *w, size_t children)
{
	uint32_t limit = w->options->child_limit;
	struct pw_slice folder = pw_slice_of(w->text, w->len);

	if (w->dimension == DIM(EXEC) || w->dimension == DIM(PRIVILEGE) || w->depth == 0)
		return false;
	if (pw_slice_eq_str(folder, "/etc"))
		limit *= 2;
	return children > limit;
}

static int walk(struct walk *w, struct item *items, size_t count)
{
	struct child *children;
	size_t n = 0, singles = 0, left;
	int r = make_children(w, items, count, &children, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct child c = children[i];

		if (!is_single(&c))
			continue;
		children[i] = children[singles];
		children[singles++] = c;
	}
	r = walk_singles(w, children, singles, &left);
	memmove(children + left, children + singles, (n - singles) * sizeof(*children));
	n -= singles - left;
	if (r == 0 && is_crowded(w, n))
		return descend_together(
			w, children, n, pw_slice_str(template_class_name(TEMPLATE_ANY)));
	for (size_t i = 0; r == 0 && i < n; i++)
		r = descend(w, children[i].name, false, children[i].items, children[i].count);
	return r;
}

static bool takes_part(const struct baseline *b, const struct baseline_row *row)
{
	uint32_t out = FLAG(TEMPLATE) | FLAG(REMOVED) | FLAG(CANDIDATE) | FLAG(PENDING);

	return (row->flags & out) == 0 && row->dimension != DIM(SYSCALL) &&
	       row->dimension != DIM(CAPABILITY) && row->dimension != DIM(EXEC_ARGS) &&
	       !template_is_sensitive(baseline_object(b, row)) &&
	       !template_is_pattern(baseline_object(b, row));
}

static int by_actor(const void *a, const void *b)
{
	const struct item *one = a, *two = b;

	if (one->row->dimension != two->row->dimension)
		return one->row->dimension < two->row->dimension ? -1 : 1;
	if (one->row->actor != two->row->actor)
		return one->row->actor < two->row->actor ? -1 : 1;
	return one->row->key < two->row->key ? -1 : one->row->key > two->row->key;
}

/* Runs of the same dimension and actor, one walk each. */
static int walk_all(struct walk *w, struct item *items, size_t count)
{
	size_t from = 0;
	int r = 0;

	qsort(items, count, sizeof(*items), by_actor);
	while (r == 0 && from < count) {
		const struct baseline_row *first = items[from].row;
		size_t to = from + 1;

		while (to < count && items[to].row->dimension == first->dimension &&
			items[to].row->actor == first->actor)
			to++;
		w->dimension = first->dimension;
		w->actor = baseline_actor(w->b, first);
		w->separate = false;
		r = walk(w, items + from, to - from);
		from = to;
	}
	return r;
}

static int collect(struct walk *w)
{
	uint32_t total = baseline_count(w->b);
	struct item *items = pw_arena_alloc0(w->arena, total + 1, sizeof(*items));
	size_t count = 0;

	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < total; i++) {
		const struct baseline_row *row = baseline_at(w->b, i);

		if (takes_part(w->b, row))
			items[count++] = (struct item){row, baseline_object(w->b, row)};
	}
	return walk_all(w, items, count);
}

int generalise(
	struct baseline *b, const struct generalise_options *o, struct generalise_result *ret)
{
	uint32_t before;
	struct walk *w = pw_alloc0(1, sizeof(*w));
	int r, worst = 0;

	if (!w)
		return -ENOMEM;
	w->b = b;
	w->options = o;
	*ret = (struct generalise_result){0, 0};
	r = pw_arena_new(64 << 10, ARENA_LIMIT, &w->arena);
	if (r == 0)
		r = collect(w);
	for (struct made *m = w->made; r >= 0 && m; m = m->next) {
		r = baseline_observe(b, &m->what, &m->seen);
		ret->templates += r > 0;
		if (r == -ENOSPC) {
			worst = r;
			r = 0;
		}
	}
	before = baseline_count(b);
	if (r >= 0 && ret->templates > 0)
		r = baseline_sweep(b);
	ret->left_out = before - baseline_count(b);
	pw_arena_free(w->arena);
	free(w);
	return r < 0 ? r : worst;
}
