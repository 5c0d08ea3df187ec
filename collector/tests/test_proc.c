/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/decode.h"
#include "collector/proc.h"
#include "collector/tests/records.h"
#include "common/testing/oom.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define FLAG(name) ((uint32_t)PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_##name)
#define HOST_NS    1u
#define OWN_NS     2u
#define MS         1000000ull

struct table {
	struct pods *pods;
	struct images *images;
	struct procs *procs;
	struct container *c;
};

static int table_init(struct table *t, uint32_t limit, proc_lookup_fn lookup)
{
	static const uint8_t id[CGROUP_ID_LEN + 1] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct cgroup_identity who = {.kind = CGROUP_CONTAINER,
		.runtime = CGROUP_RUNTIME_PODMAN,
		.id = {id, CGROUP_ID_LEN}};
	struct procs_settings settings = {.limit = limit, .host_mnt_ns = HOST_NS, .lookup = lookup};
	int r = pods_new(16, &t->pods);

	if (r == 0)
		r = images_new(limit * 2, t->pods, &t->images);
	if (r == 0)
		r = procs_new(&settings, t->images, &t->procs);
	if (r == 0)
		r = pods_get(t->pods, &who, &t->c);
	return r;
}

static void table_done(struct table *t)
{
	procs_free(t->procs);
	images_free(t->images);
	pods_free(t->pods);
	*t = (struct table){0};
}

/* Feeds one record; returns what procs_note said. */
static int feed(struct table *t, const struct records *r, struct container *c, struct proc **ret)
{
	struct event e;

	assert_int_equal(decode(r->bytes, r->len, &e), DECODE_OK);
	return procs_note(t->procs, &e, c, ret);
}

static struct records_actor actor(uint32_t pid, uint32_t ppid, uint32_t pid_in_ns)
{
	return (struct records_actor){.time = 1000 * MS + pid * MS,
		.start = pid * MS * 100,
		.pid = pid,
		.ppid = ppid,
		.pid_in_ns = pid_in_ns,
		.mnt_ns = OWN_NS,
		.comm = "x"};
}

static struct proc *exec(
	struct table *t, uint32_t pid, uint32_t ppid, uint32_t pid_in_ns, const char *exe)
{
	struct records_actor a = actor(pid, ppid, pid_in_ns);
	struct records r;
	struct proc *p = NULL;

	records_exec(&r, &a, exe, PW_SLICE_LIT("x"), ppid * MS * 100);
	assert_int_equal(feed(t, &r, t->c, &p), 0);
	return p;
}

static struct proc *fork_of(struct table *t, uint32_t pid, uint32_t ppid, uint32_t pid_in_ns)
{
	struct records_actor a = actor(pid, ppid, pid_in_ns);
	struct records r;
	struct proc *p = NULL;

	records_fork(&r, &a, ppid * MS * 100);
	assert_int_equal(feed(t, &r, t->c, &p), 0);
	return p;
}

static void a_container_begins_with_its_init_and_children_descend_from_it(void **state)
{
	struct table t = {0};
	struct proc *init = NULL;
	struct proc *child = NULL;
	struct image *shell = NULL;

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	init = exec(&t, 10, 5, 1, "/bin/sh");
	assert_int_equal(init->image->flags, FLAG(INIT));
	assert_null(init->image->parent);
	assert_false(init->setup);
	shell = init->image;
	child = fork_of(&t, 11, 10, 2);
	assert_ptr_equal(child->image->parent, shell);
	assert_true(pw_slice_eq_str(child->image->program->exe, "/bin/sh"));
	assert_int_equal(child->image->flags, 0);
	child = exec(&t, 11, 10, 2, "/bin/cat");
	assert_ptr_equal(child->image->parent, shell);
	assert_true(pw_slice_eq_str(child->image->program->exe, "/bin/cat"));
	assert_int_equal(child->image->flags, 0);
	table_done(&t);
}

static void an_exec_in_place_keeps_the_image_before_as_parent(void **state)
{
	struct table t = {0};
	struct proc *init = NULL;

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	init = exec(&t, 10, 5, 1, "/usr/bin/java");
	init = exec(&t, 10, 5, 1, "/bin/sh");
	assert_int_equal(init->image->flags, FLAG(INIT));
	assert_non_null(init->image->parent);
	assert_true(pw_slice_eq_str(init->image->parent->program->exe, "/usr/bin/java"));
	table_done(&t);
}

static void who_comes_in_later_is_not_from_init(void **state)
{
	struct table t = {0};
	struct proc *p = NULL;

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	(void)exec(&t, 10, 5, 1, "/bin/server");
	p = exec(&t, 20, 6, 9, "/bin/sh");
	assert_int_equal(p->image->flags, FLAG(NOT_FROM_INIT));
	p = fork_of(&t, 21, 20, 10);
	assert_int_equal(p->image->flags, FLAG(NOT_FROM_INIT));
	p = exec(&t, 21, 20, 10, "/bin/id");
	assert_int_equal(p->image->flags, FLAG(NOT_FROM_INIT));
	table_done(&t);
}

static void after_a_gap_nothing_is_concluded_from_a_missing_parent(void **state)
{
	struct table t = {0};
	struct proc *p = NULL;

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	(void)exec(&t, 10, 5, 1, "/bin/server");
	procs_note_gap(t.procs);
	p = exec(&t, 20, 6, 9, "/bin/sh");
	assert_int_equal(p->image->flags, FLAG(PARTIAL));
	table_done(&t);
}

static void the_runtime_is_setup_until_it_leaves_the_hosts_namespace(void **state)
{
	struct table t = {0};
	struct records_actor a = actor(10, 5, 10);
	struct records r;
	struct proc *p = NULL;

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	records_fork(&r, &a, 0);
	assert_int_equal(feed(&t, &r, t.c, &p), 0);
	assert_true(p->setup);
	a.mnt_ns = HOST_NS;
	records_exec(&r, &a, "/usr/bin/runc", PW_SLICE_LIT("runc"), 0);
	assert_int_equal(feed(&t, &r, t.c, &p), 0);
	assert_true(p->setup);
	assert_false(t.c->has_init);
	p = fork_of(&t, 11, 10, 1);
	assert_true(p->setup);
	assert_null(p->image->parent);
	p = exec(&t, 11, 10, 1, "/bin/server");
	assert_false(p->setup);
	assert_int_equal(p->image->flags, FLAG(INIT));
	/* A container's process that execs in the host's namespace has escaped: that is no setup.
	 */
	a = actor(11, 10, 1);
	a.mnt_ns = HOST_NS;
	records_exec(&r, &a, "/bin/sh", PW_SLICE_LIT("sh"), 0);
	assert_int_equal(feed(&t, &r, t.c, &p), 0);
	assert_false(p->setup);
	table_done(&t);
}

static void a_process_that_is_moved_into_a_container_is_setup(void **state)
{
	struct table t = {0};
	struct records_actor a = actor(10, 5, 10);
	struct records r;
	struct proc *p = NULL;
	uint32_t ref = 0;

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	records_exec(&r, &a, "/usr/bin/runc", PW_SLICE_LIT("runc"), 0);
	assert_int_equal(feed(&t, &r, NULL, &p), 0);
	assert_false(p->setup);
	ref = p->image->ref;
	records_open(&r, &a, "/x", 0, 3);
	assert_int_equal(feed(&t, &r, t.c, &p), 0);
	assert_true(p->setup);
	assert_int_not_equal(p->image->ref, ref);
	assert_ptr_equal(p->image->container, t.c);
	table_done(&t);
}

static void a_changed_user_makes_a_new_image_of_the_same_program(void **state)
{
	struct table t = {0};
	struct records_actor a = actor(10, 5, 1);
	struct records r;
	struct proc *p = NULL;
	const struct program *program = NULL;

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	p = exec(&t, 10, 5, 1, "/bin/server");
	program = p->image->program;
	a.uid = 33;
	records_open(&r, &a, "/x", 0, 3);
	assert_int_equal(feed(&t, &r, t.c, &p), 0);
	assert_int_equal(p->image->uid, 33);
	assert_int_equal(p->image->flags, FLAG(INIT));
	assert_ptr_equal(p->image->program, program);
	table_done(&t);
}

static void a_reused_number_is_another_process(void **state)
{
	struct table t = {0};
	struct records_actor a = actor(10, 5, 1);
	struct proc_stats stats;
	struct records r;
	struct proc *p = NULL;

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	(void)exec(&t, 10, 5, 1, "/bin/server");
	a.start += 60 * 1000 * MS;
	records_open(&r, &a, "/x", 0, 3);
	assert_int_equal(feed(&t, &r, t.c, &p), 0);
	assert_int_equal(p->image->program->exe.len, 0);
	assert_true(p->image->flags & FLAG(PARTIAL));
	procs_get_stats(t.procs, &stats);
	assert_int_equal(stats.restarted, 1);
	assert_int_equal(stats.unknown, 1);
	records_exit(&r, &a, 0);
	assert_int_equal(feed(&t, &r, t.c, &p), 0);
	procs_exit(t.procs, p);
	assert_int_equal(feed(&t, &r, t.c, &p), -ESRCH);
	table_done(&t);
}

static int lookup_one(void *ctx, uint32_t pid, struct proc_facts *ret)
{
	(void)ctx;
	if (pid != 30)
		return -ESRCH;
	*ret = (struct proc_facts){.pid = 30,
		.start = {30 * MS * 100 - 3 * MS}, /* /proc counts in ticks */
		.pid_in_ns = 4,
		.program.exe = PW_SLICE_LIT("/bin/from-proc")};
	return 0;
}

static void an_unknown_process_is_looked_up(void **state)
{
	struct table t = {0};
	struct records_actor a = actor(30, 10, 4);
	struct records r;
	struct proc *p = NULL;

	(void)state;
	assert_int_equal(table_init(&t, 64, lookup_one), 0);
	(void)exec(&t, 10, 5, 1, "/bin/server");
	records_open(&r, &a, "/x", 0, 3);
	assert_int_equal(feed(&t, &r, t.c, &p), 0);
	assert_true(pw_slice_eq_str(p->image->program->exe, "/bin/from-proc"));
	assert_int_equal(p->image->flags, 0);
	assert_false(p->setup);
	assert_int_equal(p->image->parent->pid, 10);
	table_done(&t);
}

static void secrets_in_arguments_do_not_stay(void **state)
{
	struct table t = {0};
	struct records_actor a = actor(10, 5, 1);
	struct records r;
	struct proc *p = NULL;

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	records_exec(&r, &a, "/bin/m", pw_slice_of("m\0--password=hunter2", 20), 0);
	assert_int_equal(feed(&t, &r, t.c, &p), 0);
	assert_true(pw_slice_starts(p->image->program->args, pw_slice_of("m\0--password=***", 16)));
	table_done(&t);
}

static void variables_of_interest_stay_and_tell_executions_apart(void **state)
{
	static const char env[] = "HOME=/root\0LD_PRELOAD=/tmp/x.so\0https_proxy=http://u:p@h";
	struct table t = {0};
	struct records_actor a = actor(10, 5, 1);
	struct records r;
	struct proc *p = NULL;
	uint64_t without = 0;

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	records_exec(&r, &a, "/bin/m", pw_slice_of("m\0-a\0", 5), 0);
	assert_int_equal(feed(&t, &r, t.c, &p), 0);
	without = p->image->program->args_hash;
	records_exec_env(
		&r, &a, "/bin/m", pw_slice_of("m\0-a\0", 5), pw_slice_of(env, sizeof(env)));
	assert_int_equal(feed(&t, &r, t.c, &p), 0);
	assert_true(pw_slice_eq(p->image->program->args, pw_slice_of("m\0-a", 4)));
	assert_true(pw_slice_starts(
		p->image->program->env, pw_slice_of("LD_PRELOAD=/tmp/x.so\0https_proxy=***", 36)));
	assert_int_equal(pw_slice_find(p->image->program->env, PW_SLICE_LIT("u:p")), -1);
	assert_int_equal(pw_slice_find(p->image->program->env, PW_SLICE_LIT("HOME")), -1);
	assert_int_not_equal(p->image->program->args_hash, without);
	table_done(&t);
}

static void the_ceiling_holds_and_the_oldest_goes(void **state)
{
	struct table t = {0};
	struct proc_stats stats;

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	(void)exec(&t, 10, 5, 1, "/bin/server");
	for (uint32_t pid = 100; pid < 300; pid++)
		(void)fork_of(&t, pid, pid == 100 ? 10 : pid - 1, pid);
	assert_int_equal(procs_count(t.procs), 64);
	procs_get_stats(t.procs, &stats);
	assert_int_equal(stats.evicted, 201 - 64);
	assert_null(procs_find(t.procs, 10));
	/* A chain of forks keeps 32 generations each, and those are shared. */
	assert_true(images_count(t.images) <= 64 + IMAGE_LINEAGE_MAX);
	table_done(&t);
}

static void a_lineage_is_cut_at_its_ceiling(void **state)
{
	struct table t = {0};
	struct image *i = NULL;
	unsigned depth = 0;

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	(void)exec(&t, 10, 5, 1, "/bin/sh");
	for (uint32_t pid = 11; pid < 200; pid++) {
		(void)fork_of(&t, pid, pid - 1, pid);
		procs_exit(t.procs, procs_find(t.procs, pid - 1));
	}
	for (i = procs_find(t.procs, 199)->image; i; i = i->parent)
		depth++;
	assert_int_equal(depth, IMAGE_LINEAGE_MAX);
	assert_int_equal(images_count(t.images), IMAGE_LINEAGE_MAX);
	table_done(&t);
}

static void processes_go_with_their_container(void **state)
{
	struct table t = {0};

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	(void)exec(&t, 10, 5, 1, "/bin/sh");
	(void)fork_of(&t, 11, 10, 2);
	procs_leave(t.procs, t.c);
	assert_int_equal(procs_count(t.procs), 0);
	assert_int_equal(images_count(t.images), 0);
	assert_int_equal(t.c->holds, 0);
	table_done(&t);
}

static void what_runs_at_start_is_marked(void **state)
{
	struct table t = {0};
	struct proc_facts init = {.pid = 10, .pid_in_ns = 1, .start = {1000 * MS}};
	struct proc_facts child = {.pid = 11, .ppid = 10, .pid_in_ns = 2, .start = {1001 * MS}};
	struct proc_facts other = {.pid = 12, .ppid = 5, .pid_in_ns = 3, .start = {1002 * MS}};

	(void)state;
	assert_int_equal(table_init(&t, 64, NULL), 0);
	assert_int_equal(procs_add_running(t.procs, &init, t.c), 0);
	assert_int_equal(procs_add_running(t.procs, &child, t.c), 0);
	assert_int_equal(procs_add_running(t.procs, &other, t.c), 0);
	assert_int_equal(procs_find(t.procs, 10)->image->flags, FLAG(INIT) | FLAG(PRE_RUNNING));
	assert_int_equal(procs_find(t.procs, 11)->image->flags, FLAG(PRE_RUNNING));
	assert_int_equal(
		procs_find(t.procs, 12)->image->flags, FLAG(NOT_FROM_INIT) | FLAG(PRE_RUNNING));
	assert_true(procs_find(t.procs, 11)->pre_running);
	table_done(&t);
}

static int whole_life(void *ctx)
{
	struct table t = {0};
	struct records_actor a = actor(10, 5, 1);
	struct records r;
	struct event e;
	struct proc *p = NULL;
	int n = table_init(&t, 64, NULL);

	(void)ctx;
	records_exec(&r, &a, "/bin/sh", PW_SLICE_LIT("sh"), 0);
	if (n == 0 && decode(r.bytes, r.len, &e) == DECODE_OK)
		n = procs_note(t.procs, &e, t.c, &p);
	a = actor(11, 10, 2);
	records_fork(&r, &a, 10 * MS * 100);
	if (n == 0 && decode(r.bytes, r.len, &e) == DECODE_OK)
		n = procs_note(t.procs, &e, t.c, &p);
	a.uid = 5;
	records_open(&r, &a, "/x", 0, 1);
	if (n == 0 && decode(r.bytes, r.len, &e) == DECODE_OK)
		n = procs_note(t.procs, &e, t.c, &p);
	table_done(&t);
	return n;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(whole_life, NULL) > 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_begins_with_its_init_and_children_descend_from_it),
		cmocka_unit_test(an_exec_in_place_keeps_the_image_before_as_parent),
		cmocka_unit_test(who_comes_in_later_is_not_from_init),
		cmocka_unit_test(after_a_gap_nothing_is_concluded_from_a_missing_parent),
		cmocka_unit_test(the_runtime_is_setup_until_it_leaves_the_hosts_namespace),
		cmocka_unit_test(a_process_that_is_moved_into_a_container_is_setup),
		cmocka_unit_test(a_changed_user_makes_a_new_image_of_the_same_program),
		cmocka_unit_test(a_reused_number_is_another_process),
		cmocka_unit_test(an_unknown_process_is_looked_up),
		cmocka_unit_test(secrets_in_arguments_do_not_stay),
		cmocka_unit_test(variables_of_interest_stay_and_tell_executions_apart),
		cmocka_unit_test(the_ceiling_holds_and_the_oldest_goes),
		cmocka_unit_test(a_lineage_is_cut_at_its_ceiling),
		cmocka_unit_test(processes_go_with_their_container),
		cmocka_unit_test(what_runs_at_start_is_marked),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
