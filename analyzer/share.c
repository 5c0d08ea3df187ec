/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/share.h"

#include "analyzer/profile_load.h"
#include "common/base/log.h"
#include "podward/v1/shard.pb-c.h"

#include <errno.h>

#define MODULE     "share"
#define BEAT_MS    1000u
#define SOON_MS    50u /* after lack of memory, or while a message is in flight */
#define RESTART_MS 1000u

enum slot_state { SLOT_FOREIGN, SLOT_WAITING, SLOT_WANTED, SLOT_LOADING, SLOT_OWN };

struct share {
	struct share_config config;
	struct pw_stream *stream;
	struct pw_rpc_timer *timer;
	uint8_t states[PW_SLOTS]; /* enum slot_state */
	uint64_t epoch;
	uint32_t member_count;
	bool has_map, is_leaving, is_halted;
	bool is_first; /* map of this stream: there may have been others in between */
	bool status_due;

	struct profile_load *load; /* NULL = none under way */
	uint8_t load_slots[PW_SLOT_BYTES];
	bool load_ended; /* to be stopped outside of its own callback */

	struct shard_release *release; /* NULL = none under way */
	uint64_t release_epoch;        /* by which the slots were lost */
	uint64_t release_seq;          /* report that must be committed; 0 = shards are at it */
	uint8_t lost[PW_SLOT_BYTES];   /* to be released next */
	bool any_lost;
	struct shard_note *stuck; /* reports that found no memory */
	uint64_t released_epoch;
	struct share_stats stats;
};

static ProtobufCBinaryData bytes_of(const void *data, size_t len)
{
	return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
}

/* --- speaking --- */

static void have_slots(const struct share *s, uint8_t out[PW_SLOT_BYTES])
{
	memset(out, 0, PW_SLOT_BYTES);
	for (uint32_t i = 0; i < PW_SLOTS; i++)
		if (s->states[i] != SLOT_FOREIGN)
			pw_slots_add(out, i);
}

static int send_hello(struct share *s)
{
	Podward__V1__ShardStatus m = PODWARD__V1__SHARD_STATUS__INIT;
	uint8_t slots[PW_SLOT_BYTES];

	have_slots(s, slots);
	m.schema = 1;
	m.analyzer = bytes_of(s->config.name, strlen(s->config.name));
	m.address = bytes_of(s->config.address, strlen(s->config.address));
	m.instance = bytes_of(s->config.instance, sizeof(s->config.instance));
	m.epoch = s->epoch;
	m.slots = bytes_of(slots, sizeof(slots));
	return pw_stream_send(s->stream, &m.base);
}

static void send_status(struct share *s)
{
	Podward__V1__ShardStatus m = PODWARD__V1__SHARD_STATUS__INIT;

	m.epoch = s->epoch;
	m.released_epoch = s->released_epoch;
	m.leaving = s->is_leaving;
	s->status_due = s->stream && pw_stream_send(s->stream, &m.base) < 0;
	s->stats.heartbeats += !s->status_due;
}

static void soon(struct share *s)
{
	if (s->timer)
		pw_rpc_timer_set(s->timer, SOON_MS);
}

/* --- giving up what was lost --- */

static void start_release(struct share *s)
{
	struct shard_release *r;

	if (s->release || !s->any_lost || s->is_halted)
		return;
	r = pw_alloc0(1, sizeof(*r));
	if (!r) {
		soon(s);
		return;
	}
	r->job.kind = SHARD_JOB_RELEASE;
	memcpy(r->slots, s->lost, sizeof(r->slots));
	r->pending = s->config.shard_count;
	memset(s->lost, 0, sizeof(s->lost));
	s->any_lost = false;
	s->release = r;
	s->release_epoch = s->epoch;
	s->release_seq = 0;
	/* One release at a time: there is a place for it in the queue. */
	for (uint32_t i = 0; i < s->config.shard_count; i++)
		pw_assert(shard_give(s->config.shards[i], &r->job));
}

static void start_load(struct share *s);

static void finish_release(struct share *s)
{
	if (!s->release || s->is_halted || s->release->pending > 0 || s->stuck ||
		forward_committed(s->config.forward) < s->release_seq)
		return;
	free(s->release);
	s->release = NULL;
	s->stats.released++;
	start_release(s);
	if (s->release)
		return;
	s->released_epoch = s->release_epoch;
	send_status(s);
	start_load(s);
	s->config.on_change(s->config.ctx);
}

static void take_release(struct share *s, struct shard_note *note)
{
	uint64_t seq = 0;

	if (note->report && forward_put(s->config.forward, note->report, &seq) < 0) {
		note->next = s->stuck;
		s->stuck = note;
		soon(s);
		return;
	}
	note->report = NULL;
	if (note->error < 0) {
		/* Out of memory: the groups are still there, the shard tries again. */
		pw_assert(shard_give(s->config.shards[note->shard], &s->release->job));
		return;
	}
	s->release->pending--;
	s->release_seq = forward_last(s->config.forward);
	finish_release(s);
}

static void retry_stuck(struct share *s)
{
	while (s->stuck) {
		struct shard_note *note = s->stuck;

		s->stuck = note->next;
		note->next = NULL;
		take_release(s, note);
		if (s->stuck == note)
			break; /* still no memory */
	}
}

/* --- loading what is new --- */

static void on_loaded(void *ctx)
{
	struct share *s = ctx;

	s->load_ended = true;
	pw_rpc_timer_set(s->timer, 1); /* not in the loader's own callback */
}

static void finish_load(struct share *s)
{
	if (!s->load_ended)
		return;
	s->load_ended = false;
	profile_load_stop(PW_TAKE(s->load));
	s->stats.loads++;
	for (uint32_t i = 0; i < PW_SLOTS; i++) {
		if (!pw_slots_have(s->load_slots, i))
			continue;
		if (s->states[i] == SLOT_LOADING) {
			s->states[i] = SLOT_OWN;
			continue;
		}
		/* Lost meanwhile: its groups are here all the same. */
		pw_slots_add(s->lost, i);
		s->any_lost = true;
	}
	start_release(s);
	start_load(s);
	s->config.on_change(s->config.ctx);
}

/* After what was lost is committed: some of it may have come back. */
static void start_load(struct share *s)
{
	struct profile_load_config c = {
		.channel = s->config.channel,
		.shards = s->config.shards,
		.shard_count = s->config.shard_count,
		.slots = s->load_slots,
		.on_loaded = on_loaded,
		.ctx = s,
	};
	struct pw_err err = PW_ERR_INIT;
	bool any = false;

	if (s->load || s->release || s->any_lost || s->is_halted)
		return;
	memset(s->load_slots, 0, sizeof(s->load_slots));
	for (uint32_t i = 0; i < PW_SLOTS; i++) {
		if (s->states[i] != SLOT_WANTED)
			continue;
		pw_slots_add(s->load_slots, i);
		any = true;
	}
	if (!any)
		return;
	if (profile_load_start(&c, &s->load, &err) < 0) {
		pw_log_limited(PW_LOG_ERROR, 6, MODULE, "profiles: %s", err.msg);
		soon(s);
		return;
	}
	for (uint32_t i = 0; i < PW_SLOTS; i++)
		if (pw_slots_have(s->load_slots, i))
			s->states[i] = SLOT_LOADING;
}

/* --- the map --- */

static int find_self(const struct share *s, const Podward__V1__ShardMap *m)
{
	for (size_t i = 0; i < m->n_members; i++)
		if (pw_slice_eq(pw_slice_of(m->members[i]->name.data, m->members[i]->name.len),
			    pw_slice_str(s->config.name)))
			return (int)i;
	return -1;
}

static bool is_valid(const Podward__V1__ShardMap *m)
{
	return m->epoch > 0 && m->owners.len == PW_SLOTS && m->n_members > 0 &&
	       (m->waiting.len == 0 || m->waiting.len == PW_SLOT_BYTES);
}

static void follow(struct share *s, const Podward__V1__ShardMap *m, bool is_gap)
{
	const uint8_t *waiting = m->waiting.len > 0 ? m->waiting.data : NULL;
	int self = find_self(s, m);

	for (uint32_t i = 0; i < PW_SLOTS; i++) {
		uint8_t *state = &s->states[i];
		bool is_mine = self >= 0 && m->owners.data[i] == (uint8_t)self;

		/* Whoever had it in between may know more than is known here. */
		if (*state >= SLOT_LOADING && (!is_mine || is_gap)) {
			if (*state == SLOT_OWN) {
				pw_slots_add(s->lost, i);
				s->any_lost = true;
			}
			*state = SLOT_FOREIGN;
		}
		if (!is_mine)
			*state = SLOT_FOREIGN;
		else if (*state <= SLOT_WANTED)
			*state = pw_slots_have(waiting, i) ? SLOT_WAITING : SLOT_WANTED;
	}
}

static void take_map(struct share *s, const Podward__V1__ShardMap *m)
{
	bool is_gap = s->has_map && s->is_first && m->epoch != s->epoch &&
		      (s->epoch > m->epoch || s->epoch < m->unchanged_since);
	bool is_new = m->epoch != s->epoch || !s->has_map;

	s->is_first = false;
	if (m->epoch < s->epoch && !is_gap)
		return;
	follow(s, m, is_gap);
	s->epoch = m->epoch;
	s->member_count = (uint32_t)m->n_members;
	s->has_map = true;
	if (is_new)
		pw_log_info(MODULE, "map %llu: %u analyzers share the pod groups",
			(unsigned long long)s->epoch, s->member_count);
	start_release(s);
	if (!s->release) {
		/* Nothing is lost by this map: that is a release, too. */
		s->released_epoch = s->epoch;
		send_status(s);
	}
	start_load(s);
	s->config.on_change(s->config.ctx);
}

static void on_message(void *ctx, const ProtobufCMessage *msg)
{
	struct share *s = ctx;
	const Podward__V1__ShardMap *m = (const Podward__V1__ShardMap *)msg;

	if (is_valid(m))
		take_map(s, m);
	else
		pw_log_limited(PW_LOG_WARN, 6, MODULE, "a map that makes no sense is left out");
	pw_stream_next(s->stream);
}

static void on_up(void *ctx)
{
	struct share *s = ctx;

	s->is_first = true;
	s->status_due = false;
	if (send_hello(s) < 0)
		pw_stream_restart(s->stream, RESTART_MS);
}

static void on_sent(void *ctx)
{
	struct share *s = ctx;

	if (s->status_due)
		send_status(s);
}

static void on_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	(void)ctx;
	pw_log_limited(PW_LOG_WARN, 6, MODULE,
		"stream of maps ended (%s: %s), retry in %u ms; the last map stays in force",
		pw_rpc_status_name(status), detail, delay_ms);
}

static void on_timer(void *ctx)
{
	struct share *s = ctx;

	pw_rpc_timer_set(s->timer, BEAT_MS);
	retry_stuck(s);
	finish_load(s);
	start_release(s);
	finish_release(s);
	start_load(s);
	if (pw_stream_is_up(s->stream) && !s->is_first)
		send_status(s);
}

int share_start(const struct share_config *config, struct share **ret, struct pw_err *err)
{
	static const struct pw_stream_ops ops = {on_up, on_message, on_sent, on_down};
	/* Maps are few and must not come late. */
	static const struct pw_stream_limits limits = {100, 1000, 1 << 20};
	struct share *s = pw_alloc0(1, sizeof(*s));
	int r;

	if (!s)
		return pw_err_set(err, -ENOMEM, "share: out of memory");
	s->config = *config;
	r = pw_rpc_timer_new(config->loop, on_timer, s, &s->timer);
	if (r < 0)
		r = pw_err_set(err, r, "share: %s", pw_err_text(r));
	if (r == 0)
		r = pw_stream_start(config->channel,
			&(struct pw_stream_config){
				.service = &podward__v1__shard_service__descriptor,
				.method = "Watch",
				.ops = &ops,
				.ctx = s,
				.limits = &limits},
			&s->stream, err);
	if (r < 0) {
		share_free(s);
		return r;
	}
	pw_rpc_timer_set(s->timer, BEAT_MS);
	*ret = s;
	return 0;
}

bool share_has_map(const struct share *s)
{
	return s->has_map;
}

uint64_t share_epoch(const struct share *s)
{
	return s->epoch;
}

static enum share_verdict ask_group(const struct share *s, const struct pw_container *c)
{
	if (!c || c->def.pod_group.len == 0)
		return SHARE_JUDGE; /* nobody judges it, it is only counted */
	switch (s->states[pw_slot_of(c->group_hash)]) {
	case SLOT_OWN:
		return SHARE_JUDGE;
	case SLOT_FOREIGN:
		return SHARE_NOT_OWNER;
	default:
		return SHARE_WAIT;
	}
}

enum share_verdict share_ask(const struct share *s, const struct pw_decoded *b, uint64_t epoch)
{
	enum share_verdict worst = SHARE_JUDGE;
	const struct pw_container *last = NULL;

	for (uint32_t i = 0; i < b->event_count; i++) {
		const struct pw_container *c = b->events[i].process->container;
		enum share_verdict v = c == last && i > 0 ? SHARE_JUDGE : ask_group(s, c);

		last = c;
		worst = v > worst ? v : worst;
	}
	/* The sender may know a newer map, which is on its way to here as well. */
	return worst == SHARE_NOT_OWNER && epoch > s->epoch ? SHARE_WAIT : worst;
}

void share_note(struct share *s, struct shard_note *note)
{
	if (note->kind == SHARD_NOTE_LOAD)
		profile_load_note(s->load, note);
	else
		take_release(s, note);
}

void share_on_commit(struct share *s)
{
	finish_release(s);
}

void share_leave(struct share *s)
{
	s->is_leaving = true;
	send_status(s);
}

bool share_has_left(const struct share *s)
{
	if (!s->has_map || s->member_count < 2)
		return true;
	if (s->release || s->any_lost || s->status_due)
		return false;
	for (uint32_t i = 0; i < PW_SLOTS; i++)
		if (s->states[i] != SLOT_FOREIGN)
			return false;
	return true;
}

void share_get_stats(const struct share *s, struct share_stats *ret)
{
	*ret = s->stats;
	ret->epoch = s->epoch;
	for (uint32_t i = 0; i < PW_SLOTS; i++) {
		ret->own += s->states[i] == SLOT_OWN;
		ret->waiting += s->states[i] != SLOT_OWN && s->states[i] != SLOT_FOREIGN;
	}
}

void share_halt(struct share *s)
{
	if (!s)
		return;
	s->is_halted = true;
	pw_stream_stop(PW_TAKE(s->stream));
	profile_load_stop(PW_TAKE(s->load));
	pw_rpc_timer_free(PW_TAKE(s->timer));
}

void share_free(struct share *s)
{
	if (!s)
		return;
	share_halt(s);
	for (; s->stuck; s->stuck = s->stuck->next)
		report_free(PW_TAKE(s->stuck->report));
	free(s->release);
	free(s);
}
