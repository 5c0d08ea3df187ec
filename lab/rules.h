/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Rule files -> a compiled policy, the way that a policy takes in a cluster: read as policysync
 * does, packed, compiled as the analyzer does. A file holds SignatureSet documents, or is a Falco
 * rule file, which becomes the set "falco".
 * Thread: any. Ceilings: those of policysync and analyzer; 32 files.
 */
#include "analyzer/policy.h"
#include "common/base/buf.h"

#define LAB_FILES    32
#define LAB_EMBEDDED "default" /* the name that stands for the embedded default set, not a file */

/* No files = the embedded default set. With signatures switched on for everything and profiles off.
 * -EINVAL names file and place. */
int lab_rules_load(const char *const *files, size_t count, struct policy **ret,
	struct pw_err *err) PW_MUST_CHECK;
/* What was refused, one line each: "object field: message". */
void lab_rules_print_problems(const struct policy *p, struct pw_buf *out);
