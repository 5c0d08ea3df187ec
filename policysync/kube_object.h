/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A custom resource as the API server has it -> what policysync keeps of it: the compiled object or
 * why it is refused, its version, and what its status says. And back: the status that it should
 * have. Thread: any. Ceilings: those of crd_json.h; texts are cut.
 */
#include "policysync/crd_json.h"

enum kube_condition { KUBE_ACCEPTED, KUBE_PROGRAMMED, KUBE_CONDITIONS };

struct kube_condition_text {
	bool holds;
	int64_t generation; /* of the object, that this speaks of */
	char reason[64], message[600];
	char since[40]; /* lastTransitionTime, "" = not known */
};

struct kube_status {
	int64_t generation;
	char revision[33], analyzers[24];
	struct kube_condition_text conditions[KUBE_CONDITIONS];
	int64_t hits; /* of an exclusion; written apart from the rest */
};

/* One allocation; object is owned. */
struct kube_object {
	char key[CRD_KEY_MAX];
	struct crd_object *object; /* NULL = refused */
	char problem[480];         /* "spec.rules[3].action: …" */
	int64_t generation;
	char version[64];
	struct kube_status status; /* as the server has it */
};

/* -ENOMEM, or -EINVAL when it does not say who it is; a refused one is an object too. */
int kube_object_read(const struct pw_json *json, struct kube_object **ret) PW_MUST_CHECK;
void kube_object_free(struct kube_object *o);
/* Everything but the times. */
bool kube_status_is_same(const struct kube_status *a, const struct kube_status *b);
/* Merge-patch for PATH/status; since "" becomes now. */
int kube_status_write(const struct kube_status *status, const char *version, struct pw_buf *out);
/* Path of the object named by a key; empty for a key of no kind of ours. */
int kube_object_path(const char *key, char *out, size_t size);
/* "/apis/podward.dev/v1alpha1/runtimepolicies" */
const char *kube_kind_path(enum crd_kind kind);
