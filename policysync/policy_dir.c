// SPDX-License-Identifier: Apache-2.0
#include "policysync/policy_dir.h"
#include "common/base/escape.h"
#include "policysync/defaults.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX      1024
#define FILE_BYTES_MAX ((size_t)1 << 20)

/* An object and the file that it came from. */
struct entry {
	struct crd_object *object;
	char *file; /* NULL = embedded */
};

struct state {
	struct entry *entries;
	size_t count, cap;
	struct policy_problem *problems;
	size_t problem_count; /* all, also those past POLICY_SET_PROBLEMS that were not kept */
};

struct policy_dir {
	char *path;
	struct state defaults;
	struct state base;    /* of a bundle */
	struct state current; /* from the folder only */
};

/* What one reload is doing. */
struct load {
	const struct state *old;
	struct state *new;
	const char *file;
	bool nameless; /* a document was refused that does not say which object it is */
};

static void state_done(struct state *s)
{
	for (size_t i = 0; i < s->count; i++) {
		crd_object_free(s->entries[i].object);
		free(s->entries[i].file);
	}
	free(s->entries);
	free(s->problems);
	*s = (struct state){0};
}

static const struct entry *state_find(const struct state *s, const char *key)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->entries[i].object->key, key) == 0)
			return &s->entries[i];
	return NULL;
}

static int state_reserve(struct state *s)
{
	size_t cap = s->cap ? s->cap * 2 : 16;
	struct entry *grown;

	if (s->count < s->cap)
		return 0;
	if (s->count >= POLICY_SET_OBJECTS)
		return -E2BIG;
	grown = pw_realloc(s->entries, cap, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->entries = grown;
	s->cap = cap;
	return 0;
}

/* Takes object over, also on failure. */
static int state_add_take(struct state *s, struct crd_object *object, const char *file)
{
	char *copy = file ? pw_strdup(file) : NULL;
	int r = state_reserve(s);

	if (r == 0 && (!object || (file && !copy)))
		r = -ENOMEM;
	if (r < 0) {
		crd_object_free(object);
		free(copy);
		return r;
	}
	s->entries[s->count++] = (struct entry){object, copy};
	return 0;
}

/* message "field: text" is taken apart; a text with blanks before the colon is no field. */
static int add_problem(struct state *s, const char *file, const char *object, const char *message)
{
	const char *colon = strstr(message, ": ");
	const char *blank = strchr(message, ' ');
	bool has_field = colon && (!blank || blank > colon);
	struct policy_problem *grown, *p;

	s->problem_count++;
	if (s->problem_count > POLICY_SET_PROBLEMS)
		return 0;
	grown = pw_realloc(s->problems, s->problem_count, sizeof(*grown));
	if (!grown) {
		s->problem_count--;
		return -ENOMEM;
	}
	s->problems = grown;
	p = &grown[s->problem_count - 1];
	*p = (struct policy_problem){0};
	(void)snprintf(p->file, sizeof(p->file), "%s", file ? file : "defaults");
	(void)snprintf(p->object, sizeof(p->object), "%s", object);
	if (has_field)
		(void)snprintf(p->field, sizeof(p->field), "%.*s", (int)(colon - message), message);
	(void)snprintf(p->message, sizeof(p->message), "%s", has_field ? colon + 2 : message);
	return 0;
}

static int keep_old(const struct load *l, const struct entry *e)
{
	if (state_find(l->new, e->object->key))
		return 0;
	return state_add_take(l->new, crd_dup(e->object), e->file);
}

/* All objects that the file gave before. */
static int keep_file(const struct load *l)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->old->count; i++)
		if (l->old->entries[i].file && strcmp(l->old->entries[i].file, l->file) == 0)
			r = keep_old(l, &l->old->entries[i]);
	return r;
}

static int refuse_document(struct load *l, const char *key, const char *message)
{
	const struct entry *before = key[0] ? state_find(l->old, key) : NULL;
	size_t skip = strlen(key);
	int r;

	if (skip > 0 && strncmp(message, key, skip) == 0 && strncmp(message + skip, ": ", 2) == 0)
		message += skip + 2;
	r = add_problem(l->new, l->file, key, message);
	if (r < 0)
		return r;
	if (before)
		return keep_old(l, before);
	l->nameless |= !key[0];
	return 0;
}

static int load_document(struct load *l, const struct pw_json *doc)
{
	struct pw_err err = PW_ERR_INIT;
	struct crd_object *object = NULL;
	char key[CRD_KEY_MAX], text[CRD_KEY_MAX + 300];
	const struct entry *twin;
	int r = crd_parse(doc, &object, &err);

	crd_identify(doc, key);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return refuse_document(l, key, err.msg);
	twin = state_find(l->new, object->key);
	if (!twin) {
		r = state_add_take(l->new, object, l->file);
		return r == -E2BIG
			       ? add_problem(l->new, l->file, key, "too many objects in the folder")
			       : r;
	}
	crd_object_free(object);
	(void)snprintf(text, sizeof(text), "is given already in %s, which stays in force",
		twin->file ? twin->file : "defaults");
	return add_problem(l->new, l->file, key, text);
}

static int load_text(struct load *l, struct pw_slice text)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_json **docs = NULL;
	size_t count = 0;
	int r = pw_yaml_parse(text, &docs, &count, &err);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		r = add_problem(l->new, l->file, "", err.msg);
		return r < 0 || !l->file ? r : keep_file(l);
	}
	for (size_t i = 0; r == 0 && i < count; i++)
		if (pw_json_type(docs[i]) != PW_JSON_NULL)
			r = load_document(l, docs[i]);
	pw_yaml_docs_free(docs, count);
	/* Nobody knows which object it was: nothing that this file gave is taken away. */
	return r == 0 && l->nameless && l->file ? keep_file(l) : r;
}

static int read_fd(int fd, struct pw_buf *out, struct pw_err *err)
{
	struct stat st;
	char chunk[16384];
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return pw_err_set(err, -errno, "%s", pw_err_text(errno));
	if (!S_ISREG(st.st_mode))
		return pw_err_set(err, -EINVAL, "not a regular file");
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (pw_buf_add(out, chunk, (size_t)n) < 0)
			break;
	if (n < 0)
		return pw_err_set(err, -errno, "%s", pw_err_text(errno));
	if (pw_buf_error(out) == -E2BIG)
		return pw_err_set(err, -E2BIG, "larger than %zu bytes", FILE_BYTES_MAX);
	return pw_buf_error(out);
}

static int load_file(struct load *l, int dir_fd)
{
	pw_auto_buf text;
	struct pw_err err = PW_ERR_INIT;
	int fd = openat(dir_fd, l->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r;

	pw_buf_init(&text, FILE_BYTES_MAX);
	if (fd < 0) {
		r = pw_err_set(&err, -errno, "%s", pw_err_text(errno));
	} else {
		r = read_fd(fd, &text, &err);
		(void)close(fd);
	}
	if (r == -ENOMEM)
		return r;
	if (r == 0)
		return load_text(l, pw_buf_slice(&text));
	r = add_problem(l->new, l->file, "", err.msg);
	return r < 0 ? r : keep_file(l);
}

static int is_policy_file(const struct dirent *e)
{
	struct pw_slice name = pw_slice_str(e->d_name);

	return name.len > 0 && name.ptr[0] != '.' &&
	       (pw_slice_ends(name, PW_SLICE_LIT(".yaml")) ||
		       pw_slice_ends(name, PW_SLICE_LIT(".yml")));
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char **items;
	size_t count;
};

static void names_done(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->items[i]);
	free((void *)n->items);
}

static int list_names(DIR *dir, struct names *ret, struct pw_err *err)
{
	const struct dirent *e;

	ret->items = pw_alloc0(FILES_MAX, sizeof(*ret->items));
	if (!ret->items)
		return pw_err_set(err, -ENOMEM, "out of memory");
	while ((errno = 0, e = readdir(dir)) != NULL) {
		if (!is_policy_file(e))
			continue;
		if (ret->count >= FILES_MAX)
			return pw_err_set(err, -E2BIG, "more than %d policy files", FILES_MAX);
		ret->items[ret->count] = pw_strdup(e->d_name);
		if (!ret->items[ret->count])
			return pw_err_set(err, -ENOMEM, "out of memory");
		ret->count++;
	}
	if (errno)
		return pw_err_set(err, -errno, "%s", pw_err_text(errno));
	qsort((void *)ret->items, ret->count, sizeof(*ret->items), compare_names);
	return 0;
}

static int load_folder(const struct state *old, DIR *dir, struct state *new, struct pw_err *err)
{
	pw_cleanup(names_done) struct names names = {NULL, 0};
	int r = list_names(dir, &names, err);

	for (size_t i = 0; r == 0 && i < names.count; i++) {
		struct load l = {old, new, names.items[i], false};

		r = load_file(&l, dirfd(dir));
		if (r < 0)
			return pw_err_set(err, r, "%s: %s", names.items[i], pw_err_text(r));
	}
	return r;
}

int policy_dir_load(struct policy_dir *d, struct pw_err *err)
{
	struct state new = {0};
	DIR *dir;
	int r;

	if (!d->path)
		return 0;
	dir = opendir(d->path);
	if (!dir)
		return pw_err_set(err, -errno, "policy folder %s: %s", d->path, pw_err_text(errno));
	r = load_folder(&d->current, dir, &new, err);
	(void)closedir(dir);
	if (r < 0) {
		state_done(&new);
		return pw_err_wrap(err, r, "policy folder %s", d->path);
	}
	state_done(&d->current);
	d->current = new;
	return 0;
}

int policy_dir_load_base(struct policy_dir *d, const char *path, struct pw_err *err)
{
	static const struct state nothing = {0};
	struct state new = {0};
	DIR *dir = opendir(path);
	int r = 0;

	if (!dir && errno != ENOENT)
		return pw_err_set(err, -errno, "bundle %s: %s", path, pw_err_text(errno));
	if (dir) {
		r = load_folder(&nothing, dir, &new, err);
		(void)closedir(dir);
	}
	if (r == 0 && new.problem_count > 0)
		r = pw_err_set(err, -EINVAL, "%s: %s: %s", new.problems[0].file,
			new.problems[0].field, new.problems[0].message);
	if (r < 0) {
		state_done(&new);
		return pw_err_wrap(err, r, "bundle %s", path);
	}
	state_done(&d->base);
	d->base = new;
	return 0;
}

static int load_defaults(struct policy_dir *d, struct pw_err *err)
{
	static const struct state nothing = {0};
	struct load l = {&nothing, &d->defaults, NULL, false};
	int r = 0;

	for (size_t i = 0; r == 0 && i < defaults_file_count; i++)
		r = load_text(&l, defaults_files[i].text);
	if (r < 0)
		return pw_err_set(err, r, "embedded defaults: %s", pw_err_text(r));
	if (d->defaults.problem_count > 0)
		return pw_err_set(err, -EINVAL, "embedded defaults: %s: %s",
			d->defaults.problems[0].field, d->defaults.problems[0].message);
	return 0;
}

int policy_dir_new(const char *path, struct policy_dir **ret, struct pw_err *err)
{
	struct policy_dir *d = pw_alloc0(1, sizeof(*d));
	int r = d ? 0 : -ENOMEM;

	if (r == 0 && path) {
		d->path = pw_strdup(path);
		r = d->path ? 0 : -ENOMEM;
	}
	r = r < 0 ? pw_err_set(err, r, "out of memory") : load_defaults(d, err);
	if (r < 0) {
		policy_dir_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void policy_dir_free(struct policy_dir *d)
{
	if (!d)
		return;
	state_done(&d->defaults);
	state_done(&d->base);
	state_done(&d->current);
	free(d->path);
	free(d);
}

int policy_dir_make_set(
	const struct policy_dir *d, uint64_t serial, struct policy_set **ret, struct pw_err *err)
{
	size_t count = 0, kept = d->current.problem_count;
	const struct crd_object **all;
	struct policy_set *set = NULL;
	int r;

	all = pw_alloc0(d->current.count + d->base.count + d->defaults.count + 1, sizeof(*all));
	if (!all)
		return pw_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < d->current.count; i++)
		all[count++] = d->current.entries[i].object;
	for (size_t i = 0; i < d->base.count; i++)
		if (!state_find(&d->current, d->base.entries[i].object->key))
			all[count++] = d->base.entries[i].object;
	for (size_t i = 0; i < d->defaults.count; i++)
		if (!state_find(&d->current, d->defaults.entries[i].object->key) &&
			!state_find(&d->base, d->defaults.entries[i].object->key))
			all[count++] = d->defaults.entries[i].object;
	r = policy_set_new(all, count, serial, &set, err);
	free((void *)all);
	if (r < 0)
		return r;
	if (kept > POLICY_SET_PROBLEMS)
		kept = POLICY_SET_PROBLEMS;
	r = policy_set_add_problems(set, d->current.problems, kept);
	if (r < 0) {
		policy_set_free(set);
		return pw_err_set(err, r, "out of memory");
	}
	*ret = set;
	return 0;
}

const struct policy_problem *policy_dir_problems(const struct policy_dir *d, size_t *ret_count)
{
	*ret_count = d->current.problem_count < POLICY_SET_PROBLEMS ? d->current.problem_count
								    : POLICY_SET_PROBLEMS;
	return d->current.problems;
}

const struct crd_object *policy_dir_default(const struct policy_dir *d, size_t index)
{
	return index < d->defaults.count ? d->defaults.entries[index].object : NULL;
}
