/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What kube.c and kube_watch.c share: the struct of kube.h, and the watches as one part of it.
 * Nobody else includes this. Thread: the main loop's; the watches' own threads post to it.
 */
#include "common/kube/lease.h"
#include "common/kube/reflector.h"
#include "policysync/kube.h"
#include "policysync/kube_health.h"
#include "policysync/kube_peers.h"
#include "policysync/kube_profiles.h"
#include "policysync/kube_writer.h"
#include "policysync/pod_groups.h"

#define KUBE_PARENTS 2
#define KUBE_KINDS   (1 + KUBE_PARENTS + CRD_KINDS + 2) /* RuntimeProfile, RuntimeProtection */

/* One watched kind. */
struct kind {
	struct kube *kube;
	struct pw_reflector *reflector;
	const char *name;
	bool synced;
};

struct kube {
	struct kube_settings settings;
	struct pw_loop *loop;
	struct pw_timer *tick, *status_timer;
	struct kube_policies *policies;
	struct pod_groups *groups;
	struct kube_writer *writer;
	struct pw_lease *lease;
	struct kube_profiles *profiles;
	struct kube_parts parts;
	struct kind kinds[KUBE_KINDS];
	bool leads, ready, stopped;
	struct pw_snapshot *leading; /* const bool: leads, for other threads */
	struct bundle_told bundle;
	struct kube_peers peers;
	struct kube_health health;
};

void kube_watch_name(struct kube *k); /* kinds get their names */
int kube_watch_start(struct kube *k, struct pw_err *err) PW_MUST_CHECK;
void kube_watch_stop(struct kube *k); /* joins the threads */
/* on_ready(false) with the kind that was not listed yet. */
void kube_watch_tell_waiting(struct kube *k);
void kube_pause_5_ms(void);
void kube_peers_tick(struct kube *k);
void kube_peers_post(struct kube *k, const struct pw_json *object); /* the watch's thread */
int kube_bundle_init(struct kube *k) PW_MUST_CHECK;
void kube_bundle_set_leads(struct kube *k, bool leads); /* any thread */
