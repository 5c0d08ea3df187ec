/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/tests/pipeline_rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void on_batch(void *ctx, struct pw_batch *b)
{
	struct rig *rig = ctx;

	if (rig->count < BATCHES)
		rig->batches[rig->count++] = b;
	else
		pw_batch_free(b);
}

static int on_scope(void *ctx, uint64_t cgroup, uint32_t group, uint32_t flags)
{
	struct rig *rig = ctx;

	(void)cgroup;
	(void)group;
	rig->scope_sets++;
	rig->last_scope_flags = flags;
	return 0;
}

static void on_view(void *ctx, const struct pipeline_view *v)
{
	struct rig *rig = ctx;

	assert_int_equal(print_event(&rig->print, v, &rig->lines), 0);
}

static int collect(void *ctx, void (*fn)(void *fn_ctx, uint64_t mark, uint64_t count), void *fn_ctx)
{
	struct rig *rig = ctx;

	for (size_t i = 0; i < PW_COUNT(rig->repeats); i++) {
		if (rig->repeats[i].count > 0)
			fn(fn_ctx, rig->repeats[i].mark, rig->repeats[i].count);
		rig->repeats[i].count = 0;
	}
	return 0;
}

static void renew(void *ctx)
{
	((struct rig *)ctx)->renewals++;
}

int rig_init(struct rig *rig, bool derive)
{
	struct pipeline_settings s = {
		.rules = {.derive_unassigned = derive},
		.process_limit = 256,
		.seen_limit = 64,
		.boot_to_wall_ns = 0,
		.batch = BATCHER_SETTINGS_DEFAULT,
		.kernel = {.set = on_scope, .ctx = rig},
		.folds = {.collect = collect, .renew = renew, .ctx = rig},
		.on_view = on_view,
		.view_ctx = rig,
	};

	*rig = (struct rig){0};
	rig->print.form = PRINT_JSON;
	pw_buf_init(&rig->lines, 1 << 20);
	s.batch.sink = on_batch;
	s.batch.sink_ctx = rig;
	return pipeline_new(&s, &rig->p, NULL);
}

void rig_done(struct rig *rig)
{
	pipeline_free(rig->p);
	for (unsigned i = 0; i < rig->count; i++)
		pw_batch_free(rig->batches[i]);
	pw_buf_done(&rig->lines);
}

void rig_feed(struct rig *rig, const struct records *r)
{
	assert_int_equal(pipeline_record(rig->p, r->bytes, r->len), 0);
}

const struct records_actor rig_actor = {.time = 2 * S,
	.start = 2 * S - MS,
	.cgroup = CG,
	.pid = 100,
	.ppid = 50,
	.uid = 1,
	.pid_in_ns = 1,
	.mnt_ns = 9,
	.pid_ns = 9,
	.comm = "sh"};

struct records_actor rig_child(uint32_t pid, uint64_t time)
{
	struct records_actor a = rig_actor;

	a.ppid = rig_actor.pid;
	a.pid = pid;
	a.pid_in_ns = pid;
	a.start = time - MS;
	a.time = time;
	a.comm = "cat";
	return a;
}

/* A container with its first program. */
void rig_begin(struct rig *rig)
{
	struct records r;

	records_mkdir(&r, S, CG, 1, "/libpod_parent/libpod-" ID);
	rig_feed(rig, &r);
	records_exec(&r, &rig_actor, "/bin/sh", pw_slice_of("sh\0-c", 5), 0);
	rig_feed(rig, &r);
}

/* One child that execs, opens, connects and ends, n times. */
void rig_run_child(struct rig *rig, uint32_t pid, uint64_t time)
{
	struct records_actor a = rig_child(pid, time);
	struct records r;

	records_fork(&r, &a, rig_actor.start);
	rig_feed(rig, &r);
	records_exec(&r, &a, "/bin/cat", pw_slice_of("cat\0x", 5), rig_actor.start);
	rig_feed(rig, &r);
	records_open(&r, &a, "/etc//passwd", O_RDONLY, 3);
	rig_feed(rig, &r);
	records_connect4(&r, &a, "10.0.0.1", 443, -115);
	rig_feed(rig, &r);
	records_exit(&r, &a, 256);
	rig_feed(rig, &r);
}

struct pw_slice rig_text(const struct pw_batch *b, uint32_t id)
{
	for (uint32_t i = 0; i < b->string_count; i++)
		if (b->strings[i].id == id)
			return b->strings[i].bytes;
	return (struct pw_slice){0};
}

void rig_check_books(struct rig *rig)
{
	struct pipeline_stats s;
	uint64_t sum = 0;

	pipeline_get_stats(rig->p, &s);
	for (unsigned i = 0; i < PIPELINE_FILTER_COUNT; i++)
		sum += s.filtered[i];
	sum += s.pending.waiting + s.pending.never + s.pending.sandbox + s.lost_here +
	       s.seen_set.folded + s.told;
	assert_int_equal(s.seen, sum);
}

uint64_t rig_loss(const struct rig *rig, uint32_t reason)
{
	uint64_t sum = 0;

	for (unsigned k = 0; k < rig->count; k++)
		for (uint32_t i = 0; i < rig->batches[k]->loss_count; i++)
			if (rig->batches[k]->losses[i].reason == reason)
				sum += rig->batches[k]->losses[i].count;
	return sum;
}
