/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/policy_feed.h"

#include "analyzer/canary.h"
#include "common/base/escape.h"
#include "common/base/log.h"
#include "common/wire/arena_alloc.h"

#include <errno.h>

#define SNAPSHOT_BYTES (64u << 20)
#define LIST_BYTES     (1u << 20)

struct policy_feed {
	struct policy_feed_config config;
	struct pw_stream *stream;
	struct policy_feed_stats stats;
	struct canary *canary;
	uint8_t *last; /* the snapshot in force as it came, while a set is on trial */
	size_t last_size;
	/* The answer that waits for its turn to be sent; the next snapshot is read after it. */
	bool status_waits, is_read_due;
	uint64_t status_serial;
	bool in_force;
	struct pw_err refusal;
	struct pw_snapshot_ref *judged; /* the policy whose problems are told; NULL = refused */
};

static ProtobufCBinaryData field_of(struct pw_slice s)
{
	return (ProtobufCBinaryData){s.len, (uint8_t *)s.ptr};
}

static int add_problems(const struct problems *p, Podward__V1__PolicyStatus *m)
{
	Podward__V1__PolicyProblem *items;

	if (p->count == 0)
		return 0;
	items = pw_alloc0(p->count, sizeof(*items));
	m->problems = pw_alloc0(p->count, sizeof(*m->problems));
	if (!items || !m->problems) {
		free(items);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < p->count; i++) {
		podward__v1__policy_problem__init(&items[i]);
		items[i].object = field_of(p->items[i].object);
		items[i].field = field_of(p->items[i].field);
		items[i].message = field_of(p->items[i].message);
		m->problems[i] = &items[i];
	}
	m->n_problems = p->count;
	return 0;
}

static void free_problems(Podward__V1__PolicyStatus *m)
{
	if (m->n_problems > 0 && m->problems)
		free(m->problems[0]);
	free(m->problems);
}

static int send_hello(struct policy_feed *f)
{
	Podward__V1__PolicyStatus m = PODWARD__V1__POLICY_STATUS__INIT;

	m.schema = 1;
	m.analyzer = field_of(pw_slice_str(f->config.name));
	return pw_stream_send(f->stream, &m.base);
}

static int send_status(struct policy_feed *f)
{
	Podward__V1__PolicyStatus m = PODWARD__V1__POLICY_STATUS__INIT;
	Podward__V1__PolicyProblem refusal = PODWARD__V1__POLICY_PROBLEM__INIT,
				   *list[] = {&refusal};
	const struct policy *p = f->judged ? pw_snapshot_value(f->judged) : NULL;
	int r = 0;

	m.analyzer = field_of(pw_slice_str(f->config.name));
	m.serial = f->status_serial;
	m.in_force = f->in_force;
	if (p) {
		m.revision = field_of(p->revision);
		r = add_problems(&p->problems, &m);
	} else {
		refusal.object = field_of(PW_SLICE_LIT("PolicySnapshot"));
		refusal.message = field_of(pw_slice_str(f->refusal.msg));
		m.problems = list;
		m.n_problems = 1;
	}
	if (r == 0)
		r = pw_stream_send(f->stream, &m.base);
	if (p)
		free_problems(&m);
	return r;
}

static void drop_judged(struct policy_feed *f)
{
	pw_snapshot_put(PW_TAKE(f->judged));
	f->status_waits = false;
}

static void try_status(struct policy_feed *f)
{
	int r;

	if (!f->status_waits || !pw_stream_may_send(f->stream))
		return;
	r = send_status(f);
	if (r == -EAGAIN)
		return;
	drop_judged(f);
	if (r < 0) {
		pw_stream_restart(f->stream, 1000);
	} else if (f->is_read_due) {
		f->is_read_due = false;
		pw_stream_next(f->stream);
	}
}

static int pack(const Podward__V1__PolicySnapshot *m, uint8_t **ret, size_t *ret_size)
{
	size_t size = protobuf_c_message_get_packed_size(&m->base);

	if (size > SNAPSHOT_BYTES)
		return -E2BIG;
	*ret = pw_alloc0(size + 1, 1);
	if (!*ret)
		return -ENOMEM;
	*ret_size = protobuf_c_message_pack(&m->base, *ret);
	return 0;
}

/* With the sets that are to run: a version on trial and the one before, or only one of them. */
static int pack_wanted(const struct policy_feed *f, const Podward__V1__PolicySnapshot *m,
	uint8_t **ret, size_t *ret_size)
{
	Podward__V1__PolicySnapshot wanted = *m;
	pw_cleanup(pw_arena_freep) struct pw_arena *arena = NULL;
	int r = pw_arena_new(LIST_BYTES, 2 * SNAPSHOT_BYTES, &arena);

	if (r == 0)
		r = canary_sets(
			f->canary, m, arena, &wanted.signature_sets, &wanted.n_signature_sets);
	return r < 0 ? r : pack(&wanted, ret, ret_size);
}

static int compile(const struct policy_feed *f, const Podward__V1__PolicySnapshot *m,
	struct policy **ret, struct pw_err *err)
{
	pw_auto_free uint8_t *bytes = NULL;
	struct policy *p = NULL;
	size_t size;
	int r = pack_wanted(f, m, &bytes, &size);

	if (r == -E2BIG)
		return pw_err_set(err, r, "snapshot larger than %u MiB", SNAPSHOT_BYTES >> 20);
	if (r < 0)
		return pw_err_set(err, r, "out of memory");
	r = policy_compile(pw_slice_of(bytes, size), &p, err);
	if (r == 0)
		r = canary_tell(f->canary, &p->problems);
	if (r < 0) {
		policy_free(p);
		return pw_err_set(err, r, "out of memory");
	}
	*ret = p;
	return 0;
}

static void tell_problems(const struct policy *p)
{
	char object[96], field[128], message[400];

	pw_log_info("policy", "snapshot %llu in force: %u policies, %u exclusions, %u signatures",
		(unsigned long long)p->serial, p->entry_count, p->exclusion_count,
		p->signatures->count);
	for (uint32_t i = 0; i < p->problems.count; i++)
		pw_log_limited(PW_LOG_WARN, 20, "policy", "refused in %s %s: %s",
			pw_escape_to(p->problems.items[i].object, object, sizeof(object)),
			pw_escape_to(p->problems.items[i].field, field, sizeof(field)),
			pw_escape_to(p->problems.items[i].message, message, sizeof(message)));
}

static int take_snapshot(struct policy_feed *f, const Podward__V1__PolicySnapshot *m)
{
	struct policy *p = NULL;
	int r = compile(f, m, &p, &f->refusal);

	if (r == 0) {
		r = pw_snapshot_publish(f->config.policy, p);
		if (r < 0) {
			policy_free(p);
			return pw_err_set(&f->refusal, r, "out of memory");
		}
	}
	return r;
}

/* For the day that a trial ends; without memory it ends with the next snapshot. */
static void keep(struct policy_feed *f, const Podward__V1__PolicySnapshot *m)
{
	free(PW_TAKE(f->last));
	canary_keep(f->canary, m);
	if (canary_has_trial(f->canary) && pack(m, &f->last, &f->last_size) < 0)
		f->last = NULL;
}

static void came_into_force(struct policy_feed *f)
{
	pw_snapshot_put(f->judged);
	f->judged = pw_snapshot_get(f->config.policy);
	f->in_force = true;
	f->status_waits = true;
	tell_problems(pw_snapshot_value(f->judged));
}

/* The snapshot in force once more, now that a set was taken back. */
static void apply_again(struct policy_feed *f)
{
	pw_cleanup(pw_arena_freep) struct pw_arena *arena = NULL;
	ProtobufCMessage *m = NULL;

	if (f->last && pw_arena_new(LIST_BYTES, 4 * SNAPSHOT_BYTES, &arena) == 0)
		m = pw_unpack(arena, &podward__v1__policy_snapshot__descriptor,
			pw_slice_of(f->last, f->last_size));
	if (!m || take_snapshot(f, (const Podward__V1__PolicySnapshot *)m) < 0) {
		pw_log_warn("policy", "no memory to take the set back; the next snapshot does");
		return;
	}
	if (f->status_waits && !f->in_force)
		return; /* what waits to be told is a refusal; the next status tells of this */
	f->status_serial = f->stats.serial;
	came_into_force(f);
	try_status(f);
}

void policy_feed_on_report(struct policy_feed *f, const struct report *r)
{
	struct pw_mono now = pw_mono_now();
	bool changed = false;

	for (size_t i = 0; r && i < r->alert_count; i++)
		changed |= canary_on_alert(f->canary, r->alerts[i], now);
	f->stats.canary_rollbacks = canary_rollbacks(f->canary);
	if (changed)
		apply_again(f);
}

static void on_message(void *ctx, const ProtobufCMessage *msg)
{
	struct policy_feed *f = ctx;
	const Podward__V1__PolicySnapshot *m = (const Podward__V1__PolicySnapshot *)msg;

	f->stats.snapshots++;
	pw_err_clear(&f->refusal);
	f->is_read_due = true;
	f->status_serial = m->serial;
	if (take_snapshot(f, m) == 0) {
		f->stats.serial = m->serial;
		keep(f, m);
		came_into_force(f);
		f->config.on_policy(f->config.ctx);
	} else {
		f->in_force = false;
		f->status_waits = true;
		f->stats.refused++;
		pw_log_warn("policy", "snapshot %llu refused, the one before stays: %s",
			(unsigned long long)m->serial, f->refusal.msg);
	}
	try_status(f);
}

static void on_up(void *ctx)
{
	struct policy_feed *f = ctx;

	drop_judged(f);
	f->is_read_due = false;
	if (send_hello(f) < 0)
		pw_stream_restart(f->stream, 1000);
}

static void on_sent(void *ctx)
{
	try_status(ctx);
}

static void on_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	drop_judged(ctx);
	pw_log_limited(PW_LOG_WARN, 6, "policy",
		"policy stream ended (%s: %s), retry in %u ms; the last policy stays in force",
		pw_rpc_status_name(status), detail, delay_ms);
}

int policy_feed_start(
	const struct policy_feed_config *config, struct policy_feed **ret, struct pw_err *err)
{
	static const struct pw_stream_ops ops = {on_up, on_message, on_sent, on_down};
	struct pw_stream_limits limits = PW_STREAM_LIMITS_DEFAULT;
	struct policy_feed *f = pw_alloc0(1, sizeof(*f));
	int r;

	if (!f)
		return pw_err_set(err, -ENOMEM, "policy feed: out of memory");
	f->config = *config;
	if (canary_new(&f->canary) < 0) {
		free(f);
		return pw_err_set(err, -ENOMEM, "policy feed: out of memory");
	}
	limits.arena_bytes = SNAPSHOT_BYTES;
	r = pw_stream_start(config->channel,
		&(struct pw_stream_config){.service = &podward__v1__policy_service__descriptor,
			.method = "Watch",
			.ops = &ops,
			.ctx = f,
			.limits = &limits},
		&f->stream, err);
	if (r < 0) {
		canary_free(f->canary);
		free(f);
		return r;
	}
	*ret = f;
	return 0;
}

void policy_feed_get_stats(const struct policy_feed *f, struct policy_feed_stats *ret)
{
	*ret = f->stats;
}

void policy_feed_stop(struct policy_feed *f)
{
	if (!f)
		return;
	pw_stream_stop(f->stream);
	drop_judged(f);
	canary_free(f->canary);
	free(f->last);
	free(f);
}
