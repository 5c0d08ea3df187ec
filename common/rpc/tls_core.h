/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The inside of mutual TLS, for the files of this folder only. A bundle does not change; who holds
 * one keeps it until put.
 * Thread: any.
 */
#include "common/rpc/tls.h"
#include <stdatomic.h>

struct pw_tls_bundle {
	_Atomic uint32_t refs;
	uint64_t version; /* rises by one with each that is adopted */
	char *ca, *cert, *key;
	struct pw_identity identity;
	int64_t expires_s, warn_s; /* the last tenth of its life begins */
};

/* The newest that passed the check; looks at the files when that is due. Never NULL. */
struct pw_tls_bundle *pw_tls_get(struct pw_tls *t);
void pw_tls_put(struct pw_tls_bundle *b);
/* For tests: looks at the files at every pw_tls_get. */
void pw_tls_set_eager(struct pw_tls *t);
