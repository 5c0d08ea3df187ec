/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * policysync in a cluster: watches pods and their owners for assignments and custom resources for
 * policies, and as the replica that holds the Lease writes what became of them into their status.
 * Composition only; the work is in reflector (common/kube), pod_groups, kube_policies, kube_writer.
 * Threads: main for all functions; one for each watched kind, for the writer and for the lease,
 * which post to the main loop. Ceilings: those of the parts; a main loop that is full makes the
 * watches wait.
 */
#include "policysync/bundle_sync.h"
#include "policysync/kube_policies.h"
#include "policysync/nodes.h"
#include "policysync/report.h"

struct kube;

struct kube_settings {
	const char *kubeconfig;    /* NULL = in a pod */
	const char *identity;      /* of this replica in the Lease */
	const char *lease;         /* its name */
	uint64_t profile_delay_ns; /* until a learned change is written */
	struct pw_metrics *metrics;
	void (*on_policies)(void *ctx); /* a new set was published */
	/* Ready: everything was listed once. text says what is waited for. */
	void (*on_ready)(void *ctx, bool ready, const char *text);
	void *ctx;
};

int kube_new(struct pw_loop *loop, const struct kube_settings *settings, struct kube **ret,
	struct pw_err *err) PW_MUST_CHECK;
struct pw_snapshot *kube_snapshot(struct kube *k);
/* Who is told, who tells, and who keeps the profiles; before the server starts. Borrowed. */
struct kube_parts {
	struct nodes *nodes;
	struct publish *publish;
	struct report *report;
	struct keeper *keeper;
};
/* For the bundle: where it is applied, and whom it tells. Any thread until kube_stop. */
bool kube_leads(void *kube);
void kube_hold(void *kube, bool hold);
void kube_bundle_told(void *kube, const struct bundle_told *told);

int kube_attach(struct kube *k, const struct kube_parts *parts) PW_MUST_CHECK;
int kube_start(struct kube *k, struct pw_err *err) PW_MUST_CHECK; /* starts to watch */
void kube_stop(struct kube *k); /* joins all threads; before nodes and publish go */
void kube_free(struct kube *k); /* after the readers of the snapshot */
