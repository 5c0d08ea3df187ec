/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Mutual TLS from three PEM files: authorities, our certificate (leaf first), its key. The files
 * are looked at again when a connection is made, at most once a second; what has changed is checked
 * as a whole before it is used, and what does not pass changes nothing: the ones before stay in
 * use. Connections that exist are not touched. TLS 1.3 only. Not a decision: who may call what is
 * in the method table (server.h). Thread: any. Ceiling: 256 KiB a file. Frees after the loops whose
 * servers and channels use it.
 */
#include "common/base/err.h"
#include "common/rpc/identity.h"
#include <stdint.h>

#define PW_TLS_DOMAIN "podward.svc"

struct pw_tls;

struct pw_tls_files {
	const char *ca, *cert, *key;
	const char *domain; /* trust domain of the names, NULL = PW_TLS_DOMAIN */
	bool shared;        /* a peer's certificate that names only a role is for all of it */
};

struct pw_tls_stats {
	uint64_t adopted, refused; /* reloads; the first load is not one */
	int64_t expires_s;         /* our certificate, seconds since 1970 */
};

/* Reads and checks; -EINVAL and others with the file's name and what is wrong with it. */
int pw_tls_new(
	const struct pw_tls_files *files, struct pw_tls **ret, struct pw_err *err) PW_MUST_CHECK;
void pw_tls_free(struct pw_tls *t);
void pw_tls_get_stats(struct pw_tls *t, struct pw_tls_stats *ret);
const char *pw_tls_domain(const struct pw_tls *t);
bool pw_tls_is_shared(const struct pw_tls *t); /* as in the files it was made from */
