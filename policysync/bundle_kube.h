/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The target of bundles in a cluster: custom resources, written by server-side apply by the replica
 * that holds the Lease, after a dry run of all of them. The last good bundle is those objects, what
 * is known of it is in the status of RuntimeProtection, written last. What is ours and was changed
 * by somebody is put back with the next request; what is a user's is never touched (bundle_owned.h
 * says whose an object is). Thread: the bundle's. Ceilings: those of bundle_plan.h.
 */
#include "policysync/bundle_apply.h"
#include "common/kube/client.h"

struct bundle_kube;

struct bundle_kube_settings {
	struct pw_kube_settings kube;
	bool (*leads)(void *ctx); /* does this replica write? Any thread. */
	/* While objects are written, policies are not published: all of them or none. Any thread.
	 */
	void (*hold)(void *ctx, bool hold);
	void *ctx;
};

int bundle_kube_new(const struct bundle_kube_settings *settings, struct bundle_kube **ret,
	struct pw_err *err) PW_MUST_CHECK;
void bundle_kube_cancel(struct bundle_kube *b); /* requests end soon; any thread */
void bundle_kube_free(struct bundle_kube *b);   /* after its thread ended */
struct bundle_target bundle_kube_target(struct bundle_kube *b);
