/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/detections/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLAN        "/steps/plan"
#define STEP_FOLDER "/steps/"
#define STEP_LIMIT  10u /* s */

extern char **environ;

static char plan[256u * 1024u];

const char *step_arg(int argc, char **argv, int n, const char *fallback)
{
	return n < argc ? argv[n] : fallback;
}

long step_number(const char *text)
{
	return strtol(text, NULL, 0);
}

static void ignore_alarm(int number)
{
	(void)number;
}

/* Exit status of the child; it is ended when it takes longer than 2 s. */
static long wait_for(pid_t pid)
{
	struct sigaction on_alarm = {.sa_handler = ignore_alarm};
	int status = 0;

	(void)sigaction(SIGALRM, &on_alarm, NULL);
	(void)alarm(2);
	if (waitpid(pid, &status, 0) < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
	}
	(void)alarm(0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

long step_child(void (*body)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		body(arg);
		_exit(126);
	}
	return wait_for(pid);
}

struct program {
	const char *path;
	char **argv;
};

static void run_program(void *arg)
{
	const struct program *p = arg;

	(void)execve(p->path, p->argv, environ);
}

long step_run(const char *path, char **argv)
{
	struct program p = {path, argv};

	return step_child(run_program, &p);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "\xHH" to the byte, in place: names in the plan need not be text. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; out++) {
		if (s[0] == '\\' && s[1] == 'x' && hex_digit(s[2]) >= 0 && hex_digit(s[3]) >= 0) {
			*out = (char)(hex_digit(s[2]) * 16 + hex_digit(s[3]));
			s += 4;
		} else {
			*out = *s++;
		}
	}
	*out = 0;
}

static int split(char *line, char **argv)
{
	int argc = 0;

	while (line && argc < (int)STEP_ARGS - 1) {
		char *tab = strchr(line, '\t');

		if (tab)
			*tab++ = 0;
		unescape(line);
		argv[argc++] = line;
		line = tab;
	}
	argv[argc] = NULL;
	return argc;
}

static const struct step_op *find_op(const char *name)
{
	static const struct step_op *const tables[] = {
		steps_exec_ops, steps_file_ops, steps_net_ops, steps_kernel_ops};

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct step_op *op = tables[t]; op->name; op++)
			if (strcmp(op->name, name) == 0)
				return op;
	return NULL;
}

static int read_plan(void)
{
	int fd = open(PLAN, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, plan, sizeof(plan) - 1);

	if (fd >= 0)
		(void)close(fd);
	return n > 0 ? 0 : -1;
}

/* repeat COUNT OPERATION …: "%" in an argument stands for the number of the time */
static int repeat(int argc, char **argv)
{
	static char texts[STEP_ARGS][256];
	char *now[STEP_ARGS] = {NULL};
	const struct step_op *op = argc > 2 ? find_op(argv[2]) : NULL;

	for (long n = 0; op && n < step_number(argv[1]); n++) {
		for (int i = 3; i < argc; i++) {
			const char *mark = strchr(argv[i], '%');
			int before = mark ? (int)(mark - argv[i]) : (int)strlen(argv[i]);

			now[i - 3] = texts[i];
			if (mark)
				(void)snprintf(texts[i], sizeof(texts[i]), "%.*s%ld%s", before,
					argv[i], n, mark + 1);
			else
				(void)snprintf(texts[i], sizeof(texts[i]), "%s", argv[i]);
		}
		(void)op->run(argc - 3, now);
	}
	return op ? 0 : 1;
}

/* The name of the operation and its arguments. Its result is for a person: being refused is no
 * failure. */
static int do_op(int argc, char **argv)
{
	const struct step_op *op = find_op(argv[0]);
	long result;

	if (strcmp(argv[0], "repeat") == 0)
		return repeat(argc, argv);
	if (!op) {
		(void)fprintf(stderr, "steps: unknown operation %s\n", argv[0]);
		return 1;
	}
	result = op->run(argc - 1, argv + 1);
	(void)printf("%s\t%s\t%ld\n", program_invocation_short_name, op->name, result);
	return fflush(stdout) == 0 ? 0 : 1;
}

/* Line: step, operation, arguments. A line of another step is left as it is. */
static int do_line(const char *step, char *line)
{
	size_t len = strlen(step);
	char *argv[STEP_ARGS];
	int argc;

	if (strncmp(line, step, len) != 0 || line[len] != '\t')
		return 0;
	argc = split(line + len + 1, argv);
	return do_op(argc, argv);
}

static int do_step(const char *step)
{
	char *rest = plan, *line;
	int failed = 0;

	while ((line = strsep(&rest, "\n")) != NULL)
		failed |= do_line(step, line);
	return failed;
}

static long run_step(const char *name)
{
	char path[128], *argv[2];

	(void)snprintf(path, sizeof(path), STEP_FOLDER "%s", name);
	argv[0] = path;
	argv[1] = NULL;
	return step_run(path, argv);
}

/* Lines "=BATCH", step: every step of the batch, each in its own process and program file. */
static int do_batch(const char *batch)
{
	size_t len = strlen(batch);
	char *rest = plan, *line;
	int failed = 0;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (line[0] != '=' || strncmp(line + 1, batch, len) != 0 || line[len + 1] != '\t')
			continue;
		if (run_step(line + len + 2) != 0) {
			(void)fprintf(stderr, "steps: %s failed\n", line + len + 2);
			failed = 1;
		}
	}
	return failed;
}

/*
 * One file, many names. /steps/run BATCH runs a batch, /steps/NAME one step; under any other name
 * it stands in for the program that an attacker would bring, and does nothing, or as that program
 * would starts what follows "--run" or does the operation that follows "--do".
 */
int main(int argc, char **argv)
{
	const char *self = (const char *)getauxval(AT_EXECFN);

	if (argc > 2 && strcmp(argv[1], "--run") == 0)
		return step_run(argv[2], argv + 2) == 0 ? 0 : 1;
	if (argc > 2 && strcmp(argv[1], "--do") == 0)
		return do_op(argc - 2, argv + 2);
	if (!self || strncmp(self, STEP_FOLDER, sizeof(STEP_FOLDER) - 1) != 0)
		return 0;
	if (read_plan() < 0) {
		(void)fprintf(stderr, "steps: cannot read " PLAN "\n");
		return 1;
	}
	self += sizeof(STEP_FOLDER) - 1;
	if (strcmp(self, "run") == 0)
		return argc > 1 ? do_batch(argv[1]) : 1;
	return do_step(self);
}
