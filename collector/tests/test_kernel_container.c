/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real container under the real collector: what it does arrives with its id and its lineage, and
 * what the host does does not. Needs root, BPF, podman, runc and a static busybox; else SKIP.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define BUSYBOX   "/bin/busybox"
#define COLLECTOR PW_BINARY_DIR "/bin/podward-collector"
#define IMAGE     "localhost/podward-kernel-test:latest"
#define TEXT_SIZE (4u << 20)
#define SKIP      77

static char folder[] = "/tmp/podward-kernel-XXXXXX";
static char out_path[128], err_path[128], marker[128];
static pid_t collector;

/* Runs a program to its end with output into a file (NULL = nowhere). Exit code, -1 = not run. */
static int run(const char *const argv[], const char *output)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		int fd = open(output ? output : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);

		(void)dup2(fd, STDOUT_FILENO);
		(void)dup2(fd, STDERR_FILENO);
		(void)execvp(argv[0], (char *const *)(size_t)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static char *read_text(const char *path)
{
	static char text[TEXT_SIZE];
	int fd = open(path, O_RDONLY);
	ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		(void)close(fd);
	text[len > 0 ? len : 0] = 0;
	return text;
}

/* Waits until the file holds the text, at most 60 s: loading BPF takes seconds on a busy machine.
 */
static int wait_for(const char *path, const char *text)
{
	for (unsigned i = 0; i < 6000; i++) {
		int status = 0;

		if (strstr(read_text(path), text))
			return 0;
		if (collector > 0 && waitpid(collector, &status, WNOHANG) == collector) {
			collector = 0;
			return -ECHILD;
		}
		(void)usleep(10000);
	}
	return -ETIMEDOUT;
}

/* Does one line hold all the parts? */
static int has_line(const char *text, const char *const *parts)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		int all = 1;

		for (size_t i = 0; all && parts[i]; i++)
			all = memmem(text, len, parts[i], strlen(parts[i])) != NULL;
		if (all)
			return 1;
		text += len + (text[len] != 0);
	}
	return 0;
}

static int skip_all(const char *reason)
{
	(void)printf("SKIP: %s\n", reason);
	return SKIP;
}

static int make_image(void)
{
	char script[512];
	char tar[160];

	(void)snprintf(tar, sizeof(tar), "%s/image.tar", folder);
	(void)snprintf(script, sizeof(script),
		"cd %s && mkdir -p root/bin root/etc root/tmp && cp %s root/bin/ && "
		"for a in sh cat wget sleep; do ln -sf busybox root/bin/$a; done && "
		"echo root:x:0:0::/:/bin/sh >root/etc/passwd && tar -C root -cf image.tar .",
		folder, BUSYBOX);
	if (run((const char *const[]){"sh", "-c", script, NULL}, NULL) != 0)
		return -1;
	return run((const char *const[]){"podman", "import", tar, IMAGE, NULL}, NULL);
}

static int start_collector(void)
{
	collector = fork();
	if (collector == 0) {
		int out = open(out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		int err = open(err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		(void)dup2(out, STDOUT_FILENO);
		(void)dup2(err, STDERR_FILENO);
		(void)execl(COLLECTOR, COLLECTOR, "--print=json", (char *)NULL);
		_exit(127);
	}
	return wait_for(err_path, "started on node");
}

static void run_container(const char *script, const char *cid_path, char id[65])
{
	const char *const argv[] = {"podman", "--runtime", "runc", "--cgroup-manager=cgroupfs",
		"run", "--rm", "--cidfile", cid_path, "--ulimit", "nofile=20000:20000", "--ulimit",
		"nproc=30000:30000", "--network=host", IMAGE, "/bin/sh", "-c", script, NULL};
	char log[160];

	(void)snprintf(log, sizeof(log), "%s/podman.log", folder);
	if (run(argv, log) != 0)
		fail_msg("podman: %s", read_text(log));
	memcpy(id, read_text(cid_path), 64);
	id[64] = 0;
}

static void stop_collector(void)
{
	int status = 0;

	assert_int_equal(kill(collector, SIGTERM), 0);
	assert_int_equal(waitpid(collector, &status, 0), collector);
	collector = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void touch_marker(void)
{
	int fd = open(marker, O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
}

static void what_a_container_does_arrives_and_what_the_host_does_does_not(void **state)
{
	char id[65];
	char key[160];
	char cid_path[160];
	const char *text = NULL;

	(void)state;
	(void)snprintf(cid_path, sizeof(cid_path), "%s/cid", folder);
	touch_marker();
	run_container("cat /etc/passwd >/tmp/copy; wget -q -O - http://127.0.0.1:9/; exit 0",
		cid_path, id);
	touch_marker();
	(void)run((const char *const[]){"cat", marker, NULL}, NULL);
	(void)snprintf(key, sizeof(key), "\"container\":{\"id\":\"%s\",\"runtime\":\"podman\"", id);
	assert_int_equal(wait_for(out_path, "\"port\":9"), 0);
	stop_collector();
	text = read_text(out_path);
	/* the container's first program */
	assert_true(has_line(text,
		(const char *const[]){key, "\"type\":\"exec\"", "\"args\":[\"/bin/sh\",\"-c\"",
			"\"flags\":[\"init\"", "\"object\":\"/bin/busybox\"", NULL}));
	/* its child, with the shell as parent */
	assert_true(has_line(
		text, (const char *const[]){key, "\"type\":\"exec\"",
			      "\"args\":[\"cat\",\"/etc/passwd\"]",
			      "\"lineage\":[{\"pid\":", "\"exe\":\"/bin/busybox\"}]", NULL}));
	assert_true(
		has_line(text, (const char *const[]){key, "\"type\":\"open\"",
				       "\"args\":[\"cat\",\"/etc/passwd\"]", "\"lineage\"",
				       "\"object\":\"/etc/passwd\",\"access\":[\"read\"]", NULL}));
	assert_true(has_line(
		text, (const char *const[]){key, "\"type\":\"open\"", "\"object\":\"/tmp/copy\"",
			      "\"access\":[\"write\",\"create\",\"truncate\"]", NULL}));
	assert_true(has_line(
		text, (const char *const[]){key, "\"type\":\"connect\"", "\"object\":\"127.0.0.1\"",
			      "\"protocol\":\"tcp\",\"port\":9", "\"lineage\"", "\"result\":-111",
			      NULL}));
	/* nothing of the host, nothing of the runtime */
	assert_null(strstr(text, marker));
	assert_false(
		has_line(text, (const char *const[]){"\"type\":", "\"comm\":\"conmon\"", NULL}));
	assert_false(has_line(text, (const char *const[]){key, "\"comm\":\"runc", NULL}));
	/* every line belongs to some container */
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		assert_non_null(strstr(line, "\"container\":{\"id\":\""));
}

static int remove_all(void **state)
{
	(void)state;
	if (collector > 0) {
		(void)kill(collector, SIGKILL);
		(void)waitpid(collector, NULL, 0);
	}
	(void)run((const char *const[]){"rm", "-rf", folder, NULL}, NULL);
	(void)run((const char *const[]){"podman", "rmi", "-f", IMAGE, NULL}, NULL);
	return 0;
}

static int prepare(void)
{
	if (geteuid() != 0)
		return skip_all("needs root");
	if (access(BUSYBOX, X_OK) < 0)
		return skip_all("no " BUSYBOX " (package busybox-static)");
	if (run((const char *const[]){"podman", "--version", NULL}, NULL) != 0 ||
		run((const char *const[]){"runc", "--version", NULL}, NULL) != 0)
		return skip_all("no podman with runc");
	if (!mkdtemp(folder))
		return skip_all("no temporary folder");
	(void)snprintf(out_path, sizeof(out_path), "%s/out", folder);
	(void)snprintf(err_path, sizeof(err_path), "%s/err", folder);
	(void)snprintf(marker, sizeof(marker), "%s/host-marker", folder);
	if (make_image() != 0) {
		(void)remove_all(NULL);
		return skip_all("podman cannot import an image here");
	}
	if (start_collector() < 0) {
		char reason[512];

		(void)snprintf(reason, sizeof(reason), "collector: %.480s", read_text(err_path));
		(void)remove_all(NULL);
		/* Only what this machine cannot do is skipped. */
		if (strstr(reason, "CAP_") || strstr(reason, "BTF") || strstr(reason, "lockdown"))
			return skip_all(reason);
		(void)printf("FAIL: %s\n", reason);
		return 1;
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_container_does_arrives_and_what_the_host_does_does_not),
	};
	int r = prepare();

	return r ? r : cmocka_run_group_tests(tests, NULL, remove_all);
}
