/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/replay.h"

#include "analyzer/shard_work.h"
#include "collector/pipeline.h"
#include "collector/replay.h"
#include "common/base/escape.h"
#include "common/wire/encode.h"

#include <errno.h>

#define GROUPS_LIMIT 1024u
#define ARENA_BYTES  (64u << 20)

struct lab {
	const struct policy *policy;
	struct source *source;
	struct pipeline *pipeline;
	struct pw_encoder *encoder;
	struct pw_decoder *decoder;
	struct pw_arena *arena;
	struct shard_work work;
	struct pw_buf *out;
	struct replay_result result;
	int failed; /* first error of a batch */
	uint64_t seq;
	int64_t boot_to_wall_ns;
	struct pw_err *err;
};

static const char *severity_name(uint32_t severity)
{
	static const char *const names[] = {"?", "Info", "Low", "Medium", "High", "Critical"};

	return names[severity < PW_COUNT(names) ? severity : 0];
}

static void add_bytes(struct pw_buf *out, const char *lead, ProtobufCBinaryData b)
{
	(void)pw_buf_add_str(out, lead);
	(void)pw_escape(out, pw_slice_of(b.data, b.len), 2000);
}

static void print_alert(struct lab *l, const Podward__V1__Alert *a)
{
	struct pw_wall first = {a->first_wall_ns};
	char when[PW_WALL_TEXT_SIZE];

	pw_wall_format(first, when);
	(void)pw_buf_addf(l->out, "%s %s", when, severity_name((uint32_t)a->severity));
	add_bytes(l->out, " ", a->detector);
	add_bytes(l->out, " ", a->pod_group);
	add_bytes(l->out, ": ", a->title);
	add_bytes(l->out, ": ", a->reason);
	(void)pw_buf_add_byte(l->out, '\n');
	l->result.alerts++;
}

static int judge_batch(struct lab *l, struct pw_decoded *decoded)
{
	struct shard_batch batch = {.decoded = decoded, .node = "lab", .node_len = 3};
	struct report *report = NULL;
	int r = shard_work_batch(&l->work, &batch, l->policy, 1, &report);

	l->result.events += decoded->event_count;
	for (size_t i = 0; r == 0 && report && i < report->alert_count; i++)
		print_alert(l, report->alerts[i]);
	report_free(report);
	return r;
}

/* Over the wire, as between collector and analyzer. */
static int pass_batch(struct lab *l, const struct pw_batch *b)
{
	Podward__V1__EventBatch m;
	struct pw_decoded *decoded = NULL;
	int r;

	pw_arena_reset(l->arena);
	r = pw_encode_batch(l->encoder, b, l->arena, &m);
	if (r == 0)
		r = pw_decode_batch(l->decoder, &m, &decoded, l->err);
	if (r == 0)
		r = judge_batch(l, decoded);
	pw_decoded_free(decoded);
	return r < 0 ? pw_err_set(l->err, r, "batch %llu: %s", (unsigned long long)b->seq,
			       pw_err_text(r))
		     : 0;
}

static void on_batch(void *ctx, struct pw_batch *b)
{
	struct lab *l = ctx;

	pw_batch_seal(b, ++l->seq, l->boot_to_wall_ns);
	if (l->failed == 0)
		l->failed = pass_batch(l, b);
	pw_batch_free(b);
}

static int on_scope(void *ctx, uint64_t cgroup, uint32_t group, uint32_t flags)
{
	(void)ctx, (void)cgroup, (void)group, (void)flags;
	return 0; /* there is no kernel to tell */
}

static int start(struct lab *l, const char *recording)
{
	struct shard_config config = {.index = 0, .count = 1, .group_limit = GROUPS_LIMIT};
	struct pw_decoder_limits limits = PW_DECODER_LIMITS_DEFAULT;
	struct pipeline_settings settings = {
		.rules = {.derive_unassigned = true},
		.batch = BATCHER_SETTINGS_DEFAULT,
		.kernel = {.set = on_scope},
	};
	struct source_info info;
	int r = replay_open(recording, &l->source, l->err);

	if (r < 0)
		return r;
	source_info(l->source, &info);
	settings.boot_to_wall_ns = l->boot_to_wall_ns = info.boot_to_wall_ns;
	settings.batch.sink = on_batch;
	settings.batch.sink_ctx = l;
	r = pw_arena_new(1 << 20, ARENA_BYTES, &l->arena);
	if (r == 0)
		r = pw_encoder_new(&l->encoder);
	if (r == 0)
		r = pw_decoder_new(&limits, &l->decoder);
	if (r == 0)
		r = shard_work_init(&l->work, &config);
	if (r < 0)
		return pw_err_set(l->err, r, "out of memory");
	return pipeline_new(&settings, &l->pipeline, l->err);
}

static int run(struct lab *l)
{
	int r;

	do
		r = source_consume(l->source, 256, pipeline_record, l->pipeline, l->err);
	while (r > 0 && l->failed == 0);
	pipeline_flush(l->pipeline);
	if (r < 0 && r != -ENODATA)
		return r;
	return l->failed;
}

int lab_replay(const char *recording, const struct policy *policy, struct pw_buf *out,
	struct replay_result *ret, struct pw_err *err)
{
	struct lab l = {.policy = policy, .out = out, .err = err};
	int r = start(&l, recording);

	if (r == 0)
		r = run(&l);
	pipeline_free(l.pipeline);
	source_close(l.source);
	shard_work_done(&l.work);
	pw_decoder_free(l.decoder);
	pw_encoder_free(l.encoder);
	pw_arena_free(l.arena);
	if (r == 0)
		*ret = l.result;
	return r;
}
