/* SPDX-License-Identifier: Apache-2.0 */
/* Who is watched: cgroups in and out of the scope, born and gone. */
#include "collector/tests/kernel_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, &(struct probe_options){.scope_entries = 64});
	return 0;
}

/* Each test begins with default settings, an empty list and only the rig's cgroup in the scope. */
static int drop_entry(void *ctx, uint64_t id, struct abi_scope entry)
{
	(void)ctx;
	(void)entry;
	return id == rig.cgroup_id ? 0 : kmaps_scope_remove(rig.maps, id);
}

static void set_flags(uint32_t flags, uint32_t kind_mask)
{
	struct abi_settings settings;

	assert_int_equal(kmaps_settings_get(rig.maps, &settings), 0);
	settings.flags = flags;
	settings.kind_mask = kind_mask;
	assert_int_equal(kmaps_settings_set(rig.maps, &settings), 0);
}

static int clear(void **state)
{
	(void)state;
	set_flags(0, ~0u);
	assert_int_equal(kmaps_scope_each(rig.maps, drop_entry, NULL), 0);
	rig_drain(&rig);
	rig_clear(&rig);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static char *below(const char *parent, const char *name)
{
	static char path[1024];

	(void)snprintf(path, sizeof(path), "%s/%s", parent, name);
	return path;
}

static int run_true(void *ctx)
{
	char *argv[] = {(char *)"true", NULL};

	(void)ctx;
	(void)execv("/bin/true", argv);
	return 97;
}

static int open_null(void *ctx)
{
	(void)ctx;
	return open("/dev/null", O_RDONLY) < 0;
}

static pid_t run_at(const char *cgroup)
{
	int status;
	pid_t pid = rig_run_in(&rig, cgroup, run_true, NULL, &status);

	assert_int_equal(status, 0);
	return pid;
}

/* Records of any kind from a process. */
static size_t count_all(pid_t pid)
{
	size_t n = 0;

	for (uint32_t kind = ABI_KIND_EXEC; kind < ABI_KIND_COUNT; kind++)
		n += rig_count(&rig, kind, pid);
	return n;
}

static void process_outside_the_scope_gives_no_record(void **state)
{
	char outside[512];
	pid_t pid;

	(void)state;
	set_flags(SETTING_NO_PENDING, ~0u);
	(void)snprintf(outside, sizeof(outside), "%s-outside", rig.cgroup);
	(void)rig_mkdir(outside);
	pid = run_at(outside);
	assert_int_equal(rmdir(outside), 0);
	assert_int_equal(count_all(pid), 0);
}

static void first_exec_in_a_new_cgroup_is_captured_as_pending(void **state)
{
	char fresh[512];
	struct abi_scope entry;
	const struct abi_exec *e;
	const struct abi_cgroup *c;
	uint64_t id;
	pid_t pid;

	(void)state;
	(void)snprintf(fresh, sizeof(fresh), "%s-fresh", rig.cgroup);
	id = rig_mkdir(fresh);
	pid = run_at(fresh);
	e = rig_nth(&rig, ABI_KIND_EXEC, pid, 0);
	assert_non_null(e);
	assert_int_equal(e->header.flags, ABI_FLAG_PENDING);
	assert_int_equal(e->header.cgroup_id, id);
	assert_int_equal(kmaps_scope_find(rig.maps, id, &entry), 0);
	assert_int_equal(entry.flags, SCOPE_PENDING);
	c = rig_nth(&rig, ABI_KIND_CGROUP_MKDIR, getpid(), 0);
	assert_non_null(c);
	assert_int_equal(c->id, id);
	assert_int_equal(c->scope_flags, SCOPE_PENDING);
	assert_true(pw_slice_eq_str(rig_span(c, c->path), fresh + strlen(rig.root)));

	/* promoted by user space */
	assert_int_equal(kmaps_scope_set(rig.maps, id, (struct abi_scope){.group = 5}, NULL), 0);
	pid = run_at(fresh);
	e = rig_nth(&rig, ABI_KIND_EXEC, pid, 0);
	assert_non_null(e);
	assert_int_equal(e->header.flags, 0);
	assert_int_equal(e->header.group, 5);

	assert_int_equal(rmdir(fresh), 0);
	rig_drain(&rig);
	assert_int_equal(kmaps_scope_find(rig.maps, id, &entry), -ENOENT);
	c = rig_nth(&rig, ABI_KIND_CGROUP_RMDIR, getpid(), 0);
	assert_non_null(c);
	assert_int_equal(c->id, id);
}

static void child_cgroup_inherits_and_its_first_exec_is_captured(void **state)
{
	const struct abi_cgroup *c;
	const struct abi_exec *e;
	uint64_t id;
	char *child;
	pid_t pid;

	(void)state;
	child = below(rig.cgroup, "child");
	id = rig_mkdir(child);
	pid = run_at(child);
	e = rig_nth(&rig, ABI_KIND_EXEC, pid, 0);
	assert_non_null(e);
	assert_int_equal(e->header.cgroup_id, id);
	assert_int_equal(e->header.group, RIG_GROUP);
	assert_int_equal(e->header.flags, 0);
	c = rig_nth(&rig, ABI_KIND_CGROUP_MKDIR, getpid(), 0);
	assert_non_null(c);
	assert_int_equal(c->parent_id, rig.cgroup_id);
	assert_int_equal(c->scope_flags, SCOPE_INHERITED);
	assert_true(c->level >= 2);
	assert_int_equal(rmdir(child), 0);
}

static void ignored_cgroup_and_its_children_are_silent_even_when_all_is_watched(void **state)
{
	char ignored[512], *child;
	uint64_t id;
	pid_t pid;

	(void)state;
	(void)snprintf(ignored, sizeof(ignored), "%s-ignored", rig.cgroup);
	id = rig_mkdir(ignored);
	assert_int_equal(
		kmaps_scope_set(rig.maps, id, (struct abi_scope){.flags = SCOPE_IGNORE}, NULL), 0);
	set_flags(SETTING_WATCH_ALL, ~0u);
	child = below(ignored, "child");
	(void)rig_mkdir(child);
	pid = run_at(child);
	assert_int_equal(rig_count(&rig, ABI_KIND_EXEC, pid), 0);
	assert_int_equal(rmdir(child), 0);
	assert_int_equal(rmdir(ignored), 0);
}

static void watch_all_reports_what_no_scope_names_but_never_the_collector(void **state)
{
	char outside[512];
	const struct abi_exec *e;
	pid_t pid;

	(void)state;
	set_flags(SETTING_WATCH_ALL | SETTING_NO_PENDING, ~0u);
	(void)snprintf(outside, sizeof(outside), "%s-all", rig.cgroup);
	(void)rig_mkdir(outside);
	assert_int_equal(open_null(NULL), 0);
	pid = run_at(outside);
	assert_int_equal(rmdir(outside), 0);
	e = rig_nth(&rig, ABI_KIND_EXEC, pid, 0);
	assert_non_null(e);
	assert_int_equal(e->header.flags, ABI_FLAG_WATCH_ALL);
	assert_int_equal(e->header.group, 0);
	assert_int_equal(rig_count(&rig, ABI_KIND_OPEN, getpid()), 0);
}

static void kinds_that_are_masked_out_are_silent(void **state)
{
	pid_t pid;

	(void)state;
	set_flags(0, 1u << ABI_KIND_EXIT);
	pid = run_at(rig.cgroup);
	assert_int_equal(rig_count(&rig, ABI_KIND_EXIT, pid), 1);
	assert_int_equal(count_all(pid), 1);
}

static void removed_cgroup_falls_silent(void **state)
{
	pid_t pid;

	(void)state;
	assert_int_equal(kmaps_scope_remove(rig.maps, rig.cgroup_id), 0);
	assert_int_equal(kmaps_scope_remove(rig.maps, rig.cgroup_id), -ENOENT);
	pid = run_at(rig.cgroup);
	assert_int_equal(count_all(pid), 0);
	assert_int_equal(kmaps_scope_set(rig.maps, rig.cgroup_id,
				 (struct abi_scope){.group = RIG_GROUP}, NULL),
		0);
}

static int count_entry(void *ctx, uint64_t id, struct abi_scope entry)
{
	size_t *count = ctx;

	(void)id;
	(void)entry;
	return ++*count == 1000;
}

static void full_scope_map_refuses_and_counts(void **state)
{
	struct abi_counters before = rig_counters(&rig), after;
	struct pw_err err = PW_ERR_INIT;
	uint64_t id = 1ull << 40;
	size_t count = 0;
	char *child;
	int r;

	(void)state;
	while ((r = kmaps_scope_set(rig.maps, id, (struct abi_scope){.group = 1}, &err)) == 0)
		id++;
	assert_int_equal(r, -ENOSPC);
	assert_non_null(strstr(err.msg, "64 cgroups"));
	assert_int_equal(kmaps_scope_each(rig.maps, count_entry, &count), 0);
	assert_int_equal(count, 64);
	child = below(rig.cgroup, "refused");
	(void)rig_mkdir(child);
	assert_int_equal(rmdir(child), 0);
	rig_drain(&rig);
	after = rig_counters(&rig);
	assert_int_equal(after.dropped[ABI_KIND_NONE][ABI_DROP_MAP_FULL],
		before.dropped[ABI_KIND_NONE][ABI_DROP_MAP_FULL] + 1);
	assert_int_equal(after.seen[ABI_KIND_NONE], before.seen[ABI_KIND_NONE] + 1);
	assert_int_equal(rig_count(&rig, ABI_KIND_CGROUP_MKDIR, getpid()), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(process_outside_the_scope_gives_no_record, clear),
		cmocka_unit_test_setup(first_exec_in_a_new_cgroup_is_captured_as_pending, clear),
		cmocka_unit_test_setup(child_cgroup_inherits_and_its_first_exec_is_captured, clear),
		cmocka_unit_test_setup(
			ignored_cgroup_and_its_children_are_silent_even_when_all_is_watched, clear),
		cmocka_unit_test_setup(
			watch_all_reports_what_no_scope_names_but_never_the_collector, clear),
		cmocka_unit_test_setup(kinds_that_are_masked_out_are_silent, clear),
		cmocka_unit_test_setup(removed_cgroup_falls_silent, clear),
		cmocka_unit_test_setup(full_scope_map_refuses_and_counts, clear),
	};

	rig_require();
	return cmocka_run_group_tests(tests, setup, teardown);
}
