/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/rpc/accept_guard.h"
#include "common/rpc/tests/rig.h"

#define CONNECTIONS 60

static void set_limit(rlim_t soft)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = soft;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void wait_for_drops(void)
{
	for (int i = 0; i < 6000 && pw_accept_guard_dropped() == 0; i++)
		(void)nanosleep(&(struct timespec){0, 10000000}, NULL);
	assert_true(pw_accept_guard_dropped() > 0);
}

/* CVE-2023-4785: more idle connections than descriptors, then all of them closed. */
static void listener_survives_running_out_of_descriptors(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct rlimit before;
	int fds[CONNECTIONS], highest;
	struct rig r;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	rig_init(&r);
	rig_start_server(&r, NULL);
	for (size_t i = 0; i < CONNECTIONS; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	highest = fds[CONNECTIONS - 1];
	set_limit((rlim_t)highest + 20);
	address.sin_port = htons(pw_server_port(r.server));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < CONNECTIONS; i++)
		assert_int_equal(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), 0);
	wait_for_drops();
	for (size_t i = 0; i < CONNECTIONS; i++)
		(void)close(fds[i]);
	(void)snprintf(r.target, sizeof(r.target), "127.0.0.1:%u", pw_server_port(r.server));
	r.send_goal = 1;
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_received, 1);
	assert_true(pw_accept_guard_accepted() > 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	rig_done(&r);
}

static void blocking_listeners_see_the_error(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	struct rlimit before;
	int listener, client;

	(void)state;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	client = raw_connect(ntohs(address.sin_port));
	set_limit(0);
	assert_int_equal(accept4(listener, NULL, NULL, SOCK_CLOEXEC), -1);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(accept4(listener, NULL, NULL, SOCK_CLOEXEC), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	(void)close(client);
	(void)close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listener_survives_running_out_of_descriptors),
		cmocka_unit_test(blocking_listeners_see_the_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
