/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/base/alloc.h"
#include "common/rpc/tests/certs.h"
#include "common/rpc/tls_core.h"

struct certs_authority {
	EVP_PKEY *key;
	X509 *cert;
};

static void add_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static X509 *begin(EVP_PKEY *key, const char *name, int64_t from_s, int64_t until_s)
{
	static int64_t serial = 1;
	X509 *x = X509_new();

	assert_non_null(x);
	assert_int_equal(X509_set_version(x, 2), 1);
	assert_int_equal(ASN1_INTEGER_set_int64(X509_get_serialNumber(x), serial++), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), (long)from_s));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), (long)until_s));
	assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				 (const unsigned char *)name, -1, -1, 0),
		1);
	assert_int_equal(X509_set_pubkey(x, key), 1);
	return x;
}

struct certs_authority *certs_authority_new(const char *name)
{
	struct certs_authority *a = pw_alloc0(1, sizeof(*a));

	assert_non_null(a);
	a->key = EVP_EC_gen("P-256");
	assert_non_null(a->key);
	a->cert = begin(a->key, name, -7200, 7200);
	assert_int_equal(X509_set_issuer_name(a->cert, X509_get_subject_name(a->cert)), 1);
	add_extension(a->cert, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(a->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	assert_true(X509_sign(a->cert, a->key, EVP_sha256()) > 0);
	return a;
}

void certs_authority_free(struct certs_authority *a)
{
	EVP_PKEY_free(a->key);
	X509_free(a->cert);
	free(a);
}

static FILE *open_file(const char *path)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	return f;
}

void certs_write_authorities(
	const char *path, const struct certs_authority *a, const struct certs_authority *b)
{
	FILE *f = open_file(path);

	assert_int_equal(PEM_write_X509(f, a->cert), 1);
	if (b)
		assert_int_equal(PEM_write_X509(f, b->cert), 1);
	assert_int_equal(fclose(f), 0);
}

static void add_names(X509 *x, const struct certs_wish *wish)
{
	char text[400];

	if (!wish->uri && !wish->dns)
		return;
	(void)snprintf(text, sizeof(text), "%s%s%s%s%s", wish->uri ? "URI:" : "",
		wish->uri ? wish->uri : "", wish->uri && wish->dns ? "," : "",
		wish->dns ? "DNS:" : "", wish->dns ? wish->dns : "");
	add_extension(x, NID_subject_alt_name, text);
}

static void write_pair(X509 *x, EVP_PKEY *key, const char *cert_path, const char *key_path)
{
	FILE *f = open_file(cert_path);

	assert_int_equal(PEM_write_X509(f, x), 1);
	assert_int_equal(fclose(f), 0);
	f = open_file(key_path);
	assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(fclose(f), 0);
}

void certs_write(const struct certs_authority *a, const struct certs_wish *wish,
	const char *cert_path, const char *key_path)
{
	bool has_times = wish->from_s != 0 || wish->until_s != 0;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x;

	assert_non_null(key);
	x = begin(key, "test", has_times ? wish->from_s : -3600, has_times ? wish->until_s : 3600);
	assert_int_equal(X509_set_issuer_name(x, X509_get_subject_name(a ? a->cert : x)), 1);
	add_names(x, wish);
	assert_true(X509_sign(x, a ? a->key : key, EVP_sha256()) > 0);
	write_pair(x, key, cert_path, key_path);
	X509_free(x);
	EVP_PKEY_free(key);
}

void certs_set_make(struct certs_set *set, const char *folder, const char *name,
	const struct certs_authority *a, const struct certs_wish *wish)
{
	(void)snprintf(set->ca, sizeof(set->ca), "%s/%s-ca.pem", folder, name);
	(void)snprintf(set->cert, sizeof(set->cert), "%s/%s.pem", folder, name);
	(void)snprintf(set->key, sizeof(set->key), "%s/%s.key", folder, name);
	certs_write_authorities(set->ca, a, NULL);
	certs_write(a, wish, set->cert, set->key);
}

static struct pw_tls *open_set(const struct certs_set *set, bool shared)
{
	const struct pw_tls_files files = {set->ca, set->cert, set->key, NULL, shared};
	struct pw_err err = PW_ERR_INIT;
	struct pw_tls *t = NULL;

	if (pw_tls_new(&files, &t, &err) < 0)
		fail_msg("certificates: %s", err.msg);
	pw_tls_set_eager(t);
	return t;
}

struct pw_tls *certs_tls(const struct certs_set *set)
{
	return open_set(set, false);
}

struct pw_tls *certs_tls_shared(const struct certs_set *set)
{
	return open_set(set, true);
}

void certs_set_remove(const struct certs_set *set)
{
	(void)unlink(set->ca);
	(void)unlink(set->cert);
	(void)unlink(set->key);
}
