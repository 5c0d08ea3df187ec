/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests of bundles: signers, a backend that is a table of blobs, manifests made to order, and
 * what is in force afterwards. Include after cmocka (fixture.h does). Thread: the test's. Ceiling:
 * 8 blobs.
 */
#include "fixture.h"
#include "common/base/escape.h"
#include "common/base/file.h"
#include "common/testing/oom.h"
#include "policysync/bundle_dir.h"
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

enum { SIGNERS = 3 };

struct fixture {
	struct folder folder;
	EVP_PKEY *signers[SIGNERS];
	struct bundle_keys keys; /* of the first two; one must sign */
	struct bundle_caps caps;
	struct bundle_dir *dir;
	struct bundle_apply apply;
	struct bundle_state state;
	char dir_path[128], state_path[160];
	unsigned changes;
	const char *blobs[8]; /* what the backend has, in order of the manifest */
	const char *swap;     /* served in place of blob 0 */
	int fetch_fails, apply_fails;
};

static const char policy[] =
	"apiVersion: podward.dev/v1alpha1\n"
	"kind: ClusterRuntimePolicy\n"
	"metadata: {name: base}\n"
	"spec: {mode: Enforce, profile: {enabled: true, learningDuration: 1h}}\n";
static const char audit_policy[] = "apiVersion: podward.dev/v1alpha1\n"
				   "kind: ClusterRuntimePolicy\n"
				   "metadata: {name: base}\n"
				   "spec: {mode: Audit}\n";
static const char exclusion[] = "apiVersion: podward.dev/v1alpha1\n"
				"kind: ClusterRuntimeExclusion\n"
				"metadata: {name: backup}\n"
				"spec: {detectors: ['sig/*/x'], reason: nightly backup}\n";
static const char nonsense[] = "apiVersion: podward.dev/v1alpha1\n"
			       "kind: ClusterRuntimePolicy\n"
			       "metadata: {name: base}\n"
			       "spec: {mode: Sideways}\n";

static inline void on_changed(void *ctx)
{
	struct fixture *f = ctx;

	f->changes++;
}

static inline int fetch(
	void *ctx, const struct bundle_object *o, struct pw_buf *out, struct pw_err *err)
{
	struct fixture *f = ctx;
	char hex[CRYPTO_HEX_SIZE];

	if (f->fetch_fails)
		return pw_err_set(err, f->fetch_fails, "no connection");
	for (size_t i = 0; i < PW_COUNT(f->blobs) && f->blobs[i]; i++) {
		assert_int_equal(crypto_sha256_hex(pw_slice_str(f->blobs[i]), hex), 0);
		if (strcmp(hex, o->sha256) == 0)
			return pw_buf_add_str(out, i == 0 && f->swap ? f->swap : f->blobs[i]);
	}
	return pw_err_set(err, -EIO, "HTTP status 404");
}

static inline int failing_apply(void *ctx, const struct bundle *b, struct pw_err *err)
{
	struct fixture *f = ctx;
	struct bundle_target real = bundle_dir_target(f->dir);

	if (f->apply_fails)
		return pw_err_set(err, f->apply_fails, "the disk is full");
	return real.apply(real.ctx, b, err);
}

static inline int dry_run(
	void *ctx, const struct bundle *b, const struct bundle_caps *caps, struct pw_err *err)
{
	(void)ctx;
	return bundle_check_objects(b, caps, err);
}

static inline void read_keys(struct fixture *f, size_t count, size_t threshold)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct pw_err err = PW_ERR_INIT;
	char *pem;
	long len;

	for (size_t i = 0; i < count; i++)
		assert_int_equal(PEM_write_bio_PUBKEY(bio, f->signers[i]), 1);
	len = BIO_get_mem_data(bio, &pem);
	if (bundle_keys_parse(pw_slice_of(pem, (size_t)len), threshold, &f->keys, &err) < 0)
		fail_msg("%s", err.msg);
	BIO_free(bio);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pw_err err = PW_ERR_INIT;

	assert_non_null(f);
	folder_make(&f->folder);
	for (size_t i = 0; i < SIGNERS; i++)
		f->signers[i] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	read_keys(f, 2, 1);
	(void)snprintf(f->dir_path, sizeof(f->dir_path), "%s/bundle", f->folder.path);
	(void)snprintf(f->state_path, sizeof(f->state_path), "%s/state.json", f->dir_path);
	assert_int_equal(bundle_dir_new(f->dir_path, on_changed, f, &f->dir, &err), 0);
	f->caps.max_prune_percent = 50;
	f->apply = (struct bundle_apply){.keys = &f->keys,
		.caps = &f->caps,
		.channel = "stable",
		.state_path = f->state_path,
		.target = {.dry_run = dry_run, .apply = failing_apply, .ctx = f},
		.fetch = fetch,
		.fetch_ctx = f};
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	char command[300];

	bundle_dir_free(f->dir);
	bundle_state_done(&f->state);
	for (size_t i = 0; i < SIGNERS; i++)
		EVP_PKEY_free(f->signers[i]);
	(void)snprintf(command, sizeof(command), "rm -rf -- '%s'", f->folder.path);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static inline void add_base64(struct pw_buf *out, struct pw_slice in)
{
	uint8_t *room = calloc(1, in.len * 2 + 8);
	int len = EVP_EncodeBlock(room, in.ptr, (int)in.len);

	(void)pw_buf_add(out, room, (size_t)len);
	free(room);
}

/* What a manifest says; the usual where a row is silent. */
struct wish {
	int schema;
	int64_t serial;
	const char *channel, *expires, *min_agent, *prune;
	const char *kind; /* of the first object */
	size_t size_off;  /* added to the size of the first object */
	int signer;       /* -1 = nobody, 9 = both trusted ones, 8 = first and third */
	int next_signer;  /* the manifest makes its key the only one that counts; 0 = it does not */
	bool break_payload;
};

static inline void add_objects(struct fixture *f, const struct wish *w, struct pw_buf *out)
{
	for (size_t i = 0; i < PW_COUNT(f->blobs) && f->blobs[i]; i++) {
		bool is_policy = strstr(f->blobs[i], "RuntimePolicy") != NULL;
		char hex[CRYPTO_HEX_SIZE];

		assert_int_equal(crypto_sha256_hex(pw_slice_str(f->blobs[i]), hex), 0);
		(void)pw_buf_addf(out,
			"%s{\"kind\":\"%s\",\"name\":\"%s\",\"sha256\":\"%s\",\"size\":%zu}",
			i ? "," : "",
			i == 0 && w->kind ? w->kind
			: is_policy       ? "ClusterRuntimePolicy"
					  : "ClusterRuntimeExclusion",
			is_policy ? "base" : "backup", hex,
			strlen(f->blobs[i]) + (i == 0 ? w->size_off : 0));
	}
}

static inline void add_signature(
	struct pw_buf *out, EVP_PKEY *key, struct pw_slice payload, bool first)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[64];
	size_t len = sizeof(signature);
	struct pw_buf pae;

	pw_buf_init(&pae, 1 << 21);
	assert_int_equal(bundle_pae(payload, &pae), 0);
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, signature, &len, pae.data, pae.len), 1);
	(void)pw_buf_addf(out, "%s{\"keyid\":\"k\",\"sig\":\"", first ? "" : ",");
	add_base64(out, pw_slice_of(signature, len));
	(void)pw_buf_add_str(out, "\"}");
	EVP_MD_CTX_free(ctx);
	pw_buf_done(&pae);
}

static inline void add_next_key(struct pw_buf *out, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	long len;

	assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
	len = BIO_get_mem_data(bio, &pem);
	(void)pw_buf_add_str(out, "\"keys\":{\"threshold\":1,\"next\":");
	(void)pw_escape_json(out, pw_slice_of(pem, (size_t)len));
	(void)pw_buf_add_str(out, "},");
	BIO_free(bio);
}

static inline void make_envelope(struct fixture *f, const struct wish *w, struct pw_buf *out)
{
	struct pw_buf payload;

	pw_buf_init(&payload, 1 << 20);
	pw_buf_init(out, 4 << 20);
	(void)pw_buf_addf(&payload,
		"{\"schema\":%d,\"channel\":\"%s\",\"serial\":%lld,\"revision\":\"r\","
		"\"expiresAt\":\"%s\",\"minAgent\":\"%s\",\"prune\":%s,",
		w->schema ? w->schema : 1, w->channel ? w->channel : "stable", (long long)w->serial,
		w->expires ? w->expires : "2200-01-01T00:00:00Z",
		w->min_agent ? w->min_agent : "0.0.1", w->prune ? w->prune : "true");
	if (w->next_signer)
		add_next_key(&payload, f->signers[w->next_signer]);
	(void)pw_buf_add_str(&payload, "\"objects\":[");
	add_objects(f, w, &payload);
	(void)pw_buf_add_str(&payload, "]}");
	(void)pw_buf_add_str(out, "{\"payloadType\":\"" BUNDLE_PAYLOAD_TYPE "\",\"payload\":\"");
	if (w->break_payload)
		payload.data[payload.len - 3] = ' '; /* JSON as good as before, other bytes */
	add_base64(out, pw_buf_slice(&payload));
	if (w->break_payload)
		payload.data[payload.len - 3] = '}';
	(void)pw_buf_add_str(out, "\",\"signatures\":[");
	if (w->signer >= 0)
		add_signature(out, f->signers[w->signer >= 8 ? 0 : w->signer],
			pw_buf_slice(&payload), true);
	if (w->signer >= 8)
		add_signature(
			out, f->signers[w->signer == 9 ? 1 : 2], pw_buf_slice(&payload), false);
	(void)pw_buf_add_str(out, "]}");
	pw_buf_done(&payload);
}

static inline enum bundle_reason offer(struct fixture *f, const struct wish *w, struct pw_err *err)
{
	struct pw_buf envelope;
	enum bundle_reason reason;

	make_envelope(f, w, &envelope);
	reason = bundle_apply(&f->apply, pw_buf_slice(&envelope), "\"e\"", &f->state, err);
	pw_buf_done(&envelope);
	return reason;
}

static inline void must_apply(struct fixture *f, const struct wish *w)
{
	struct pw_err err = PW_ERR_INIT;
	enum bundle_reason reason = offer(f, w, &err);

	if (reason != BUNDLE_APPLIED)
		fail_msg("%s: %s", bundle_reason_names[reason], err.msg);
}

/* What a restart would find: the serial of the state file, and the first object's bytes. */
static inline void expect_in_force(struct fixture *f, int64_t serial, const char *object)
{
	struct bundle_state again;
	struct pw_err err = PW_ERR_INIT;
	char path[300];
	struct pw_buf text;

	assert_int_equal(f->state.serial, serial);
	assert_int_equal(bundle_state_load(f->state_path, &again, &err), 0);
	assert_int_equal(again.serial, serial);
	assert_string_equal(again.set_id, f->state.set_id);
	bundle_state_done(&again);
	(void)snprintf(
		path, sizeof(path), "%s/objects/000-ClusterRuntimePolicy-base.yaml", f->dir_path);
	pw_buf_init(&text, 1 << 20);
	assert_int_equal(pw_file_read("object", path, &text, &err), 0);
	assert_string_equal(pw_buf_text(&text), object);
	pw_buf_done(&text);
}
