/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/behaviour.h"
#include "common/testing/cm.h"
#include "analyzer/tests/kit.h"
#include "common/base/hash.h"

#include <errno.h>
#include <stdio.h>

#define ALL (0x3eu)

/* "dimension|actor|object" of the behaviours of one event, '\n' between. */
static void print(const struct behaviour_set *set, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < set->count; i++) {
		const struct behaviour *b = &set->items[i];

		len += (size_t)snprintf(out + len, size - len, "%s%s|%.*s|%.*s", i ? "\n" : "",
			behaviour_dimension_name(b->dimension), PW_SLICE_ARG(b->actor),
			PW_SLICE_ARG(b->object));
	}
}

static void events_become_behaviours(void **state)
{
	static const struct {
		struct kit_row row;
		const char *want;
	} rows[] = {
		{{PW_EVENT_EXEC, KIT_MINER, "/tmp/xmrig", 0, 0, 0},
			"exec|/bin/sh|/tmp/xmrig <writable layer>"},
		{{PW_EVENT_EXEC, KIT_APP, "/usr/bin/app", 0, 0, 0}, "exec||/usr/bin/app"},
		{{PW_EVENT_EXEC, KIT_SHELL, "/bin/x", 0, -EACCES, 0}, ""},
		{{PW_EVENT_OPEN, KIT_APP, "/a", KIT_READ, 3, 0}, "file.read|/usr/bin/app|/a"},
		{{PW_EVENT_OPEN, KIT_APP, "/a", KIT_READ | KIT_WRITE | KIT_CREATE, 3, 0},
			"file.read|/usr/bin/app|/a\nfile.write|/usr/bin/app|/a\nfile.create|/usr/"
			"bin/app|/a"},
		{{PW_EVENT_OPEN, KIT_APP, "/a", KIT_READ, -ENOENT, 0}, ""},
		{{PW_EVENT_OPEN, KIT_APP, "/a", KIT_READ | 32, 3, 0}, ""},
		{{PW_EVENT_OPEN, KIT_APP, "/proc/12/stat", KIT_READ, 3, 0},
			"file.read|/usr/bin/app|/proc/<pid>/stat"},
		{{PW_EVENT_OPEN, KIT_APP, "/proc/1/task/2/comm", KIT_READ, 3, 0},
			"file.read|/usr/bin/app|/proc/<pid>/task/<tid>/comm"},
		{{PW_EVENT_OPEN, KIT_APP, "/proc/12", KIT_READ, 3, 0},
			"file.read|/usr/bin/app|/proc/<pid>"},
		{{PW_EVENT_OPEN, KIT_APP, "/proc/12x/stat", KIT_READ, 3, 0},
			"file.read|/usr/bin/app|/proc/12x/stat"},
		{{PW_EVENT_OPEN, KIT_APP, "/proc/self/stat", KIT_READ, 3, 0},
			"file.read|/usr/bin/app|/proc/self/stat"},
		{{PW_EVENT_CONNECT, KIT_APP, "10.0.0.1", KIT_TCP(443), 0, 0},
			"net.egress|/usr/bin/app|tcp/10.0.0.1/443"},
		{{PW_EVENT_CONNECT, KIT_APP, "10.0.0.1", KIT_TCP(443), -EINPROGRESS, 0},
			"net.egress|/usr/bin/app|tcp/10.0.0.1/443"},
		{{PW_EVENT_CONNECT, KIT_APP, "10.0.0.1", KIT_TCP(443), -EPERM, 0}, ""},
		{{PW_EVENT_CONNECT, KIT_APP, "::1", PW_CONNECT_AUX(53, 17, 10), 0, 0},
			"net.egress|/usr/bin/app|udp/::1/53"},
		{{PW_EVENT_CONNECT, KIT_APP, "/run/x", PW_CONNECT_AUX(0, 0, 1), 0, 0},
			"net.egress|/usr/bin/app|unix/run/x"},
		{{PW_EVENT_EXIT, KIT_APP, NULL, 0, 0, 0}, ""},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		static struct behaviour_set set;
		struct pw_decoded *d = NULL;
		char text[512];

		assert_int_equal(kit_decode(&rows[i].row, 1, 1, &d), 0);
		behaviour_of(&d->events[0], ALL, &set);
		print(&set, text, sizeof(text));
		assert_string_equal(text, rows[i].want);
		behaviour_of(&d->events[0], 0, &set);
		assert_int_equal(set.count, 0);
		pw_decoded_free(d);
	}
}

#define MODE_CHAR 0020000

/* Events of the other families, without the way over the wire. */
static const struct {
	uint8_t kind;
	const char *object, *object2;
	uint32_t aux;
	uint64_t arg;
	int32_t ret;
	const char *want;
} family_rows[] = {
	{PW_EVENT_REMOVE, "/a", "", 0, 0, 0, "file.delete|/bin/x|/a"},
	{PW_EVENT_REMOVE, "/a", "", 0, 0, -ENOENT, ""},
	{PW_EVENT_RENAME, "/a", "/b", 0, 0, 0, "file.rename|/bin/x|/a\nfile.rename|/bin/x|/b"},
	{PW_EVENT_LINK, "/new", "/etc/shadow", 0, 0, 0,
		"file.link|/bin/x|/new\nfile.link|/bin/x|/etc/shadow"},
	{PW_EVENT_SYMLINK, "/new", "..2026_11", 0, 0, 0, "file.link|/bin/x|/new"},
	{PW_EVENT_SYMLINK, "/new", "/etc", 0, 0, 0, "file.link|/bin/x|/new\nfile.link|/bin/x|/etc"},
	{PW_EVENT_MKDIR, "/d", "", 0755, 0, 0, "file.create|/bin/x|/d"},
	{PW_EVENT_MKNOD, "/dev/mem", "", MODE_CHAR | 0600, 1ull << 32 | 1, 0,
		"file.create|/bin/x|/dev/mem\nprivilege|/bin/x|mknod c 1:1"},
	{PW_EVENT_TRUNCATE, "/t", "", 0, 5, 0, "file.write|/bin/x|/t"},
	{PW_EVENT_CHMOD, "/c", "", 0755, 0, 0, "file.mode|/bin/x|/c"},
	{PW_EVENT_CHMOD, "/c", "", 0644, 0, 0, ""},
	{PW_EVENT_SETXATTR, "/c", "security.capability", 0, 0, 0, "file.mode|/bin/x|/c"},
	{PW_EVENT_SETXATTR, "/c", "user.x", 0, 0, 0, ""},
	{PW_EVENT_CHOWN, "/c", "", 0, 0, 0, ""},
	{PW_EVENT_CHDIR, "/c", "", 0, 0, 0, ""},
	{PW_EVENT_CHROOT, "/c", "", 0, 0, -EPERM, "privilege|/bin/x|chroot /c"},
	{PW_EVENT_BIND, "0.0.0.0", "", KIT_TCP(80), 0, 0, ""},
	{PW_EVENT_BIND, "0.0.0.0", "", PW_CONNECT_AUX(53, 17, 2), 0, 0,
		"net.listen|/bin/x|udp/any/53"},
	{PW_EVENT_BIND, "0.0.0.0", "", PW_CONNECT_AUX(40000, 17, 2), 0, 0,
		"net.listen|/bin/x|udp/any/<given>"},
	{PW_EVENT_LISTEN, "127.0.0.1", "", KIT_TCP(8080), 5, 0,
		"net.listen|/bin/x|tcp/loopback/8080"},
	{PW_EVENT_LISTEN, "/run/s", "", PW_CONNECT_AUX(0, 0, 1), 5, 0,
		"net.listen|/bin/x|unix/run/s"},
	{PW_EVENT_ACCEPT, "1.2.3.4", "", KIT_TCP(80), 80, 0, ""},
	{PW_EVENT_SEND, "8.8.8.8", "", PW_CONNECT_AUX(53, 17, 2), 0, 0,
		"net.egress|/bin/x|udp/8.8.8.8/53"},
	{PW_EVENT_SEND, "8.8.8.8", "", PW_CONNECT_AUX(45000, 17, 2), 0, 0,
		"net.egress|/bin/x|udp/8.8.8.8/<given>"},
	{PW_EVENT_SOCKET, "", "", 17 | 3 << 16, 768, 0,
		"privilege|/bin/x|socket domain 17 type 3 protocol 768"},
	{PW_EVENT_DNS, "api.example.org", "1.2.3.4", 1, 0, 0, "dns|/bin/x|api.example.org"},
	{PW_EVENT_STDIO, "1.2.3.4", "", 0, 1, 0, "privilege|/bin/x|standard stream to socket"},
	{PW_EVENT_STDIO, "/f", "", 0, 4, 0, ""},
	{PW_EVENT_PTRACE, "", "", 16, 0, -EPERM, "privilege|/bin/x|ptrace 16"},
	{PW_EVENT_SETID, "", "", 33, 0, 0, "privilege|/bin/x|setid 33"},
	{PW_EVENT_CAPSET, "", "", 0, 0x21, 0, "privilege|/bin/x|capset 0x21"},
	{PW_EVENT_PRCTL, "name", "", 15, 0, 0, ""},
	{PW_EVENT_PRCTL, "", "", 22, 2, 0, "privilege|/bin/x|prctl 22 2"},
	{PW_EVENT_CAPABILITY, "", "", 21, 0, 0, "capability||cap_sys_admin"},
	{PW_EVENT_CAPABILITY, "", "", 63, 0, 0, "capability||cap_63"},
	{PW_EVENT_MOUNT, "/mnt", "none\0tmpfs", 0, 0, 0, "privilege|/bin/x|mount tmpfs /mnt"},
	{PW_EVENT_SETNS, "", "", 0x20000, 0, 0, "privilege|/bin/x|setns 131072"},
	{PW_EVENT_MEMFD, "x", "", 0, 0, 0, "privilege|/bin/x|memfd x"},
	{PW_EVENT_SYSCALL, "", "", 59, 0, 0, "syscall||59"},
	{PW_EVENT_OPEN_BY_HANDLE, "/etc/shadow", "", KIT_READ, 0, 3,
		"file.read|/bin/x|/etc/shadow\nprivilege|/bin/x|open_by_handle "
		"/etc/shadow"},
};

static void every_family_has_its_behaviours(void **state)
{
	struct pw_process process = {.exe = PW_SLICE_LIT("/bin/x")};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(family_rows); i++) {
		static struct behaviour_set set;
		struct pw_event e = {.process = &process,
			.kind = family_rows[i].kind,
			.object = pw_slice_str(family_rows[i].object),
			.object2 = pw_slice_of(
				family_rows[i].object2, family_rows[i].kind == PW_EVENT_MOUNT
								? 10
								: strlen(family_rows[i].object2)),
			.aux = family_rows[i].aux,
			.arg = family_rows[i].arg,
			.ret = family_rows[i].ret};
		char text[512];

		behaviour_of(&e, BEHAVIOUR_ALL, &set);
		print(&set, text, sizeof(text));
		if (strcmp(text, family_rows[i].want) != 0)
			fail_msg("row %zu: %s", i, text);
	}
}

static void random_parts_of_names_are_replaced(void **state)
{
	static const char *const rows[][2] = {
		{"/etc/nginx/nginx.conf", "/etc/nginx/nginx.conf"},
		{"/proc/self/fd/12", "/proc/self/fd/<n>"},
		{"/proc/7/fdinfo/3", "/proc/<pid>/fdinfo/<n>"},
		{"/dev/pts/4", "/dev/pts/<n>"},
		{"/data/6fa459ea-ee8a-3ca4-894e-db77e160355e/x", "/data/<uuid>/x"},
		{"/data/a-6fa459ea-ee8a-3ca4-894e-db77e160355e.json", "/data/a-<uuid>.json"},
		{"/s/d41d8cd98f00b204e9800998ecf8427e", "/s/<digest>"},
		{"/s/d41d8cd98f00b204", "/s/d41d8cd98f00b204"},
		{"/tmp/tmp.Xa91bQzR3k", "/tmp/tmp.<rand>"},
		{"/tmp/tmpk3j_9x0a", "/tmp/tmp<rand>"},
		{"/tmp/ccQx81Za.s", "/tmp/cc<rand>.s"},
		{"/tmp/cculjwjf.s", "/tmp/cc<rand>.s"},
		{"/tmp/ccXYMCRB.cdtor.o", "/tmp/cc<rand>.cdtor.o"},
		{"/tmp/ccminerd", "/tmp/ccminerd"},
		{"/tmp/ccache", "/tmp/ccache"},
		{"/var/tmp/tmp.Xa91bQzR3k/in", "/var/tmp/tmp.<rand>/in"},
		{"relative/6fa459ea-ee8a-3ca4-894e-db77e160355e",
			"relative/6fa459ea-ee8a-3ca4-894e-db77e160355e"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		static uint8_t out[BEHAVIOUR_TEXT_BYTES + 64];
		struct pw_slice got = behaviour_path(pw_slice_str(rows[i][0]), out);

		if (!pw_slice_eq_str(got, rows[i][1]))
			fail_msg("%s: %.*s", rows[i][0], PW_SLICE_ARG(got));
	}
}

static void arguments_become_their_shape(void **state)
{
	static const struct {
		const char *args;
		size_t len;
		const char *want;
	} rows[] = {
		{"ls", 2, "(none)"},
		{"ls\0-l\0/tmp\0/var", 15, "-l <path>"},
		{"make\0-j4\0all", 12, "-j<n> <text>"},
		{"x\0--port=80\0--dir=/a\0-v", 24, "--port=<n> --dir=<path> -v"},
		{"sh\0-c\0echo 1", 12, "-c <text>"},
		{"x\0"
		 "12\0"
		 "13",
			7, "<n>"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		uint8_t out[BEHAVIOUR_SHAPE_BYTES];
		struct pw_slice got = behaviour_shape(pw_slice_of(rows[i].args, rows[i].len), out);

		if (!pw_slice_eq_str(got, rows[i].want))
			fail_msg("row %zu: %.*s", i, PW_SLICE_ARG(got));
	}
}

static void the_key_is_the_documented_hash(void **state)
{
	static const uint8_t bytes[] = "\x01/bin/sh\0/bin/id";

	(void)state;
	assert_true(behaviour_key(1, PW_SLICE_LIT("/bin/sh"), PW_SLICE_LIT("/bin/id")) ==
		    pw_hash64(pw_slice_of(bytes, sizeof(bytes) - 1), 0));
}

static void overlong_texts_are_cut_not_overrun(void **state)
{
	static uint8_t text[9000];
	struct pw_slice path = pw_slice_of(text, sizeof(text));
	struct pw_process process = {.exe = path};
	struct pw_event e = {
		.process = &process, .object = path, .kind = PW_EVENT_OPEN, .aux = KIT_READ};
	static struct behaviour_set set;

	(void)state;
	memset(text, '1', sizeof(text));
	memcpy(text, "/proc/1/", 8);
	behaviour_of(&e, ALL, &set);
	assert_int_equal(set.count, 1);
	assert_true(set.items[0].object.len <= BEHAVIOUR_TEXT_BYTES + 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_become_behaviours),
		cmocka_unit_test(every_family_has_its_behaviours),
		cmocka_unit_test(random_parts_of_names_are_replaced),
		cmocka_unit_test(arguments_become_their_shape),
		cmocka_unit_test(the_key_is_the_documented_hash),
		cmocka_unit_test(overlong_texts_are_cut_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
