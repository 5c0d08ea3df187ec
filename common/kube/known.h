/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which objects of a kind were told, in which version: what the reflector compares with.
 * Thread: the owner's. Ceiling: limit objects, given at creation.
 */
#include "common/base/alloc.h"
#include "common/base/slice.h"

struct pw_known;

struct pw_known_object {
	struct pw_slice key, uid, version; /* "namespace/name" or "name" */
};

enum pw_known_result {
	PW_KNOWN_SAME,    /* this version was told */
	PW_KNOWN_NEW,     /* not known before, or another version */
	PW_KNOWN_REPLACED /* another object of the same name was known; its uid is in old_uid */
};

int pw_known_new(size_t limit, struct pw_known **ret) PW_MUST_CHECK;
void pw_known_free(struct pw_known *k);
/* An enum pw_known_result, -ENOSPC at the ceiling, -EINVAL for texts that are too long, -ENOMEM. */
int pw_known_put(struct pw_known *k, const struct pw_known_object *o, char old_uid[64]);
/* True when it was known; its uid is written. */
bool pw_known_remove(struct pw_known *k, struct pw_slice key, char old_uid[64]);
size_t pw_known_count(const struct pw_known *k);
/* A list begins: what is not put until the sweep is gone. */
void pw_known_begin(struct pw_known *k);
void pw_known_sweep(
	struct pw_known *k, void (*fn)(void *ctx, const char *key, const char *uid), void *ctx);
