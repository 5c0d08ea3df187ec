/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/load/recording.h"

#include "collector/pipeline.h"
#include "collector/replay.h"

#include <errno.h>

struct recording {
	struct pw_batch *batches[RECORDING_BATCHES_MAX];
	uint32_t count;
	int failed;
};

static void on_batch(void *ctx, struct pw_batch *b)
{
	struct recording *r = ctx;

	if (r->count == RECORDING_BATCHES_MAX)
		r->failed = -E2BIG;
	if (r->failed < 0 || b->event_count == 0) {
		pw_batch_free(b);
		return;
	}
	r->batches[r->count++] = b;
}

static int on_scope(void *ctx, uint64_t cgroup, uint32_t group, uint32_t flags)
{
	(void)ctx, (void)cgroup, (void)group, (void)flags;
	return 0; /* there is no kernel to tell */
}

static int read_all(struct recording *rec, struct source *source, struct pw_err *err)
{
	struct pipeline_settings settings = {
		.rules = {.derive_unassigned = true},
		.batch = BATCHER_SETTINGS_DEFAULT,
		.kernel = {.set = on_scope},
	};
	struct pipeline *pipeline = NULL;
	int r;

	settings.batch.sink = on_batch;
	settings.batch.sink_ctx = rec;
	r = pipeline_new(&settings, &pipeline, err);
	while (r >= 0 && rec->failed == 0) {
		r = source_consume(source, 256, pipeline_record, pipeline, err);
		if (r == 0)
			break;
	}
	if (pipeline)
		pipeline_flush(pipeline);
	pipeline_free(pipeline);
	return r < 0 && r != -ENODATA ? r : rec->failed;
}

int recording_load(const char *path, struct recording **ret, struct pw_err *err)
{
	struct recording *rec = pw_alloc0(1, sizeof(*rec));
	struct source *source = NULL;
	int r;

	if (!rec)
		return pw_err_set(err, -ENOMEM, "out of memory");
	r = replay_open(path, &source, err);
	if (r == 0) {
		r = read_all(rec, source, err);
		source_close(source);
	}
	if (r == 0 && rec->count == 0)
		r = -ENODATA;
	if (r < 0) {
		recording_free(rec);
		return pw_err_set(err, r, "%s: %s", path, pw_err_text(r));
	}
	*ret = rec;
	return 0;
}

void recording_free(struct recording *r)
{
	if (!r)
		return;
	for (uint32_t i = 0; i < r->count; i++)
		pw_batch_free(r->batches[i]);
	free(r);
}

uint32_t recording_count(const struct recording *r)
{
	return r->count;
}

static int copy_definitions(const struct pw_batch *from, struct pw_batch *to)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < from->string_count; i++)
		r = pw_batch_add_string(to, from->strings[i].id, from->strings[i].bytes);
	for (uint32_t i = 0; r == 0 && i < from->container_count; i++)
		r = pw_batch_add_container(to, &from->containers[i]);
	for (uint32_t i = 0; r == 0 && i < from->process_count; i++)
		r = pw_batch_add_process(to, &from->processes[i]);
	return r;
}

int recording_batch(const struct recording *r, uint32_t index, uint64_t epoch, struct pw_boot now,
	struct pw_batch **ret)
{
	const struct pw_batch *from = r->batches[index];
	uint64_t first = from->events[0].time.ns;
	struct pw_batch *b = NULL;
	int result = pw_batch_new(&from->limits, epoch, &b);

	if (result == 0)
		result = copy_definitions(from, b);
	for (uint32_t i = 0; result == 0 && i < from->event_count; i++) {
		struct pw_event_row row = from->events[i];

		row.time.ns = now.ns + row.time.ns - first;
		result = pw_batch_add_event(b, &row);
	}
	if (result < 0) {
		pw_batch_free(b);
		return result;
	}
	*ret = b;
	return 0;
}
