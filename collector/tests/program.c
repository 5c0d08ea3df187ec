/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/tests/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define WAIT_MS 60000

const char *program_path(void)
{
	const char *given = getenv("PODWARD_COLLECTOR");

	return given ? given : PW_BINARY_DIR "/bin/podward-collector";
}

void program_start(
	struct running *p, const char *const arguments[], int (*before)(void *ctx), void *ctx)
{
	const char *argv[32] = {program_path()};
	int pair[2];

	for (size_t i = 0; arguments[i]; i++) {
		assert_true(i + 2 < sizeof(argv) / sizeof(argv[0]));
		argv[i + 1] = arguments[i];
	}
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	(void)fflush(stdout);
	p->len = 0;
	p->text[0] = '\0';
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		int code = before ? before(ctx) : 0;

		if (code)
			_exit(code);
		(void)dup2(pair[1], STDOUT_FILENO);
		(void)execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	(void)close(pair[1]);
	p->out = pair[0];
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* False at the end of the output or of the patience. A full buffer keeps its newest half. */
static bool read_more(struct running *p, int64_t deadline_ms)
{
	struct pollfd wait = {.fd = p->out, .events = POLLIN};
	int64_t left = deadline_ms - now_ms();
	ssize_t n;

	if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
		return false;
	if (p->len > PROGRAM_TEXT / 2) {
		memmove(p->text, p->text + p->len / 2, p->len - p->len / 2);
		p->len -= p->len / 2;
	}
	n = read(p->out, p->text + p->len, PROGRAM_TEXT - 1 - p->len);
	if (n <= 0)
		return false;
	p->len += (size_t)n;
	p->text[p->len] = '\0';
	return true;
}

bool program_wait_for(struct running *p, const char *words)
{
	int64_t deadline = now_ms() + WAIT_MS;

	while (!strstr(p->text, words))
		if (!read_more(p, deadline))
			return false;
	return true;
}

int program_end(struct running *p)
{
	(void)kill(p->pid, SIGTERM);
	return program_wait(p);
}

int program_wait(struct running *p)
{
	int64_t deadline = now_ms() + WAIT_MS;
	int status = 0;

	while (read_more(p, deadline))
		;
	if (now_ms() >= deadline)
		(void)kill(p->pid, SIGKILL);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	(void)close(p->out);
	return status;
}
