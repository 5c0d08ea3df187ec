/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is suspicious in rules that run: too broad (any event can fire it), shadowed (another rule
 * fires whenever it does), values that look like a list that is not defined. Rules that cannot run,
 * among them the unreachable ones, are refused by the compiler and are not looked at here.
 * Thread: one. Ceiling: that of rules.
 */
#include "analyzer/policy.h"
#include "common/base/buf.h"

/* One line for each finding; returns how many. */
uint32_t lab_lint(const struct policy *p, struct pw_buf *out);
