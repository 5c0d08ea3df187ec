/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/accept_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/rpc/accept_peers.h"

/* One per process, like the descriptor table that it guards; accept4() has no context to hang it
 * on. */
static pthread_mutex_t guard_lock = PTHREAD_MUTEX_INITIALIZER;
static int guard_reserve = -1;
static _Atomic uint64_t guard_dropped, guard_accepted, guard_crowded;

static int guard_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return (int)syscall(SYS_accept4, fd, addr, len, flags);
}

static void guard_reopen(void)
{
	if (guard_reserve < 0)
		guard_reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void pw_accept_guard_arm(void)
{
	(void)pthread_mutex_lock(&guard_lock);
	guard_reopen();
	(void)pthread_mutex_unlock(&guard_lock);
}

static bool guard_is_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

/*
 * Takes and drops what waits, until nothing does: the listener is watched edge-triggered and would
 * not hear of those left behind.
 */
static void guard_drop_waiting(int fd)
{
	uint64_t count = 0;

	(void)pthread_mutex_lock(&guard_lock);
	guard_reopen();
	while (guard_reserve >= 0) {
		int r;

		(void)close(guard_reserve);
		guard_reserve = -1;
		r = guard_accept(fd, NULL, NULL, SOCK_CLOEXEC);
		if (r >= 0) {
			(void)close(r);
			count++;
		}
		guard_reopen();
		if (r < 0)
			break;
	}
	(void)pthread_mutex_unlock(&guard_lock);
	(void)atomic_fetch_add_explicit(&guard_dropped, count, memory_order_relaxed);
	pw_log_limited(PW_LOG_ERROR, 3, "rpc",
		"out of file descriptors, %llu connections dropped: raise the limit (ulimit -n)",
		(unsigned long long)count);
}

/* An error of the connection, or of the moment, not of the listener. Source: accept(2), "Error
 * handling". */
static bool guard_is_passing(int error)
{
	switch (error) {
	case ECONNABORTED:
	case ENETDOWN:
	case EPROTO:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EPERM:
		return true;
	default:
		return false;
	}
}

static bool guard_is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static bool guard_admit(int fd)
{
	bool is_admitted;

	(void)pthread_mutex_lock(&guard_lock);
	is_admitted = pw_accept_peers_admit(fd);
	(void)pthread_mutex_unlock(&guard_lock);
	if (is_admitted)
		return true;
	(void)close(fd);
	(void)atomic_fetch_add_explicit(&guard_crowded, 1, memory_order_relaxed);
	pw_log_limited(PW_LOG_WARN, 3, "rpc",
		"a connection was dropped: its address holds %d already", PW_PEER_CONNECTIONS);
	return false;
}

/* Replaces the C library's for the whole program: see the link options in CMakeLists.txt. */
int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags)
{
	int r;

	do {
		r = guard_accept(fd, addr.__sockaddr__, len, flags);
	} while (
		(r >= 0 && guard_is_nonblocking(fd) && !guard_admit(r)) ||
		(r < 0 && (errno == EINTR || guard_is_passing(errno)) && guard_is_nonblocking(fd)));
	if (r >= 0) {
		(void)atomic_fetch_add_explicit(&guard_accepted, 1, memory_order_relaxed);
		return r;
	}
	if (!guard_is_shortage(errno) || !guard_is_nonblocking(fd))
		return r;
	guard_drop_waiting(fd);
	errno = EAGAIN;
	return -1;
}

uint64_t pw_accept_guard_dropped(void)
{
	return atomic_load_explicit(&guard_dropped, memory_order_relaxed);
}

uint64_t pw_accept_guard_accepted(void)
{
	return atomic_load_explicit(&guard_accepted, memory_order_relaxed);
}

uint64_t pw_accept_guard_crowded(void)
{
	return atomic_load_explicit(&guard_crowded, memory_order_relaxed);
}
