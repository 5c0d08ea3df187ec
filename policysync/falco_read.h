/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A Falco rule file -> lists, macros and rules of a SignatureSet: append, override, exceptions,
 * priorities, tags. Conditions are not read here, the analyzer does that. What is wrong with one
 * item refuses that one alone, by name and line, and becomes a problem of the set.
 * Thread: any. Ceilings: FALCO_RULES rules, FALCO_NAMES lists and as many macros, FALCO_PROBLEMS
 * problems kept.
 */
#include "policysync/crd_read.h"

#define FALCO_RULES    1024u
#define FALCO_NAMES    4096u
#define FALCO_PROBLEMS 128u

/* -EINVAL when the text is no YAML or no sequence of items; -ENOMEM. */
int falco_read(struct pw_arena *a, struct pw_slice text, Podward__V1__SignatureSet *set,
	struct pw_err *err) PW_MUST_CHECK;
