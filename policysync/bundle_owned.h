/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which custom resources came from a bundle. Ours is what carries our label and was applied by us:
 * a copy that a user made of such an object has the label but not our entry in managedFields, and
 * is the user's. Only metadata is read. Thread: any, blocking. Ceiling: BUNDLE_OWNED objects of a
 * kind are looked at.
 */
#include "common/kube/client.h"
#include "policysync/bundle_manifest.h"

#define BUNDLE_LABEL     "app.kubernetes.io/managed-by"
#define BUNDLE_LABEL_IS  "podward-policysync"
#define BUNDLE_SHA256    "podward.dev/sha256"    /* annotation: hash of the blob */
#define BUNDLE_UNMANAGED "podward.dev/unmanaged" /* annotation "true": leave it to the user */
#define BUNDLE_OWNED     1024

struct bundle_owned {
	struct bundle_object object; /* size is 0 */
	int64_t generation;
	char uid[64], version[64];
};

/* What the object is to us. */
enum bundle_owner { BUNDLE_OURS, BUNDLE_USERS };
enum bundle_owner bundle_owner_of(const struct pw_json *object);
int bundle_owned_read(const struct pw_json *object, const char *kind, struct bundle_owned *ret);
/* "/apis/…/namespaces/n/runtimepolicies/x" of an object that a manifest names. */
int bundle_object_path(
	const struct bundle_object *o, char *out, size_t size, struct pw_err *err) PW_MUST_CHECK;
/* each(ctx) for every object that is ours; a negative result ends it and is returned. */
int bundle_owned_each(struct pw_kube *k, int (*each)(void *ctx, const struct bundle_owned *o),
	void *ctx, struct pw_err *err) PW_MUST_CHECK;
