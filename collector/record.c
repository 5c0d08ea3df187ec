/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "collector/pwrec.h"
#include "common/base/alloc.h"
#include "common/base/escape.h"
#include "common/base/log.h"

#define RECORD_BUFFER (64u << 10)

struct record {
	struct source source;
	struct source *inner;
	int fd;
	bool ended; /* nothing more is written */
	uint64_t limit_bytes;
	uint64_t bytes; /* in the file and in the buffer */
	uint64_t written, missing;
	uint64_t buffered; /* records in the buffer */
	size_t fill;
	uint8_t *buffer;
	/* of the running record_consume */
	source_record_fn fn;
	void *ctx;
};

static struct record *record_of(const struct source *s)
{
	return (struct record *)(uintptr_t)s;
}

static void record_end(struct record *r, const char *why)
{
	r->ended = true;
	r->written -= r->buffered;
	r->missing += r->buffered;
	r->buffered = 0;
	r->fill = 0;
	pw_log_warn("record", "recording ends after %llu records: %s; events go on",
		(unsigned long long)r->written, why);
}

static void record_flush(struct record *r)
{
	size_t done = 0;

	while (!r->ended && done < r->fill) {
		ssize_t n = write(r->fd, r->buffer + done, r->fill - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			record_end(r, pw_err_text(-errno));
			return;
		}
		done += (size_t)n;
	}
	r->fill = 0;
	r->buffered = 0;
}

static void record_write(struct record *r, const void *data, uint32_t len)
{
	struct pwrec_frame frame = {.len = len};
	size_t need = sizeof(frame) + len;

	if (!r->ended && r->limit_bytes && r->bytes + need > r->limit_bytes) {
		record_flush(r);
		if (!r->ended)
			record_end(r, "size limit reached");
	}
	if (!r->ended && r->fill + need > RECORD_BUFFER)
		record_flush(r);
	if (r->ended) {
		r->missing++;
		return;
	}
	memcpy(r->buffer + r->fill, &frame, sizeof(frame));
	memcpy(r->buffer + r->fill + sizeof(frame), data, len);
	r->fill += need;
	r->bytes += need;
	r->buffered++;
	r->written++;
}

static int record_pass(void *context, const void *data, size_t len)
{
	struct record *r = context;

	record_write(r, data, (uint32_t)len);
	return r->fn(r->ctx, data, len);
}

static int record_consume(
	struct source *s, unsigned max_records, source_record_fn fn, void *ctx, struct pw_err *err)
{
	struct record *r = record_of(s);
	int n;

	r->fn = fn;
	r->ctx = ctx;
	n = source_consume(r->inner, max_records, record_pass, r, err);
	record_flush(r);
	return n;
}

static int record_fd(const struct source *s)
{
	return source_fd(record_of(s)->inner);
}

static int record_stats(struct source *s, struct source_stats *ret)
{
	return source_stats(record_of(s)->inner, ret);
}

static void record_info(const struct source *s, struct source_info *ret)
{
	source_info(record_of(s)->inner, ret);
}

/* Everything but inner. */
static void record_done(struct record *r)
{
	if (r->fd >= 0)
		(void)close(r->fd);
	free(r->buffer);
	free(r);
}

static void record_close(struct source *s)
{
	struct record *r = record_of(s);

	record_flush(r);
	source_close(r->inner);
	record_done(r);
}

static const struct source_ops record_ops = {
	.name = "record",
	.fd = record_fd,
	.consume = record_consume,
	.stats = record_stats,
	.info = record_info,
	.close = record_close,
};

static void record_header(struct record *r)
{
	struct pwrec_header header = {.version = PWREC_VERSION};
	struct source_info info;

	source_info(r->inner, &info);
	memcpy(header.magic, PWREC_MAGIC, sizeof(header.magic));
	header.abi_version = info.abi_version;
	header.boot_to_wall_ns = info.boot_to_wall_ns;
	memcpy(header.boot_id, info.boot_id, sizeof(info.boot_id));
	memcpy(r->buffer, &header, sizeof(header));
	r->fill = sizeof(header);
	r->bytes = sizeof(header);
}

int record_open(const char *path, uint64_t limit_bytes, struct source *inner, struct source **ret,
	struct pw_err *err)
{
	struct record *r = pw_alloc0(1, sizeof(*r));
	char shown[256];

	if (!r)
		return pw_err_set(err, -ENOMEM, "record: out of memory");
	r->source.ops = &record_ops;
	r->limit_bytes = limit_bytes;
	r->fd = -1;
	r->buffer = pw_alloc0(1, RECORD_BUFFER);
	if (!r->buffer) {
		record_done(r);
		return pw_err_set(err, -ENOMEM, "record: out of memory");
	}
	r->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (r->fd < 0) {
		int code = -errno;

		record_done(r);
		return pw_err_set(err, code, "recording %s: %s",
			pw_escape_to(pw_slice_str(path), shown, sizeof(shown)), pw_err_text(code));
	}
	r->inner = inner;
	record_header(r);
	*ret = &r->source;
	return 0;
}

uint64_t record_written(const struct source *s)
{
	return record_of(s)->written;
}

uint64_t record_missing(const struct source *s)
{
	return record_of(s)->missing;
}

struct source *record_inner(const struct source *s)
{
	return record_of(s)->inner;
}
