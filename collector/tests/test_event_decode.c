/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/decode.h"
#include "collector/tests/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const struct records_actor actor = {
	.time = 1000, .start = 500, .cgroup = 12, .pid = 7, .ppid = 3, .uid = 1, .comm = "worker"};

static void an_open_record_comes_out_whole(void **state)
{
	struct records r;
	struct event e;

	(void)state;
	records_open(&r, &actor, "/etc/passwd", 2, 3);
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_OK);
	assert_int_equal(e.type, EVENT_OPEN);
	assert_int_equal(e.time.ns, 1000);
	assert_int_equal(e.start.ns, 500);
	assert_int_equal(e.cgroup, 12);
	assert_int_equal(e.pid, 7);
	assert_int_equal(e.ppid, 3);
	assert_true(pw_slice_eq_str(e.comm, "worker"));
	assert_true(pw_slice_eq_str(e.open.path, "/etc/passwd"));
	assert_int_equal(e.open.ret, 3);
	assert_int_equal(e.open.open_flags, 2);
}

static void an_exec_record_comes_out_whole(void **state)
{
	struct pw_slice args = {(const uint8_t *)"sh\0-c\0id", 9};
	struct records r;
	struct event e;

	(void)state;
	records_exec(&r, &actor, "/bin/sh", args, 400);
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_OK);
	assert_true(pw_slice_eq_str(e.exec.exe, "/bin/sh"));
	assert_true(pw_slice_eq_str(e.exec.cwd, "/work"));
	assert_true(pw_slice_eq(e.exec.args, args));
	assert_int_equal(e.exec.filename.len, 0);
	assert_int_equal(e.exec.parent.tgid, 3);
	assert_int_equal(e.exec.parent.start_boot_ns, 400);
}

static void a_call_record_comes_out_whole(void **state)
{
	static const struct records_call call = {
		.base = "/srv",
		.path = "a/b",
		.base2 = "/tmp",
		.path2 = "c",
		.text = "tmpfs",
		.num = {1, 2, 3},
		.target_pid = 9,
		.syscall = 165 + 1,
		.ret = -1,
	};
	struct records r;
	struct event e;

	(void)state;
	records_call(&r, &actor, ABI_KIND_MOUNT, &call);
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_OK);
	assert_int_equal(e.type, EVENT_MOUNT);
	assert_int_equal(e.syscall, 166);
	assert_int_equal(e.call.ret, -1);
	assert_int_equal(e.call.num[0], 1);
	assert_int_equal(e.call.num[2], 3);
	assert_int_equal(e.call.target_pid, 9);
	assert_true(pw_slice_eq_str(e.call.base, "/srv"));
	assert_true(pw_slice_eq_str(e.call.path, "a/b"));
	assert_true(pw_slice_eq_str(e.call.base2, "/tmp"));
	assert_true(pw_slice_eq_str(e.call.path2, "c"));
	assert_true(pw_slice_eq_str(e.call.text, "tmpfs"));
	assert_int_equal(e.call.data.len, 0);
}

static void a_call_that_lies_is_refused_by_reason(void **state)
{
	struct records r;
	struct abi_call *a = (struct abi_call *)(void *)r.bytes;
	struct event e;

	(void)state;
	records_call(&r, &actor, ABI_KIND_MKDIR, &(struct records_call){.path = "/x"});
	a->call = PW_SYSCALL_MAX;
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_FIELD);
	a->call = 84;
	a->target.start_boot_ns = UINT64_MAX;
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_FIELD);
	a->target.start_boot_ns = 0;
	a->data = (struct abi_span){sizeof(*a), ABI_DATA_MAX + 1};
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_SPAN);
	a->data.len = 0;
	r.bytes[sizeof(*a) + 1] = 0;
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_TEXT);
	a->address.flags = ABI_ADDR_ABSTRACT; /* those may hold NUL */
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_OK);
}

static void every_kind_is_decoded_from_an_odd_address_too(void **state)
{
	static uint8_t odd[ABI_RECORD_MAX + 1];
	struct records r;
	struct event e;

	(void)state;
	for (unsigned kind = 1; kind < EVENT_TYPES; kind++) {
		if (kind == EVENT_EXEC)
			records_exec(&r, &actor, "/x", PW_SLICE_LIT("x"), 0);
		else if (kind == EVENT_FORK)
			records_fork(&r, &actor, 0);
		else if (kind == EVENT_EXIT)
			records_exit(&r, &actor, 256);
		else if (kind == EVENT_OPEN)
			records_open(&r, &actor, "/x", 0, 0);
		else if (kind == EVENT_CONNECT)
			records_connect4(&r, &actor, "10.0.0.1", 80, 0);
		else if (kind == EVENT_CGROUP_MKDIR)
			records_mkdir(&r, 1, 2, 1, "/x");
		else if (kind == EVENT_CGROUP_RMDIR)
			records_rmdir(&r, 1, 2, "/x");
		else
			records_call(
				&r, &actor, (uint16_t)kind, &(struct records_call){.path = "/x"});
		memcpy(odd + 1, r.bytes, r.len);
		assert_int_equal(decode(odd + 1, r.len, &e), DECODE_OK);
		assert_int_equal(e.type, kind);
	}
}

static void every_shorter_length_is_refused(void **state)
{
	struct records r;
	struct event e;

	(void)state;
	records_exec(&r, &actor, "/bin/sh", PW_SLICE_LIT("sh"), 0);
	for (size_t len = 0; len < r.len; len++)
		assert_int_equal(decode(r.bytes, len, &e), DECODE_SHORT);
	/* The same with a header that says so: refused by what is missing, never read beyond. */
	for (uint32_t len = 0; len < sizeof(struct abi_exec) + 14;
		len++) { /* without the padding */
		struct records cut = r;

		memcpy(cut.bytes, &len, sizeof(len));
		assert_int_not_equal(decode(cut.bytes, len, &e), DECODE_OK);
	}
}

static void put_span(struct records *r, size_t at, uint32_t off, uint32_t len)
{
	struct abi_span span = {off, len};

	memcpy(r->bytes + at, &span, sizeof(span));
}

static void spans_that_lie_are_refused(void **state)
{
	static const struct {
		uint32_t off, len;
		enum decode_result result;
	} rows[] = {
		{0, 4, DECODE_SPAN},
		{143, 1, DECODE_SPAN},
		{144, 16, DECODE_OK},
		{144, 0, DECODE_OK},
		{0xffffffff, 0, DECODE_OK},
		{144, 17, DECODE_SPAN},
		{160, 1, DECODE_SPAN},
		{161, 1, DECODE_SPAN},
		{0xffffffff, 1, DECODE_SPAN},
		{145, 0xffffffff, DECODE_SPAN},
		{0x80000000, 0x80000000, DECODE_SPAN},
	};
	struct records r;
	struct event e;

	(void)state;
	records_open(&r, &actor, "/0123456789abcde", 0, 0);
	assert_int_equal(r.len, 160);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		put_span(&r, offsetof(struct abi_open, path), rows[i].off, rows[i].len);
		assert_int_equal(decode(r.bytes, r.len, &e), rows[i].result);
	}
}

static void impossible_values_are_refused_by_reason(void **state)
{
	struct records r;
	struct abi_header *h = (struct abi_header *)(void *)r.bytes;
	struct event e;

	(void)state;
	records_open(&r, &actor, "/a", 0, 0);
	h->kind = 0;
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_KIND);
	h->kind = ABI_KIND_COUNT;
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_KIND);
	h->kind = ABI_KIND_OPEN;
	h->tgid = 0;
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_FIELD);
	h->tgid = 1;
	h->boot_ns = 0;
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_FIELD);
	h->boot_ns = UINT64_MAX;
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_FIELD);
	h->boot_ns = 1;
	h->start_boot_ns = UINT64_MAX;
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_FIELD);
	h->start_boot_ns = 0;
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_OK);
	r.bytes[sizeof(struct abi_open) + 1] = 0;
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_TEXT);
	records_mkdir(&r, 1, 5, 1, "no-slash");
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_TEXT);
	records_mkdir(&r, 1, 0, 1, "/x");
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_FIELD);
}

static void a_path_over_the_ceiling_is_refused(void **state)
{
	static char path[ABI_PATH_MAX + 2];
	struct records r;
	struct event e;

	(void)state;
	memset(path, 'a', ABI_PATH_MAX);
	records_open(&r, &actor, path, 0, 0);
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_OK);
	path[ABI_PATH_MAX] = 'a';
	records_open(&r, &actor, path, 0, 0);
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_TOO_LONG);
}

static void a_refused_record_leaves_the_event_alone(void **state)
{
	struct event e = {.pid = 99};
	struct records r;

	(void)state;
	records_open(&r, &actor, "/a", 0, 0);
	assert_int_equal(decode(r.bytes, r.len - 8, &e), DECODE_SHORT);
	assert_int_equal(e.pid, 99);
}

static void names_and_lines_are_those_of_the_table(void **state)
{
	struct records r;
	struct event e;
	struct pw_buf out;

	(void)state;
	assert_string_equal(event_type_name(EVENT_OPEN), "open");
	assert_string_equal(event_type_name(EVENT_TYPES), "unknown");
	assert_int_equal(event_wire_kind(EVENT_FORK), PW_EVENT_NONE);
	assert_int_equal(event_wire_kind(EVENT_CONNECT), PW_EVENT_CONNECT);
	assert_string_equal(decode_result_name(DECODE_SPAN), "span");
	records_open(&r, &actor, "/a\nb", 0, -13);
	assert_int_equal(decode(r.bytes, r.len, &e), DECODE_OK);
	pw_buf_init(&out, 4096);
	assert_int_equal(event_describe(&e, &out), 0);
	assert_non_null(strstr(pw_buf_text(&out), "open pid=7 cgroup=12 path=/a\\nb"));
	pw_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_record_comes_out_whole),
		cmocka_unit_test(an_exec_record_comes_out_whole),
		cmocka_unit_test(a_call_record_comes_out_whole),
		cmocka_unit_test(a_call_that_lies_is_refused_by_reason),
		cmocka_unit_test(every_kind_is_decoded_from_an_odd_address_too),
		cmocka_unit_test(every_shorter_length_is_refused),
		cmocka_unit_test(spans_that_lie_are_refused),
		cmocka_unit_test(impossible_values_are_refused_by_reason),
		cmocka_unit_test(a_path_over_the_ceiling_is_refused),
		cmocka_unit_test(a_refused_record_leaves_the_event_alone),
		cmocka_unit_test(names_and_lines_are_those_of_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
