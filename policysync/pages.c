// SPDX-License-Identifier: Apache-2.0
#include "policysync/pages.h"
#include "common/base/escape.h"
#include "common/base/log.h"
#include "common/rpc/channelz.h"
#include "common/wire/arena_alloc.h"
#include "policysync/alert_json.h"
#include "policysync/policy_set.h"
#include "policysync/spool_read.h"
#include <errno.h>

#define ALERT_BYTES ((size_t)256 << 10)
#define JSON        "application/json"

struct pages {
	char *state_dir;
	struct pw_snapshot *policies;
	struct publish *publish;
	struct store *reader;
};

static struct store *reader(struct pages *p)
{
	struct pw_err err = PW_ERR_INIT;

	if (!p->reader && store_open_reader(p->state_dir, &p->reader, &err) < 0)
		pw_log_limited(PW_LOG_WARN, 2, "pages", "the spool cannot be read: %s", err.msg);
	return p->reader;
}

static int unavailable(struct pages *p, struct pw_buf *body, const struct pw_err *err)
{
	pw_log_limited(PW_LOG_WARN, 2, "pages", "the spool cannot be read: %s", err->msg);
	store_close(p->reader);
	p->reader = NULL;
	pw_buf_clear(body);
	(void)pw_buf_add_str(body, "{\"error\":\"the spool cannot be read\"}");
	return 503;
}

struct listing {
	struct pw_buf *body;
	struct pw_arena *arena;
	struct pw_buf line;
	bool first;
};

/* Stops where the next alert would not fit: a shorter list is still a list. */
static bool add_alert(void *ctx, const struct spool_row *row)
{
	struct listing *l = ctx;
	struct alert_seen seen = {row->count, row->last};
	const Podward__V1__Alert *a;

	pw_arena_reset(l->arena);
	pw_buf_clear(&l->line);
	a = (const Podward__V1__Alert *)pw_unpack(
		l->arena, &podward__v1__alert__descriptor, row->body);
	if (!a || alert_json(&l->line, a, &seen) < 0)
		return true;
	if (l->body->len + l->line.len + 4 > l->body->limit)
		return false;
	if (!l->first)
		(void)pw_buf_add_byte(l->body, ',');
	l->first = false;
	(void)pw_buf_add_slice(l->body, pw_buf_slice(&l->line));
	return true;
}

static int alerts_page(void *ctx, struct pw_buf *body, const char **ret_content_type)
{
	struct pages *p = ctx;
	pw_cleanup(pw_arena_freep) struct pw_arena *arena = NULL;
	struct listing l = {.body = body, .first = true};
	struct pw_err err = PW_ERR_INIT;
	int r = -EIO;

	*ret_content_type = JSON;
	if (pw_arena_new(64 << 10, 4 << 20, &arena) < 0)
		return 503;
	l.arena = arena;
	pw_buf_init(&l.line, ALERT_BYTES);
	(void)pw_buf_add_byte(body, '[');
	if (reader(p))
		r = spool_read_newest(p->reader, PAGES_ALERTS, add_alert, &l, &err);
	pw_buf_done(&l.line);
	if (r < 0)
		return unavailable(p, body, &err);
	(void)pw_buf_add_str(body, "]\n");
	return pw_buf_error(body) == 0 ? 200 : 503;
}

static void add_member(struct pw_buf *out, const char *name, const char *value)
{
	(void)pw_buf_addf(out, "\"%s\":", name);
	(void)pw_escape_json(out, pw_slice_str(value));
}

static void add_problems(struct pw_buf *out, const struct policy_set *set)
{
	size_t count = 0;
	const struct policy_problem *list = policy_set_problems(set, &count);

	(void)pw_buf_add_str(out, "\"problems\":[");
	for (size_t i = 0; i < count; i++) {
		(void)pw_buf_add_str(out, i > 0 ? ",{" : "{");
		add_member(out, "file", list[i].file);
		(void)pw_buf_add_byte(out, ',');
		add_member(out, "object", list[i].object);
		(void)pw_buf_add_byte(out, ',');
		add_member(out, "field", list[i].field);
		(void)pw_buf_add_byte(out, ',');
		add_member(out, "message", list[i].message);
		(void)pw_buf_add_byte(out, '}');
	}
	(void)pw_buf_add_byte(out, ']');
}

static void add_name(struct pw_buf *out, const char *kind, ProtobufCBinaryData namespace,
	ProtobufCBinaryData name, bool *first)
{
	(void)pw_buf_addf(out, "%s{\"kind\":\"%s%s\",", *first ? "" : ",",
		strcmp(kind, "SignatureSet") != 0 && namespace.len == 0 ? "Cluster" : "", kind);
	*first = false;
	if (namespace.len > 0) {
		(void)pw_buf_add_str(out, "\"namespace\":");
		(void)pw_escape_json(out, pw_slice_of(namespace.data, namespace.len));
		(void)pw_buf_add_byte(out, ',');
	}
	(void)pw_buf_add_str(out, "\"name\":");
	(void)pw_escape_json(out, pw_slice_of(name.data, name.len));
}

static void add_objects(struct pw_buf *out, const Podward__V1__PolicySnapshot *m)
{
	static const ProtobufCBinaryData none = {0, NULL};
	bool first = true;

	(void)pw_buf_add_str(out, "\"objects\":[");
	for (size_t i = 0; i < m->n_policies; i++) {
		add_name(out, "RuntimePolicy", m->policies[i]->namespace_, m->policies[i]->name,
			&first);
		(void)pw_buf_addf(out, ",\"rules\":%zu}", m->policies[i]->n_rules);
	}
	for (size_t i = 0; i < m->n_exclusions; i++) {
		add_name(out, "RuntimeExclusion", m->exclusions[i]->namespace_,
			m->exclusions[i]->name, &first);
		(void)pw_buf_add_str(out, ",\"reason\":");
		(void)pw_escape_json(out,
			pw_slice_of(m->exclusions[i]->reason.data, m->exclusions[i]->reason.len));
		(void)pw_buf_add_byte(out, '}');
	}
	for (size_t i = 0; i < m->n_signature_sets; i++) {
		add_name(out, "SignatureSet", none, m->signature_sets[i]->name, &first);
		(void)pw_buf_addf(out, ",\"rules\":%zu}", m->signature_sets[i]->n_rules);
	}
	(void)pw_buf_add_byte(out, ']');
}

static void add_policy(struct pages *p, struct pw_buf *out, bool objects)
{
	struct pw_snapshot_ref *ref = pw_snapshot_get(p->policies);
	const struct policy_set *set = ref ? pw_snapshot_value(ref) : NULL;

	if (set) {
		(void)pw_buf_addf(out, "\"revision\":\"%s\",\"serial\":%llu,\"objectCount\":%zu,",
			policy_set_revision(set), (unsigned long long)policy_set_serial(set),
			policy_set_object_count(set));
		if (objects) {
			add_objects(out, policy_set_message(set));
			(void)pw_buf_add_byte(out, ',');
		}
		add_problems(out, set);
	}
	pw_snapshot_put(ref);
}

static int policies_page(void *ctx, struct pw_buf *body, const char **ret_content_type)
{
	*ret_content_type = JSON;
	(void)pw_buf_add_byte(body, '{');
	add_policy(ctx, body, true);
	(void)pw_buf_add_str(body, "}\n");
	return pw_buf_error(body) == 0 ? 200 : 503;
}

static void add_output(void *ctx, const struct spool_output_row *row)
{
	struct listing *l = ctx;

	(void)pw_buf_add_str(l->body, l->first ? "{\"name\":" : ",{\"name\":");
	l->first = false;
	(void)pw_escape_json(l->body, row->name);
	(void)pw_buf_addf(l->body, ",\"delivered\":%llu,\"lag\":%llu,\"deadLetters\":%llu}",
		(unsigned long long)row->delivered, (unsigned long long)row->lag,
		(unsigned long long)row->dead_letters);
}

static int add_spool(struct pages *p, struct pw_buf *out, struct pw_err *err)
{
	struct listing l = {.body = out, .first = true};
	uint64_t alerts = 0, bytes = 0;
	int r;

	if (!reader(p))
		return -EIO;
	r = spool_read_totals(p->reader, &alerts, &bytes, err);
	if (r < 0)
		return r;
	(void)pw_buf_addf(out, ",\"spool\":{\"alerts\":%llu,\"bytes\":%llu},\"outputs\":[",
		(unsigned long long)alerts, (unsigned long long)bytes);
	r = spool_read_outputs(p->reader, add_output, &l, err);
	(void)pw_buf_add_byte(out, ']');
	return r;
}

static int status_page(void *ctx, struct pw_buf *body, const char **ret_content_type)
{
	struct pages *p = ctx;
	struct pw_err err = PW_ERR_INIT;

	*ret_content_type = JSON;
	(void)pw_buf_add_str(body, "{\"policy\":{");
	add_policy(p, body, false);
	(void)pw_buf_add_str(body, "},\"analyzers\":");
	if (p->publish)
		(void)publish_status(p->publish, body);
	else
		(void)pw_buf_add_str(body, "[]");
	if (add_spool(p, body, &err) < 0)
		return unavailable(p, body, &err);
	(void)pw_buf_add_str(body, "}\n");
	return pw_buf_error(body) == 0 ? 200 : 503;
}

int pages_new(const char *state_dir, struct pw_snapshot *policies, struct pages **ret)
{
	struct pages *p = pw_alloc0(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->state_dir = pw_strdup(state_dir);
	if (!p->state_dir) {
		free(p);
		return -ENOMEM;
	}
	p->policies = policies;
	*ret = p;
	return 0;
}

void pages_set_publish(struct pages *p, struct publish *publish)
{
	p->publish = publish;
}

void pages_free(struct pages *p)
{
	if (!p)
		return;
	store_close(p->reader);
	free(p->state_dir);
	free(p);
}

void pages_table(struct pages *p, struct pw_page out[PAGES_COUNT])
{
	out[0] = (struct pw_page){"/v1/alerts", alerts_page, p};
	out[1] = (struct pw_page){"/v1/policies", policies_page, p};
	out[2] = (struct pw_page){"/v1/status", status_page, p};
	out[3] = (struct pw_page){"/debug/channelz", pw_channelz_page, NULL};
}
