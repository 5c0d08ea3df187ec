/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/ring.h"

#include <bpf/libbpf.h>
#include <errno.h>

#include "common/base/alloc.h"

struct ring {
	struct ring_buffer *buffer;
	uint64_t delivered, delivered_bytes, refused;
	/* of the running ring_consume */
	source_record_fn fn;
	void *ctx;
	unsigned left;  /* records it may still hand over */
	unsigned given; /* records it has handed over */
};

/* libbpf's callback: anything but 0 stops the reader behind this record. */
static int ring_record(void *context, void *data, size_t size)
{
	struct ring *r = context;
	const struct abi_header *header = data;
	int stop;

	if (size < sizeof(*header) || header->size < sizeof(*header) || header->size > size ||
		header->size % 8) {
		r->refused++;
		return 0;
	}
	r->delivered++;
	r->delivered_bytes += header->size;
	r->given++;
	stop = r->fn(r->ctx, data, header->size);
	return stop || --r->left == 0 ? -ECANCELED : 0;
}

int ring_open(int map_fd, struct ring **ret, struct pw_err *err)
{
	struct ring *r = pw_alloc0(1, sizeof(*r));

	if (!r)
		return pw_err_set(err, -ENOMEM, "ring: out of memory");
	r->buffer = ring_buffer__new(map_fd, ring_record, r, NULL);
	if (!r->buffer) {
		int code = -errno;

		ring_close(r);
		return pw_err_set(err, code, "ring buffer: %s", pw_err_text(code));
	}
	*ret = r;
	return 0;
}

void ring_close(struct ring *r)
{
	if (!r)
		return;
	ring_buffer__free(r->buffer);
	free(r);
}

int ring_fd(const struct ring *r)
{
	return ring_buffer__epoll_fd(r->buffer);
}

int ring_consume(
	struct ring *r, unsigned max_records, source_record_fn fn, void *ctx, struct pw_err *err)
{
	int code;

	r->fn = fn;
	r->ctx = ctx;
	r->left = max_records ? max_records : (unsigned)INT32_MAX;
	r->given = 0;
	code = ring_buffer__consume(r->buffer);
	if (code < 0 && code != -ECANCELED)
		return pw_err_set(err, code, "ring buffer: %s", pw_err_text(code));
	return (int)r->given;
}

uint64_t ring_delivered(const struct ring *r)
{
	return r->delivered;
}

uint64_t ring_delivered_bytes(const struct ring *r)
{
	return r->delivered_bytes;
}

uint64_t ring_refused(const struct ring *r)
{
	return r->refused;
}
