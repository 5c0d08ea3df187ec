/* SPDX-License-Identifier: Apache-2.0 */
/* What an io_uring does without system calls, and capabilities: seen where the kernel has the
 * tracepoints for it. */
#include "collector/tests/deeds.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <cmocka.h>

#define ENTRIES 4u
#define SKIPPED 77

static struct rig rig;
static bool has_uring, has_capability;

static int note_hook(void *ctx, const struct probe_hook *hook)
{
	(void)ctx;
	has_uring |= strncmp(hook->program, "uring_open_", 11) == 0;
	has_capability |= strcmp(hook->program, "capability_used") == 0;
	return 0;
}

/* Before 5.19 the tracepoints that the programs sit on tell of no opens and connects. */
static bool is_at_least(unsigned long major, unsigned long minor)
{
	struct utsname name;
	char *end = NULL;
	unsigned long have;

	assert_int_equal(uname(&name), 0);
	have = strtoul(name.release, &end, 10);
	assert_int_equal(*end, '.');
	return have > major || (have == major && strtoul(end + 1, NULL, 10) >= minor);
}

static int setup(void **state)
{
	char path[128];

	(void)state;
	rig_open(&rig, &(struct probe_options){0});
	assert_int_equal(chmod(rig.dir, 0755), 0);
	(void)close(open(rig_path(&rig, "file", path, sizeof(path)), O_CREAT | O_WRONLY, 0600));
	assert_int_equal(probe_each_hook(rig.source, note_hook, NULL), 0);
	has_uring &= is_at_least(5, 19);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

/* Does one operation and waits for it; its result, or -ENOSYS when there is no io_uring. */
static int do_one(const struct io_uring_sqe *sqe)
{
	struct io_uring_params p = {0};
	int fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
	uint8_t *sq, *cq;
	struct io_uring_sqe *sqes;
	const struct io_uring_cqe *cqe;

	if (fd < 0)
		return -ENOSYS;
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(*cqe), PROT_READ | PROT_WRITE,
		MAP_SHARED, fd, IORING_OFF_CQ_RING);
	sqes = mmap(NULL, p.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED)
		return -ENOSYS;
	sqes[0] = *sqe;
	*(uint32_t *)(void *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((uint32_t *)(void *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return -EIO;
	cqe = (const struct io_uring_cqe *)(const void *)(cq + p.cq_off.cqes);
	return cqe->res;
}

static int uring_open(const char *path, int flags)
{
	struct io_uring_sqe sqe = {.opcode = IORING_OP_OPENAT,
		.fd = AT_FDCWD,
		.addr = (uint64_t)(uintptr_t)path,
		.open_flags = (uint32_t)flags};

	return do_one(&sqe);
}

static int run_open(void *ctx)
{
	int r;

	(void)ctx;
	if (chdir(rig.dir) < 0)
		return 98;
	r = uring_open("./file", O_RDWR);
	return r == -ENOSYS ? SKIPPED : r < 0;
}

static int run_refused(void *ctx)
{
	int r;

	(void)ctx;
	if (chdir(rig.dir) < 0 || setresuid(65534, 65534, 65534) < 0)
		return 98;
	r = uring_open("./file", O_RDWR);
	return r == -ENOSYS ? SKIPPED : r != -EACCES;
}

static bool is_skipped(int status)
{
	if (has_uring && status != SKIPPED << 8)
		return false;
	print_message("    not on this kernel\n");
	return true;
}

static void an_open_without_a_system_call_has_its_path_all_the_same(void **state)
{
	const struct abi_open *o;
	int status = 0;
	char path[128];
	pid_t pid = rig_run_in(&rig, rig.cgroup, run_open, NULL, &status);

	(void)state;
	if (is_skipped(status))
		return;
	assert_int_equal(status, 0);
	o = rig_find_open(&rig, pid, rig_path(&rig, "file", path, sizeof(path)));
	assert_non_null(o);
	assert_true(o->header.flags & ABI_FLAG_IO_URING);
	assert_int_equal(o->call, 0);
	assert_int_equal(o->open_flags & O_ACCMODE, O_RDWR);
	assert_int_equal(o->header.cgroup_id, rig.cgroup_id);
	rig_clear(&rig);
}

static void a_refused_open_without_a_system_call_is_told_without_its_path(void **state)
{
	const struct abi_open *o = NULL;
	int status = 0;
	pid_t pid = rig_run_in(&rig, rig.cgroup, run_refused, NULL, &status);

	(void)state;
	if (is_skipped(status))
		return;
	assert_int_equal(status, 0);
	for (size_t i = 0; (o = rig_nth(&rig, ABI_KIND_OPEN, pid, i)); i++)
		if (o->ret == -EACCES)
			break;
	assert_non_null(o);
	assert_true(o->header.flags & ABI_FLAG_IO_URING);
	assert_int_equal(o->path.len, 0);
	assert_true(o->path_flags & ABI_PATH_FAILED);
	rig_clear(&rig);
}

static int run_connect(void *ctx)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct io_uring_sqe sqe = {.opcode = IORING_OP_CONNECT,
		.fd = socket(AF_INET, SOCK_DGRAM, 0),
		.addr = (uint64_t)(uintptr_t)&to,
		.off = sizeof(to)};
	int r;

	(void)ctx;
	r = do_one(&sqe);
	return r == -ENOSYS ? SKIPPED : r != 0;
}

static void a_connect_without_a_system_call_has_its_peer(void **state)
{
	const struct abi_connect *c;
	int status = 0;
	pid_t pid = rig_run_in(&rig, rig.cgroup, run_connect, NULL, &status);

	(void)state;
	if (is_skipped(status))
		return;
	assert_int_equal(status, 0);
	c = rig_nth(&rig, ABI_KIND_CONNECT, pid, 0);
	assert_non_null(c);
	assert_true(c->header.flags & ABI_FLAG_IO_URING);
	assert_int_equal(c->address.port, 9);
	assert_int_equal(c->ret, 0);
	rig_clear(&rig);
}

static int run_capability(void *ctx)
{
	(void)ctx;
	if (chroot("/") < 0 || chroot("/") < 0) /* needs one, has it */
		return 98;
	if (setresuid(65534, 65534, 65534) < 0)
		return 97;
	return chroot("/") == 0; /* needs one, has it not */
}

static void a_capability_is_told_once_when_had_and_once_when_refused(void **state)
{
	unsigned had = 0, refused = 0;
	const struct abi_call *c;

	(void)state;
	if (!has_capability) {
		print_message("    not on this kernel\n");
		return;
	}
	(void)rig_run(&rig, run_capability, NULL);
	for (size_t i = 0; (c = rig_nth(&rig, ABI_KIND_CAPABILITY, 0, i)); i++) {
		had += c->num[0] == CAP_SYS_CHROOT && c->ret == 0;
		refused += c->num[0] == CAP_SYS_CHROOT && c->ret == -EPERM;
	}
	assert_int_equal(had, 1);
	assert_int_equal(refused, 1);
	rig_clear(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_without_a_system_call_has_its_path_all_the_same),
		cmocka_unit_test(a_refused_open_without_a_system_call_is_told_without_its_path),
		cmocka_unit_test(a_connect_without_a_system_call_has_its_peer),
		cmocka_unit_test(a_capability_is_told_once_when_had_and_once_when_refused),
	};

	rig_require();
	return cmocka_run_group_tests(tests, setup, teardown);
}
