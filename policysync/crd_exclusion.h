/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * spec of RuntimeExclusion and ClusterRuntimeExclusion -> Podward__V1__Exclusion.
 * Thread: any. Ceilings: 256 patterns in a list.
 */
#include "policysync/crd_policy.h"

Podward__V1__Exclusion *crd_exclusion_read(
	struct pw_arena *a, const struct pw_json_reader *spec, const struct crd_meta *meta);
