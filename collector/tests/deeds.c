/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/tests/deeds.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define NOBODY       65534
#define EXIT_SKIPPED 77

static struct rig *rig;

static int run(void *ctx)
{
	const struct deed *d = ctx;
	long result;
	int err;

	if (chdir(rig->dir) < 0)
		return 98;
	if (d->as_nobody && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
				    setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return 97;
	errno = 0;
	result = d->act();
	err = result < 0 ? errno : 0;
	if (err == ENOSYS || err == EOPNOTSUPP)
		return EXIT_SKIPPED;
	if (d->err == ANY_ERR ? err != 0 : err == d->err)
		return 0;
	(void)fprintf(stderr, "%s: %s\n", d->name, strerror(err));
	return 96;
}

const struct abi_call *deeds_last(const struct rig *r, uint32_t kind, pid_t pid)
{
	size_t n = rig_count(r, kind, pid);

	return n ? rig_nth(r, kind, pid, n - 1) : NULL;
}

static void check_text(
	const struct deed *d, const char *what, struct pw_slice got, const char *want)
{
	size_t len = want ? strlen(want) : 0;

	if (want && (got.len < len || memcmp(got.ptr + got.len - len, want, len) != 0))
		fail_msg("%s: %s is \"%.*s\"", d->name, what, (int)got.len, (const char *)got.ptr);
}

static struct pw_slice words_or_object(
	const struct abi_call *c, struct abi_span words, struct abi_span object)
{
	return rig_span(c, words.len ? words : object);
}

/* Directory and name, or the object. */
static void check_real(const struct deed *d, const struct abi_call *c, const char *want,
	struct abi_span base, struct abi_span name)
{
	struct pw_slice dir = rig_span(c, base), last = rig_span(c, name);
	char got[512], full[512];

	(void)snprintf(got, sizeof(got), "%.*s%s%.*s", (int)dir.len, (const char *)dir.ptr,
		dir.len && last.len ? "/" : "", (int)last.len, (const char *)last.ptr);
	(void)snprintf(full, sizeof(full), "%s%s%s", want[0] == '/' ? "" : rig->dir,
		want[0] == '/' ? "" : "/", want);
	if (strcmp(got, full) != 0 || !c->resolved)
		fail_msg("%s: the kernel resolved \"%s\", told as %sresolved \"%s\"", d->name, full,
			c->resolved ? "" : "un", got);
}

static void check_paths(const struct deed *d, const struct abi_call *c)
{
	bool noted = rig->maps->noted_kinds & ABI_KIND_BIT(d->kind);

	if (!rig->maps->noted_kinds)
		assert_int_equal(c->resolved, 0);
	if (noted && d->real)
		check_real(d, c, d->real, c->base, c->path);
	else
		check_text(d, "path", words_or_object(c, c->path, c->base), d->path);
	if (noted && d->real2)
		check_real(d, c, d->real2, c->base2, c->path2);
	else
		check_text(d, "path2", words_or_object(c, c->path2, c->base2), d->path2);
}

static void check(const struct deed *d, pid_t pid)
{
	const struct abi_call *c = deeds_last(rig, d->kind, pid);

	if (!c)
		fail_msg("%s: no record of kind %u", d->name, d->kind);
	assert_int_equal(c->header.cgroup_id, rig->cgroup_id);
	assert_int_equal(c->header.group, RIG_GROUP);
	assert_int_equal(c->header.ppid, getpid());
	assert_true(c->header.start_boot_ns > 0 && c->header.start_boot_ns <= c->header.boot_ns);
	if (d->err == ANY_ERR ? c->ret >= 0 : d->err ? c->ret != -d->err : c->ret < 0)
		fail_msg("%s: result %d", d->name, c->ret);
	if (d->call && c->call != d->call + 1)
		fail_msg("%s: system call %d", d->name, c->call - 1);
	check_paths(d, c);
	check_text(d, "text", rig_span(c, c->text), d->text);
	for (unsigned i = 0; i < 3; i++)
		if (d->num_mask & 1u << i && c->num[i] != d->num[i])
			fail_msg("%s: num[%u] is %#llx", d->name, i, (unsigned long long)c->num[i]);
}

void deeds_run(struct rig *r, const struct deed *deeds, size_t count)
{
	rig = r;
	for (size_t i = 0; i < count; i++) {
		const struct deed *d = &deeds[i];
		int status = 0;
		pid_t pid = rig_run_in(rig, rig->cgroup, run, (void *)(uintptr_t)d, &status);

		if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
			printf("    not on this kernel: %s\n", d->name);
			continue;
		}
		if (status != 0)
			fail_msg("%s: wait status 0x%x", d->name, (unsigned)status);
		check(d, pid);
		rig_clear(rig);
	}
}
