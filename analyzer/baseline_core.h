/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What baseline.c (changes) and baseline_ask.c (questions) share; nobody else includes it.
 * Thread: the shard that owns the group.
 */
#include "analyzer/baseline.h"
#include "analyzer/hot.h"
#include "analyzer/template.h"
#include "analyzer/texts.h"

#define BASELINE_CACHE    4096u       /* keys accepted by way of a template that are remembered */
#define BASELINE_CACHED   0x80000000u /* in the hot set: no row of its own, but this template's */
#define BASELINE_PLAIN    0x40000000u /* at rest: the row is accepted at any time */
#define BASELINE_START    0x20000000u /* at rest: the row is accepted at the start of a container */
#define BASELINE_AWAY     0x10000000u /* at rest: the row is packed */
#define BASELINE_INDEX    0x0fffffffu /* of the row */
#define BASELINE_TEXTS    (16u << 20)
#define BASELINE_FLAG(x)  ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_##x)
#define BASELINE_ACCEPTED (BASELINE_FLAG(STARTUP) | BASELINE_FLAG(STEADY))

struct baseline_packed;

struct baseline {
	struct hot *hot;
	struct texts *texts;
	struct baseline_row *rows;
	uint32_t *changes;
	uint32_t *templates; /* indexes of rows */
	uint64_t versions[BASELINE_VERSIONS];
	uint32_t count, cap, limit, changed, changes_cap, template_count, version_count, cached;
	uint64_t refused;
	struct baseline_packed *packed; /* not NULL = at rest (baseline_rest.h) */
};

/*
 * First template that stands for the text and says all that a row could: accepted at any time, or
 * removed. Others are asked, but leave no row out: what a row says cannot be split. NULL = none.
 */
const struct baseline_row *baseline_covering(
	const struct baseline *b, const struct behaviour *what);
/* First template that stands for it and has one of these flags; NULL = none. */
const struct baseline_row *baseline_standing_for(
	const struct baseline *b, const struct behaviour *what, uint32_t flags);
void baseline_packed_free(struct baseline_packed *p);
size_t baseline_packed_bytes(const struct baseline_packed *p);
/*
 * Candidates and behaviours in grace are rows of their own beside the accepted ones: what is known
 * of them does not depend on whether a template stands for the name.
 */
static inline uint64_t baseline_side_key(uint64_t key)
{
	return key * 0x9e3779b97f4a7c15ull ^ 0x5bd1e9955bd1e995ull;
}
