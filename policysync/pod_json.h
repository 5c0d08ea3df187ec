/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What Podward needs of a pod: where it is, who owns it, its containers. And of a ReplicaSet or
 * Job: who owns it. One allocation each, as long as its texts are. Thread: any (immutable).
 * Ceilings: POD_CONTAINERS containers, texts of POD_TEXT bytes (longer ones are cut).
 */
#include "common/web/json.h"

#define POD_CONTAINERS 128
#define POD_TEXT       512

struct pod_container {
	const char *id; /* without "containerd://" */
	const char *name, *image, *digest;
};

struct pod_owner {
	const char *kind, *name, *uid; /* all "" = nobody */
};

struct pod {
	const char *uid, *namespace, *name;
	const char *node;     /* "" = on none yet */
	const char *generate; /* generateName */
	struct pod_owner owner;
	size_t container_count;
	struct pod_container containers[];
};

struct pod_parent {
	const char *uid;
	struct pod_owner owner; /* its own controller */
};

/* Objects as the API server gives them. -EINVAL when they have no uid, namespace or name. */
int pod_read(const struct pw_json *object, struct pod **ret) PW_MUST_CHECK;
int pod_parent_read(const struct pw_json *object, struct pod_parent **ret) PW_MUST_CHECK;
/* Both are freed by free(). */
