/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Keeps what a backend publishes in force: asks for the manifest of its channel (long poll where
 * the server can, else every poll_ms ± 20 %), hands what is new to bundle_apply, fetches blobs,
 * tells the backend what happened. A backend that is away, slow, wrong or hostile changes nothing:
 * what is in force stays. Failures are tried again with full jitter, 1 s … 5 min; Retry-After
 * counts, up to an hour; redirects are not followed. What was refused is not fetched again until
 * its ETag changes. Thread: its own (HTTP blocks). Ceilings: manifest 1 MiB, blob as the manifest
 * says, wait_s and timeout_ms for a request.
 */
#include "policysync/bundle_apply.h"
#include "policysync/metrics.h"

/* How it stands: what conditions say. */
struct bundle_told {
	enum bundle_reason reason; /* of the last manifest that was looked at */
	char message[480];         /* why it was refused */
	char revision[64], channel[64];
	int64_t serial, expires_ns; /* 0 = bundle zero */
	bool fresh, reachable;
	char unreachable[480]; /* why */
};

struct bundle_sync_settings {
	const char *url; /* without /v1 */
	const char *channel, *cluster;
	const char *header_file, *ca_file, *cert_file, *key_file; /* NULL = none */
	uint64_t poll_ms;
	uint32_t wait_s, timeout_ms; /* of a long poll; of a request beyond that */
	struct bundle_keys keys;
	struct bundle_caps caps;
	const char *state_path;      /* where the target keeps no state */
	struct bundle_target target; /* used on the sync's thread */
	void (*on_told)(void *ctx, const struct bundle_told *told); /* the sync's thread; or NULL */
	void *told_ctx;
	struct pw_metrics *metrics; /* NULL = none */
};

struct bundle_sync;

/* Settings are copied, texts are borrowed for its life. A state file that cannot be read is an
 * error. */
int bundle_sync_start(const struct bundle_sync_settings *settings, struct bundle_sync **ret,
	struct pw_err *err) PW_MUST_CHECK;
void bundle_sync_stop(struct bundle_sync *s);
