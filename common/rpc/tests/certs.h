/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Certificates for tests, made in memory and written as PEM files: good ones and all sorts of bad
 * ones. Fails the test when something cannot be made.
 * Thread: the test's.
 */
#include "common/rpc/tls.h"
#include <stdint.h>

struct certs_authority;

struct certs_wish {
	const char *uri, *dns;   /* names; NULL = none */
	int64_t from_s, until_s; /* from now; both 0 = from an hour ago to an hour ahead */
};

struct certs_authority *certs_authority_new(const char *name);
void certs_authority_free(struct certs_authority *a);
/* PEM of one or two authorities. */
void certs_write_authorities(
	const char *path, const struct certs_authority *a, const struct certs_authority *b);
/* A certificate of a's (NULL = signed by itself) and its key. */
void certs_write(const struct certs_authority *a, const struct certs_wish *wish,
	const char *cert_path, const char *key_path);

/* The usual three files in a folder: ca.pem, NAME.pem, NAME.key. */
struct certs_set {
	char ca[160], cert[160], key[160];
};
void certs_set_make(struct certs_set *set, const char *folder, const char *name,
	const struct certs_authority *a, const struct certs_wish *wish);
/* Loads the set and looks for changes at every connection. */
struct pw_tls *certs_tls(const struct certs_set *set);
struct pw_tls *certs_tls_shared(const struct certs_set *set); /* takes those without a name */
void certs_set_remove(const struct certs_set *set);
