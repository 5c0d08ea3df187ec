/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What one policy snapshot means for one pod group with one image: the policies and exclusions that
 * select it, the settings that win, the signatures that are off. Made when the group first meets
 * the snapshot; valid only as long as that snapshot is held.
 * Thread: the shard that owns the group.
 */
#include "analyzer/policy.h"

struct view {
	uint64_t version; /* of the snapshot */
	uint64_t image_hash;
	const struct policy *policy;
	const struct policy_entry **entries; /* in the policy's order */
	uint32_t entry_count;
	const struct policy_exclusion **exclusions;
	uint32_t exclusion_count;
	uint64_t *signatures_off; /* a bit per rule index; NULL = none is off */
	bool profile_on, signatures_on;
	const struct policy_entry *profile_by, *signatures_by; /* NULL = built-in default */
	uint64_t learning_ns;
	uint32_t dimensions;       /* bits 1 << Dimension */
	uint32_t profile_severity; /* 0 = by dimension */
};

/* The four parts of "namespace/Kind/name/container"; missing ones are empty. */
struct view_group {
	struct pw_slice namespace, kind, name, container;
};
struct view_group view_split(struct pw_slice pod_group);

int view_new(const struct policy *p, uint64_t version, struct pw_slice pod_group,
	struct pw_slice image, struct view **ret) PW_MUST_CHECK;
void view_free(struct view *v); /* NULL is fine */
/* First rule of this tier and action that fits, NULL = none. */
const struct policy_rule *view_rule(
	const struct view *v, uint32_t tier, uint32_t action, const struct pw_event *e);
struct view_alert {
	struct pw_slice detector;
	struct pw_slice object, raw_object; /* as learned, as reported: either may be named */
	struct pw_slice actor;
	int64_t wall_ns;
};
/* The next exclusion that fits this alert, also one in the shadow; *at begins at 0. NULL = none. */
const struct policy_exclusion *view_exclusion(
	const struct view *v, const struct view_alert *a, uint32_t *at);
/*
 * An exclusion that names the detector of this alert and fits in all but one thing; *ret_failed
 * says which. NULL = none.
 */
const struct policy_exclusion *view_near_miss(
	const struct view *v, const struct view_alert *a, const char **ret_failed);
