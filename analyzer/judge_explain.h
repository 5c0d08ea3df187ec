/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The words of an alert: title and reason for a rule, a signature, a violation of the baseline.
 * Foreign bytes are escaped; texts that are too long are cut, never refused.
 * Thread: the shard's.
 */
#include "analyzer/judge.h"
#include "analyzer/verdict.h"

void judge_explain_rule(struct judge *j, const struct judge_case *c, const struct policy_rule *r);
void judge_explain_signature(struct judge *j, const struct judge_case *c, const struct sig_rule *r);
void judge_explain_violation(struct judge *j, const struct judge_case *c, const struct verdict *v);
/* Of what went over the budget of a severity. */
void judge_explain_summary(struct judge *j, const struct judge_case *c, uint32_t severity);
const char *judge_explain_severity(uint32_t severity); /* "low" … */
