/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the other replicas say of their analyzers: each one that does not lead has an entry in the
 * status of RuntimeProtection, which the one that leads needs for Programmed. An entry that was not
 * renewed for KUBE_PEERS_STALE_NS of our own clock counts for nothing. Thread: the main loop's.
 * Ceiling: KUBE_PEERS entries; more are passed over.
 */
#include "common/web/json.h"
#include "policysync/kube_policies.h"

#define KUBE_PEERS          16
#define KUBE_PEERS_BEAT_NS  (15ull * 1000000000)
#define KUBE_PEERS_STALE_NS (45ull * 1000000000)

struct kube_peer {
	char name[254], revision[65];
	size_t analyzers, in_force;
	int64_t beat;
	uint64_t seen_ns; /* mono: when the entry changed last, as far as we know */
};

struct kube_peers {
	struct kube_peer items[KUBE_PEERS];
	size_t count;
	/* Of our own entry, while another one leads. */
	struct kube_policies_stats told;
	uint64_t told_ns;
	bool busy;
};

/* status.replicas of RuntimeProtection; the entry of that name is ours. */
void kube_peers_read(const struct pw_json *object, const char *self, struct kube_peers *ret);
/* Takes over what was read; keeps when an entry changed last. */
void kube_peers_take(struct kube_peers *p, const struct kube_peers *read, uint64_t now_ns);
/* For kube_policies. */
void kube_peers_sum(const struct kube_peers *p, uint64_t now_ns, struct kube_policies_peers *ret);
/* True when our own entry is to be written. */
bool kube_peers_is_due(
	const struct kube_peers *p, const struct kube_policies_stats *now, uint64_t now_ns);
int kube_peers_write(
	const char *self, const struct kube_policies_stats *now, struct pw_buf *out) PW_MUST_CHECK;
