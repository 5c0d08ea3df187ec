/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/tests/life.h"

#include "common/base/hash.h"

#include <stdio.h>

#define START_NS (1800000000000000000ll)

static const struct shard_config config = {.count = 1, .group_limit = 100};

void life_init(struct life *l, uint64_t learning_ns)
{
	*l = (struct life){.clock = {.wall_ns = START_NS, .mono_ns = 1000},
		.group = "shop/Deployment/web/app",
		.image = "web:1"};
	pw_clock_fake(&l->clock);
	kit_snapshot_init(&l->snapshot, 1);
	if (learning_ns > 0)
		kit_profile(&l->snapshot,
			kit_policy(&l->snapshot, "", "d",
				PODWARD__V1__POLICY_TIER__POLICY_TIER_DEFAULT),
			learning_ns);
	l->policy = kit_compile(&l->snapshot);
	l->policy_version = 1;
	pw_assert(shard_work_init(&l->work, &config) == 0);
}

void life_done(struct life *l)
{
	shard_work_done(&l->work);
	policy_free(l->policy);
	kit_snapshot_done(&l->snapshot);
	for (uint32_t i = 0; i < l->flush_count; i++)
		report_free(l->flushes[i]);
	pw_clock_fake(NULL);
}

void life_pass(struct life *l, int64_t ns)
{
	while (ns > 0) {
		int64_t step = ns < 600 * (int64_t)PW_NS_PER_S ? ns : 600 * (int64_t)PW_NS_PER_S;

		l->clock.wall_ns += step;
		l->clock.mono_ns += (uint64_t)step;
		pw_assert(shard_work_tick(&l->work, pw_wall_now()) == 0);
		ns -= step;
	}
}

void life_jump(struct life *l, int64_t ns)
{
	l->clock.wall_ns += ns;
	pw_assert(shard_work_tick(&l->work, pw_wall_now()) == 0);
}

static void note(struct life *l, const struct report *r)
{
	for (size_t i = 0; i < r->alert_count; i++) {
		const Podward__V1__Alert *a = r->alerts[i];

		(void)snprintf(l->last_detector, sizeof(l->last_detector), "%.*s",
			(int)a->detector.len, (const char *)a->detector.data);
		(void)snprintf(l->last_reason, sizeof(l->last_reason), "%.*s", (int)a->reason.len,
			(const char *)a->reason.data);
		l->last_severity = a->severity;
	}
	l->alerts += (uint32_t)r->alert_count;
	l->last_count = 0;
	for (size_t i = 0; i < r->occurrence_count; i++)
		l->last_count += r->occurrences[i]->count;
}

static uint32_t judge(struct life *l, struct pw_decoded *d)
{
	struct shard_batch b = {
		.decoded = d, .node = "node-1", .node_len = 6, .source = "source-instance"};
	struct report *r = NULL;
	uint32_t alerts;

	d->seq = ++l->seq;
	if (!l->policy)
		l->policy = kit_compile(&l->snapshot);
	pw_assert(shard_work_batch(&l->work, &b, l->policy, l->policy_version, &r) == 0);
	l->last_count = 0;
	if (!r)
		return 0;
	note(l, r);
	alerts = (uint32_t)r->alert_count;
	report_free(r);
	return alerts;
}

static void make_container(struct life *l, const char *name, struct pw_container *c)
{
	struct pw_slice group = pw_slice_str(l->group);
	int64_t at_ns = l->event_ns ? l->event_ns : l->clock.wall_ns;

	*c = (struct pw_container){
		.def = {.ref = 1,
			.id = pw_slice_str(name),
			.pod_uid = pw_slice_str(name),
			.pod_group = group,
			.image = pw_slice_str(l->image),
			.image_digest = pw_slice_str(l->image),
			.started = {l->started_ns ? l->started_ns : at_ns - 61 * 1000000000ll}},
		.group_hash = pw_hash64(group, 0),
	};
}

uint32_t life_event(struct life *l, const char *container, uint8_t kind, const char *object,
	uint32_t aux, uint32_t process_flags)
{
	struct pw_container c;
	struct pw_process p = {.def = {.ref = 1, .pid = 10, .flags = process_flags},
		.exe = PW_SLICE_LIT("/usr/bin/app"),
		.container = &c};
	struct pw_event e = {.process = &p,
		.kind = kind,
		.object = pw_slice_str(object),
		.aux = aux,
		.count = 1,
		.wall = {l->event_ns ? l->event_ns : l->clock.wall_ns}};
	struct pw_decoded d = {.events = &e, .event_count = 1};

	make_container(l, container, &c);
	return judge(l, &d);
}

uint32_t life_read(struct life *l, const char *container, const char *path)
{
	return life_event(l, container, PW_EVENT_OPEN, path, KIT_READ, 0);
}

static void book(struct life *l, const char *container, uint32_t reason, uint64_t count)
{
	struct pw_container c;
	struct pw_loss_entry loss = {.reason = reason, .count = count};
	struct pw_decoded d = {.losses = &loss, .loss_count = 1};

	make_container(l, container ? container : "", &c);
	if (container)
		loss.container = &c;
	(void)judge(l, &d);
}

void life_lose(struct life *l, const char *container, uint64_t count)
{
	book(l, container, PODWARD__V1__LOSS_REASON__LOSS_REASON_RING_FULL, count);
}

void life_repair(struct life *l, const char *container, uint64_t count)
{
	book(l, container, PODWARD__V1__LOSS_REASON__LOSS_REASON_REPAIRED, count);
}

uint32_t life_flush(struct life *l)
{
	uint32_t alerts = 0;

	for (;;) {
		struct report *r = NULL;

		pw_assert(shard_work_flush(&l->work, &r) == 0);
		if (!r)
			return alerts;
		note(l, r);
		alerts += (uint32_t)r->alert_count;
		pw_assert(l->flush_count < PW_COUNT(l->flushes));
		l->flushes[l->flush_count++] = r;
	}
}

void life_move(struct life *l)
{
	shard_work_done(&l->work);
	pw_assert(shard_work_init(&l->work, &config) == 0);
	/* Newest first: the order does not matter. */
	for (uint32_t i = l->flush_count; i-- > 0;)
		for (size_t k = 0; k < l->flushes[i]->profile_count; k++)
			pw_assert(shard_work_load(&l->work, l->flushes[i]->profiles[k]) == 0);
}

struct group *life_group(struct life *l)
{
	struct pw_slice key = pw_slice_str(l->group);

	return groups_find(l->work.groups, pw_hash64(key, 0), key);
}

const char *life_phase(struct life *l)
{
	struct group *g = life_group(l);

	return learning_phase_name(g ? g->learning.phase : 0);
}
