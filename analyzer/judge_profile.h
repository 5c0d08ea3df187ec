/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The profile engine's part of judging: is the event of the learning time, learning, and violations
 * of a protected baseline. Called by judge.c only, which decides the order.
 * Thread: the shard's. No allocation for a behaviour that is known.
 */
#include "analyzer/judge.h"

/* *ret_learning: the event belongs to the learning time. Brings the baseline into its next phase
 * when the clock is over. -ENOMEM. */
int judge_profile_begin(
	struct judge *j, const struct judge_case *c, bool *ret_learning) PW_MUST_CHECK;
/* candidate: kept, but never accepted by itself. -ENOMEM. */
int judge_profile_learn(struct judge *j, const struct judge_case *c, bool candidate) PW_MUST_CHECK;
/* Alerts for what the baseline does not know. -ENOMEM. */
int judge_profile_check(struct judge *j, const struct judge_case *c) PW_MUST_CHECK;
/* Every behaviour of the event is one that the baseline accepts. */
bool judge_profile_knows(const struct judge *j, const struct judge_case *c);

/* The budget is used up: the finding counts for the summary of its severity instead. -ENOMEM. */
int judge_profile_overflow(
	struct judge *j, const struct judge_case *c, struct alert_facts *f) PW_MUST_CHECK;

/* Given by judge.c: the finding goes out, with title and reason as they stand. -ENOMEM. */
int judge_raise(struct judge *j, const struct judge_case *c, struct alert_facts *f) PW_MUST_CHECK;
struct alert_facts judge_facts(const struct judge *j, const struct judge_case *c);
