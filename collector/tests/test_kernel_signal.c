/* SPDX-License-Identifier: Apache-2.0 */
/* Which signals are told: those that a process sends to another container, and no others. */
#include "collector/tests/kernel_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define TIMER_ROUNDS 200

static struct rig rig;
static char child_cgroup[512];

static int setup(void **state)
{
	struct abi_scope entry = {.group = RIG_GROUP};
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	rig_open(&rig, &(struct probe_options){0});
	(void)snprintf(child_cgroup, sizeof(child_cgroup), "%s/below", rig.cgroup);
	return kmaps_scope_set(rig.maps, rig_mkdir(child_cgroup), entry, &err);
}

static int teardown(void **state)
{
	(void)state;
	(void)rmdir(child_cgroup);
	rig_close(&rig);
	return 0;
}

/* Ends with the test, whatever becomes of that: it would hold what the test has open. */
static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	return pid;
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* --- sent on purpose --- */

static pid_t target;

static long by_kill(void)
{
	return kill(target, SIGUSR2);
}

static long by_kill_chld(void)
{
	return kill(target, SIGCHLD);
}

static long by_tgkill(void)
{
	return syscall(SYS_tgkill, target, target, SIGCONT);
}

static long queue(int code)
{
	siginfo_t info = {.si_signo = SIGCONT, .si_code = code};

	return syscall(SYS_rt_sigqueueinfo, target, SIGCONT, &info);
}

static long by_queue(void)
{
	return queue(SI_QUEUE);
}

/* An attacker who would like to look like a timer. */
static long by_queue_as_timer(void)
{
	return queue(SI_TIMER);
}

static long by_pidfd(void)
{
	long fd = syscall(SYS_pidfd_open, target, 0);

	return fd < 0 ? fd : syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL, 0);
}

static const struct {
	const char *name;
	long (*send)(void);
	uint32_t signal;
} ways[] = {
	{"kill", by_kill, SIGUSR2},
	{"kill with SIGCHLD", by_kill_chld, SIGCHLD},
	{"tgkill", by_tgkill, SIGCONT},
	{"rt_sigqueueinfo", by_queue, SIGCONT},
	{"rt_sigqueueinfo with a timer's code", by_queue_as_timer, SIGCONT},
	{"pidfd_send_signal", by_pidfd, SIGCONT},
};

static int send(void *ctx)
{
	return ways[*(size_t *)ctx].send() < 0;
}

static void each_way_to_signal_another_container_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const struct abi_call *c;
		pid_t pid;

		target = sleeper();
		pid = rig_run(&rig, send, &i);
		c = rig_nth(&rig, ABI_KIND_KILL, pid, 0);
		if (!c || rig_count(&rig, ABI_KIND_KILL, pid) != 1)
			fail_msg("%s: told %zu times", ways[i].name,
				rig_count(&rig, ABI_KIND_KILL, pid));
		assert_int_equal(c->num[0], ways[i].signal);
		assert_int_equal(c->target.tgid, target);
		assert_true(c->target.start_boot_ns > 0);
		end(target);
		rig_clear(&rig);
	}
}

/* --- nobody's, or none of anybody's business --- */

/* Busy, so that clock interrupts come on top of it. */
static int spin(void *ctx)
{
	(void)ctx;
	while (getppid() >= 0)
		;
	return 0;
}

static volatile sig_atomic_t ticks;

static void on_tick(int signal)
{
	(void)signal;
	ticks++;
}

static void a_timer_of_another_container_is_not_a_signal_of_who_it_interrupts(void **state)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct sigaction tick = {.sa_handler = on_tick};
	struct itimerspec every = {{0, 500000}, {0, 500000}};
	const struct timespec pause = {0, 1000000};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pid_t busy[64];
	timer_t timer;

	(void)state;
	cpus = cpus > 64 ? 64 : cpus;
	for (long i = 0; i < cpus; i++)
		busy[i] = rig_start(&rig, spin, NULL);
	assert_int_equal(sigaction(SIGUSR1, &tick, NULL), 0);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &every, NULL), 0);
	while (ticks < TIMER_ROUNDS)
		(void)nanosleep(&pause, NULL);
	(void)timer_delete(timer);
	for (long i = 0; i < cpus; i++) {
		(void)kill(busy[i], SIGKILL);
		(void)rig_wait(&rig, busy[i]);
	}
	assert_int_equal(rig_count(&rig, ABI_KIND_KILL, 0), 0);
	rig_clear(&rig);
}

static int leave_child_outside(void *ctx)
{
	char path[512];
	pid_t child = fork();
	FILE *f;

	(void)ctx;
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)raise(SIGSTOP); /* ready */
		_exit(0);
	}
	if (waitpid(child, NULL, WUNTRACED) != child)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", rig.root);
	f = fopen(path, "we");
	if (!f || fprintf(f, "%d", child) < 0 || fclose(f) != 0)
		return 1;
	return 0;
}

static void the_end_of_a_parent_is_no_signal_sent(void **state)
{
	(void)state;
	(void)rig_run(&rig, leave_child_outside, NULL);
	assert_int_equal(rig_count(&rig, ABI_KIND_KILL, 0), 0);
	rig_clear(&rig);
}

static void a_cgroup_below_that_of_the_container_is_not_outside(void **state)
{
	const size_t by_plain_kill = 0;
	FILE *f;
	char path[600];

	(void)state;
	target = sleeper();
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", child_cgroup);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fprintf(f, "%d", target) > 0);
	assert_int_equal(fclose(f), 0);
	(void)rig_run(&rig, send, (void *)&by_plain_kill);
	end(target);
	assert_int_equal(rig_count(&rig, ABI_KIND_KILL, 0), 0);
	rig_clear(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_to_signal_another_container_is_told),
		cmocka_unit_test(a_timer_of_another_container_is_not_a_signal_of_who_it_interrupts),
		cmocka_unit_test(the_end_of_a_parent_is_no_signal_sent),
		cmocka_unit_test(a_cgroup_below_that_of_the_container_is_not_outside),
	};

	rig_require();
	return cmocka_run_group_tests(tests, setup, teardown);
}
