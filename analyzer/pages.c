/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/pages.h"

#include "common/base/escape.h"

static void add_text(struct pw_buf *out, const char *key, struct pw_slice value)
{
	(void)pw_buf_addf(out, "\"%s\":", key);
	(void)pw_escape_json(out, value);
}

static void add_group(struct pw_buf *out, const struct shard_group_row *row, struct pw_wall now)
{
	struct learning clock = {
		.phase = row->phase,
		.started_wall_ns = row->started_wall_ns,
		.duration_ns = row->learning_ns,
		.extensions = row->extensions,
	};
	struct pw_wall started = {row->started_wall_ns};
	char when[PW_WALL_TEXT_SIZE];

	pw_wall_format(started, when);
	(void)pw_buf_add_byte(out, '{');
	add_text(out, "pod_group", row->key);
	(void)pw_buf_addf(out,
		",\"phase\":\"%s\",\"generation\":%llu,\"behaviours\":%u,"
		"\"learning_started\":\"%s\",\"learning_seconds\":%llu,"
		"\"learning_remaining_seconds\":%llu,\"lost_events\":%llu,"
		"\"extensions\":%u,\"containers\":%u,\"templates\":%u,",
		learning_phase_name(row->phase), (unsigned long long)row->generation, row->keys,
		row->phase ? when : "", (unsigned long long)(row->learning_ns / PW_NS_PER_S),
		(unsigned long long)(learning_remaining_ns(&clock, now) / PW_NS_PER_S),
		(unsigned long long)row->lost_events, row->extensions, row->containers,
		row->templates);
	add_text(out, "extended", pw_slice_str(row->extension_reason));
	(void)pw_buf_add_byte(out, ',');
	add_text(out, "partial", pw_slice_str(row->partial_reason));
	(void)pw_buf_add_byte(out, '}');
}

int pages_groups(void *ctx, struct pw_buf *body, const char **ret_content_type)
{
	const struct state *st = ctx;
	struct pw_wall now = pw_wall_now();
	const char *comma = "";

	*ret_content_type = "application/json";
	(void)pw_buf_add_str(body, "{\"groups\":[");
	for (uint32_t i = 0; i < st->shard_count; i++) {
		struct pw_snapshot_ref *ref = shard_summary_get(st->shards[i]);
		const struct shard_summary *s = ref ? pw_snapshot_value(ref) : NULL;

		for (uint32_t k = 0; s && k < s->group_count; k++) {
			(void)pw_buf_add_str(body, comma);
			add_group(body, &s->rows[k], now);
			comma = ",";
		}
		pw_snapshot_put(ref);
	}
	(void)pw_buf_add_str(body, "]}\n");
	return pw_buf_error(body) ? 500 : 200;
}

static void add_policy(struct pw_buf *out, const struct policy *p)
{
	(void)pw_buf_addf(out,
		"{\"serial\":%llu,\"policies\":%u,\"exclusions\":%u,\"signatures\":%u,"
		"\"signatures_refused\":%u,",
		(unsigned long long)p->serial, p->entry_count, p->exclusion_count,
		p->signatures->count, p->signatures->refused);
	add_text(out, "revision", p->revision);
	(void)pw_buf_addf(out, ",\"problems_not_shown\":%u,\"problems\":[", p->problems.dropped);
	for (uint32_t i = 0; i < p->problems.count; i++) {
		(void)pw_buf_add_str(out, i ? ",{" : "{");
		add_text(out, "object", p->problems.items[i].object);
		(void)pw_buf_add_byte(out, ',');
		add_text(out, "field", p->problems.items[i].field);
		(void)pw_buf_add_byte(out, ',');
		add_text(out, "message", p->problems.items[i].message);
		(void)pw_buf_add_byte(out, '}');
	}
	(void)pw_buf_add_str(out, "]}\n");
}

int pages_policy(void *ctx, struct pw_buf *body, const char **ret_content_type)
{
	const struct state *st = ctx;
	struct pw_snapshot_ref *ref = pw_snapshot_get(st->policy);

	*ret_content_type = "application/json";
	if (!ref) {
		(void)pw_buf_add_str(body, "{\"problem\":\"no policy arrived yet\"}\n");
		return 503;
	}
	add_policy(body, pw_snapshot_value(ref));
	pw_snapshot_put(ref);
	return pw_buf_error(body) ? 500 : 200;
}
