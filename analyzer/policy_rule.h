/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One allow or deny rule: its making from the message, and whether an event fits it.
 * Thread: made by the compiling one, matched by any.
 */
#include "analyzer/policy.h"

/* -EINVAL with what is wrong in err; -ENOMEM. out->policy is set by the caller before. */
int policy_rule_make(const Podward__V1__Rule *r, struct pw_arena *arena, struct policy_rule *out,
	struct pw_err *err) PW_MUST_CHECK;
bool policy_rule_fits(const struct policy_rule *r, const struct pw_event *e);
/* "10.0.0.0/8", "::1" -> bytes; -EINVAL. */
int policy_cidr_parse(struct pw_slice text, struct policy_cidr *ret) PW_MUST_CHECK;
bool policy_cidr_has(const struct policy_cidr *c, uint8_t family, const uint8_t *address);
/* Copies a repeated bytes field into slices; the bytes stay where they are. */
int policy_globs_make(struct pw_arena *arena, const ProtobufCBinaryData *items, size_t count,
	struct policy_globs *out) PW_MUST_CHECK;
