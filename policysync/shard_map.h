/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which analyzer owns which slot, as time goes on: members come, are silent, leave and go; the map
 * follows by placement.h and gets a higher epoch with every change. No network and no clock of its
 * own: time comes in with each call.
 *
 * A slot that moves waits until the owner before has given it up (everything that it learned is
 * committed), or is gone, or took too long; only then its new owner begins. Nothing is stored:
 * after a restart the map comes back from what the members say they have, under the epoch that they
 * know. Thread: the owner's. Ceiling: PLACEMENT_MEMBERS members.
 */
#include "common/base/clock.h"
#include "policysync/placement.h"
#include "podward/v1/shard.pb-c.h"

#define SHARD_MAP_NAME    64u
#define SHARD_MAP_ADDRESS 255u

struct shard_map_settings {
	uint64_t away_ns;   /* silent for so long: its slots go to others */
	uint64_t move_ns;   /* so long a new owner waits for the one before */
	uint64_t settle_ns; /* so long after a member came, in case another one comes */
};
#define SHARD_MAP_SETTINGS_DEFAULT                             \
	{                                                      \
		5 * PW_NS_PER_S, 10 * PW_NS_PER_S, PW_NS_PER_S \
	}

/* Who says hello. */
struct shard_map_hello {
	struct pw_slice name, address;
	uint8_t instance[16];
	uint64_t epoch;       /* newest map that it goes by; 0 = none */
	const uint8_t *slots; /* PW_SLOT_BYTES bytes: what it has by that; NULL = nothing */
};

enum shard_map_change {
	SHARD_MAP_SAME,
	SHARD_MAP_WAITING, /* some new owners may begin; the epoch is as before */
	SHARD_MAP_OWNERS,  /* a new epoch */
};

struct shard_map_stats {
	uint64_t epoch, moved, overdue; /* overdue: moves that did not wait any longer */
	uint32_t members, waiting;      /* slots that wait */
};

struct shard_map;

int shard_map_new(const struct shard_map_settings *settings, struct shard_map **ret) PW_MUST_CHECK;
void shard_map_free(struct shard_map *m);
/* A number for the calls below; the same name has the same one. -EINVAL names the field, -ENOSPC.
 */
int shard_map_join(struct shard_map *m, const struct shard_map_hello *hello, struct pw_mono now,
	struct pw_err *err) PW_MUST_CHECK;
/* It says that it lives. False: it was given up meanwhile and must say hello again. */
bool shard_map_heard(struct shard_map *m, int member, struct pw_mono now) PW_MUST_CHECK;
void shard_map_leaving(struct shard_map *m, int member);
void shard_map_released(struct shard_map *m, int member, uint64_t epoch);
/* Its connection is gone; it may come back. */
void shard_map_lost(struct shard_map *m, int member);
/* Often enough: some times a second, and after each call above. */
enum shard_map_change shard_map_tick(struct shard_map *m, struct pw_mono now);
/* NULL before the first map; valid until the next tick. */
const Podward__V1__ShardMap *shard_map_message(const struct shard_map *m);
/* May this analyzer change the state of this group? True when nothing is shared. */
bool shard_map_may_write(const struct shard_map *m, struct pw_slice name, uint64_t group_hash);
void shard_map_get_stats(const struct shard_map *m, struct shard_map_stats *ret);
