/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector/pwrec.h"
#include "common/base/alloc.h"
#include "common/base/escape.h"

#define REPLAY_BUFFER (128u << 10)

struct replay {
	struct source source;
	int fd;
	bool at_end;
	char *name; /* escaped path, for messages */
	struct pwrec_header header;
	uint64_t offset; /* in the file, of data[from] */
	size_t from, to; /* unread part of data, from is a multiple of 8 */
	uint64_t delivered, delivered_bytes;
	uint8_t *data;
};

static struct replay *replay_of(const struct source *s)
{
	return (struct replay *)(uintptr_t)s;
}

/* Makes at least want bytes available; fewer at the end of the file. */
static int replay_fill(struct replay *r, size_t want, struct pw_err *err)
{
	if (r->to - r->from >= want)
		return 0;
	memmove(r->data, r->data + r->from, r->to - r->from);
	r->to -= r->from;
	r->from = 0;
	while (r->to < want && !r->at_end) {
		ssize_t n = read(r->fd, r->data + r->to, REPLAY_BUFFER - r->to);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int code = -errno;

			return pw_err_set(err, code, "%s: read: %s", r->name, pw_err_text(code));
		}
		r->at_end = n == 0;
		r->to += (size_t)n;
	}
	return 0;
}

static void replay_skip(struct replay *r, size_t len)
{
	r->from += len;
	r->offset += len;
}

static int replay_header(struct replay *r, struct pw_err *err)
{
	int code = replay_fill(r, sizeof(r->header), err);

	if (code < 0)
		return code;
	if (r->to < sizeof(r->header) || memcmp(r->data, PWREC_MAGIC, sizeof(r->header.magic)) != 0)
		return pw_err_set(err, -EBADMSG, "%s: not a .pwrec recording", r->name);
	memcpy(&r->header, r->data, sizeof(r->header));
	if (r->header.version != PWREC_VERSION)
		return pw_err_set(err, -EPROTO, "%s: recording version %u, this program reads %u",
			r->name, r->header.version, PWREC_VERSION);
	if (r->header.abi_version != ABI_VERSION)
		return pw_err_set(err, -EPROTO,
			"%s: records of ABI version %u, this program reads %u", r->name,
			r->header.abi_version, ABI_VERSION);
	if (memchr(r->header.boot_id, '\0', 37) == NULL)
		return pw_err_set(
			err, -EBADMSG, "%s: offset 24: boot id is not terminated", r->name);
	replay_skip(r, sizeof(r->header));
	return 0;
}

static int replay_damaged(const struct replay *r, const char *what, struct pw_err *err)
{
	return pw_err_set(
		err, -EBADMSG, "%s: offset %llu: %s", r->name, (unsigned long long)r->offset, what);
}

/* 0 = *ret is the next record, behind its frame at data[from]; -ENODATA at the clean end. */
static int replay_next(struct replay *r, const struct abi_header **ret, struct pw_err *err)
{
	const struct abi_header *record = NULL;
	struct pwrec_frame frame;
	int code = replay_fill(r, sizeof(frame), err);

	if (code < 0)
		return code;
	if (r->to == r->from)
		return -ENODATA;
	if (r->to - r->from < sizeof(frame))
		return replay_damaged(r, "file ends inside a frame", err);
	memcpy(&frame, r->data + r->from, sizeof(frame));
	if (frame.len < sizeof(*record) || frame.len > ABI_RECORD_MAX || frame.len % 8)
		return replay_damaged(r, "impossible record length", err);
	if (frame.reserved != 0)
		return replay_damaged(r, "reserved field of a frame is not 0", err);
	code = replay_fill(r, sizeof(frame) + frame.len, err);
	if (code < 0)
		return code;
	if (r->to - r->from < sizeof(frame) + frame.len)
		return replay_damaged(r, "file ends inside a record", err);
	record = (const void *)(r->data + r->from + sizeof(frame));
	if (record->size != frame.len)
		return replay_damaged(r, "record and frame disagree about the length", err);
	*ret = record;
	return 0;
}

static int replay_consume(
	struct source *s, unsigned max_records, source_record_fn fn, void *ctx, struct pw_err *err)
{
	struct replay *r = replay_of(s);
	const struct abi_header *record = NULL;
	unsigned given = 0;

	while (max_records == 0 || given < max_records) {
		int code = replay_next(r, &record, err), stop;
		uint32_t len;

		if (code == -ENODATA && given > 0)
			break;
		if (code < 0)
			return code;
		len = record->size;
		stop = fn(ctx, record, len);
		replay_skip(r, sizeof(struct pwrec_frame) + len);
		r->delivered++;
		r->delivered_bytes += len;
		given++;
		if (stop)
			break;
	}
	return (int)given;
}

static int replay_fd(const struct source *s)
{
	(void)s;
	return -1;
}

static int replay_stats(struct source *s, struct source_stats *ret)
{
	const struct replay *r = replay_of(s);

	*ret = (struct source_stats){
		.delivered = r->delivered,
		.delivered_bytes = r->delivered_bytes,
	};
	return 0;
}

static void replay_info(const struct source *s, struct source_info *ret)
{
	const struct replay *r = replay_of(s);

	*ret = (struct source_info){
		.name = "replay",
		.live = false,
		.abi_version = r->header.abi_version,
		.boot_to_wall_ns = r->header.boot_to_wall_ns,
	};
	memcpy(ret->boot_id, r->header.boot_id, sizeof(ret->boot_id));
}

static void replay_close(struct source *s)
{
	struct replay *r = replay_of(s);

	if (r->fd >= 0)
		(void)close(r->fd);
	free(r->data);
	free(r->name);
	free(r);
}

static const struct source_ops replay_ops = {
	.name = "replay",
	.fd = replay_fd,
	.consume = replay_consume,
	.stats = replay_stats,
	.info = replay_info,
	.close = replay_close,
};

static int replay_start(struct replay *r, const char *path, struct pw_err *err)
{
	char shown[256];

	r->name = pw_strdup(pw_escape_to(pw_slice_str(path), shown, sizeof(shown)));
	r->data = pw_alloc0(1, REPLAY_BUFFER);
	if (!r->name || !r->data)
		return pw_err_set(err, -ENOMEM, "replay: out of memory");
	r->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0) {
		int code = -errno;

		return pw_err_set(err, code, "%s: %s", r->name, pw_err_text(code));
	}
	return replay_header(r, err);
}

int replay_open(const char *path, struct source **ret, struct pw_err *err)
{
	struct replay *r = pw_alloc0(1, sizeof(*r));
	int code;

	if (!r)
		return pw_err_set(err, -ENOMEM, "replay: out of memory");
	r->source.ops = &replay_ops;
	r->fd = -1;
	code = replay_start(r, path, err);
	if (code < 0) {
		replay_close(&r->source);
		return code;
	}
	*ret = &r->source;
	return 0;
}
