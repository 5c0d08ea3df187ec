/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The only place that decides. For each event, first decision wins:
 *   Guardrail Deny - Guardrail Allow - namespaced Deny - Default-tier Deny - signatures - Allow -
 *   profile.
 * All matching signatures are reported. Exclusions are looked at last: they only silence an alert.
 * While a group learns, its behaviours are taken into the baseline, as a mere candidate (never
 * accepted silently) when a rule denied it, a signature without suppress-if-learned matched, or
 * the process did not come from the image by way of the container's init.
 * Thread: one shard. No allocation for an event that is known and quiet.
 */
#include "analyzer/alert.h"
#include "analyzer/group.h"
#include "analyzer/sig_match.h"
#include "common/base/buf.h"

#define JUDGE_MATCHES 16u /* signatures reported for one event; more are counted */

struct judge_counts {
	uint64_t events[PW_EVENT_KINDS];
	uint64_t alerts[6]; /* new ones, by severity */
	uint64_t occurrences;
	uint64_t excluded;      /* alerts silenced by an exclusion */
	uint64_t shadowed;      /* alerts that one in the shadow would have silenced */
	uint64_t hits_untold;   /* past the ceiling of a report: not in an exclusion's status */
	uint64_t overflow;      /* findings past a ceiling of the batch */
	uint64_t learned;       /* behaviours new to a baseline */
	uint64_t learn_refused; /* behaviours past a ceiling of a baseline */
	uint64_t violations;    /* unknown behaviours while protected */
	uint64_t pending;       /* behaviours that wait for the end of a version's grace */
	uint64_t over_budget;   /* violations that went into a summary */
	uint64_t matches;       /* signatures matched */
	uint64_t denied, allowed;
};

struct judge {
	struct field_ctx *fields;
	struct sig_matcher *matcher;
	struct behaviour_set behaviours;
	struct pw_buf title, reason, baseline, nearest;
	struct judge_counts counts;
	uint64_t pass; /* number of the batch that is being judged; rises when it was told */
};

/* Where an event comes from and where its findings go. */
struct judge_case {
	struct group *group;
	const struct view *view;
	const struct pw_event *event; /* has a container */
	struct report *report;
	struct pw_slice node, source; /* source: CollectHello.instance */
	uint64_t seq;                 /* EventBatch.seq, or its origin's */
	struct pw_wall now;
	uint32_t container_hash; /* of the event's container; never 0 */
	uint32_t version;        /* bit of its image, BASELINE_NO_VERSION = none */
	uint32_t versions;       /* bits of the images whose differences are accepted */
	bool in_grace;           /* its image is new */
};

int judge_new(struct judge **ret) PW_MUST_CHECK;
void judge_free(struct judge *j); /* NULL is fine */
/* 0, or -ENOMEM: then the batch must be judged again as a whole, its report thrown away, and
 * judge_undo called. */
int judge_event(struct judge *j, const struct judge_case *c) PW_MUST_CHECK;
/* The report of a whole batch is complete: its alerts count as announced from now on. */
void judge_commit(struct judge *j, struct groups *groups, const struct report *report);
/* The batch will come again: aggregates have not counted it. */
void judge_undo(struct judge *j);
