/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroup tree, containers and assignments together, over a folder that looks like the hierarchy. */
#include "collector/decode.h"
#include "collector/scope.h"
#include "collector/tests/records.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define ID  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

struct kernel {
	uint64_t set[32];
	uint32_t flags[32];
	unsigned sets, removes, changes, ends;
};

static int on_set(void *ctx, uint64_t cgroup, uint32_t group, uint32_t flags)
{
	struct kernel *k = ctx;

	(void)group;
	k->set[k->sets % 32] = cgroup;
	k->flags[k->sets++ % 32] = flags;
	return 0;
}

static int on_remove(void *ctx, uint64_t cgroup)
{
	struct kernel *k = ctx;

	(void)cgroup;
	k->removes++;
	return -ENOENT;
}

static void on_change(void *ctx, struct container *c)
{
	struct kernel *k = ctx;

	(void)c;
	k->changes++;
}

static void on_end(void *ctx, struct container *c)
{
	struct kernel *k = ctx;

	assert_false(c->gone);
	k->ends++;
}

static int make(struct kernel *k, const char *root, const struct scope_rules *rules,
	struct pods **ret_pods, struct scope **ret)
{
	struct scope_settings s = {.cgroup_root = root,
		.rules = *rules,
		.kernel = {on_set, on_remove, k},
		.on_change = on_change,
		.on_end = on_end,
		.ctx = k};
	int r = pods_new(64, ret_pods);

	*k = (struct kernel){0};
	return r < 0 ? r : scope_new(&s, *ret_pods, ret);
}

static void make_folder(const char *root, const char *path)
{
	char full[512];

	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(mkdir(full, 0700), 0);
}

static void remove_folder(const char *root, const char *path)
{
	char full[512];

	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(rmdir(full), 0);
}

static const char *const folders[] = {"/libpod_parent", "/libpod_parent/conmon",
	"/libpod_parent/libpod-" ID, "/libpod_parent/libpod-" ID "/nested", "/system.slice",
	"/system.slice/ssh.service"};

static uint64_t inode_of(const char *root, const char *folder)
{
	char path[512];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s%s", root, folder);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static void a_scan_finds_what_runs_and_a_sweep_what_ended(void **state)
{
	char root[] = "/tmp/podward-scope-XXXXXX";
	struct scope_rules rules = {.derive_unassigned = true};
	struct pods *pods = NULL;
	struct scope *s = NULL;
	struct container *c = NULL;
	struct kernel k;
	uint64_t cgroup;

	(void)state;
	assert_non_null(mkdtemp(root));
	for (size_t i = 0; i < PW_COUNT(folders); i++)
		make_folder(root, folders[i]);
	assert_int_equal(make(&k, root, &rules, &pods, &s), 0);
	assert_int_equal(scope_scan(s, NULL), 1 + PW_COUNT(folders));
	c = pods_find(pods, PW_SLICE_LIT(ID));
	assert_non_null(c);
	assert_true(c->pre_running);
	assert_int_equal(c->cgroups, 2);
	assert_int_equal(c->state, CONTAINER_ASSIGNED);
	assert_true(pw_slice_eq_str(c->pod_group, "standalone/podman/0123456789ab/main"));
	/* both directories of the container, conmon and the service (ignored) */
	assert_int_equal(k.sets, 4);
	c = pods_find(pods, PW_SLICE_LIT("ssh.service"));
	assert_int_equal(c->state, CONTAINER_EXCLUDED);
	rules.systemd_units = true;
	assert_int_equal(scope_set_rules(s, &rules), 0);
	scope_apply(s);
	assert_int_equal(c->state, CONTAINER_ASSIGNED);
	assert_true(pw_slice_eq_str(c->pod_group, "systemd/Unit/ssh/main"));
	assert_int_equal(k.ends, 0);
	cgroup = inode_of(root, folders[2]);
	for (size_t i = PW_COUNT(folders); i > 0; i--)
		remove_folder(root, folders[i - 1]);
	scope_sweep(s);
	/* the last records of it may still come: they are its own, not the host's */
	assert_int_equal(k.ends, 0);
	assert_ptr_equal(scope_container_of_cgroup(s, cgroup), pods_find(pods, PW_SLICE_LIT(ID)));
	scope_sweep(s);
	assert_int_equal(k.ends, 2);
	assert_null(scope_container_of_cgroup(s, cgroup));
	assert_int_equal(pods_count(pods), 0);
	scope_free(s);
	pods_free(pods);
	(void)rmdir(root);
}

static struct event event_of(const struct records *r)
{
	struct event e;

	assert_int_equal(decode(r->bytes, r->len, &e), DECODE_OK);
	return e;
}

static void directories_below_a_container_belong_to_it_whatever_their_name(void **state)
{
	struct scope_rules rules = {0};
	struct records_actor a = {.time = 1, .pid = 5, .cgroup = 12};
	struct pods *pods = NULL;
	struct scope *s = NULL;
	struct records r;
	struct event e;
	struct kernel k;

	(void)state;
	assert_int_equal(make(&k, NULL, &rules, &pods, &s), 0);
	records_mkdir(&r, 1, 10, 1, "/docker");
	e = event_of(&r);
	scope_mkdir(s, &e, 0);
	/* As seen from outside of a cgroup namespace: the known parent's path counts. */
	records_mkdir(&r, 1, 11, 10, "/outer/docker/" ID);
	e = event_of(&r);
	scope_mkdir(s, &e, 0);
	assert_int_equal(k.flags[0], SCOPE_PENDING);
	records_mkdir(&r, 1, 12, 11, "/outer/docker/" ID "/libpod-" ID2);
	e = event_of(&r);
	scope_mkdir(s, &e, 0);
	assert_null(pods_find(pods, PW_SLICE_LIT(ID2)));
	records_open(&r, &a, "/x", 0, 1);
	e = event_of(&r);
	assert_ptr_equal(scope_container(s, &e, NULL), pods_find(pods, PW_SLICE_LIT(ID)));
	records_rmdir(&r, 2, 12, "/x");
	e = event_of(&r);
	scope_rmdir(s, &e);
	records_rmdir(&r, 2, 11, "/x");
	e = event_of(&r);
	scope_rmdir(s, &e);
	scope_tick(s, (struct pw_boot){PW_NS_PER_S});
	assert_int_equal(k.ends, 0);
	scope_tick(s, (struct pw_boot){PW_NS_PER_S + 2});
	assert_int_equal(k.ends, 1);
	scope_free(s);
	pods_free(pods);
}

static void assignments_come_change_and_go(void **state)
{
	struct scope_rules rules = {0};
	struct assignment a = {.container_id = PW_SLICE_LIT(ID),
		.facts = {.pod_group = PW_SLICE_LIT("a/Pod/b/c")}};
	struct assignment bad = {.container_id = PW_SLICE_LIT(ID)};
	struct pods *pods = NULL;
	struct scope *s = NULL;
	struct container *c = NULL;
	struct records r;
	struct event e;
	struct kernel k;
	uint32_t ref = 0;

	(void)state;
	assert_int_equal(make(&k, NULL, &rules, &pods, &s), 0);
	records_mkdir(&r, 1, 11, 1, "/docker/" ID);
	e = event_of(&r);
	scope_mkdir(s, &e, 0);
	c = pods_find(pods, PW_SLICE_LIT(ID));
	assert_int_equal(c->state, CONTAINER_PENDING);
	assert_int_equal(assignments_put(scope_assignments(s), &bad), -EINVAL);
	assert_int_equal(assignments_put(scope_assignments(s), &a), 0);
	scope_apply(s);
	assert_int_equal(c->state, CONTAINER_ASSIGNED);
	assert_int_equal(k.changes, 1);
	ref = c->ref;
	scope_apply(s);
	assert_int_equal(k.changes, 1);
	assert_int_equal(c->ref, ref);
	a.facts.image = PW_SLICE_LIT("new");
	assert_int_equal(assignments_put(scope_assignments(s), &a), 0);
	scope_apply(s);
	assert_int_equal(k.changes, 2);
	assert_int_not_equal(c->ref, ref);
	assert_ptr_equal(pods_find_ref(pods, c->ref), c);
	assert_null(pods_find_ref(pods, ref));
	/* Told no more: what is known stays, nothing is guessed. */
	assignments_clear(scope_assignments(s));
	scope_apply(s);
	assert_int_equal(c->state, CONTAINER_ASSIGNED);
	assert_int_equal(k.changes, 2);
	scope_free(s);
	pods_free(pods);
}

static void a_full_table_of_containers_refuses_and_counts(void **state)
{
	struct cgroup_identity who = {.kind = CGROUP_UNIT};
	struct container *c = NULL;
	struct pods *pods = NULL;
	char name[32];

	(void)state;
	assert_int_equal(pods_new(8, &pods), 0);
	for (unsigned i = 0; i < 8; i++) {
		(void)snprintf(name, sizeof(name), "u%u.service", i);
		who.id = pw_slice_str(name);
		assert_int_equal(pods_get(pods, &who, &c), 0);
	}
	who.id = PW_SLICE_LIT("more.service");
	assert_int_equal(pods_get(pods, &who, &c), -ENOSPC);
	assert_int_equal(pods_refused(pods), 1);
	pods_leave(pods, pods_first(pods));
	assert_int_equal(pods_get(pods, &who, &c), 0);
	assert_int_equal(pods_count(pods), 8);
	pods_free(pods);
}

static int life(void *ctx)
{
	struct scope_rules rules = {.derive_unassigned = true};
	struct assignment a = {.container_id = PW_SLICE_LIT(ID),
		.facts = {.pod_group = PW_SLICE_LIT("a/Pod/b/c")}};
	struct pods *pods = NULL;
	struct scope *s = NULL;
	struct records r;
	struct event e;
	struct kernel k;
	int n = make(&k, NULL, &rules, &pods, &s);

	(void)ctx;
	records_mkdir(&r, 1, 11, 1, "/docker/" ID);
	if (n == 0 && decode(r.bytes, r.len, &e) == DECODE_OK)
		scope_mkdir(s, &e, 0);
	if (n == 0)
		n = assignments_put(scope_assignments(s), &a);
	if (n == 0)
		scope_apply(s);
	scope_free(s);
	pods_free(pods);
	return n;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(life, NULL) > 8);
}

static void a_named_root_is_the_v2_hierarchy_or_has_it_below(void **state)
{
	char found[256] = "";
	char above[256];
	char out[256] = "as before";
	struct pw_err err = PW_ERR_INIT;
	char *end = NULL;

	(void)state;
	assert_int_equal(cgtree_named_root("/proc", out, sizeof(out), &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "/proc/unified"));
	assert_string_equal(out, "as before");
	if (cgtree_find_root(found, sizeof(found), &err) < 0) {
		print_message("SKIP: %s\n", err.msg);
		skip();
	}
	assert_int_equal(cgtree_named_root(found, out, sizeof(out), &err), 0);
	assert_string_equal(out, found);
	assert_int_equal(cgtree_named_root(found, out, 4, &err), -ENAMETOOLONG);
	end = strstr(found, "/unified");
	if (!end || end[8]) {
		print_message("not tried: a root above %s, this host has one hierarchy\n", found);
		return;
	}
	(void)snprintf(above, sizeof(above), "%.*s", (int)(end - found), found);
	assert_int_equal(cgtree_named_root(above, out, sizeof(out), &err), 0);
	assert_string_equal(out, found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_named_root_is_the_v2_hierarchy_or_has_it_below),
		cmocka_unit_test(a_scan_finds_what_runs_and_a_sweep_what_ended),
		cmocka_unit_test(directories_below_a_container_belong_to_it_whatever_their_name),
		cmocka_unit_test(assignments_come_change_and_go),
		cmocka_unit_test(a_full_table_of_containers_refuses_and_counts),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
