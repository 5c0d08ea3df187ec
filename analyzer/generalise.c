/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/generalise.h"

#include "analyzer/generalise_made.h"
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
	bool looks_varied, made, temporary; /* see generalise_made.h */
	bool settled; /* a template goes through it: it was looked at, with more below it than now
		       */
	bool done;
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
	struct generalise_made *names;
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

static bool is_single(const struct child *c)
{
	return c->containers[1] == 0 && !c->settled;
}

static int by_form(const void *a, const void *b)
{
	const struct child *one = a, *two = b;

	if (one->form != two->form)
		return one->form < two->form ? -1 : 1;
	if (is_single(one) != is_single(two))
		return is_single(one) ? -1 : 1;
	return pw_slice_cmp(one->name, two->name);
}

/* The path down to this component was made by the group itself. */
static void look_up_made(const struct walk *w, const struct item *it, struct child *c)
{
	struct pw_slice path = baseline_object(w->b, it->row);

	path = pw_slice_sub(path, 0, path.len - it->rest.len + c->name.len);
	c->made |= generalise_made_is(w->names, path);
	c->temporary |= generalise_made_is_temporary(w->names, path);
}

static bool is_template(const struct item *it)
{
	return it->row->flags & FLAG(TEMPLATE);
}

static void add_item(const struct walk *w, struct child *c, const struct item *it)
{
	c->count++;
	if (is_template(it)) {
		c->settled = true;
		return;
	}
	look_up_made(w, it, c);
	for (uint32_t k = 0; k < BASELINE_CONTAINERS; k++)
		(void)baseline_add_container(c->containers, it->row->containers[k]);
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

		if (is_template(&items[i]) && template_is_pattern(name))
			continue; /* its folders are what it is here for */
		if (n == 0 || !pw_slice_eq(children[n - 1].name, name)) {
			c = &children[n++];
			c->name = name;
			c->items = &items[i];
			c->form = generalise_form(name);
			c->looks_varied = generalise_looks_varied(name);
		}
		add_item(w, &children[n - 1], &items[i]);
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

/* One whose name may be varied: only one container shows it, or the group made it. */
static bool is_loose(const struct walk *w, const struct child *c)
{
	return is_single(c) ||
	       (!c->settled && c->made && c->looks_varied && w->dimension != DIM(EXEC));
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
		look &= c[i].looks_varied;
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
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < c[i].count; k++)
			if (!is_template(&c[i].items[k]))
				items[at++] = c[i].items[k];
	return at > 0 ? descend(w, component, true, items, at) : 0;
}

/* These names as one template, if there is a text for them. */
static int descend_form(struct walk *w, struct child *c, size_t count)
{
	struct pw_slice *names = pw_arena_alloc0(w->arena, count, sizeof(*names));
	uint8_t text[GENERALISE_NAME_BYTES];
	size_t len;
	int r;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		names[i] = c[i].name;
	r = count == 1 ? generalise_one(names[0], text, &len)
		       : generalise_name(names, count, text, &len);
	if (r < 0)
		return 0;
	for (size_t i = 0; i < count; i++)
		c[i].done = true;
	return descend_together(w, c, count, pw_slice_of(text, len));
}

/* What is not done comes to the front. Returns how many those are. */
static size_t keep_open(struct child *c, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (!c[i].done)
			c[kept++] = c[i];
	return kept;
}

/* Each is a number, a date or an address but for its letters around: no throw of bytes. */
static bool is_dated(const struct child *c, size_t count)
{
	uint8_t text[GENERALISE_NAME_BYTES];
	size_t len;

	for (size_t i = 0; i < count; i++)
		if (generalise_one(c[i].name, text, &len) < 0)
			return false;
	return true;
}

/* Those that look varied come to the front. Returns how many those are. */
static size_t looking_first(struct child *c, size_t count)
{
	size_t looking = 0;

	for (size_t i = 0; i < count; i++) {
		struct child one = c[i];

		if (!one.looks_varied)
			continue;
		c[i] = c[looking];
		c[looking++] = one;
	}
	return looking;
}

/*
 * Names of one form. Numbers that the group gives itself vary even where containers count alike;
 * other names do when each was shown by one container only, which come first here.
 */
static int walk_form(struct walk *w, struct child *c, size_t count)
{
	size_t singles = 0, counted = 0;

	for (size_t i = 0; i < count; i++) {
		singles += is_single(&c[i]);
		counted += c[i].made && c[i].looks_varied;
	}
	if (counted >= GENERALISE_CONTAINERS && w->dimension != DIM(EXEC))
		return descend_form(w, c, looking_first(c, count));
	if (singles < GENERALISE_CONTAINERS && !is_dated(c, singles))
		return 0;
	return is_varied(w, c, singles) ? descend_form(w, c, singles) : 0;
}

static int walk_pair(struct walk *w, struct child *c, size_t count)
{
	size_t singles = 0;

	while (singles < count && is_single(&c[singles]))
		singles++;
	return is_varied(w, c, singles) ? descend_form(w, c, singles) : 0;
}

/* Made names of one length without a form in common: thrown, when containers show different ones.
 */
static int walk_thrown(struct walk *w, struct child *c, size_t count)
{
	size_t look = 0;

	for (size_t i = 0; i < count; i++)
		look += c[i].looks_varied;
	return look * 2 >= count && count >= GENERALISE_CONTAINERS && is_varied(w, c, count)
		       ? descend_form(w, c, count)
		       : 0;
}

/* Calls fn for each run of equal neighbours. */
static int each_run(struct walk *w, struct child *c, size_t count,
	bool (*same)(const struct child *a, const struct child *b),
	int (*fn)(struct walk *w, struct child *c, size_t count))
{
	size_t from = 0;
	int r = 0;

	while (r == 0 && from < count) {
		size_t to = from + 1;

		while (to < count && same(&c[from], &c[to]))
			to++;
		r = fn(w, c + from, to - from);
		from = to;
	}
	return r;
}

static bool same_form(const struct child *a, const struct child *b)
{
	return a->form == b->form;
}

static bool may_be_thrown(const struct child *c)
{
	return is_single(c) && c->made;
}

static bool same_length(const struct child *a, const struct child *b)
{
	return may_be_thrown(a) && may_be_thrown(b) && a->name.len == b->name.len;
}

static int by_length(const void *a, const void *b)
{
	const struct child *one = a, *two = b;

	if (may_be_thrown(one) != may_be_thrown(two))
		return may_be_thrown(one) ? -1 : 1;
	if (one->name.len != two->name.len)
		return one->name.len < two->name.len ? -1 : 1;
	return pw_slice_cmp(one->name, two->name);
}

/*
 * Loose names: by form, then by length, then the pairs of one form, which may have been two of
 * several thrown names, then each temporary one by its own number.
 */
static int walk_loose(struct walk *w, struct child *loose, size_t count, size_t *ret_left)
{
	size_t left;
	int r;

	qsort(loose, count, sizeof(*loose), by_form);
	r = each_run(w, loose, count, same_form, walk_form);
	left = keep_open(loose, count);
	if (r == 0 && w->dimension != DIM(EXEC)) {
		qsort(loose, left, sizeof(*loose), by_length);
		r = each_run(w, loose, left, same_length, walk_thrown);
		left = keep_open(loose, left);
	}
	if (r == 0) {
		qsort(loose, left, sizeof(*loose), by_form);
		r = each_run(w, loose, left, same_form, walk_pair);
		left = keep_open(loose, left);
	}
	for (size_t i = 0; r == 0 && i < left && w->dimension != DIM(EXEC); i++)
		if (loose[i].temporary)
			r = descend_form(w, &loose[i], 1);
	*ret_left = keep_open(loose, left);
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
	size_t n = 0, loose = 0, left;
	int r = make_children(w, items, count, &children, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct child c = children[i];

		if (!is_loose(w, &c))
			continue;
		children[i] = children[loose];
		children[loose++] = c;
	}
	r = walk_loose(w, children, loose, &left);
	memmove(children + left, children + loose, (n - loose) * sizeof(*children));
	n -= loose - left;
	if (r == 0 && is_crowded(w, n))
		return descend_together(
			w, children, n, pw_slice_str(template_class_name(TEMPLATE_ANY)));
	for (size_t i = 0; r == 0 && i < n; i++)
		r = descend(w, children[i].name, false, children[i].items, children[i].count);
	return r;
}

static bool takes_part(const struct baseline *b, const struct baseline_row *row)
{
	uint32_t out = FLAG(REMOVED) | FLAG(CANDIDATE) | FLAG(PENDING);

	if ((row->flags & out) || row->dimension == DIM(SYSCALL) ||
		row->dimension == DIM(CAPABILITY) || row->dimension == DIM(EXEC_ARGS))
		return false;
	return (row->flags & FLAG(TEMPLATE)) ||
	       (!template_is_sensitive(baseline_object(b, row)) &&
		       !template_is_pattern(baseline_object(b, row)));
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
		r = generalise_made_new(b, &w->names);
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
	generalise_made_free(w->names);
	pw_arena_free(w->arena);
	free(w);
	return r < 0 ? r : worst;
}
