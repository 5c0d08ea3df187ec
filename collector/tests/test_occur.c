/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of call becomes the object and the numbers that event.proto promises. */
#include "collector/decode.h"
#include "collector/occur.h"
#include "collector/tests/records.h"
#include "podward/v1/event.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <cmocka.h>

#define FLAG(name) ((uint8_t)PODWARD__V1__EVENT_FLAG__EVENT_FLAG_##name)
#define CALL(nr)   ((nr) + 1)
#define WORDS      FLAG(USER_PATH)
#define INET(a, b, c, d)                                                                \
	{                                                                               \
		.family = AF_INET, .sock_type = SOCK_STREAM, .protocol = 6, .port = 53, \
		.local_port = 4000, .addr = {                                           \
			a,                                                              \
			b,                                                              \
			c,                                                              \
			d                                                               \
		}                                                                       \
	}

#define TEXT(x)                                     \
	{                                           \
		(const uint8_t *)(x), sizeof(x) - 1 \
	}

struct row {
	const char *name;
	uint16_t kind; /* enum abi_kind */
	struct records_call call;
	const char *object;
	struct pw_slice object2;
	uint32_t aux;
	uint64_t arg;
	uint8_t flags;
};

static const struct row rows[] = {
	{"unlink below the working directory", ABI_KIND_REMOVE,
		{.base = "/srv", .path = "../tmp/x", .syscall = CALL(87)}, "/tmp/x", {0}, 0, 0,
		WORDS},
	{"unlinkat of a directory", ABI_KIND_REMOVE,
		{.base = "/srv", .path = "d", .num = {0x200}, .syscall = CALL(263)}, "/srv/d", {0},
		1, 0, WORDS},
	{"rmdir", ABI_KIND_REMOVE, {.path = "/d", .syscall = CALL(84)}, "/d", {0}, 1, 0, WORDS},
	{"rename", ABI_KIND_RENAME,
		{.base = "/a", .path = "old", .base2 = "/b", .path2 = "new", .num = {2}}, "/a/old",
		TEXT("/b/new"), 2, 0, WORDS},
	{"link", ABI_KIND_LINK, {.base = "/a", .path = "old", .base2 = "/b", .path2 = "new"},
		"/b/new", TEXT("/a/old"), 0, 0, WORDS},
	{"symlink", ABI_KIND_SYMLINK, {.base = "/a", .path = "l", .text = "../x"}, "/a/l",
		TEXT("../x"), 0, 0, WORDS},
	{"mkdir", ABI_KIND_MKDIR, {.path = "/a/b/", .num = {0755}}, "/a/b", {0}, 0755, 0, WORDS},
	{"mknod", ABI_KIND_MKNOD, {.path = "/n", .num = {S_IFBLK | 0600, 0x00210307}}, "/n", {0},
		S_IFBLK | 0600, (uint64_t)0x103 << 32 | 0x207, WORDS},
	{"fchmod", ABI_KIND_CHMOD, {.base = "/f", .num = {04755}}, "/f", {0}, 04755, 0, 0},
	{"chown", ABI_KIND_CHOWN, {.path = "/f", .num = {7, 0xffffffffffffffff}}, "/f", {0}, 7,
		0xffffffff, WORDS},
	{"setxattr", ABI_KIND_SETXATTR, {.path = "/f", .text = "security.capability"}, "/f",
		TEXT("security.capability"), 0, 0, WORDS},
	{"ftruncate", ABI_KIND_TRUNCATE, {.base = "/f", .num = {1ull << 40}}, "/f", {0}, 0,
		1ull << 40, 0},
	{"chdir once done", ABI_KIND_CHDIR, {.base = "/srv"}, "/srv", {0}, 0, 0, 0},
	{"refused exec", ABI_KIND_EXEC_REFUSED, {.path = "/bin/x", .ret = -13}, "/bin/x", {0}, 0, 0,
		WORDS},
	{"listen", ABI_KIND_LISTEN, {.address = INET(10, 0, 0, 1), .num = {128}}, "10.0.0.1", {0},
		PW_CONNECT_AUX(53, 6, AF_INET), 128, 0},
	{"accept", ABI_KIND_ACCEPT, {.address = INET(10, 0, 0, 1)}, "10.0.0.1", {0},
		PW_CONNECT_AUX(53, 6, AF_INET), 4000, 0},
	{"unix socket bound to a file", ABI_KIND_BIND,
		{.base = "/run/s", .address = {.family = AF_UNIX, .flags = ABI_ADDR_RESOLVED}},
		"/run/s", {0}, PW_CONNECT_AUX(0, 0, AF_UNIX), 0, 0},
	{"raw socket", ABI_KIND_SOCKET, {.num = {AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 3}}, "", {0},
		AF_PACKET | SOCK_RAW << 16, 3, 0},
	{"standard output to a socket", ABI_KIND_STDIO,
		{.address = INET(10, 0, 0, 1), .mode = S_IFSOCK, .num = {5}, .ret = 1}, "10.0.0.1",
		{0}, 1 | 5 << 16, 1, 0},
	{"standard input from a terminal", ABI_KIND_STDIO,
		{.base = "/dev/pts/3", .mode = S_IFCHR, .num = {9}, .ret = 0}, "/dev/pts/3", {0},
		9 << 16, 3, 0},
	{"standard error to a file", ABI_KIND_STDIO,
		{.base = "/log", .mode = S_IFREG, .num = {9}, .ret = 2}, "/log", {0}, 2 | 9 << 16,
		4, 0},
	{"ptrace", ABI_KIND_PTRACE, {.num = {16}}, "", {0}, 16, 0, 0},
	{"process_vm_writev", ABI_KIND_PROCESS_VM, {.syscall = CALL(311)}, "", {0}, 2, 0, 0},
	{"setuid", ABI_KIND_SETID, {.num = {33, 44}, .syscall = CALL(105)}, "", {0}, 33, 8, 0},
	{"setgid", ABI_KIND_SETID, {.num = {33, 44}, .syscall = CALL(106)}, "", {0}, 44, 9, 0},
	{"capset", ABI_KIND_CAPSET, {.num = {0x3fffffffff}}, "", {0}, 0, 0x3fffffffff, 0},
	{"prctl name", ABI_KIND_PRCTL, {.num = {15, 0x7ffff000}, .syscall = CALL(157)}, "worker",
		{0}, 15, 0, 0},
	{"seccomp", ABI_KIND_PRCTL, {.num = {1}, .syscall = CALL(317)}, "", {0}, 22, 1, 0},
	{"mount", ABI_KIND_MOUNT,
		{.path = "proc",
			.base = "/",
			.base2 = "/",
			.path2 = "mnt",
			.text = "proc",
			.num = {6}},
		"/mnt", TEXT("proc\0proc"), 0, 6, WORDS},
	{"unshare", ABI_KIND_UNSHARE, {.num = {0x10000000}}, "", {0}, 0, 0x10000000, 0},
	{"finit_module", ABI_KIND_MODULE, {.base = "/m.ko", .syscall = CALL(313)}, "/m.ko", {0}, 2,
		0, 0},
	{"delete_module", ABI_KIND_MODULE, {.text = "m", .syscall = CALL(176)}, "m", {0}, 3, 0, 0},
	{"bpf", ABI_KIND_BPF, {.num = {5, (uint64_t)9 << 32 | 6}}, "", {0}, 5, 6, 0},
	{"io_uring_setup", ABI_KIND_IO_URING,
		{.num = {(uint64_t)9 << 32 | 4}, .syscall = CALL(425)}, "", {0}, 1, 4, 0},
	{"memfd", ABI_KIND_MEMFD, {.text = "x", .num = {1}}, "x", {0}, 1, 0, 0},
	{"hostname, which has no end of its own", ABI_KIND_HOSTNAME,
		{.text = "nodeXYZ", .num = {4}}, "node", {0}, 0, 0, 0},
	{"first use", ABI_KIND_SYSCALL, {.syscall = CALL(321)}, "", {0}, 321, 0, 0},
	{"kill from a 32-bit program", ABI_KIND_KILL, {.num = {9}, .flags = ABI_FLAG_COMPAT}, "",
		{0}, 9, 0, FLAG(COMPAT)},
	{"through io_uring", ABI_KIND_SOCKET, {.num = {1, 2, 3}, .flags = ABI_FLAG_IO_URING}, "",
		{0}, 1 | 2 << 16, 3, FLAG(IO_URING)},
};

static const struct records_actor actor = {
	.time = 1000, .start = 500, .cgroup = 12, .pid = 7, .ppid = 3, .comm = "worker"};

static void check_row(const struct row *row, struct occur *x)
{
	struct program program = {.cwd = PW_SLICE_LIT("/work")};
	struct image image = {.program = &program, .euid = 8, .egid = 9};
	struct occurrence o = {.image = &image};
	struct records r;
	struct event e;

	records_call(&r, &actor, row->kind, &row->call);
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_OK);
	occur_fill(x, &e, &o);
	if (!pw_slice_eq_str(o.object, row->object) || !pw_slice_eq(o.object2, row->object2))
		fail_msg("%s: \"%.*s\" \"%.*s\"", row->name, (int)o.object.len, o.object.ptr,
			(int)o.object2.len, o.object2.ptr);
	if (o.aux != row->aux || o.arg != row->arg || o.flags != row->flags)
		fail_msg("%s: aux %#x arg %#llx flags %#x", row->name, o.aux,
			(unsigned long long)o.arg, o.flags);
	assert_int_equal(o.ret, row->call.ret);
	assert_int_equal(o.syscall, row->call.syscall);
	assert_int_equal(o.count, 1);
	assert_int_equal(o.time.ns, 1000);
}

static void calls_become_what_the_wire_promises(void **state)
{
	struct occur x;

	(void)state;
	pw_buf_init(&x.object, 4096);
	pw_buf_init(&x.object2, 4096);
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		check_row(&rows[i], &x);
	pw_buf_done(&x.object);
	pw_buf_done(&x.object2);
}

static void a_refused_exec_is_an_exec_that_failed(void **state)
{
	(void)state;
	assert_int_equal(event_wire_kind(EVENT_EXEC_REFUSED), PW_EVENT_EXEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_become_what_the_wire_promises),
		cmocka_unit_test(a_refused_exec_is_an_exec_that_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
