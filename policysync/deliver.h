/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Brings the alerts of the spool to one output: fetch after the cursor, send, move the cursor on
 * disk, again. At least once: the cursor moves only after the output took them. What fails is tried
 * again with full jitter (1 s … 5 min, or what the other side asked for, at most 1 h); what is
 * refused is halved until the one alert stands alone that is not wanted, which becomes a dead
 * letter. What the output's filter leaves out is passed over and counted; past its rate alerts
 * wait. An output that asks for it gets what is still active again and again; those repeats move no
 * cursor and are not retried. Thread: its own; talks to the keeper by posting. Ceilings: one batch
 * of max_rows alerts or about DELIVER_BYTES in memory; the newest DELIVER_ACTIVE are repeated.
 */
#include "policysync/keeper.h"
#include "policysync/output.h"

#define DELIVER_BYTES  ((size_t)512 << 10)
#define DELIVER_ACTIVE 500

struct deliver_limits {
	uint32_t backoff_base_ms, backoff_cap_ms;
};
#define DELIVER_LIMITS_DEFAULT \
	{                      \
		1000, 300000   \
	}

struct deliver;

/* Takes output over (its destroy is called by deliver_free, also when this fails). */
int deliver_new(const struct output *output, const struct deliver_limits *limits,
	struct keeper *keeper, struct pw_metrics *metrics, struct deliver **ret,
	struct pw_err *err) PW_MUST_CHECK;
int deliver_start(struct deliver *d, struct pw_err *err) PW_MUST_CHECK;
void deliver_wake(struct deliver *d); /* there may be new alerts; any thread */
/* Ends the thread; the keeper must still run or have been stopped after it. */
void deliver_stop(struct deliver *d);
void deliver_free(struct deliver *d); /* after the keeper stopped */
