/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One pod group: baseline, learning clock, evidence, image versions, announced alerts, and what the
 * policy means for it. And the table of all groups of one shard.
 * Thread: the shard that owns them. Ceiling: groups per shard (setting); refusals are counted.
 */
#include "analyzer/baseline.h"
#include "analyzer/budget.h"
#include "analyzer/evidence.h"
#include "analyzer/learning.h"
#include "analyzer/suppress.h"
#include "analyzer/versions.h"
#include "analyzer/view.h"

#define GROUP_VIEWS   2u
#define GROUP_NODES   8u
#define GROUP_REST_NS (300ll * 1000000000ll)

struct group {
	struct pw_slice key; /* "namespace/Kind/name/container", own copy */
	uint64_t hash;       /* XXH3-64 of key */
	struct baseline *baseline;
	struct learning learning;
	struct evidence evidence;
	struct versions versions;
	struct budget budget;
	struct suppress *suppress;
	struct view *views[GROUP_VIEWS];
	uint32_t next_view;
	bool learned_late;    /* after the end of learning, from an event of before: settle again */
	bool is_widened;      /* for room, as far as it goes: there is nothing left to win */
	int64_t rest_wall_ns; /* the baseline goes to rest then; 0 = not decided */
	uint64_t learning_ns; /* of the policy that was last looked at */
	uint64_t nodes[GROUP_NODES];
	uint32_t node_count; /* > GROUP_NODES = more than are kept: any node may be one of them */
};

struct groups;

int groups_new(uint32_t limit, struct groups **ret) PW_MUST_CHECK;
void groups_free(struct groups *t); /* NULL is fine */
struct group *groups_find(const struct groups *t, uint64_t hash, struct pw_slice key);
/* Finds or makes. -ENOSPC at the ceiling (counted), -ENOMEM. */
int groups_get(
	struct groups *t, uint64_t hash, struct pw_slice key, struct group **ret) PW_MUST_CHECK;
/* Forgets all of these slots (common/wire/slot.h). -ENOMEM: all are still there. */
int groups_remove(struct groups *t, const uint8_t *slots) PW_MUST_CHECK;
uint32_t groups_count(const struct groups *t);
struct group *groups_at(const struct groups *t, uint32_t index); /* in order of making */
uint64_t groups_refused(const struct groups *t);

/* The view of this snapshot for this image; made when missing. -ENOMEM. */
int group_view(struct group *g, const struct policy *p, uint64_t version, struct pw_slice image,
	const struct view **ret) PW_MUST_CHECK;
/*
 * A container of the group has an event at this time: evidence, and its image version. *ret_version
 * is its bit, BASELINE_NO_VERSION = of the base. -ENOMEM.
 */
int group_enter(struct group *g, const struct pw_container *c, uint64_t node_hash,
	struct pw_wall at, uint32_t *ret_version) PW_MUST_CHECK;
/* The learning clock is over: finds variable names, looks at the evidence, decides. -ENOMEM. */
int group_settle(struct group *g) PW_MUST_CHECK;
/* The same names once more, after events of the learning time that came late. -ENOMEM. */
int group_settle_late(struct group *g) PW_MUST_CHECK;
/* Ahead of the ceiling of keys: widens instead of refusing. -ENOMEM. */
int group_make_room(struct group *g) PW_MUST_CHECK;
/* Protected, and nothing new for a while: the baseline goes to rest. 1 = it did, 0, -ENOMEM. */
int group_rest(struct group *g, struct pw_wall now) PW_MUST_CHECK;
/* Containers that had an event within the last ten minutes. */
uint32_t group_live(const struct group *g, struct pw_wall now);
/* Something is to be sent to policysync. */
bool group_is_changed(const struct group *g);
void group_saw_node(struct group *g, uint64_t node_hash);
bool group_may_be_on(const struct group *g, uint64_t node_hash);
