/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/load/fleet.h"

#include "common/base/alloc.h"
#include "common/base/random.h"
#include "common/rpc/loop.h"

#include <errno.h>
#include <stdio.h>

struct member {
	struct uplink *uplink;
	uint64_t pushed; /* batches */
};

struct fleet {
	struct pw_rpc_loop *loop;
	struct member *members;
	uint32_t count;
};

static int member_start(struct fleet *f, const struct fleet_settings *s, struct pw_err *err)
{
	struct member *m = &f->members[f->count];
	struct uplink_settings u = {
		.backlog_bytes = s->backlog_bytes,
		.tls = s->tls,
		.live = s->live,
		.boot_to_wall_ns = s->boot_to_wall_ns,
	};
	char name[32];
	int r;

	(void)snprintf(name, sizeof(name), "node-%05u", f->count);
	u.node = pw_slice_str(name);
	pw_random_bytes(u.instance, sizeof(u.instance));
	r = uplink_new(f->loop, &u, &m->uplink, err);
	if (r < 0)
		return r;
	f->count++; /* from here on it is freed */
	return uplink_set_target(
		m->uplink, s->targets[(f->count - 1) / s->per_target % s->target_count], err);
}

int fleet_new(const struct fleet_settings *settings, struct fleet **ret, struct pw_err *err)
{
	struct fleet *f = pw_alloc0(1, sizeof(*f));
	int r = 0;

	if (!f)
		return pw_err_set(err, -ENOMEM, "out of memory");
	f->members = pw_alloc0(settings->nodes, sizeof(*f->members));
	if (!f->members)
		r = pw_err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = pw_rpc_loop_start("fleet", &f->loop, err);
	for (uint32_t i = 0; r == 0 && i < settings->nodes; i++)
		r = member_start(f, settings, err);
	if (r < 0) {
		fleet_free(f);
		return r;
	}
	*ret = f;
	return 0;
}

void fleet_free(struct fleet *f)
{
	if (!f)
		return;
	for (uint32_t i = 0; i < f->count; i++)
		uplink_free(f->members[i].uplink);
	if (f->loop)
		pw_rpc_loop_stop(f->loop);
	free(f->members);
	free(f);
}

bool fleet_push(struct fleet *f, uint32_t node, struct pw_batch *b)
{
	struct member *m = &f->members[node];

	if (!uplink_push(m->uplink, b)) {
		pw_batch_free(b);
		return false;
	}
	m->pushed++;
	return true;
}

uint32_t fleet_waiting(const struct fleet *f, uint32_t node)
{
	const struct member *m = &f->members[node];
	struct uplink_stats s;

	uplink_get_stats(m->uplink, &s);
	return (uint32_t)(m->pushed - s.acked_batches - s.dropped_batches);
}

void fleet_sum(const struct fleet *f, struct fleet_totals *ret)
{
	*ret = (struct fleet_totals){0};
	for (uint32_t i = 0; i < f->count; i++) {
		struct uplink_stats s;

		uplink_get_stats(f->members[i].uplink, &s);
		ret->sent_batches += s.sent_batches - s.resent_batches;
		ret->sent_events += s.sent_events - s.resent_events;
		ret->resent_events += s.resent_events;
		ret->acked_batches += s.acked_batches;
		ret->dropped_events += s.dropped_events;
		ret->throttles += s.throttles;
		ret->disconnects += s.disconnects;
		ret->bytes_sent += s.bytes_sent;
		ret->backlog_bytes += s.backlog_bytes;
		ret->backlog_batches += s.backlog_batches;
		ret->connected += s.connected;
		ret->idle += s.idle;
	}
}
