/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One compiled PolicySnapshot: policies in order of weight, exclusions, signatures, problems.
 * Immutable once made; everything lives in one arena. What is wrong with one rule, policy or
 * exclusion refuses that one alone and is listed in problems; only bytes that are no snapshot, or
 * a snapshot over a ceiling, are refused as a whole.
 * Thread: compiled by one, read by any. Ceilings: 64 MiB, 512 policies of 256 rules, 4,096
 * exclusions.
 */
#include "analyzer/problems.h"
#include "analyzer/sig_compile.h"
#include "common/base/err.h"
#include "podward/v1/policy.pb-c.h"

struct policy_globs {
	struct pw_slice *items;
	uint32_t count;
};

struct policy_selector {
	struct policy_globs namespaces, kinds, names, containers, images;
};

struct policy_cidr {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t bits;
	uint8_t bytes[16];
};

struct policy_rule {
	const struct policy_entry *policy;
	struct pw_slice name, detector; /* "policy/<namespace>/<name>/<rule>" */
	uint32_t action;                /* RuleAction */
	uint32_t severity;
	uint8_t event_kind; /* which of the three matches: EXEC, OPEN, CONNECT */
	struct policy_globs paths, actors;
	uint32_t access; /* FileAccess bits that fit, 0 = any */
	struct policy_cidr *cidrs;
	uint32_t cidr_count, port_count;
	const uint32_t *ports;
	uint8_t protocol; /* IPPROTO_*, 0 = any */
	const ProtobufCBinaryData *mitre;
	size_t mitre_count;
};

struct policy_entry {
	struct pw_slice namespace, name;
	uint32_t tier, mode, priority;
	struct policy_selector selector;
	const Podward__V1__ProfileSettings *profile;      /* NULL = says nothing */
	const Podward__V1__SignatureSettings *signatures; /* NULL = says nothing */
	struct policy_globs signature_sets, signatures_off;
	struct policy_rule *rules;
	uint32_t rule_count;
};

struct policy_exclusion {
	struct pw_slice namespace, name;
	struct policy_selector selector;
	struct policy_globs detectors, objects, actors;
	int64_t expires_wall_ns; /* 0 = never */
	bool shadow;             /* counts what it would silence, silences nothing */
};

struct policy {
	struct pw_arena *arena;
	uint64_t serial;
	struct pw_slice revision;
	struct policy_entry
		*entries; /* Guardrail, Namespaced, Default; inside by priority, strictness, name */
	uint32_t entry_count;
	struct policy_exclusion *exclusions;
	uint32_t exclusion_count;
	struct sig_set *signatures;
	struct problems problems;
};

/* -EINVAL for bytes that are no snapshot, -E2BIG over a ceiling, -ENOMEM. */
int policy_compile(struct pw_slice bytes, struct policy **ret, struct pw_err *err) PW_MUST_CHECK;
void policy_free(struct policy *p); /* NULL is fine */
/* Takes void, as pw_snapshot wants it. */
void policy_destroy(void *policy);
