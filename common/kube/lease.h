/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who of several replicas writes: a Lease (coordination.k8s.io/v1) that one of them holds. A
 * candidate waits until it saw the same record for the whole duration on its own clock; clocks of
 * machines are never compared. The holder stops acting before others may begin: it gives up when it
 * could not renew for renew_ms. resourceVersion makes the second of two writers fail.
 * Thread: its own, which runs on_change; after on_change(false) nothing may be written any more.
 * Ceiling: one request at a time, each not longer than the renew deadline leaves.
 */
#include "common/kube/client.h"

struct pw_lease_settings {
	const char *namespace; /* NULL = where we run */
	const char *name, *identity;
	uint32_t duration_ms, renew_ms, retry_ms; /* 0 = 15,000, 10,000, 2,000 */
	struct pw_kube_settings kube;
	void (*on_change)(void *ctx, bool leads);
	void *ctx;
};

struct pw_lease;

/* Texts are borrowed until pw_lease_stop. */
int pw_lease_start(const struct pw_lease_settings *settings, struct pw_lease **ret,
	struct pw_err *err) PW_MUST_CHECK;
/* Gives the lease back, joins, frees; on_change(false) was called when it was held. NULL is fine.
 */
void pw_lease_stop(struct pw_lease *l);
