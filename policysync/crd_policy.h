/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * spec of RuntimePolicy and ClusterRuntimePolicy -> Podward__V1__Policy.
 * Thread: any. Ceilings: 256 rules, 256 patterns in a list.
 */
#include "policysync/crd_read.h"

struct crd_meta {
	ProtobufCBinaryData namespace_, name; /* in the arena */
	bool namespaced;                      /* the kind is */
};

/* NULL when refused (the reader's err says why). */
Podward__V1__Policy *crd_policy_read(
	struct pw_arena *a, const struct pw_json_reader *spec, const struct crd_meta *meta);
