/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Learned profiles as RuntimeProfile objects, beside the database: what an analyzer reports is
 * written after a while, and what others wrote is taken into the database, so that a replica that
 * starts with an empty folder, or was told nothing, knows them all. Profiles join in any order and
 * any number of times, so every replica writes what it was told; resourceVersion makes it join the
 * other's first. A profile that does not fit, for us or for the server, is made smaller
 * (profile_shrink.h); when nothing helps the last version stays, its status says TooLarge. The
 * database has it all. Threads: main; kube_profiles_dirty any;
 * kube_profiles_merge the watch's. Ceilings: PROFILE_GROUPS groups; one profile at a time is read
 * and encoded.
 */
#include "common/base/loop.h"
#include "common/web/json.h"
#include "policysync/keeper.h"
#include "policysync/kube_writer.h"

struct kube_profiles;

int kube_profiles_new(struct pw_loop *loop, struct keeper *keeper, uint64_t delay_ns,
	struct pw_metrics *metrics, struct kube_profiles **ret) PW_MUST_CHECK;
void kube_profiles_free(
	struct kube_profiles *p); /* after keeper and writer stopped, loop drained */
void kube_profiles_set_writer(
	struct kube_profiles *p, struct kube_writer *writer); /* NULL = none */
/* An analyzer said something about this group. Any thread. */
void kube_profiles_dirty(struct kube_profiles *p, struct pw_slice group);
/* An object that the watch told: into the database, returns when it is committed. Watch's thread.
 */
void kube_profiles_merge(struct kube_profiles *p, const struct pw_json *object);
/* The object of that key was deleted: the next change makes it anew. Main. */
void kube_profiles_gone(struct kube_profiles *p, const char *key);
void kube_profiles_tick(struct kube_profiles *p); /* about once a second */
