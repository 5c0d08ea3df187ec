/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/normalize.h"
#include "collector/route.h"
#include "podward/v1/event.pb-c.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

static void paths_have_one_form(void **state)
{
	static const struct {
		const char *path, *base;
		uint32_t pid;
		const char *result;
	} rows[] = {
		{"/a/b", "", 0, "/a/b"},
		{"//a///b/", "", 0, "/a/b"},
		{"/a/./b/.", "", 0, "/a/b"},
		{"/a/../b", "", 0, "/b"},
		{"/a/b/../../c", "", 0, "/c"},
		{"/../..", "", 0, "/"},
		{"/", "", 0, "/"},
		{"/..a/.b", "", 0, "/..a/.b"},
		{"", "/x", 7, ""},
		{"a/b", "/x/y", 0, "/x/y/a/b"},
		{"../b", "/x/y", 0, "/x/b"},
		{"a/../b", "", 0, "a/../b"},
		{"a", "relative", 0, "a"},
		{"/proc/7/status", "", 7, "/proc/self/status"},
		{"/proc/7", "", 7, "/proc/self"},
		{"/proc/12345/fd/1", "", 12345, "/proc/self/fd/1"},
		{"/proc/1/x", "", 1, "/proc/self/x"},
		{"/proc/8/status", "", 7, "/proc/8/status"},
		{"/proc/77/status", "", 7, "/proc/77/status"},
		{"/proc/7x/status", "", 7, "/proc/7x/status"},
		{"/proc//7/./status", "", 7, "/proc/self/status"},
		{"/proc/7/status", "", 0, "/proc/7/status"},
		{"/home/proc/7", "", 7, "/home/proc/7"},
		{"/proc/", "", 7, "/proc"},
		{"/proc/+7/x", "", 7, "/proc/+7/x"},
	};
	struct pw_buf out;

	(void)state;
	pw_buf_init(&out, 4096);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		assert_int_equal(normalize_path(pw_slice_str(rows[i].path),
					 pw_slice_str(rows[i].base), rows[i].pid, &out),
			0);
		if (!pw_slice_eq_str(pw_buf_slice(&out), rows[i].result))
			fail_msg("%s: %.*s", rows[i].path, (int)out.len, (char *)out.data);
	}
	pw_buf_done(&out);
}

static void a_path_over_the_buffers_ceiling_is_refused(void **state)
{
	struct pw_buf out;

	(void)state;
	pw_buf_init(&out, 8);
	assert_int_equal(
		normalize_path(PW_SLICE_LIT("/0123456789"), (struct pw_slice){0}, 0, &out), -7);
	assert_int_equal(normalize_path(PW_SLICE_LIT("/a"), (struct pw_slice){0}, 0, &out), 0);
	pw_buf_done(&out);
}

#define A(name) ((uint32_t)PODWARD__V1__FILE_ACCESS__FILE_ACCESS_##name)

static void open_flags_become_access_bits(void **state)
{
	static const struct {
		uint32_t flags, mode, access;
	} rows[] = {
		{O_RDONLY, S_IFREG, A(READ)},
		{O_WRONLY, S_IFREG, A(WRITE)},
		{O_RDWR, S_IFREG, A(READ) | A(WRITE)},
		{O_WRONLY | O_CREAT | O_TRUNC, S_IFREG, A(WRITE) | A(CREATE) | A(TRUNCATE)},
		{O_RDONLY | O_DIRECTORY, 0, A(READ) | A(DIRECTORY)},
		{O_RDONLY, S_IFDIR, A(READ) | A(DIRECTORY)},
		{O_PATH, S_IFREG, A(PATH_ONLY)},
		{O_PATH | O_RDWR | O_CREAT, S_IFDIR, A(PATH_ONLY) | A(DIRECTORY)},
		{O_RDONLY | O_CLOEXEC | O_NONBLOCK, S_IFCHR, A(READ)},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		assert_int_equal(normalize_access(rows[i].flags, rows[i].mode), rows[i].access);
}

static void addresses_become_text(void **state)
{
	static const struct {
		uint16_t family;
		const char *address; /* text form or path */
		uint16_t flags;
		const char *result;
		uint16_t result_family, port;
	} rows[] = {
		{AF_INET, "10.0.0.1", 0, "10.0.0.1", AF_INET, 80},
		{AF_INET6, "2001:db8::1", 0, "2001:db8::1", AF_INET6, 80},
		{AF_INET6, "::ffff:10.1.2.3", 0, "10.1.2.3", AF_INET, 80},
		{AF_INET6, "::1", 0, "::1", AF_INET6, 80},
		{AF_UNIX, "/run//x.sock", 0, "/run/x.sock", AF_UNIX, 0},
		{AF_UNIX, "name", ABI_ADDR_ABSTRACT, "@name", AF_UNIX, 0},
		{AF_UNIX, "", ABI_ADDR_UNNAMED, "", AF_UNIX, 0},
		{AF_PACKET, "", 0, "", AF_PACKET, 80},
	};
	struct pw_buf out;

	(void)state;
	pw_buf_init(&out, 4096);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct abi_address c = {.family = rows[i].family,
			.port = 80,
			.protocol = 6,
			.flags = rows[i].flags};
		struct pw_slice path = {0};
		struct normalize_address a;

		if (rows[i].family == AF_UNIX)
			path = pw_slice_str(rows[i].address);
		else if (rows[i].address[0])
			assert_int_equal(inet_pton(rows[i].family, rows[i].address, c.addr), 1);
		assert_int_equal(normalize_address(&c, path, &out, &a), 0);
		assert_true(pw_slice_eq_str(pw_buf_slice(&out), rows[i].result));
		assert_int_equal(a.family, rows[i].result_family);
		assert_int_equal(a.port, rows[i].port);
	}
	pw_buf_done(&out);
}

static void a_replica_that_goes_moves_only_its_own_groups(void **state)
{
	struct route all;
	struct route less;
	unsigned counts[4] = {0};
	char group[32];

	(void)state;
	route_init(&all);
	route_init(&less);
	assert_int_equal(route_owner(&all, PW_SLICE_LIT("x")), -1);
	for (int i = 0; i < 4; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "analyzer-%d", i);
		assert_int_equal(route_add(&all, name, "unix:/x"), 0);
		assert_int_equal(route_add(&all, name, "unix:/x"), -17);
		if (i < 3)
			assert_int_equal(route_add(&less, name, "unix:/x"), 0);
	}
	for (int i = 0; i < 4000; i++) {
		int before = 0;

		(void)snprintf(group, sizeof(group), "ns/Deployment/%d/main", i);
		before = route_owner(&all, pw_slice_str(group));
		counts[before]++;
		if (before < 3)
			assert_int_equal(route_owner(&less, pw_slice_str(group)), before);
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(counts[i], 800, 1200);
	route_done(&all);
	route_done(&less);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_have_one_form),
		cmocka_unit_test(a_path_over_the_buffers_ceiling_is_refused),
		cmocka_unit_test(open_flags_become_access_bits),
		cmocka_unit_test(addresses_become_text),
		cmocka_unit_test(a_replica_that_goes_moves_only_its_own_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
