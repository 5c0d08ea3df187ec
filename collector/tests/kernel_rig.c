/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/tests/kernel_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

void rig_require(void)
{
	struct probe_facts facts;
	struct pw_err err = PW_ERR_INIT;

	if (probe_facts_read(&facts, &err) < 0 || probe_facts_check(&facts, &err) < 0) {
		printf("SKIP: %s\n", err.msg);
		exit(77);
	}
	if (geteuid() != 0) {
		printf("SKIP: needs root to make cgroups and mounts\n");
		exit(77);
	}
}

/* The place of cgroup v2 out of /proc/self/mountinfo: "… root mountpoint … - cgroup2 …". */
static void rig_find_root(char *out, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[1024], where[256] = "";

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, " - cgroup2 ") &&
			sscanf(line, "%*s %*s %*s %*s %255s", where) == 1)
			break;
	}
	(void)fclose(f);
	if (!where[0]) {
		printf("SKIP: no cgroup v2 hierarchy is mounted\n");
		exit(77);
	}
	(void)snprintf(out, size, "%s", where);
}

uint64_t rig_mkdir(const char *path)
{
	struct stat st;

	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

enum probe_level rig_level(void)
{
	const char *level = getenv("PODWARD_TEST_LEVEL");

	if (!level || strcmp(level, "b") == 0)
		return PROBE_LEVEL_B;
	assert_string_equal(level, "a");
	return PROBE_LEVEL_A;
}

void rig_open(struct rig *r, const struct probe_options *options)
{
	struct probe_options at_level = *options;
	struct abi_scope entry = {.group = RIG_GROUP};
	struct pw_err err = PW_ERR_INIT;

	memset(r, 0, sizeof(*r));
	rig_find_root(r->root, sizeof(r->root));
	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/podward-rig.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	(void)snprintf(r->cgroup, sizeof(r->cgroup), "%s/podward-rig-%d", r->root, (int)getpid());
	r->cgroup_id = rig_mkdir(r->cgroup);
	if (at_level.level == PROBE_LEVEL_AUTO)
		at_level.level = rig_level();
	if (probe_open(&at_level, &r->source, &err) < 0)
		fail_msg("probe_open: %s", err.msg);
	r->maps = probe_maps(r->source);
	assert_int_equal(kmaps_scope_set(r->maps, r->cgroup_id, entry, &err), 0);
}

static int rig_remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void rig_close(struct rig *r)
{
	rig_clear(r);
	source_close(r->source);
	r->source = NULL;
	(void)rmdir(r->cgroup);
	(void)nftw(r->dir, rig_remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void rig_enter(const char *cgroup)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(99);
	(void)close(fd);
}

static pid_t rig_fork(const char *cgroup, int (*fn)(void *ctx), void *ctx)
{
	pid_t pid;

	(void)fflush(stdout);
	(void)fflush(stderr);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		rig_enter(cgroup);
		_exit(fn(ctx));
	}
	return pid;
}

pid_t rig_start(struct rig *r, int (*fn)(void *ctx), void *ctx)
{
	return rig_fork(r->cgroup, fn, ctx);
}

int rig_wait(struct rig *r, pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	rig_drain(r);
	return status;
}

int rig_watch(struct rig *r, pid_t pid, source_record_fn see, void *ctx)
{
	struct pw_err err = PW_ERR_INIT;
	int status = 0, got;
	pid_t ended;

	do {
		ended = waitpid(pid, &status, WNOHANG);
		got = source_consume(r->source, 0, see, ctx, &err);
		assert_true(got >= 0);
		if (got == 0)
			(void)usleep(1000);
	} while (ended == 0);
	return status;
}

pid_t rig_run_in(
	struct rig *r, const char *cgroup, int (*fn)(void *ctx), void *ctx, int *ret_status)
{
	pid_t pid = rig_fork(cgroup, fn, ctx);

	*ret_status = rig_wait(r, pid);
	return pid;
}

pid_t rig_run(struct rig *r, int (*fn)(void *ctx), void *ctx)
{
	int status = 0;
	pid_t pid = rig_run_in(r, r->cgroup, fn, ctx, &status);

	if (status != 0)
		fail_msg("child ended with wait status 0x%x", (unsigned)status);
	return pid;
}

static int rig_keep(void *ctx, const void *record, size_t len)
{
	struct rig *r = ctx;
	void *copy = malloc(len);

	assert_non_null(copy);
	assert_true(r->count < RIG_RECORDS);
	memcpy(copy, record, len);
	r->records[r->count++] = copy;
	return 0;
}

void rig_drain(struct rig *r)
{
	struct pw_err err = PW_ERR_INIT;

	while (source_consume(r->source, 0, rig_keep, r, &err) > 0)
		;
	assert_int_equal(err.code, 0);
}

void rig_clear(struct rig *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->records[i]);
	r->count = 0;
}

const void *rig_nth(const struct rig *r, uint32_t kind, pid_t pid, size_t n)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct abi_header *h = r->records[i];

		if (h->kind == kind && (pid == 0 || h->tgid == (uint32_t)pid) && n-- == 0)
			return h;
	}
	return NULL;
}

size_t rig_count(const struct rig *r, uint32_t kind, pid_t pid)
{
	size_t n = 0;

	while (rig_nth(r, kind, pid, n))
		n++;
	return n;
}

struct pw_slice rig_span(const void *record, struct abi_span span)
{
	const struct abi_header *h = record;

	if (span.len == 0)
		return pw_slice_of(NULL, 0);
	assert_true(span.off >= sizeof(*h));
	assert_true((uint64_t)span.off + span.len <= h->size);
	return pw_slice_of((const uint8_t *)record + span.off, span.len);
}

static bool rig_ends_with(struct pw_slice text, const char *end)
{
	size_t len = strlen(end);

	return text.len >= len && memcmp(text.ptr + text.len - len, end, len) == 0;
}

const struct abi_call *rig_find_call(const struct rig *r, uint32_t kind, pid_t pid, const char *end)
{
	const struct abi_call *c;

	for (size_t i = 0; (c = rig_nth(r, kind, pid, i)); i++) {
		struct abi_span span = c->path.len ? c->path : c->base;

		if (rig_ends_with(rig_span(c, span), end))
			return c;
	}
	return NULL;
}

const struct abi_open *rig_find_open(const struct rig *r, pid_t pid, const char *path)
{
	const struct abi_open *o;

	for (size_t i = 0; (o = rig_nth(r, ABI_KIND_OPEN, pid, i)); i++) {
		if (pw_slice_eq_str(rig_span(o, o->path), path))
			return o;
	}
	return NULL;
}

const struct abi_exec *rig_find_exec(const struct rig *r, pid_t pid, const char *exe)
{
	const struct abi_exec *e;

	for (size_t i = 0; (e = rig_nth(r, ABI_KIND_EXEC, pid, i)); i++) {
		if (pw_slice_eq_str(rig_span(e, e->exe), exe))
			return e;
	}
	return NULL;
}

char *rig_path(const struct rig *r, const char *name, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/%s", r->dir, name);
	return out;
}

struct abi_counters rig_counters(const struct rig *r)
{
	struct source_stats stats;

	assert_int_equal(source_stats(r->source, &stats), 0);
	return stats.kernel;
}
