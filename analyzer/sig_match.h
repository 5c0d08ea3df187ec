/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which rules of a compiled set does this event match? All of them are reported, in load order.
 * Thread: any with its own field_ctx; no allocation.
 */
#include "analyzer/sig_compile.h"

/* The context has been put on the event by field_ctx_begin. */
bool sig_match_rule(const struct sig_rule *rule, struct field_ctx *ctx);
bool sig_match_node(const struct sig_node *n, struct field_ctx *ctx);
/*
 * Fills out with at most limit matching rules; off is a bit per rule index that is switched off
 * (NULL = none). Returns how many matched, which may be more than limit.
 */
uint32_t sig_match(const struct sig_set *set, struct field_ctx *ctx, const uint64_t *off,
	const struct sig_rule **out, uint32_t limit);
