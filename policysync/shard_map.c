/* SPDX-License-Identifier: Apache-2.0 */
#include "policysync/shard_map.h"

#include "common/base/alloc.h"
#include "common/base/escape.h"

#include <errno.h>

#define NOBODY   PLACEMENT_NOBODY
#define PAUSE_NS (PW_NS_PER_S / 2) /* between two ticks: it was this process that stood still */

struct member {
	bool in_use, is_connected, is_leaving;
	char name[SHARD_MAP_NAME + 1], address[SHARD_MAP_ADDRESS + 1];
	size_t name_len, address_len;
	uint8_t instance[16];
	struct pw_mono heard;
};

struct shard_map {
	struct shard_map_settings settings;
	struct member members[PLACEMENT_MEMBERS];
	uint16_t owners[PLACEMENT_SLOTS];   /* index into members, or NOBODY */
	uint16_t before[PLACEMENT_SLOTS];   /* who must give it up first, or NOBODY */
	uint64_t moved_at[PLACEMENT_SLOTS]; /* epoch by which it lost it */
	struct pw_mono deadline;            /* of the moves under way */
	struct pw_mono ticked;
	struct pw_mono started, due; /* due: when to look again; 0 = nothing is to do */
	bool has_started, has_map;
	uint64_t epoch, unchanged_since;
	struct shard_map_stats stats;

	Podward__V1__ShardMap message;
	Podward__V1__ShardMember rows[PLACEMENT_MEMBERS], *row_ptrs[PLACEMENT_MEMBERS];
	uint8_t message_owners[PLACEMENT_SLOTS], message_waiting[PW_SLOT_BYTES];
};

int shard_map_new(const struct shard_map_settings *settings, struct shard_map **ret)
{
	struct shard_map *m = pw_alloc0(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->settings = *settings;
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++)
		m->owners[i] = m->before[i] = NOBODY;
	*ret = m;
	return 0;
}

void shard_map_free(struct shard_map *m)
{
	free(m);
}

/* --- members --- */

static int find_member(const struct shard_map *m, struct pw_slice name)
{
	for (uint32_t i = 0; i < PLACEMENT_MEMBERS; i++)
		if (m->members[i].in_use &&
			pw_slice_eq(name, pw_slice_of(m->members[i].name, m->members[i].name_len)))
			return (int)i;
	return -1;
}

static bool is_text(struct pw_slice s, size_t limit)
{
	if (s.len == 0 || s.len > limit)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= 0x20 || s.ptr[i] >= 0x7f)
			return false;
	return true;
}

static int new_member(struct shard_map *m, struct pw_err *err)
{
	for (uint32_t i = 0; i < PLACEMENT_MEMBERS; i++)
		if (!m->members[i].in_use)
			return (int)i;
	return pw_err_set(err, -ENOSPC, "analyzer: more than %u share", PLACEMENT_MEMBERS);
}

/* Before the first map: what members had by the newest one counts. */
static void take_claim(struct shard_map *m, int member, const struct shard_map_hello *hello)
{
	if (m->has_map || hello->epoch == 0 || hello->epoch < m->epoch)
		return;
	if (hello->epoch > m->epoch)
		for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++)
			m->owners[i] = NOBODY;
	m->epoch = m->unchanged_since = hello->epoch;
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++)
		if (pw_slots_have(hello->slots, i))
			m->owners[i] = (uint16_t)member;
}

/* It has nothing any more that others would have to wait for. */
static void forget_moves_from(struct shard_map *m, int member)
{
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++)
		if (m->before[i] == (uint16_t)member)
			m->before[i] = NOBODY;
}

static void look_at(struct shard_map *m, uint64_t at_ns)
{
	if (m->due.ns == 0 || at_ns < m->due.ns)
		m->due.ns = at_ns;
}

int shard_map_join(struct shard_map *m, const struct shard_map_hello *hello, struct pw_mono now,
	struct pw_err *err)
{
	int at = find_member(m, hello->name);
	bool is_new = at < 0;
	struct member *who;

	if (!is_text(hello->name, SHARD_MAP_NAME))
		return pw_err_set(
			err, -EINVAL, "analyzer: expected 1 to %u printable bytes", SHARD_MAP_NAME);
	if (!is_text(hello->address, SHARD_MAP_ADDRESS))
		return pw_err_set(err, -EINVAL, "address: expected 1 to %u printable bytes",
			SHARD_MAP_ADDRESS);
	if (is_new)
		at = new_member(m, err);
	if (at < 0)
		return at;
	if (!m->has_started)
		m->started = now;
	m->has_started = true;
	who = &m->members[at];
	if (is_new || memcmp(who->instance, hello->instance, 16) != 0)
		forget_moves_from(m, at);
	*who = (struct member){.in_use = true,
		.is_connected = true,
		.name_len = hello->name.len,
		.address_len = hello->address.len,
		.heard = now};
	memcpy(who->name, hello->name.ptr, hello->name.len);
	memcpy(who->address, hello->address.ptr, hello->address.len);
	memcpy(who->instance, hello->instance, 16);
	take_claim(m, at, hello);
	look_at(m, now.ns + m->settings.settle_ns);
	return at;
}

bool shard_map_heard(struct shard_map *m, int member, struct pw_mono now)
{
	struct member *who = &m->members[member];

	if (!who->in_use || !who->is_connected)
		return false;
	who->heard = now;
	return true;
}

void shard_map_leaving(struct shard_map *m, int member)
{
	if (m->members[member].is_leaving)
		return;
	m->members[member].is_leaving = true;
	look_at(m, 1);
}

void shard_map_lost(struct shard_map *m, int member)
{
	m->members[member].is_connected = false;
}

void shard_map_released(struct shard_map *m, int member, uint64_t epoch)
{
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++)
		if (m->before[i] == (uint16_t)member && m->moved_at[i] <= epoch)
			m->before[i] = NOBODY;
}

static void drop_silent(struct shard_map *m, struct pw_mono now)
{
	for (uint32_t i = 0; i < PLACEMENT_MEMBERS; i++) {
		struct member *who = &m->members[i];

		/* One that said it leaves and is gone will not come back. */
		bool is_gone = who->is_leaving && !who->is_connected;

		if (!who->in_use || (!is_gone && now.ns - who->heard.ns < m->settings.away_ns))
			continue;
		*who = (struct member){.in_use = false};
		forget_moves_from(m, (int)i);
		for (uint32_t slot = 0; slot < PLACEMENT_SLOTS; slot++)
			if (m->owners[slot] == i)
				m->owners[slot] = NOBODY;
		look_at(m, 1);
	}
}

/* --- the map --- */

/* Members that may own, as placement wants them; place[i] = index into members. */
struct candidates {
	struct pw_slice names[PLACEMENT_MEMBERS];
	uint16_t place[PLACEMENT_MEMBERS], index_of[PLACEMENT_MEMBERS];
	uint32_t count;
};

static void find_candidates(const struct shard_map *m, struct candidates *c)
{
	c->count = 0;
	for (uint32_t i = 0; i < PLACEMENT_MEMBERS; i++) {
		const struct member *who = &m->members[i];

		c->index_of[i] = NOBODY;
		if (!who->in_use || who->is_leaving)
			continue;
		c->index_of[i] = (uint16_t)c->count;
		c->place[c->count] = (uint16_t)i;
		c->names[c->count++] = pw_slice_of(who->name, who->name_len);
	}
}

static void move_slot(struct shard_map *m, uint32_t slot, uint16_t to, uint64_t epoch)
{
	uint16_t from = m->owners[slot];

	m->owners[slot] = to;
	if (from == to)
		return;
	m->stats.moved++;
	/* Who waits itself has nothing to give up: the one before it still has. */
	if (m->before[slot] != NOBODY || !m->has_map)
		return;
	if (from != NOBODY && m->members[from].in_use) {
		m->before[slot] = from;
		m->moved_at[slot] = epoch;
	}
}

/* Some members may be on their way still: what they have is not to be given away. */
static bool waits_for_claims(const struct shard_map *m, struct pw_mono now)
{
	if (m->has_map || m->epoch == 0 || now.ns - m->started.ns >= m->settings.away_ns)
		return false;
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++)
		if (m->owners[i] == NOBODY)
			return true;
	return false;
}

/*
 * Whole milliseconds of wall time: higher than any that somebody may have heard of before a restart
 * of this process, also when the analyzers have not.
 */
static uint64_t next_epoch(const struct shard_map *m)
{
	int64_t wall = pw_wall_now().ns / (int64_t)PW_NS_PER_MS;

	return wall > 0 && (uint64_t)wall > m->epoch ? (uint64_t)wall : m->epoch + 1;
}

static bool compute(struct shard_map *m, struct pw_mono now)
{
	struct placement before, after;
	struct candidates c;
	struct placement_input input = {.members = c.names, .before = &before};
	struct pw_err err = PW_ERR_INIT;
	bool changed = false;

	find_candidates(m, &c);
	input.member_count = c.count;
	if (c.count == 0)
		return false; /* nobody to give anything to: it stays */
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++)
		before.owners[i] = m->owners[i] == NOBODY ? NOBODY : c.index_of[m->owners[i]];
	if (placement_is_due(&input, &before)) {
		if (placement_compute(&input, &after, &err) < 0)
			return false; /* names are checked and each is there once */
	} else {
		after = before;
	}
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++)
		changed |= m->owners[i] != c.place[after.owners[i]];
	if (changed) {
		uint64_t epoch = next_epoch(m);

		for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++)
			move_slot(m, i, c.place[after.owners[i]], epoch);
		m->epoch = m->unchanged_since = epoch;
		m->deadline.ns = now.ns + m->settings.move_ns;
	}
	return changed;
}

static bool is_listed(const struct shard_map *m, const Podward__V1__ShardMember *row, uint32_t i)
{
	const struct member *who = &m->members[i];

	return pw_slice_eq(pw_slice_of(row->name.data, row->name.len),
		       pw_slice_of(who->name, who->name_len)) &&
	       pw_slice_eq(pw_slice_of(row->address.data, row->address.len),
		       pw_slice_of(who->address, who->address_len));
}

/* Who is listed is a part of the map too: a collector must know where to. */
static bool are_members_told(const struct shard_map *m)
{
	size_t n = 0;

	for (uint32_t i = 0; i < PLACEMENT_MEMBERS; i++) {
		if (!m->members[i].in_use)
			continue;
		if (n >= m->message.n_members || !is_listed(m, m->message.members[n], i))
			return false;
		n++;
	}
	return n == m->message.n_members;
}

static ProtobufCBinaryData field_of(const void *data, size_t len)
{
	return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
}

static void build_message(struct shard_map *m)
{
	uint8_t index_of[PLACEMENT_MEMBERS] = {0};

	podward__v1__shard_map__init(&m->message);
	m->message.epoch = m->epoch;
	m->message.unchanged_since = m->unchanged_since;
	m->message.members = m->row_ptrs;
	for (uint32_t i = 0; i < PLACEMENT_MEMBERS; i++) {
		const struct member *who = &m->members[i];
		Podward__V1__ShardMember *row = &m->rows[m->message.n_members];

		if (!who->in_use)
			continue;
		index_of[i] = (uint8_t)m->message.n_members;
		podward__v1__shard_member__init(row);
		row->name = field_of(who->name, who->name_len);
		row->address = field_of(who->address, who->address_len);
		m->row_ptrs[m->message.n_members++] = row;
	}
	memset(m->message_waiting, 0, sizeof(m->message_waiting));
	m->stats.waiting = 0;
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++) {
		m->message_owners[i] = index_of[m->owners[i]];
		if (m->before[i] == NOBODY)
			continue;
		pw_slots_add(m->message_waiting, i);
		m->stats.waiting++;
	}
	m->message.owners = field_of(m->message_owners, sizeof(m->message_owners));
	if (m->stats.waiting > 0)
		m->message.waiting = field_of(m->message_waiting, sizeof(m->message_waiting));
	m->has_map = true;
}

static void give_up_waiting(struct shard_map *m, struct pw_mono now)
{
	if (now.ns < m->deadline.ns)
		return;
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++) {
		m->stats.overdue += m->before[i] != NOBODY;
		m->before[i] = NOBODY;
	}
}

static bool is_waiting_told(const struct shard_map *m)
{
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++)
		if ((m->before[i] != NOBODY) != pw_slots_have(m->message_waiting, i))
			return false;
	return true;
}

static enum shard_map_change look(struct shard_map *m, struct pw_mono now)
{
	bool changed = false;

	if (m->due.ns > 0 && now.ns >= m->due.ns) {
		if (waits_for_claims(m, now)) {
			m->due.ns = now.ns + m->settings.settle_ns;
			return SHARD_MAP_SAME;
		}
		m->due.ns = 0;
		changed = compute(m, now);
	}
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++)
		if (m->owners[i] == NOBODY)
			return SHARD_MAP_SAME; /* not yet, or nobody is left: the last one stays */
	/* After a restart of this process, too: somebody may know a map that these members do not.
	 */
	if (!changed && m->due.ns == 0 && !are_members_told(m)) {
		m->epoch = next_epoch(m);
		changed = true;
	}
	if (changed) {
		build_message(m);
		return SHARD_MAP_OWNERS;
	}
	if (!m->has_map || is_waiting_told(m))
		return SHARD_MAP_SAME;
	build_message(m);
	return SHARD_MAP_WAITING;
}

/* Who did not listen for a time cannot say that others were silent. */
static void forgive_own_pause(struct shard_map *m, struct pw_mono now)
{
	uint64_t pause_ns = m->ticked.ns > 0 ? now.ns - m->ticked.ns : 0;

	m->ticked = now;
	if (pause_ns < PAUSE_NS)
		return;
	for (uint32_t i = 0; i < PLACEMENT_MEMBERS; i++)
		m->members[i].heard = now;
	m->deadline.ns += pause_ns;
}

enum shard_map_change shard_map_tick(struct shard_map *m, struct pw_mono now)
{
	forgive_own_pause(m, now);
	drop_silent(m, now);
	give_up_waiting(m, now);
	return look(m, now);
}

const Podward__V1__ShardMap *shard_map_message(const struct shard_map *m)
{
	return m->has_map ? &m->message : NULL;
}

bool shard_map_may_write(const struct shard_map *m, struct pw_slice name, uint64_t group_hash)
{
	uint32_t slot = pw_slot_of(group_hash);
	int member = find_member(m, name);

	if (!m->has_map)
		return true;
	return member >= 0 &&
	       (m->owners[slot] == (uint16_t)member || m->before[slot] == (uint16_t)member);
}

void shard_map_get_stats(const struct shard_map *m, struct shard_map_stats *ret)
{
	*ret = m->stats;
	ret->epoch = m->has_map ? m->epoch : 0;
	ret->members = 0;
	for (uint32_t i = 0; i < PLACEMENT_MEMBERS; i++)
		ret->members += m->members[i].in_use;
}
