/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What one shard has to tell policysync after one batch or one flush: alerts, occurrences and
 * learned behaviours, as messages in one arena. Made by a shard, then handed to the rpc thread,
 * which sends it in parts and keeps it until all parts are committed.
 * Thread: one owner at a time. Ceilings: 2,048 new alerts and 64 exclusions per batch and shard,
 * 64 MiB.
 */
#include "common/base/arena.h"
#include "common/base/hash.h"
#include "podward/v1/report.pb-c.h"

#define REPORT_ALERTS_LIMIT 2048u
#define REPORT_HITS_LIMIT   64u

struct pw_u64map;

struct report {
	struct pw_arena *arena;
	Podward__V1__Alert **alerts;
	Podward__V1__AlertOccurrence **occurrences;
	Podward__V1__ProfileDelta **profiles;
	size_t alert_count, occurrence_count, profile_count;
	size_t alert_cap, occurrence_cap, profile_cap;
	Podward__V1__ExclusionHit *hits[REPORT_HITS_LIMIT];
	size_t hit_count;
	struct pw_u64map *occurrence_by_id;
	uint32_t parts; /* for the owner: parts not committed yet */
};

int report_new(struct report **ret) PW_MUST_CHECK;
void report_free(struct report *r); /* NULL is fine */
bool report_is_empty(const struct report *r);
/* The messages must live in the report's arena. -ENOSPC at the ceiling of alerts, -ENOMEM. */
int report_add_alert(struct report *r, Podward__V1__Alert *alert) PW_MUST_CHECK;
int report_add_profile(struct report *r, Podward__V1__ProfileDelta *delta) PW_MUST_CHECK;
/* Occurrence of this alert in the batch, made at first use: exactly one per (alert, batch). NULL =
 * -ENOMEM. */
Podward__V1__AlertOccurrence *report_occurrence(struct report *r, struct pw_hash128 id);
/* An exclusion fitted; false at the ceiling or out of memory: not told. */
bool report_hit(struct report *r, struct pw_slice namespace, struct pw_slice name, uint64_t count,
	int64_t wall_ns);
bool report_has(const struct report *r, struct pw_hash128 id); /* an occurrence of it */
/* Copies bytes into the arena as a protobuf field. */
int report_bytes(struct report *r, struct pw_slice s, ProtobufCBinaryData *ret) PW_MUST_CHECK;
void report_id_bytes(struct pw_hash128 id, uint8_t out[16]); /* high half first, big-endian */
struct pw_hash128 report_id_of(const uint8_t id[16]);
