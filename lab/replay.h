/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A recording (.pwrec) against rules, without services: the collector's pipeline, the wire and the
 * analyzer's judge in one thread. Profiles are off. The same recording and rules give the same
 * alerts, byte for byte: every time is the recording's.
 * Thread: one. Ceilings: those of the parts.
 */
#include "analyzer/policy.h"
#include "common/base/buf.h"

struct replay_result {
	uint64_t events, alerts;
};

/* One line for each alert goes to out, in the order of judging. */
int lab_replay(const char *recording, const struct policy *policy, struct pw_buf *out,
	struct replay_result *ret, struct pw_err *err) PW_MUST_CHECK;
