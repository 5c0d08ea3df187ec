/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Findings as Alert messages. The id follows from what happened, so the same finding made twice (by
 * a resend, by a restarted analyzer) has the same id. Nothing in an alert depends on when or where
 * it was judged.
 * Thread: the shard's. Ceilings: lineage 16; arguments 4 KiB of the actor, 1 KiB of each ancestor.
 */
#include "analyzer/report.h"
#include "common/base/buf.h"
#include "common/wire/decode.h"

#define ALERT_LINEAGE 16u

struct alert_facts {
	const struct pw_event *event;
	struct pw_slice node;
	uint32_t engine, severity;
	struct pw_slice detector, title, reason;
	struct pw_slice object;           /* as exclusions and people see it */
	struct pw_slice actor;            /* executable that acted */
	const ProtobufCBinaryData *mitre; /* borrowed: copied into the report */
	size_t mitre_count;
	uint64_t behaviour_key;
	struct pw_slice baseline, nearest; /* profile engine only */
	bool audit;
	bool is_incident; /* the same in all containers of the group: the id leaves them out */
	bool is_summary;  /* of what went over the budget; an incident as well */
};

struct pw_hash128 alert_id(const struct alert_facts *f);
/* Builds the message in the report's arena. -ENOMEM. */
int alert_build(const struct alert_facts *f, struct pw_hash128 id, struct report *r,
	Podward__V1__Alert **ret) PW_MUST_CHECK;
/* Ready-made RuntimeExclusion for this finding; errors stick in out. */
void alert_exclusion(const struct alert_facts *f, struct pw_hash128 id, struct pw_buf *out);
