/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * spec of SignatureSet -> Podward__V1__SignatureSet. Conditions are compiled by the analyzer, which
 * reports what it cannot run; here only their form is checked (text, length).
 * Thread: any. Ceilings: 1,024 rules, 16 KiB for one condition.
 */
#include "policysync/crd_policy.h"

Podward__V1__SignatureSet *crd_signature_set_read(
	struct pw_arena *a, const struct pw_json_reader *spec, const struct crd_meta *meta);
