/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A pipeline with nothing around it, for tests: records go in by hand, batches and lines are kept.
 */
#include "collector/pipeline.h"
#include "collector/print.h"
#include "collector/tests/records.h"

#define ID         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CG         77ull
#define S          PW_NS_PER_S
#define MS         PW_NS_PER_MS
#define BATCHES    64
#define LOSS(name) ((uint32_t)PODWARD__V1__LOSS_REASON__LOSS_REASON_##name)

struct rig {
	struct pipeline *p;
	struct pw_batch *batches[BATCHES];
	unsigned count;
	unsigned scope_sets;
	uint32_t last_scope_flags;
	struct { /* what the kernel side counted and has not been asked for */
		uint64_t mark, count;
	} repeats[4];
	unsigned renewals;
	struct pw_buf lines;
	struct print_settings print;
};

extern const struct records_actor rig_actor; /* the container's first process */

int rig_init(struct rig *rig, bool derive);
void rig_done(struct rig *rig);
void rig_feed(struct rig *rig, const struct records *r);
struct records_actor rig_child(uint32_t pid, uint64_t time);
/* A container with its first program. */
void rig_begin(struct rig *rig);
/* One child that execs, opens, connects and ends. */
void rig_run_child(struct rig *rig, uint32_t pid, uint64_t time);
struct pw_slice rig_text(const struct pw_batch *b, uint32_t id);
/* Nothing is dropped uncounted. */
void rig_check_books(struct rig *rig);
/* Sum over all batches so far. */
uint64_t rig_loss(const struct rig *rig, uint32_t reason);
