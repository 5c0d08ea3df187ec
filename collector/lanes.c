/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/lanes.h"

#include "common/base/alloc.h"
#include "common/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define MODULE         "lanes"
#define EXITED_MAX     2048u /* ended processes that wait for the next batch of a lane */
#define EXITED_SOON    1024u /* so many get a batch of their own */
#define LANE_LIMIT_MIN ((size_t)256 << 10)
#define PATH_SIZE      4096

struct lane {
	struct uplink *uplink;
	char *name, *address; /* NULL = bound to nobody */
	bool is_new;          /* bound to another than before, batches not looked at yet */
	uint32_t exited[EXITED_MAX], exited_count;
};

struct lanes {
	struct pw_rpc_loop *loop;
	struct lanes_settings settings;
	struct lane lanes[SPLIT_LANES];
	uint32_t count; /* that exist */
	struct split_map map;
	uint64_t dict_epoch; /* that exited[] are of */
};

static void forget_name(struct lane *lane)
{
	free(lane->name);
	free(lane->address);
	lane->name = lane->address = NULL;
}

void lanes_free(struct lanes *l)
{
	if (!l)
		return;
	for (uint32_t i = 0; i < l->count; i++) {
		uplink_free(l->lanes[i].uplink);
		forget_name(&l->lanes[i]);
	}
	free(l);
}

static bool has_file(const struct lanes *l)
{
	return l->settings.uplink.state_dir && l->settings.uplink.state_dir[0];
}

static int lane_path(const struct lanes *l, uint32_t index, char path[PATH_SIZE])
{
	int n = snprintf(path, PATH_SIZE, "%s/lane-%u", l->settings.uplink.state_dir, index);

	return n < 0 || n >= PATH_SIZE ? -ENAMETOOLONG : 0;
}

/* A lane's name for its batches: numbers of different lanes must not be taken for the same. */
static void lane_instance(const struct lanes *l, uint32_t index, uint8_t out[16])
{
	memcpy(out, l->settings.uplink.instance, 16);
	for (unsigned i = 0; index > 0 && i < 8; i++)
		out[8 + i] ^= (uint8_t)(pw_hash_mix(index, 0x6c616e65u) >> (8 * i));
}

static int add_lane(struct lanes *l, struct pw_err *err)
{
	struct uplink_settings s = l->settings.uplink;
	struct lane *lane = &l->lanes[l->count];
	char path[PATH_SIZE];
	int r = 0;

	if (l->count == SPLIT_LANES)
		return pw_err_set(err, -ENOSPC, "more than %u analyzers", SPLIT_LANES);
	lane_instance(l, l->count, s.instance);
	if (l->count > 0 && has_file(l)) {
		r = lane_path(l, l->count, path);
		s.state_dir = path;
	}
	if (r < 0)
		return pw_err_set(err, r, "--state-dir: too long");
	r = uplink_new(l->loop, &s, &lane->uplink, err);
	if (r < 0)
		return r;
	lane->is_new = true;
	l->count++;
	return 0;
}

/* Batches of other lanes from before. */
static int restore_lanes(struct lanes *l, struct pw_err *err)
{
	char path[PATH_SIZE];
	struct stat st;
	int r = 0;

	while (r == 0 && has_file(l) && l->count < SPLIT_LANES &&
		lane_path(l, l->count, path) == 0 && stat(path, &st) == 0)
		r = add_lane(l, err);
	return r;
}

static void lanes_freep(struct lanes **l)
{
	lanes_free(*l);
}

int lanes_new(struct pw_rpc_loop *loop, const struct lanes_settings *settings, struct lanes **ret,
	struct pw_err *err)
{
	pw_cleanup(lanes_freep) struct lanes *l = pw_alloc0(1, sizeof(*l));
	int r = 0;

	if (!l)
		return pw_err_set(err, -ENOMEM, "lanes: out of memory");
	l->loop = loop;
	l->settings = *settings;
	l->map.home = split_slot(settings->uplink.node);
	split_map_single(&l->map, 0);
	r = add_lane(l, err);
	/* What it goes on as; lanes that are made from now on are named after it. */
	if (r == 0)
		memcpy(l->settings.uplink.instance, uplink_instance(l->lanes[0].uplink), 16);
	if (r == 0)
		r = restore_lanes(l, err);
	if (r < 0)
		return r;
	*ret = PW_TAKE(l);
	return 0;
}

const uint8_t *lanes_instance(const struct lanes *l)
{
	return uplink_instance(l->lanes[0].uplink);
}

uint64_t lanes_first_epoch(const struct lanes *l)
{
	uint64_t first = 1;

	for (uint32_t i = 0; i < l->count; i++) {
		uint64_t epoch = uplink_first_epoch(l->lanes[i].uplink);

		first = epoch > first ? epoch : first;
	}
	return first;
}

uint64_t lanes_epoch(const struct lanes *l)
{
	return l->map.epoch;
}

/* --- binding lanes to analyzers --- */

static bool is_member(const struct lane *lane, const struct owners_member *m)
{
	return lane->address && strcmp(lane->address, m->address) == 0 &&
	       (lane->name[0] == '\0' || strcmp(lane->name, m->name) == 0);
}

static struct lane *find_lane(struct lanes *l, const struct owners_member *m)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (is_member(&l->lanes[i], m))
			return &l->lanes[i];
	return NULL;
}

static void unbind_others(struct lanes *l, const struct owners *map)
{
	for (uint32_t i = 0; i < l->count; i++) {
		struct lane *lane = &l->lanes[i];
		bool stays = !lane->address;

		for (uint32_t m = 0; m < map->member_count && !stays; m++)
			stays = is_member(lane, &map->members[m]);
		if (stays)
			continue;
		uplink_clear_target(lane->uplink);
		forget_name(lane);
		lane->is_new = true;
	}
}

static int find_or_bind(
	struct lanes *l, const struct owners_member *m, struct lane **ret, struct pw_err *err)
{
	struct lane *lane = find_lane(l, m);
	char *name = pw_strdup(m->name), *address = pw_strdup(m->address);
	int r = 0;

	for (uint32_t i = 0; i < l->count && !lane; i++)
		if (!l->lanes[i].address)
			lane = &l->lanes[i];
	if (!lane) {
		r = add_lane(l, err);
		lane = r == 0 ? &l->lanes[l->count - 1] : NULL;
	}
	if (r == 0 && (!name || !address))
		r = pw_err_set(err, -ENOMEM, "lanes: out of memory");
	if (r < 0) {
		free(name);
		free(address);
		return r;
	}
	forget_name(lane);
	lane->name = name;
	lane->address = address;
	*ret = lane;
	return 0;
}

static int bind_all(
	struct lanes *l, const struct owners *map, struct split_map *ret, struct pw_err *err)
{
	uint8_t lane_of[SPLIT_LANES] = {0};

	unbind_others(l, map);
	for (uint32_t m = 0; m < map->member_count; m++) {
		struct lane *lane = NULL;
		int r = find_or_bind(l, &map->members[m], &lane, err);

		if (r < 0)
			return r;
		lane_of[m] = (uint8_t)(lane - l->lanes);
	}
	for (uint32_t slot = 0; slot < SPLIT_SLOTS; slot++)
		ret->lanes[slot] = lane_of[map->slots[slot]];
	split_map_count(ret);
	return 0;
}

/* --- moving batches --- */

static void append(struct uplink_parts *to, const struct uplink_parts *from)
{
	for (uint32_t i = 0; i < SPLIT_LANES; i++) {
		if (!from->first[i])
			continue;
		if (to->last[i])
			to->last[i]->next = from->first[i];
		else
			to->first[i] = from->first[i];
		to->last[i] = from->last[i];
	}
}

/* Everything leaves its old place before anything comes to its new one. */
static int move_batches(struct lanes *l, struct pw_err *err)
{
	struct uplink_parts all = {.first = {NULL}};
	int result = 0;

	for (uint32_t i = 0; i < l->count; i++) {
		struct uplink_parts parts = {.first = {NULL}};
		struct lane *lane = &l->lanes[i];
		bool keeps_all = l->map.in_use_count == 1 && l->map.in_use[i];
		/* Who owns everything has nothing to give: it goes on exactly as it was. */
		int r = uplink_reroute(
			lane->uplink, &l->map, i, lane->is_new && !keeps_all, &parts);

		if (r < 0)
			result = pw_err_set(err, r, "lanes: %s", pw_err_text(r));
		else
			lane->is_new = false;
		append(&all, &parts);
	}
	for (uint32_t i = 0; i < l->count; i++)
		if (all.first[i])
			uplink_adopt(l->lanes[i].uplink, all.first[i]);
	return result;
}

static void share_limit(struct lanes *l)
{
	uint32_t bound = 0;
	size_t each;

	for (uint32_t i = 0; i < l->count; i++)
		bound += l->lanes[i].address != NULL;
	/* Who owns nothing any more may still hold what it was sent. Unbound lanes are empty. */
	each = l->settings.uplink.backlog_bytes / (bound > 0 ? bound : 1);
	for (uint32_t i = 0; i < l->count; i++)
		uplink_set_limit(l->lanes[i].uplink, each > LANE_LIMIT_MIN ? each : LANE_LIMIT_MIN);
}

static int connect_all(struct lanes *l, struct pw_err *err)
{
	int result = 0;

	for (uint32_t i = 0; i < l->count; i++) {
		struct lane *lane = &l->lanes[i];
		int r = lane->address ? uplink_set_target(lane->uplink, lane->address, err) : 0;

		if (r < 0)
			result = r;
	}
	return result;
}

static int use(struct lanes *l, const struct owners *map, struct pw_err *err)
{
	struct split_map next = l->map;
	int r = bind_all(l, map, &next, err);

	if (r < 0)
		return r;
	next.epoch = map->epoch;
	l->map = next;
	r = move_batches(l, err);
	share_limit(l);
	return r < 0 ? r : connect_all(l, err);
}

int lanes_use_map(struct lanes *l, const struct owners *map, struct pw_err *err)
{
	if (map->epoch < l->map.epoch)
		return 0;
	if (map->epoch > l->map.epoch)
		pw_log_info(MODULE, "map %llu: %u analyzers share the pod groups",
			(unsigned long long)map->epoch, map->member_count);
	return use(l, map, err);
}

int lanes_use_one(struct lanes *l, const char *address, struct pw_err *err)
{
	static const uint8_t owners[SPLIT_SLOTS];
	const struct owners_member member = {"", address};
	const struct owners map = {0, &member, 1, owners};

	return use(l, &map, err);
}

/* --- batches --- */

static void push_one(struct lanes *l, uint32_t lane, struct pw_batch *batch)
{
	if (!uplink_push(l->lanes[lane].uplink, batch))
		l->settings.on_lost(l->settings.ctx, batch);
}

/* A receiver that is not told of an end only keeps the process longer. */
static void remember_exited(struct lanes *l, const struct pw_batch *batch)
{
	if (batch->dict_epoch != l->dict_epoch)
		for (uint32_t i = 0; i < l->count; i++)
			l->lanes[i].exited_count = 0; /* refs live within an epoch */
	l->dict_epoch = batch->dict_epoch;
	for (uint32_t i = 0; i < l->count; i++) {
		struct lane *lane = &l->lanes[i];

		for (uint32_t k = 0; k < batch->exited_count && l->map.in_use[i]; k++)
			if (lane->exited_count < EXITED_MAX)
				lane->exited[lane->exited_count++] = batch->exited[k];
	}
}

static void tell_exited(struct lane *lane, struct pw_batch *part)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < lane->exited_count; i++)
		if (pw_batch_add_exited(part, lane->exited[i]) < 0)
			lane->exited[left++] = lane->exited[i];
	lane->exited_count = left;
}

static void push_parts(struct lanes *l, const struct pw_batch *batch, struct pw_batch **parts)
{
	remember_exited(l, batch);
	for (uint32_t i = 0; i < l->count; i++) {
		struct lane *lane = &l->lanes[i];

		if (!parts[i] && lane->exited_count >= EXITED_SOON &&
			pw_batch_new(&batch->limits, batch->dict_epoch, &parts[i]) < 0)
			continue;
		if (!parts[i])
			continue;
		tell_exited(lane, parts[i]);
		push_one(l, i, parts[i]);
	}
}

void lanes_push(struct lanes *l, struct pw_batch *batch)
{
	struct pw_batch *parts[SPLIT_LANES];

	if (l->map.in_use_count == 1) {
		push_one(l, l->map.lanes[0], batch);
		return;
	}
	if (split_batch(batch, &l->map, parts) < 0) {
		l->settings.on_lost(l->settings.ctx, batch);
		return;
	}
	push_parts(l, batch, parts);
	pw_batch_free(batch);
}

/* --- figures --- */

static void add_stats(struct uplink_stats *to, const struct uplink_stats *s)
{
	to->sent_batches += s->sent_batches;
	to->resent_batches += s->resent_batches;
	to->sent_events += s->sent_events;
	to->resent_events += s->resent_events;
	to->acked_batches += s->acked_batches;
	to->unacked_events += s->unacked_events;
	to->backlog_bytes += s->backlog_bytes;
	to->backlog_batches += s->backlog_batches;
	to->dropped_batches += s->dropped_batches;
	to->dropped_events += s->dropped_events;
	to->connects += s->connects;
	to->disconnects += s->disconnects;
	to->protocol_errors += s->protocol_errors;
	to->throttles += s->throttles;
	to->drains += s->drains;
	to->bytes_sent += s->bytes_sent;
	to->not_owner += s->not_owner;
	to->restored_batches += s->restored_batches;
	to->file.bytes += s->file.bytes;
	for (unsigned i = 0; i < KEEP_ERROR_COUNT; i++)
		to->file.errors[i] += s->file.errors[i];
	if (s->max_batch_events > 0 &&
		(to->max_batch_events == 0 || s->max_batch_events < to->max_batch_events))
		to->max_batch_events = s->max_batch_events;
}

void lanes_get_stats(const struct lanes *l, struct uplink_stats *ret)
{
	*ret = (struct uplink_stats){.connected = true, .idle = true};
	for (uint32_t i = 0; i < l->count; i++) {
		struct uplink_stats s;

		uplink_get_stats(l->lanes[i].uplink, &s);
		add_stats(ret, &s);
		ret->connected &= s.connected || !l->map.in_use[i];
		ret->idle &= s.idle;
	}
}
