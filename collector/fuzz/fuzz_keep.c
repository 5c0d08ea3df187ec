/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any records as the backlog's file: batches or an end at the damage, and what came back can be
 * sent and dropped. Input: type, two bytes of length, body, and so on; frames are made here, so
 * that the checksums do not keep everything out. The first byte says whether a head goes in front.
 */
#include "collector/backlog.h"
#include "collector/backlog_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];

static void remove_folder(void)
{
	static const char *const names[] = {"backlog", "backlog.new", "backlog.lock"};
	char path[128];

	for (size_t i = 0; i < PW_COUNT(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
}

/* One folder for the process, in memory where that is possible. */
static const char *folder(void)
{
	if (dir[0])
		return dir;
	(void)snprintf(dir, sizeof(dir), "/dev/shm/podward-fuzz-XXXXXX");
	if (!mkdtemp(dir)) {
		(void)snprintf(dir, sizeof(dir), "/tmp/podward-fuzz-XXXXXX");
		pw_assert(mkdtemp(dir));
	}
	(void)atexit(remove_folder);
	return dir;
}

static struct keep *open_keep(void)
{
	struct keep *k = NULL;

	pw_assert(keep_open(folder(), 1 << 20, &k, NULL) == 0);
	return k;
}

static void write_records(struct pw_slice in)
{
	static const struct backlog_head head = {.magic = BACKLOG_HEAD_MAGIC, .next_seq = 1};
	struct keep *k = open_keep();
	bool with_head = in.len > 0 && in.ptr[0] % 4 != 0;

	keep_begin(k);
	if (with_head)
		keep_add(k, KEEP_HEAD, &head, sizeof(head));
	in = pw_slice_sub(in, 1, in.len);
	while (in.len >= 3) {
		size_t len = (size_t)in.ptr[1] | (size_t)in.ptr[2] << 8;
		struct pw_slice body = pw_slice_sub(in, 3, 3 + len);

		keep_add(k, (enum keep_type)(in.ptr[0] % (KEEP_TYPES + 1)), body.ptr, body.len);
		in = pw_slice_sub(in, 3 + len, in.len);
	}
	keep_commit(k);
	pw_assert(keep_works(k));
	keep_close(k);
}

/* Restores; the number of batches. */
static uint32_t restore(bool send)
{
	struct backlog b;
	const struct pw_batch *next = NULL;
	uint64_t before = 0;
	uint32_t count = 0;

	backlog_init(&b, 64 * 1024);
	pw_assert(backlog_restore(&b, open_keep()) == 0);
	count = b.count;
	pw_assert(b.first || b.bytes == 0);
	backlog_resume(&b, false, 0);
	while (send && (next = backlog_take_next(&b, 0))) {
		pw_assert(next->seq > before && next->seq < b.next_seq);
		before = next->seq;
		backlog_sent(&b);
	}
	if (send)
		pw_assert(backlog_ack(&b, b.next_seq - 1, b.next_seq - 1) == 0 && b.count == 0);
	backlog_done(&b);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_slice in = {data, size};
	char path[128];
	uint32_t count = 0;
	int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/backlog", folder());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); /* as it is */
	pw_assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)close(fd);
	(void)restore(true);
	write_records(in);
	count = restore(false);
	pw_assert(restore(false) == count); /* what was cut off leaves a sound file */
	(void)restore(true);
	return 0;
}
