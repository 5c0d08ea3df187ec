/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire form of the fixed batch, byte for byte, against the files in golden/: .hex is what we
 * send, .txt is what protoc reads in it. Without protoc the second half is skipped.
 */
#include "common/base/buf.h"
#include "common/wire/tests/kit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#define GOLDEN        PW_SOURCE_DIR "/common/wire/tests/golden/event_batch"
#define SCHEMA        "=podward.v1.EventBatch -I " PW_SOURCE_DIR "/protos podward/v1/event.proto"
#define LIMIT         (1u << 20)
#define SKIP_EXITCODE 77

static void read_all(FILE *f, struct pw_buf *out)
{
	char part[4096];
	size_t n = 0;

	assert_non_null(f);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		assert_int_equal(pw_buf_add(out, part, n), 0);
}

static void read_file(const char *path, struct pw_buf *out)
{
	FILE *f = fopen(path, "re");

	if (!f)
		fail_msg("%s: cannot be opened", path);
	read_all(f, out);
	(void)fclose(f);
}

/* Output of a shell command fed with the bytes. */
static void run(const char *command, struct pw_slice input, struct pw_buf *out)
{
	char path[] = "/tmp/pw-golden-XXXXXX";
	char line[1024];
	int fd = mkstemp(path);
	FILE *f = NULL;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, input.ptr, input.len), (ssize_t)input.len);
	(void)close(fd);
	assert_in_range(
		snprintf(line, sizeof(line), "%s < %s", command, path), 1, sizeof(line) - 1);
	f = popen(line, "re"); /* the command is ours, the path from mkstemp */
	read_all(f, out);
	assert_int_equal(pclose(f), 0);
	(void)unlink(path);
}

static void pack_golden(struct pw_buf *out)
{
	kit_auto_batch b = NULL;
	kit_auto_encoder e = NULL;
	kit_auto_arena arena = NULL;
	Podward__V1__EventBatch m;

	assert_int_equal(kit_golden_batch(&b), 0);
	assert_int_equal(pw_encoder_new(&e), 0);
	assert_int_equal(pw_arena_new(4096, LIMIT, &arena), 0);
	assert_int_equal(pw_encode_batch(e, b, arena, &m), 0);
	assert_int_equal(pw_buf_add_slice(out, kit_pack(&m, arena)), 0);
}

static void the_bytes_are_those_of_the_golden_file(void **state)
{
	pw_auto_buf bytes = {0};
	pw_auto_buf hex = {0};
	pw_auto_buf golden = {0};

	(void)state;
	pw_buf_init(&bytes, LIMIT);
	pw_buf_init(&hex, LIMIT);
	pw_buf_init(&golden, LIMIT);
	pack_golden(&bytes);
	for (size_t i = 0; i < bytes.len; i++)
		assert_int_equal(
			pw_buf_addf(&hex, "%02x%s", bytes.data[i], i % 32 == 31 ? "\n" : ""), 0);
	assert_int_equal(pw_buf_add_str(&hex, "\n"), 0);
	read_file(GOLDEN ".hex", &golden);
	assert_string_equal(pw_buf_text(&hex), pw_buf_text(&golden));
}

static void protoc_reads_what_the_golden_text_says(void **state)
{
	pw_auto_buf bytes = {0};
	pw_auto_buf text = {0};
	pw_auto_buf golden = {0};

	(void)state;
	pw_buf_init(&bytes, LIMIT);
	pw_buf_init(&text, LIMIT);
	pw_buf_init(&golden, LIMIT);
	pack_golden(&bytes);
	run("protoc --decode" SCHEMA, pw_buf_slice(&bytes), &text);
	read_file(GOLDEN ".txt", &golden);
	assert_string_equal(pw_buf_text(&text), pw_buf_text(&golden));
}

static void protoc_writes_the_golden_text_as_our_bytes(void **state)
{
	pw_auto_buf bytes = {0};
	pw_auto_buf golden = {0};
	pw_auto_buf theirs = {0};

	(void)state;
	pw_buf_init(&bytes, LIMIT);
	pw_buf_init(&golden, LIMIT);
	pw_buf_init(&theirs, LIMIT);
	pack_golden(&bytes);
	read_file(GOLDEN ".txt", &golden);
	run("protoc --encode" SCHEMA, pw_buf_slice(&golden), &theirs);
	assert_int_equal(theirs.len, bytes.len);
	assert_memory_equal(theirs.data, bytes.data, bytes.len);
}

int main(void)
{
	const struct CMUnitTest ours[] = {
		cmocka_unit_test(the_bytes_are_those_of_the_golden_file),
	};
	const struct CMUnitTest theirs[] = {
		cmocka_unit_test(protoc_reads_what_the_golden_text_says),
		cmocka_unit_test(protoc_writes_the_golden_text_as_our_bytes),
	};
	int failed = cmocka_run_group_tests(ours, NULL, NULL);

	if (failed)
		return failed;
	if (system("command -v protoc >/dev/null") != 0) {
		(void)puts("SKIP: protoc is not installed; the bytes were compared, their reading "
			   "was not");
		return SKIP_EXITCODE;
	}
	return cmocka_run_group_tests(theirs, NULL, NULL);
}
