/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which rules of a compiled set does this event match? All of them are reported, in load order.
 * What depends on the process only is asked once for each process image and kept, with the list of
 * rules that the process can fire at all. Aggregates count here.
 * Thread: one shard. No allocation but when a new set is met. Ceilings: SIG_CACHE_BYTES of kept
 * images (a later one takes the place of an older), those of sig_window.h and field_dns.h.
 */
#include "analyzer/field_dns.h"
#include "analyzer/sig_compile.h"

#define SIG_CACHE_BYTES (1u << 20)

struct sig_matcher;

struct sig_matcher_stats {
	uint64_t images, images_kept; /* asked for, found */
	uint64_t forgotten;           /* counts of aggregates given up for room */
	uint64_t given_up;            /* regular expressions over their ceiling */
};

int sig_matcher_new(struct sig_matcher **ret) PW_MUST_CHECK;
void sig_matcher_free(struct sig_matcher *m); /* NULL is fine */
/* Gets ready for a set; does nothing when it is the one of before. -ENOMEM: it has none then. */
int sig_matcher_use(struct sig_matcher *m, const struct sig_set *set) PW_MUST_CHECK;
/*
 * The context has been put on the event by field_ctx_begin. Fills out with at most limit matching
 * rules; off is a bit per rule index that is switched off (NULL = none). Returns how many matched,
 * which may be more than limit.
 */
uint32_t sig_match(struct sig_matcher *m, struct field_ctx *ctx, const uint64_t *off,
	const struct sig_rule **out, uint32_t limit);
/* A batch was judged as a whole; or it was not and comes again, then aggregates forget it. */
void sig_matcher_keep(struct sig_matcher *m);
void sig_matcher_undo(struct sig_matcher *m);
struct sig_matcher_stats sig_matcher_stats(const struct sig_matcher *m);
