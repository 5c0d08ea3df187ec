// SPDX-License-Identifier: Apache-2.0
#include "policysync/kube_profiles.h"
#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/log.h"
#include "common/kube/client.h"
#include "policysync/map.h"
#include "policysync/profile_json.h"
#include "policysync/profile_shrink.h"
#include "policysync/profile_whole.h"
#include "policysync/report.h"
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define GROUP_MAX   1024
#define ARENA_BYTES ((size_t)96 << 20)
#define BODY_MAX    ((size_t)2 << 20)
#define BUSY_FACTOR 10 /* how much later while it goes on changing */

struct row {
	UT_hash_handle hh;
	uint64_t due_ns; /* 0 = nothing to write */
	uint64_t written_ns;
	bool is_new_change; /* said again while it was being written */
	unsigned level;     /* of profile_shrink, that the server may take */
	char version[64];   /* of the object, "" = not there */
	char group[];
};

struct kube_profiles {
	struct pw_loop *loop;
	struct keeper *keeper;
	struct kube_writer *writer;
	struct pw_metrics *metrics;
	uint64_t delay_ns;
	struct row *rows;
	bool busy; /* one at a time */
};

static void count(struct kube_profiles *p, const char *result)
{
	if (p->metrics)
		pw_metric_add(metric(p->metrics, METRIC_KUBE_PROFILES, result, NULL), 1);
}

static struct row *get_row(struct kube_profiles *p, const char *group)
{
	size_t len = strlen(group);
	struct row *row = NULL;

	HASH_FIND_STR(p->rows, group, row);
	if (row)
		return row;
	row = HASH_COUNT(p->rows) < PROFILE_GROUPS ? pw_alloc0(1, sizeof(*row) + len + 1) : NULL;
	if (!row)
		return NULL;
	memcpy(row->group, group, len);
	HASH_ADD_KEYPTR(hh, p->rows, row->group, len, row);
	if (map_has_added(row))
		return row;
	free(row);
	return NULL;
}

/* --- what analyzers say
 * --------------------------------------------------------------------------- */

struct said {
	struct kube_profiles *profiles;
	char version[64]; /* of an object that the watch told; "" = an analyzer said it */
	char group[GROUP_MAX];
};

static void on_said(void *ctx)
{
	struct said *said = ctx;
	struct row *row = get_row(said->profiles, said->group);
	uint64_t now = pw_mono_now().ns, due;

	if (!row) {
		count(said->profiles, "refused");
	} else if (said->version[0]) {
		memcpy(row->version, said->version, sizeof(row->version));
	} else {
		due = now + said->profiles->delay_ns;
		if (row->written_ns > 0 &&
			row->written_ns + BUSY_FACTOR * said->profiles->delay_ns > due)
			due = row->written_ns + BUSY_FACTOR * said->profiles->delay_ns;
		row->is_new_change = true;
		row->due_ns = row->due_ns ? row->due_ns : due;
	}
	free(said);
}

static void say(struct kube_profiles *p, struct pw_slice group, struct pw_slice version)
{
	struct said *said = group.len < GROUP_MAX ? pw_alloc0(1, sizeof(*said)) : NULL;

	if (!said)
		return;
	said->profiles = p;
	(void)snprintf(said->group, sizeof(said->group), "%.*s", PW_SLICE_ARG(group));
	(void)snprintf(said->version, sizeof(said->version), "%.*s", PW_SLICE_ARG(version));
	if (pw_loop_post(p->loop, on_said, said) < 0)
		free(said); /* the next change says it again */
}

void kube_profiles_dirty(struct kube_profiles *p, struct pw_slice group)
{
	say(p, group, PW_SLICE_LIT(""));
}

/* --- out of the API server
 * ------------------------------------------------------------------------ */

struct merge {
	struct keeper_job job;
	const Podward__V1__ProfileDelta *whole;
	int done_fd, result;
};

static int merge_apply(struct keeper *k, struct keeper_job *base, struct pw_err *err)
{
	struct merge *m = PW_CONTAINER_OF(base, struct merge, job);
	struct pw_err own = PW_ERR_INIT;
	int r = profile_whole_merge(keeper_profiles(k), m->whole, &own);

	/* Bad content is its object's fault: it must not take the others of the transaction along.
	 */
	if (r == -EINVAL) {
		m->result = r;
		pw_log_limited(PW_LOG_WARN, 4, "profiles", "RuntimeProfile: %s", own.msg);
		return 0;
	}
	return r < 0 ? pw_err_set(err, r, "%s", own.msg) : 0;
}

static void merge_done(struct keeper_job *base, int result)
{
	struct merge *m = PW_CONTAINER_OF(base, struct merge, job);

	if (result < 0)
		m->result = result;
	(void)eventfd_write(m->done_fd, 1);
}

static int merge_and_wait(struct kube_profiles *p, const Podward__V1__ProfileDelta *whole)
{
	struct merge m = {.job = {.apply = merge_apply, .done = merge_done, .items = 1},
		.whole = whole,
		.done_fd = eventfd(0, EFD_CLOEXEC)};
	eventfd_t value;
	int r = m.done_fd < 0 ? -errno : keeper_write(p->keeper, &m.job);

	if (r == 0) {
		while (eventfd_read(m.done_fd, &value) < 0 && errno == EINTR)
			;
		r = m.result;
	}
	if (m.done_fd >= 0)
		(void)close(m.done_fd);
	return r;
}

void kube_profiles_merge(struct kube_profiles *p, const struct pw_json *object)
{
	pw_cleanup(pw_arena_freep) struct pw_arena *a = NULL;
	const struct pw_json *meta = pw_json_get(object, "metadata");
	Podward__V1__ProfileDelta *whole = NULL;
	struct pw_err err = PW_ERR_INIT;
	char shown[300];
	int r = pw_arena_new(64 << 10, ARENA_BYTES, &a);

	if (r == 0)
		r = profile_json_read(object, a, &whole, &err);
	if (r == 0)
		r = merge_and_wait(p, whole);
	count(p, r == 0 ? "loaded" : "unreadable");
	if (r < 0)
		pw_log_limited(PW_LOG_WARN, 4, "profiles", "RuntimeProfile %s is not loaded: %s",
			pw_escape_to(pw_json_text(pw_json_get(meta, "name")), shown, sizeof(shown)),
			err.msg[0] ? err.msg : pw_err_text(r));
	/* Also of one that cannot be read: what is learned here is written over it. */
	say(p, pw_json_text(pw_json_get(pw_json_get(object, "spec"), "podGroup")),
		pw_json_text(pw_json_get(meta, "resourceVersion")));
}

void kube_profiles_gone(struct kube_profiles *p, const char *key)
{
	char namespace[64], name[254], full[320];
	struct row *row, *tmp;

	HASH_ITER (hh, p->rows, row, tmp) {
		if (profile_json_name(pw_slice_str(row->group), namespace, name) < 0)
			continue;
		(void)snprintf(full, sizeof(full), "%s/%s", namespace, name);
		if (strcmp(full, key) == 0)
			row->version[0] = '\0';
	}
}

/* --- into the API server
 * -------------------------------------------------------------------------- */

struct write {
	struct kube_profiles *profiles;
	struct pw_buf body, status;
	unsigned level;
	int result;
	struct pw_err err;
	char version[64], path[700];
	char group[GROUP_MAX];
};

static void write_free(struct write *w)
{
	pw_buf_done(&w->body);
	pw_buf_done(&w->status);
	free(w);
}

/* Again after the delay; a conflict is over as soon as the watch has told the other's version. */
static void end_write(struct write *w, int result)
{
	struct kube_profiles *p = w->profiles;
	struct row *row = get_row(p, w->group);
	uint64_t now = pw_mono_now().ns;

	p->busy = false;
	count(p, result == 0         ? "written"
		 : result == -E2BIG  ? "too_large"
		 : result == -ESTALE ? "conflict"
				     : "failed");
	if (!row)
		return;
	row->written_ns = now;
	row->level = result == 0 ? 0 : w->level;
	if (result == -E2BIG && w->level + 1 < PROFILE_SHRINK_LEVELS) {
		row->level++; /* the server takes less than we thought */
		row->due_ns = now;
	} else if (result < 0 && result != -E2BIG)
		row->due_ns = now + p->delay_ns;
	else if (row->is_new_change)
		row->due_ns = now + BUSY_FACTOR * p->delay_ns;
	else
		row->due_ns = 0;
	kube_profiles_tick(p);
}

static void on_status(void *ctx, const char *key, int result, const char *words)
{
	struct write *w = ctx;

	(void)key, (void)words, (void)result; /* the next write says it again */
	end_write(w, w->result);
	write_free(w);
}

static bool post(struct write *w, enum kube_verb verb, struct pw_buf *body, kube_done_fn done)
{
	char path[sizeof(w->path)];

	(void)snprintf(path, sizeof(path), "%s", w->path);
	if (verb == KUBE_CREATE)
		*strrchr(path, '/') = '\0';
	return w->profiles->writer && kube_writer_post_take(w->profiles->writer,
					      &(struct kube_write){.verb = verb,
						      .key = "RuntimeProfile",
						      .path = w->path,
						      .done = done,
						      .ctx = w},
					      body) == 0;
}

static void write_status(struct write *w)
{
	size_t len = strlen(w->path);

	(void)snprintf(w->path + len, sizeof(w->path) - len, "/status");
	if (post(w, KUBE_MERGE, &w->status, on_status))
		return;
	end_write(w, w->result);
	write_free(w);
}

static void on_body(void *ctx, const char *key, int result, const char *words)
{
	struct write *w = ctx;

	(void)key;
	w->result = result;
	if (result == 0) {
		write_status(w);
		return;
	}
	if (result != -ESTALE && result != -ECANCELED)
		pw_log_limited(PW_LOG_WARN, 4, "profiles", "%s is not written: %s; again later",
			w->group, words);
	end_write(w, result);
	write_free(w);
}

/* Main: read and encoded. */
static void on_read(void *ctx)
{
	struct write *w = ctx;

	if (w->result == -E2BIG) {
		pw_log_limited(PW_LOG_WARN, 4, "profiles",
			"%s does not fit into an object: %s; the last version stays", w->group,
			w->err.msg);
		write_status(w);
		return;
	}
	/* What is not known to be there is created: a replica that was faster is not overwritten.
	 */
	if (w->result == 0 && post(w, w->version[0] ? KUBE_APPLY : KUBE_CREATE, &w->body, on_body))
		return;
	end_write(w, w->result < 0 ? w->result : -EAGAIN);
	write_free(w);
}

/* At the first level that fits. */
static int encode(struct write *w, const Podward__V1__ProfileDelta *whole, struct pw_arena *a)
{
	Podward__V1__ProfileDelta small;
	size_t generalised = 0;
	int r;

	for (;; w->level++) {
		pw_buf_clear(&w->body);
		pw_err_clear(&w->err);
		r = profile_shrink(whole, w->level, a, &small, &generalised);
		if (r == 0)
			r = profile_json_write(&small, w->version, generalised, &w->body, &w->err);
		if (r != -E2BIG || w->level + 1 >= PROFILE_SHRINK_LEVELS)
			break;
	}
	if (r == 0 && w->level > 0)
		pw_log_limited(PW_LOG_INFO, 4, "profiles",
			"%s: made smaller to fit, level %u: %zu behaviours, templates stand for "
			"%zu",
			w->group, w->level, small.n_behaviours, generalised);
	return r;
}

/* Keeper's thread. */
static void read_job(void *ctx)
{
	pw_cleanup(pw_arena_freep) struct pw_arena *a = NULL;
	Podward__V1__ProfileDelta whole = PODWARD__V1__PROFILE_DELTA__INIT;
	struct write *w = ctx;

	w->result = pw_arena_new(256 << 10, ARENA_BYTES, &a);
	if (w->result == 0)
		w->result = profile_whole_read(keeper_profiles(w->profiles->keeper),
			pw_slice_str(w->group), a, &whole, &w->err);
	if (w->result == 0) {
		w->result = encode(w, &whole, a);
		if (profile_json_status(whole.state, w->result == -E2BIG, &w->status) < 0)
			w->result = -ENOMEM;
	}
	if (pw_loop_post(w->profiles->loop, on_read, w) < 0)
		write_free(w); /* the main loop is stuck: nothing is written any more */
}

static bool start_write(struct kube_profiles *p, struct row *row)
{
	char namespace[64], name[254];
	struct write *w = pw_alloc0(1, sizeof(*w));

	if (!w)
		return false;
	w->profiles = p;
	pw_buf_init(&w->body, BODY_MAX);
	pw_buf_init(&w->status, 4096);
	(void)snprintf(w->group, sizeof(w->group), "%s", row->group);
	memcpy(w->version, row->version, sizeof(w->version));
	w->level = row->level;
	if (profile_json_name(pw_slice_str(row->group), namespace, name) < 0) {
		row->due_ns = 0; /* of no namespace: stays in the database */
		write_free(w);
		return false;
	}
	(void)snprintf(w->path, sizeof(w->path),
		"/apis/podward.dev/v1alpha1/namespaces/%s/runtimeprofiles/%s", namespace, name);
	row->is_new_change = false;
	if (keeper_post(p->keeper, read_job, w) == 0)
		return true;
	write_free(w);
	return false;
}

void kube_profiles_tick(struct kube_profiles *p)
{
	uint64_t now = pw_mono_now().ns;
	struct row *row, *tmp, *first = NULL;

	if (p->busy || !p->writer)
		return;
	HASH_ITER (hh, p->rows, row, tmp)
		if (row->due_ns > 0 && row->due_ns <= now &&
			(!first || row->due_ns < first->due_ns))
			first = row;
	p->busy = first && start_write(p, first);
}

/* --- life
 * ----------------------------------------------------------------------------------------- */

int kube_profiles_new(struct pw_loop *loop, struct keeper *keeper, uint64_t delay_ns,
	struct pw_metrics *metrics, struct kube_profiles **ret)
{
	struct kube_profiles *p = pw_alloc0(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->loop = loop;
	p->keeper = keeper;
	p->delay_ns = delay_ns;
	p->metrics = metrics;
	*ret = p;
	return 0;
}

void kube_profiles_set_writer(struct kube_profiles *p, struct kube_writer *writer)
{
	p->writer = writer;
}

void kube_profiles_free(struct kube_profiles *p)
{
	struct row *row, *tmp;

	if (!p)
		return;
	HASH_ITER (hh, p->rows, row, tmp) {
		HASH_DEL(p->rows, row);
		free(row);
	}
	free(p);
}
