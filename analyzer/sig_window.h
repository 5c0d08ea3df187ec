/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Aggregates of a rule: it fires when its condition was true often enough within a time.
 *   count [(distinct FIELD)] [by FIELD [, FIELD]] within DURATION >= NUMBER
 * Counts are kept by rule, pod group and the "by" fields, each with the last NUMBER matches. When
 * it fires its count starts anew. Time is the events' own.
 * Thread: parsed by the compiling one; the counts belong to one shard. Ceilings: NUMBER at most
 * SIG_WINDOW_MOST, two fields, SIG_WINDOW_BYTES of counts; when they are full the count that was
 * touched longest ago is given up and counted as forgotten. What a pass over a batch
 * changed can be taken back, for SIG_WINDOW_LOG_BYTES of counts.
 */
#include "analyzer/sig_atom.h"

#define SIG_WINDOW_MOST      1024u
#define SIG_WINDOW_BY        2u
#define SIG_WINDOW_RULES     256u
#define SIG_WINDOW_BYTES     (4u << 20)
#define SIG_WINDOW_LOG_BYTES (1u << 20)

struct sig_window {
	const struct sig_source *distinct; /* NULL = every match counts */
	const struct sig_source *by[SIG_WINDOW_BY];
	uint64_t within_ns;
	uint32_t at_least;
	uint32_t number; /* of the windows of a set, from 0 */
};

struct sig_counts;

/* Errors as sig_lex_fail. */
int sig_window_parse(struct pw_slice text, struct sig_atoms *atoms, struct sig_window *ret,
	struct pw_err *err) PW_MUST_CHECK;

/* Room for the windows of one set. -ENOMEM. */
int sig_counts_new(const struct sig_window *const *windows, uint32_t count,
	struct sig_counts **ret) PW_MUST_CHECK;
void sig_counts_free(struct sig_counts *c); /* NULL is fine */
uint64_t sig_counts_forgotten(const struct sig_counts *c);
/* One more match, of the context's event; true when the rule fires. */
bool sig_counts_add(struct sig_counts *c, const struct sig_window *w, struct field_ctx *ctx);
/* The pass over a batch is over: what it counted stays, or is as if it had not been. */
void sig_counts_keep(struct sig_counts *c);
void sig_counts_undo(struct sig_counts *c);
