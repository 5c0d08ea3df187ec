/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire/decode.h"

#include "common/base/arena.h"
#include "common/wire/definitions.h"

#include <errno.h>

/*
 * Few processes make most events of a stream: saves the map look-up. Slots by the ref's low bits.
 * Borrowed from the tables: forgotten whenever these change.
 */
#define RECENT 64u

struct pw_decoder {
	struct pw_decoder_limits limits;
	struct pw_tables tables; /* zeroed until the first batch */
	uint64_t seq, dict_epoch;
	uint64_t mark; /* rises with each attempt: which processes are held already */
	struct pw_process *recent[RECENT];
};

/* One attempt. Definitions enter the tables at once, with a journal; all else waits for the end. */
struct attempt {
	struct pw_decoder *d;
	const Podward__V1__EventBatch *msg;
	struct pw_err *err;
	struct pw_definitions defs;
	struct pw_decoded *out;
};

int pw_decoder_new(const struct pw_decoder_limits *limits, struct pw_decoder **ret)
{
	struct pw_decoder *d = pw_alloc0(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->limits = *limits;
	*ret = d;
	return 0;
}

void pw_decoder_free(struct pw_decoder *d)
{
	if (!d)
		return;
	pw_tables_done(&d->tables);
	free(d);
}

struct pw_decoder_stats pw_decoder_stats(const struct pw_decoder *d)
{
	if (!d->tables.dictionary)
		return (struct pw_decoder_stats){0};
	return (struct pw_decoder_stats){
		.seq = d->seq,
		.string_bytes = d->tables.dictionary->bytes,
		.strings = (uint32_t)pw_u64map_count(d->tables.dictionary->strings),
		.processes = (uint32_t)pw_u64map_count(d->tables.processes),
		.containers = (uint32_t)pw_u64map_count(d->tables.containers),
	};
}

/* The decoded batch holds each of its processes once. */
static void hold_once(struct attempt *a, struct pw_process *p)
{
	if (p->mark == a->d->mark)
		return;
	p->mark = a->d->mark;
	a->out->held[a->out->held_count++] = pw_process_hold(p);
}

/*
 * The columns of a batch, NULL = not there. Apart from the message, so that the loop over the
 * events keeps them at hand: what it writes could alias the message for all the compiler knows.
 */
struct columns {
	const uint8_t *kind, *flags;
	const uint32_t *time_delta_us, *process, *object, *aux, *count;
	const uint32_t *syscall, *object2, *target;
	const int32_t *ret;
	const uint64_t *arg;
	uint64_t base_boot_ns;
	int64_t boot_to_wall_ns;
};

static struct columns columns_of(const Podward__V1__EventBatch *m)
{
	return (struct columns){
		.kind = m->kind.data,
		.flags = m->flags.len > 0 ? m->flags.data : NULL,
		.time_delta_us = m->time_delta_us,
		.process = m->process,
		.object = m->object,
		.aux = m->aux,
		.count = m->n_count > 0 ? m->count : NULL,
		.syscall = m->n_syscall > 0 ? m->syscall : NULL,
		.object2 = m->n_object2 > 0 ? m->object2 : NULL,
		.target = m->n_target > 0 ? m->target : NULL,
		.ret = m->ret,
		.arg = m->n_arg > 0 ? m->arg : NULL,
		.base_boot_ns = m->base_boot_ns,
		.boot_to_wall_ns = m->boot_to_wall_ns,
	};
}

static int refuse_event(struct attempt *a, size_t i, bool process_known, bool object_known)
{
	const Podward__V1__EventBatch *m = a->msg;

	if (!process_known)
		return pw_refuse_unknown(a->err, "process", i, "", m->process[i]);
	if (!object_known)
		return pw_refuse_unknown(a->err, "object", i, "", m->object[i]);
	if (m->kind.data[i] == PW_EVENT_NONE)
		return pw_err_set(a->err, -EINVAL, "kind[%zu]: 0 is no kind", i);
	return pw_err_set(a->err, -EINVAL, "count[%zu]: 0, at least 1", i);
}

static void event_fill(const struct columns *c, size_t i, struct pw_event *e)
{
	e->time.ns = c->base_boot_ns + (uint64_t)c->time_delta_us[i] * PW_NS_PER_US;
	e->wall = pw_boot_to_wall(e->time, c->boot_to_wall_ns);
	e->aux = c->aux[i];
	e->count = c->count ? c->count[i] : 1;
	e->ret = c->ret[i];
	e->kind = c->kind[i];
	e->flags = c->flags ? c->flags[i] : 0;
	e->syscall = c->syscall ? (uint16_t)c->syscall[i] : 0;
	e->arg = c->arg ? c->arg[i] : 0;
}

/* Whether an event has an object is no pattern that a processor could foresee: no branch on it. */
static struct pw_slice object_slice(const struct pw_dict_string *s)
{
	static const struct pw_dict_string none;
	const struct pw_dict_string *from = s ? s : &none;

	return (struct pw_slice){s ? s->bytes : NULL, from->len};
}

static struct pw_process *find_process(const struct attempt *a, uint32_t ref)
{
	struct pw_process **slot = &a->d->recent[ref % RECENT];

	if (!*slot || (*slot)->def.ref != ref)
		*slot = pw_tables_process(a->defs.tables, ref);
	return *slot;
}

/* The columns that are seldom there. */
static int event_fill_seldom(
	struct attempt *a, const struct columns *c, size_t i, struct pw_event *e)
{
	uint32_t object2 = c->object2 ? c->object2[i] : 0;
	uint32_t target = c->target ? c->target[i] : 0;
	struct pw_dict_string *s = NULL;

	if (c->syscall && c->syscall[i] >= PW_SYSCALL_MAX)
		return pw_err_set(a->err, -EINVAL, "syscall[%zu]: %u is out of range 0 to %u", i,
			c->syscall[i], PW_SYSCALL_MAX - 1);
	if (object2 != 0)
		s = pw_dictionary_find(a->defs.tables->dictionary, object2);
	if (object2 != 0 && !s)
		return pw_refuse_unknown(a->err, "object2", i, "", object2);
	e->object2 = pw_dict_string_slice(s);
	e->target = target != 0 ? find_process(a, target) : NULL;
	if (target != 0 && !e->target)
		return pw_refuse_unknown(a->err, "target", i, "", target);
	return 0;
}

static int add_events(struct attempt *a)
{
	const struct columns c = columns_of(a->msg);
	const struct pw_dictionary *dictionary = a->defs.tables->dictionary;
	bool seldom = c.syscall || c.object2 || c.target;
	struct pw_decoded *out = a->out;
	struct pw_event *e = out->events;
	size_t n = a->msg->kind.len;

	for (size_t i = 0; i < n; i++) {
		struct pw_process *process = find_process(a, c.process[i]);
		/* The id 0 is never defined. */
		const struct pw_dict_string *object = pw_dictionary_find(dictionary, c.object[i]);
		bool object_known = (object != NULL) | (c.object[i] == 0);

		if (!process || !object_known || c.kind[i] == PW_EVENT_NONE ||
			(c.count && c.count[i] == 0))
			return refuse_event(a, i, process, object_known);
		e->target = NULL;
		e->object2 = (struct pw_slice){0};
		if (seldom) {
			int r = event_fill_seldom(a, &c, i, e);

			if (r < 0)
				return r;
		}
		if (c.kind[i] >= PW_EVENT_KINDS) {
			out->skipped++;
			continue;
		}
		event_fill(&c, i, e);
		e->process = process;
		e->object = object_slice(object);
		hold_once(a, process);
		if (e->target)
			hold_once(a, e->target);
		e++;
	}
	out->event_count = (uint32_t)(e - out->events);
	return 0;
}

static int add_losses(struct attempt *a)
{
	const Podward__V1__EventBatch *m = a->msg;

	for (size_t i = 0; i < m->n_losses; i++) {
		const Podward__V1__Loss *loss = m->losses[i];
		struct pw_container *c = pw_tables_container(a->defs.tables, loss->container);

		if (loss->container != 0 && !c)
			return pw_refuse_unknown(
				a->err, "losses", i, ".container", loss->container);
		if (loss->reason == 0)
			return pw_err_set(a->err, -EINVAL, "losses[%zu].reason: 0 is no reason", i);
		if (loss->count == 0)
			return pw_err_set(a->err, -EINVAL, "losses[%zu].count: 0, at least 1", i);
		a->out->losses[a->out->loss_count++] = (struct pw_loss_entry){
			.container = c ? pw_container_hold(c) : NULL,
			.reason = loss->reason,
			.count = loss->count,
		};
	}
	return 0;
}

static int check_exited(struct attempt *a)
{
	for (size_t i = 0; i < a->msg->n_exited; i++)
		if (!pw_tables_process(a->defs.tables, a->msg->exited[i]))
			return pw_refuse_unknown(a->err, "exited", i, "", a->msg->exited[i]);
	return 0;
}

static int check_column(struct pw_err *err, const char *name, size_t entries, size_t events)
{
	if (entries == events)
		return 0;
	return pw_err_set(err, -EINVAL, "%s: %zu entries for %zu events", name, entries, events);
}

static int check_columns(const Podward__V1__EventBatch *m, struct pw_err *err)
{
	size_t n = m->kind.len;
	const struct {
		const char *name;
		size_t entries;
	} columns[] = {
		{"flags", m->flags.len == 0 ? n : m->flags.len},
		{"time_delta_us", m->n_time_delta_us},
		{"process", m->n_process},
		{"ret", m->n_ret},
		{"object", m->n_object},
		{"aux", m->n_aux},
		{"count", m->n_count == 0 ? n : m->n_count},
		{"syscall", m->n_syscall == 0 ? n : m->n_syscall},
		{"object2", m->n_object2 == 0 ? n : m->n_object2},
		{"arg", m->n_arg == 0 ? n : m->n_arg},
		{"target", m->n_target == 0 ? n : m->n_target},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < PW_COUNT(columns); i++)
		r = check_column(err, columns[i].name, columns[i].entries, n);
	if (r < 0)
		return r;
	if (m->n_dict_id != m->n_dict)
		return pw_err_set(err, -EINVAL, "dict_id: %zu entries for %zu strings",
			m->n_dict_id, m->n_dict);
	return 0;
}

static int check_ceilings(const struct pw_decoder_limits *limits, const Podward__V1__EventBatch *m,
	struct pw_err *err)
{
	if (m->kind.len > limits->events)
		return pw_err_set(
			err, -E2BIG, "kind: %zu events, at most %u", m->kind.len, limits->events);
	if (m->n_losses > limits->events)
		return pw_err_set(err, -E2BIG, "losses: %zu entries, at most %u", m->n_losses,
			limits->events);
	return 0;
}

static int check_head(
	const struct pw_decoder *d, const Podward__V1__EventBatch *m, struct pw_err *err)
{
	int64_t wall_max = (int64_t)PW_WIRE_TIME_MAX;

	if (m->seq == 0)
		return pw_err_set(err, -EINVAL, "seq: 0, the first is 1");
	if (d->seq != 0 && m->seq != d->seq + 1)
		return pw_err_set(err, -EINVAL, "seq: %llu after %llu", (unsigned long long)m->seq,
			(unsigned long long)d->seq);
	if (m->base_boot_ns >= PW_WIRE_TIME_MAX)
		return pw_err_set(err, -EINVAL, "base_boot_ns: out of range");
	if (m->boot_to_wall_ns <= -wall_max || m->boot_to_wall_ns >= wall_max)
		return pw_err_set(err, -EINVAL, "boot_to_wall_ns: out of range");
	if ((m->origin_seq > 0) != (m->origin_instance.len > 0) ||
		(m->origin_seq > 0 && m->origin_instance.len != PW_WIRE_INSTANCE))
		return pw_err_set(err, -EINVAL,
			"origin_instance: expected 16 bytes together with origin_seq");
	return 0;
}

static void decoded_freep(struct pw_decoded **b)
{
	pw_decoded_free(*b);
}

/* Exact room for the batch; what the sizes are made of has passed check_ceilings. */
static int decoded_new(const Podward__V1__EventBatch *m, struct pw_decoded **ret)
{
	pw_cleanup(decoded_freep) struct pw_decoded *b = pw_alloc0(1, sizeof(*b));
	size_t row = sizeof(*b->events) + 2 * sizeof(struct pw_process *);
	size_t bytes = m->kind.len * row + m->n_losses * sizeof(*b->losses) + 256;
	int r = 0;

	if (!b)
		return -ENOMEM;
	r = pw_arena_new(bytes, bytes * 2, &b->arena);
	if (r < 0)
		return r;
	b->events = pw_arena_alloc(b->arena, (m->kind.len + 1) * sizeof(*b->events));
	b->held = pw_arena_alloc(b->arena, (m->kind.len * 2 + 1) * sizeof(struct pw_process *));
	b->losses = pw_arena_alloc(b->arena, (m->n_losses + 1) * sizeof(*b->losses));
	if (!b->events || !b->held || !b->losses)
		return -ENOMEM;
	b->seq = m->seq;
	b->origin_seq = m->origin_seq;
	if (m->origin_seq > 0)
		memcpy(b->origin, m->origin_instance.data, sizeof(b->origin));
	*ret = PW_TAKE(b);
	return 0;
}

void pw_decoded_free(struct pw_decoded *b)
{
	if (!b)
		return;
	for (uint32_t i = 0; i < b->held_count; i++)
		pw_process_put(b->held[i]);
	for (uint32_t i = 0; i < b->loss_count; i++)
		pw_container_put(b->losses[i].container);
	pw_dictionary_put(b->dictionary);
	pw_arena_free(b->arena);
	free(b);
}

static void forget_recent(struct pw_decoder *d)
{
	memset(d->recent, 0, sizeof(d->recent));
}

static int attempt_run(struct attempt *a)
{
	int r = decoded_new(a->msg, &a->out);

	if (r < 0)
		return pw_err_set(a->err, r, "batch: %s", pw_err_text(r));
	r = pw_definitions_add(&a->defs, a->msg);
	if (r < 0)
		return r;
	a->out->dictionary = pw_dictionary_hold(a->defs.tables->dictionary);
	if (a->msg->n_processes > 0 || a->defs.tables != &a->d->tables)
		forget_recent(a->d); /* a parent may have been replaced by its shorter copy */
	r = add_events(a);
	if (r < 0)
		return r;
	r = add_losses(a);
	if (r < 0)
		return r;
	return check_exited(a);
}

/* From here nothing fails. */
static void attempt_commit(struct attempt *a)
{
	struct pw_decoder *d = a->d;

	pw_journal_commit(&a->defs.journal);
	if (a->msg->n_exited > 0)
		forget_recent(d);
	for (size_t i = 0; i < a->msg->n_exited; i++)
		pw_tables_forget_process(a->defs.tables, a->msg->exited[i]);
	if (a->defs.tables != &d->tables) {
		pw_tables_done(&d->tables);
		d->tables = *a->defs.tables;
		*a->defs.tables = (struct pw_tables){0};
	}
	d->seq = a->msg->seq;
	d->dict_epoch = a->msg->dict_epoch;
}

static int journal_new(const Podward__V1__EventBatch *m, struct pw_journal *ret)
{
	size_t capacity = m->n_dict + m->n_containers + m->n_processes * 2;

	if (capacity == 0)
		return 0;
	ret->entries = pw_alloc0(capacity, sizeof(*ret->entries));
	ret->capacity = capacity;
	return ret->entries ? 0 : -ENOMEM;
}

static int attempt_all(struct attempt *a)
{
	int r = journal_new(a->msg, &a->defs.journal);

	if (r < 0)
		return pw_err_set(a->err, r, "batch: %s", pw_err_text(r));
	r = attempt_run(a);
	if (r < 0) {
		forget_recent(a->d);
		pw_decoded_free(PW_TAKE(a->out));
		pw_journal_undo(&a->defs.journal, a->defs.tables);
	} else {
		attempt_commit(a);
	}
	free(a->defs.journal.entries);
	return r;
}

int pw_decode_batch(struct pw_decoder *d, const Podward__V1__EventBatch *msg,
	struct pw_decoded **ret, struct pw_err *err)
{
	struct attempt a = {
		.d = d, .msg = msg, .err = err, .defs = {&d->tables, &d->limits, {0}, err}};
	struct pw_tables fresh = {0};
	int r = check_head(d, msg, err);

	if (r == 0)
		r = check_ceilings(&d->limits, msg, err);
	if (r == 0)
		r = check_columns(msg, err);
	if (r < 0)
		return r;
	d->mark++;
	if (d->seq == 0 || d->dict_epoch != msg->dict_epoch) {
		r = pw_tables_init(&fresh, &d->limits);
		if (r < 0)
			return pw_err_set(err, r, "batch: %s", pw_err_text(r));
		a.defs.tables = &fresh;
	}
	r = attempt_all(&a);
	pw_tables_done(&fresh);
	if (r == 0)
		*ret = a.out;
	return r;
}
