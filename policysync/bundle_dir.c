// SPDX-License-Identifier: Apache-2.0
#include "policysync/bundle_dir.h"
#include "common/base/file.h"
#include "policysync/policy_set.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct bundle_dir {
	char *dir;
	void (*changed)(void *ctx);
	void *ctx;
};

struct parsed {
	struct crd_object *objects[BUNDLE_OBJECTS];
	size_t count;
};

static void parsed_free(struct parsed *p)
{
	for (size_t i = 0; p && i < p->count; i++)
		crd_object_free(p->objects[i]);
	free(p);
}

static void key_of(const struct bundle_object *o, char out[CRD_KEY_MAX])
{
	(void)snprintf(out, CRD_KEY_MAX, "%s/%s%s%s", o->kind, o->namespace_,
		o->namespace_[0] ? "/" : "", o->name);
}

/* The first cause keeps its code only when it is no fault of the bundle. */
static int invalid(const struct pw_err *own, const struct bundle_object *o, struct pw_err *err)
{
	char key[CRD_KEY_MAX];

	key_of(o, key);
	return pw_err_set(err, own->code == -ENOMEM ? -ENOMEM : -EINVAL, "%s: %s", key, own->msg);
}

static int parse_one(const struct bundle_object *o, struct pw_slice blob, struct crd_object **ret,
	struct pw_err *err)
{
	struct pw_err own = PW_ERR_INIT;
	struct pw_json **docs = NULL;
	char key[CRD_KEY_MAX];
	size_t count = 0;
	int r = pw_yaml_parse(blob, &docs, &count, &own);

	if (r == 0 && count != 1)
		r = pw_err_set(&own, -EINVAL, "expected one document, got %zu", count);
	if (r == 0)
		r = crd_parse(docs[0], ret, &own);
	pw_yaml_docs_free(docs, count);
	if (r < 0)
		return invalid(&own, o, err);
	key_of(o, key);
	if (strcmp(key, (*ret)->key) == 0)
		return 0;
	(void)pw_err_set(&own, -EINVAL, "the blob is %s", (*ret)->key);
	crd_object_free(*ret);
	*ret = NULL;
	return invalid(&own, o, err);
}

/* -EPERM when a policy does more than the cap lets it. */
static int check_actions(
	const struct policy_set *set, const struct bundle_caps *caps, struct pw_err *err)
{
	const Podward__V1__PolicySnapshot *m = policy_set_message(set);

	for (size_t i = 0; caps->audit_only && i < m->n_policies; i++) {
		const Podward__V1__Policy *p = m->policies[i];

		if (p->mode != PODWARD__V1__POLICY_MODE__POLICY_MODE_ENFORCE &&
			p->mode != PODWARD__V1__POLICY_MODE__POLICY_MODE_UNSPECIFIED)
			continue;
		return pw_err_set(err, -EPERM,
			"policy %.*s: mode Enforce is more than is allowed here", (int)p->name.len,
			(const char *)p->name.data);
	}
	return 0;
}

static int parse_all(const struct bundle *b, struct parsed *p, struct pw_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->manifest->object_count; i++) {
		r = parse_one(&b->manifest->objects[i], b->blobs[i], &p->objects[i], err);
		p->count += r == 0;
	}
	return r;
}

int bundle_check_objects(const struct bundle *b, const struct bundle_caps *caps, struct pw_err *err)
{
	struct parsed *p = pw_alloc0(1, sizeof(*p));
	struct policy_set *set = NULL;
	struct pw_err own = PW_ERR_INIT;
	int r = p ? parse_all(b, p, err) : pw_err_set(err, -ENOMEM, "out of memory");

	if (r == 0) {
		r = policy_set_new(
			(const struct crd_object *const *)p->objects, p->count, 1, &set, &own);
		if (r < 0)
			r = pw_err_set(err, r == -ENOMEM ? r : -EINVAL, "all objects: %s", own.msg);
	}
	if (r == 0)
		r = check_actions(set, caps, err);
	policy_set_free(set);
	parsed_free(p);
	return r;
}

static int dry_run(
	void *ctx, const struct bundle *b, const struct bundle_caps *caps, struct pw_err *err)
{
	(void)ctx;
	return bundle_check_objects(b, caps, err);
}

/* A flat folder with its files; nothing when it is not there. */
static void remove_folder(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	(void)closedir(dir);
	(void)rmdir(path);
}

static int write_objects(const char *folder, const struct bundle *b, struct pw_err *err)
{
	char path[4096];
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->manifest->object_count; i++) {
		const struct bundle_object *o = &b->manifest->objects[i];

		if (snprintf(path, sizeof(path), "%s/%03zu-%s-%s.yaml", folder, i, o->kind,
			    o->name) >= (int)sizeof(path))
			return pw_err_set(err, -ENAMETOOLONG, "%s: path too long", folder);
		r = pw_file_write(path, b->blobs[i], err);
	}
	return r;
}

/* Both names exist for the exchange; the old folder has the new one's name afterwards. */
static int put_in_place(const char *fresh, const char *place, struct pw_err *err)
{
	int r = 0;

	if (renameat2(AT_FDCWD, fresh, AT_FDCWD, place, RENAME_EXCHANGE) < 0)
		r = errno == ENOENT && rename(fresh, place) == 0 ? 0 : -errno;
	return r < 0 ? pw_err_set(err, r, "%s: %s", place, pw_err_text(r)) : 0;
}

static int apply(void *ctx, const struct bundle *b, struct pw_err *err)
{
	struct bundle_dir *d = ctx;
	char fresh[4096], place[4096];
	int r = 0;

	if (snprintf(fresh, sizeof(fresh), "%s/objects.new", d->dir) >= (int)sizeof(fresh) ||
		snprintf(place, sizeof(place), "%s/objects", d->dir) >= (int)sizeof(place))
		return pw_err_set(err, -ENAMETOOLONG, "%s: path too long", d->dir);
	remove_folder(fresh);
	if (mkdir(fresh, 0700) < 0)
		r = pw_err_set(err, -errno, "%s: %s", fresh, pw_err_text(errno));
	if (r == 0)
		r = write_objects(fresh, b, err);
	if (r == 0)
		r = put_in_place(fresh, place, err);
	remove_folder(fresh);
	if (r == 0 && d->changed)
		d->changed(d->ctx);
	return r;
}

int bundle_dir_new(const char *dir, void (*changed)(void *ctx), void *ctx, struct bundle_dir **ret,
	struct pw_err *err)
{
	struct bundle_dir *d;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return pw_err_set(err, -errno, "bundle folder %s: %s", dir, pw_err_text(errno));
	d = pw_alloc0(1, sizeof(*d));
	if (d)
		d->dir = pw_strdup(dir);
	if (!d || !d->dir) {
		free(d);
		return pw_err_set(err, -ENOMEM, "out of memory");
	}
	d->changed = changed;
	d->ctx = ctx;
	*ret = d;
	return 0;
}

void bundle_dir_free(struct bundle_dir *d)
{
	if (!d)
		return;
	free(d->dir);
	free(d);
}

struct bundle_target bundle_dir_target(struct bundle_dir *d)
{
	return (struct bundle_target){.dry_run = dry_run, .apply = apply, .ctx = d};
}
