/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For the tests, the fuzz corpus and the benchmark of common/wire: a small world of processes that
 * come and go, drawn from a seed, and the way of a batch over bytes. Thread: the owner's.
 */
#include "common/base/arena.h"
#include "common/wire/batch.h"
#include "common/wire/decode.h"
#include "common/wire/encode.h"

#define KIT_SLOTS      40u
#define KIT_STRINGS    300u
#define KIT_CONTAINERS 5u
#define KIT_HISTORY    8192u
#define KIT_BOOT_NS    (5000ull * PW_NS_PER_S)
#define KIT_WALL_NS    1700000000000000000ll

struct kit_world {
	uint64_t random; /* state */
	uint64_t dict_epoch, seq, now_ns;
	uint32_t next_ref;
	bool usual;                /* opens, starts and connections only: no seldom columns */
	uint32_t exit_one_in;      /* steps; 0 = nobody ever exits */
	uint32_t slots[KIT_SLOTS]; /* refs of living processes */
	struct pw_process_def history[KIT_HISTORY]; /* by ref */
};

void kit_world_init(struct kit_world *w, uint64_t seed, uint64_t dict_epoch);
uint32_t kit_below(struct kit_world *w, uint32_t bound); /* bound > 0 */
/* Text of a string id, the same in every world; some are empty, some are not UTF-8. */
struct pw_slice kit_text(uint32_t id, uint8_t space[256]);
struct pw_container_def kit_container(uint32_t ref);
/* The process with its container and strings; not its parent. */
int kit_add_process(struct pw_batch *b, const struct pw_process_def *def) PW_MUST_CHECK;
/* Events of random processes, sealed; now and then exits, losses, folds and flags. */
int kit_batch(struct kit_world *w, uint32_t events, struct pw_batch **ret) PW_MUST_CHECK;
/* The fixed batch of the golden files: one of everything. */
int kit_golden_batch(struct pw_batch **ret) PW_MUST_CHECK;

/* Message -> bytes in the arena; ptr NULL when the arena refuses. */
struct pw_slice kit_pack(const Podward__V1__EventBatch *msg, struct pw_arena *arena);
Podward__V1__EventBatch *kit_unpack(struct pw_slice bytes, struct pw_arena *arena);
/* Batch -> bytes -> decoded, on one stream. The arena is reset first. */
int kit_send(struct pw_encoder *e, const struct pw_batch *b, struct pw_arena *arena,
	struct pw_decoder *d, struct pw_decoded **ret) PW_MUST_CHECK;

static inline void kit_batch_freep(struct pw_batch **b)
{
	pw_batch_free(*b);
}
static inline void kit_encoder_freep(struct pw_encoder **e)
{
	pw_encoder_free(*e);
}
static inline void kit_decoder_freep(struct pw_decoder **d)
{
	pw_decoder_free(*d);
}
static inline void kit_decoded_freep(struct pw_decoded **b)
{
	pw_decoded_free(*b);
}
#define kit_auto_batch   pw_cleanup(kit_batch_freep) struct pw_batch *
#define kit_auto_encoder pw_cleanup(kit_encoder_freep) struct pw_encoder *
#define kit_auto_decoder pw_cleanup(kit_decoder_freep) struct pw_decoder *
#define kit_auto_decoded pw_cleanup(kit_decoded_freep) struct pw_decoded *
#define kit_auto_arena   pw_cleanup(pw_arena_freep) struct pw_arena *
