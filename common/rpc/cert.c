/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/cert.h"

#include <errno.h>
#include <time.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define CERTS_MAX 64

static void bio_freep(BIO **b)
{
	(void)BIO_free(*b);
}

static void key_freep(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}

static void x509_freep(X509 **x)
{
	X509_free(*x);
}

/* A key that needs a password is refused, not asked for on a terminal. */
static int no_password(char *buf, int size, int is_for_writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)is_for_writing;
	(void)ctx;
	return 0;
}

static BIO *open_text(struct pw_slice text)
{
	return text.len > 0 && text.len <= PW_CERT_TEXT_MAX
		       ? BIO_new_mem_buf(text.ptr, (int)text.len)
		       : NULL;
}

/* True when reading ended because there is no further block, and not in the middle of one. */
static bool is_end_of_text(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static int check_authority(X509 *x, void *ctx, struct pw_err *err)
{
	(void)ctx;
	if (X509_check_ca(x) == 0)
		return pw_err_set(err, -EINVAL, "CA: a certificate in it may not sign others");
	return 0;
}

static int keep_first(X509 *x, void *ctx, struct pw_err *err)
{
	X509 **leaf = ctx;

	(void)err;
	if (!*leaf && X509_up_ref(x))
		*leaf = x;
	return 0;
}

/* Calls fn for every certificate of the text. */
static int each_cert(struct pw_slice text, const char *what,
	int (*fn)(X509 *x, void *ctx, struct pw_err *err), void *ctx, struct pw_err *err)
{
	pw_cleanup(bio_freep) BIO *in = open_text(text);
	int count = 0, r = 0;

	if (!in)
		return pw_err_set(
			err, -EINVAL, "%s: empty, or over %u KiB", what, PW_CERT_TEXT_MAX >> 10);
	while (r == 0) {
		pw_cleanup(x509_freep) X509 *x = PEM_read_bio_X509(in, NULL, no_password, NULL);

		if (!x)
			break;
		if (++count > CERTS_MAX)
			return pw_err_set(
				err, -E2BIG, "%s: more than %d certificates", what, CERTS_MAX);
		r = fn(x, ctx, err);
	}
	if (r == 0 && (count == 0 || !is_end_of_text()))
		r = pw_err_set(err, -EBADMSG, "%s: %s", what,
			count == 0 ? "no certificate in PEM form" : "breaks off, or holds junk");
	ERR_clear_error();
	return r;
}

static int check_key(struct pw_slice text, X509 *leaf, struct pw_err *err)
{
	pw_cleanup(bio_freep) BIO *in = open_text(text);
	pw_cleanup(key_freep) EVP_PKEY *key =
		in ? PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) : NULL;
	int fits = key ? X509_check_private_key(leaf, key) : 0;

	ERR_clear_error();
	if (!key)
		return pw_err_set(
			err, -EBADMSG, "key: no private key in PEM form without password");
	if (!fits)
		return pw_err_set(err, -EINVAL, "key: does not belong to the certificate");
	return 0;
}

static int64_t asn1_seconds(const ASN1_TIME *t)
{
	struct tm tm = {0};

	return ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) : 0;
}

static int check_times(const X509 *leaf, struct pw_cert_facts *ret, struct pw_err *err)
{
	int64_t from = asn1_seconds(X509_get0_notBefore(leaf));
	int64_t until = asn1_seconds(X509_get0_notAfter(leaf));
	int64_t now = pw_wall_now().ns / (int64_t)PW_NS_PER_S;
	char text[PW_WALL_TEXT_SIZE];

	pw_wall_format((struct pw_wall){(now < from ? from : until) * (int64_t)PW_NS_PER_S}, text);
	if (now < from)
		return pw_err_set(err, -EINVAL, "certificate: not valid before %s", text);
	if (now >= until)
		return pw_err_set(err, -EINVAL, "certificate: expired at %s", text);
	ret->not_before.ns = from * (int64_t)PW_NS_PER_S;
	ret->not_after.ns = until * (int64_t)PW_NS_PER_S;
	return 0;
}

static int take_name(const GENERAL_NAME *name, const char *domain, struct pw_identity *id)
{
	const ASN1_STRING *text = name->d.ia5;

	if (name->type != GEN_URI && name->type != GEN_DNS)
		return 0;
	struct pw_slice s =
		pw_slice_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));

	return name->type == GEN_URI ? pw_identity_take_uri(id, domain, s)
				     : pw_identity_take_dns(id, domain, s);
}

static int check_identity(
	const X509 *leaf, const char *domain, struct pw_identity *ret, struct pw_err *err)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	int r = 0;

	for (int i = 0; r == 0 && i < sk_GENERAL_NAME_num(names); i++)
		r = take_name(sk_GENERAL_NAME_value(names, i), domain, ret);
	GENERAL_NAMES_free(names);
	if (r == -EEXIST)
		return pw_err_set(err, r, "certificate: its names say different things");
	if (r < 0 || ret->role == PW_ROLE_NONE)
		return pw_err_set(err, -EINVAL,
			"certificate: no name spiffe://%s/ROLE[/NAME] or [NAME.]ROLE.%s in it",
			domain, domain);
	return 0;
}

int pw_cert_check(const struct pw_cert_texts *texts, const char *domain, struct pw_cert_facts *ret,
	struct pw_err *err)
{
	pw_cleanup(x509_freep) X509 *leaf = NULL;
	struct pw_cert_facts facts = {0};
	int r = each_cert(texts->ca, "CA", check_authority, NULL, err);

	if (r == 0)
		r = each_cert(texts->cert, "certificate", keep_first, &leaf, err);
	if (r == 0)
		r = check_key(texts->key, leaf, err);
	if (r == 0)
		r = check_times(leaf, &facts, err);
	if (r == 0)
		r = check_identity(leaf, domain, &facts.identity, err);
	if (r == 0)
		*ret = facts;
	return r;
}
