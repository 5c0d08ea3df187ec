// SPDX-License-Identifier: Apache-2.0
#include "policysync/bundle_apply.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "policysync/json_write.h"
#include <errno.h>
#include <stdio.h>

#define STATE_BYTES ((size_t)1 << 20)

const char *const bundle_reason_names[BUNDLE_REASONS] = {
	"Applied",
	"Unchanged",
	"TooLarge",
	"Malformed",
	"SignatureInvalid",
	"SchemaUnsupported",
	"AgentTooOld",
	"WrongChannel",
	"RollbackRefused",
	"Expired",
	"KindNotAllowed",
	"ActionNotAllowed",
	"PruneRefused",
	"BlobUnavailable",
	"HashMismatch",
	"InvalidObject",
	"ApplyFailed",
};

struct work {
	const struct bundle_apply *a;
	struct bundle_keys keys; /* that count now */
	struct bundle_envelope envelope;
	struct bundle_manifest *manifest;
	struct pw_slice blobs[BUNDLE_OBJECTS];
	struct pw_buf memory; /* of the blobs */
};

static enum bundle_reason refuse(enum bundle_reason reason, struct pw_err *err, const char *words)
{
	(void)pw_err_set(err, -EPERM, "%s", words);
	return reason;
}

/* Running out of memory is no fault of the bundle. */
static enum bundle_reason reason_of(int r, enum bundle_reason reason)
{
	return r == -ENOMEM ? BUNDLE_APPLY_FAILED : reason;
}

static enum bundle_reason check_next_keys(const struct bundle_manifest *m, struct pw_err *err)
{
	struct bundle_keys next;
	int r = 0;

	if (m->next_keys[0])
		r = bundle_keys_parse(pw_slice_str(m->next_keys), m->next_threshold, &next, err);
	if (r == 0)
		return BUNDLE_APPLIED;
	return reason_of(pw_err_wrap(err, r, "keys.next"), BUNDLE_MALFORMED);
}

static enum bundle_reason check_form(struct work *w, struct pw_slice text, struct pw_err *err)
{
	int r;

	if (text.len > BUNDLE_ENVELOPE_BYTES)
		return refuse(BUNDLE_TOO_LARGE, err, "manifest: larger than 1 MiB");
	r = bundle_envelope_parse(text, &w->envelope, err);
	if (r < 0)
		return reason_of(r, BUNDLE_MALFORMED);
	r = bundle_verify(&w->envelope, &w->keys, err);
	if (r < 0)
		return reason_of(r, BUNDLE_SIGNATURE_INVALID);
	w->manifest = pw_alloc0(1, sizeof(*w->manifest));
	if (!w->manifest)
		return refuse(BUNDLE_APPLY_FAILED, err, "out of memory");
	r = bundle_manifest_parse(pw_buf_slice(&w->envelope.payload), w->manifest, err);
	if (r < 0)
		return reason_of(r, BUNDLE_MALFORMED);
	if (w->manifest->schema != BUNDLE_SCHEMA)
		return refuse(BUNDLE_SCHEMA_UNSUPPORTED, err, "schema: only 1 is known");
	if (!bundle_manifest_is_for_us(w->manifest))
		return refuse(BUNDLE_AGENT_TOO_OLD, err,
			"minAgent: needs a later version than " PODWARD_VERSION);
	return check_next_keys(w->manifest, err);
}

/* A serial counts for one set of keys: rotated keys, by a bundle or locally, start anew. */
static enum bundle_reason check_serial(
	const struct work *w, const struct bundle_state *state, struct pw_err *err)
{
	const struct bundle_manifest *m = w->manifest;
	bool counts = strcmp(state->set_id, w->keys.set_id) == 0;

	if (strcmp(m->channel, w->a->channel) != 0)
		return refuse(BUNDLE_WRONG_CHANNEL, err, "channel: not the one that was asked for");
	if (counts && m->serial == state->serial)
		return state->reapply ? BUNDLE_APPLIED : BUNDLE_UNCHANGED;
	if (counts && m->serial < state->serial) {
		(void)pw_err_set(err, -EPERM, "serial: %lld is older than %lld, which is in force",
			(long long)m->serial, (long long)state->serial);
		return BUNDLE_ROLLBACK_REFUSED;
	}
	if (m->expires_ns <= pw_wall_now().ns)
		return refuse(BUNDLE_EXPIRED, err, "expiresAt: is over");
	return BUNDLE_APPLIED;
}

static bool is_allowed(const struct bundle_caps *caps, const char *kind)
{
	for (size_t i = 0; i < caps->kind_count; i++)
		if (strcmp(caps->kinds[i], kind) == 0)
			return true;
	return caps->kind_count == 0;
}

/* The whole of the bundle replaces the whole of the last one; how much may vanish at once is
 * capped by the backend and, below that, here. */
static enum bundle_reason check_prune(
	const struct work *w, const struct bundle_manifest *before, struct pw_err *err)
{
	uint32_t cap = w->a->caps->max_prune_percent;
	size_t gone = 0;

	if (!before || before->object_count == 0)
		return BUNDLE_APPLIED;
	if (w->manifest->max_prune_percent < cap)
		cap = w->manifest->max_prune_percent;
	for (size_t i = 0; i < before->object_count; i++)
		gone += !bundle_manifest_find(w->manifest, &before->objects[i]);
	if (gone > 0 && !w->manifest->prune)
		return refuse(BUNDLE_PRUNE_REFUSED, err, "objects would vanish without \"prune\"");
	if (gone * 100 <= cap * before->object_count)
		return BUNDLE_APPLIED;
	(void)pw_err_set(err, -EPERM, "%zu of %zu objects would vanish, at most %u %% may", gone,
		before->object_count, cap);
	return BUNDLE_PRUNE_REFUSED;
}

static enum bundle_reason check_caps(
	const struct work *w, const struct bundle_state *state, struct pw_err *err)
{
	for (size_t i = 0; i < w->manifest->object_count; i++) {
		if (is_allowed(w->a->caps, w->manifest->objects[i].kind))
			continue;
		(void)pw_err_set(err, -EPERM, "objects[%zu]: kind %s is not allowed here", i,
			w->manifest->objects[i].kind);
		return BUNDLE_KIND_NOT_ALLOWED;
	}
	return check_prune(w, state->applied, err);
}

static enum bundle_reason fetch_blob(struct work *w, size_t index, struct pw_err *err)
{
	const struct bundle_object *o = &w->manifest->objects[index];
	char hex[CRYPTO_HEX_SIZE];
	size_t before = w->memory.len;
	struct pw_slice blob;
	int r = w->a->fetch(w->a->fetch_ctx, o, &w->memory, err);

	if (r == -E2BIG || (r == 0 && w->memory.len - before != o->size)) {
		(void)pw_err_set(err, -EPERM, "objects[%zu]: %s/%s is not %zu bytes", index,
			o->kind, o->name, o->size);
		return BUNDLE_HASH_MISMATCH;
	}
	blob = pw_slice_of(w->memory.data + before, o->size);
	if (r == 0)
		r = crypto_sha256_hex(blob, hex);
	if (r < 0) {
		(void)pw_err_wrap(err, r, "objects[%zu]: %s/%s", index, o->kind, o->name);
		return BUNDLE_BLOB_UNAVAILABLE;
	}
	if (strcmp(hex, o->sha256) != 0) {
		(void)pw_err_set(err, -EPERM, "objects[%zu]: %s/%s has another hash", index,
			o->kind, o->name);
		return BUNDLE_HASH_MISMATCH;
	}
	/* An offset until the memory has stopped growing. */
	w->blobs[index] = pw_slice_of((const void *)(uintptr_t)before, o->size);
	return BUNDLE_APPLIED;
}

static enum bundle_reason fetch_blobs(struct work *w, struct pw_err *err)
{
	enum bundle_reason reason = BUNDLE_APPLIED;
	size_t total = 0;

	for (size_t i = 0; i < w->manifest->object_count; i++)
		total += w->manifest->objects[i].size;
	if (total > BUNDLE_TOTAL_BYTES)
		return refuse(BUNDLE_TOO_LARGE, err, "objects: larger than 8 MiB in all");
	pw_buf_init(&w->memory, BUNDLE_TOTAL_BYTES + 1);
	for (size_t i = 0; reason == BUNDLE_APPLIED && i < w->manifest->object_count; i++)
		reason = fetch_blob(w, i, err);
	for (size_t i = 0; reason == BUNDLE_APPLIED && i < w->manifest->object_count; i++)
		w->blobs[i].ptr = w->memory.data + (uintptr_t)w->blobs[i].ptr;
	return reason;
}

/* What the state is after this bundle; applied stays with the caller. */
static void next_state(const struct work *w, const struct bundle_state *now, const char *etag,
	struct bundle_state *next)
{
	const struct bundle_manifest *m = w->manifest;

	*next = *now;
	next->serial = m->serial;
	next->expires_ns = m->expires_ns;
	next->reapply = false;
	memcpy(next->set_id, w->keys.set_id, sizeof(next->set_id));
	memcpy(next->channel, m->channel, sizeof(next->channel));
	memcpy(next->revision, m->revision, sizeof(next->revision));
	(void)snprintf(next->etag, sizeof(next->etag), "%s", etag);
	if (!m->next_keys[0])
		return;
	memcpy(next->next_keys, m->next_keys, sizeof(next->next_keys));
	memcpy(next->next_from, w->a->keys->set_id, sizeof(next->next_from));
	next->next_threshold = m->next_threshold;
}

/* The manifest is written as it was signed, so a restart knows what is in force and can check it.
 */
static int write_state(const struct work *w, const struct bundle_state *next, struct pw_err *err)
{
	pw_auto_buf text;
	struct json_writer j = JSON_WRITER(&text);

	pw_buf_init(&text, 2 * STATE_BYTES);
	json_open_object(&j, NULL);
	json_text(&j, "keySet", next->set_id);
	json_text(&j, "etag", next->etag);
	if (next->next_keys[0]) {
		json_text(&j, "nextKeys", next->next_keys);
		json_text(&j, "nextFrom", next->next_from);
		json_u64(&j, "nextThreshold", next->next_threshold);
	}
	json_slice(&j, "manifest", pw_buf_slice(&w->envelope.payload));
	json_close_object(&j);
	if (pw_buf_error(&text) < 0)
		return pw_err_set(
			err, pw_buf_error(&text), "state: %s", pw_err_text(pw_buf_error(&text)));
	return pw_file_write(w->a->state_path, pw_buf_slice(&text), err);
}

static enum bundle_reason put_in_force(
	struct work *w, const char *etag, struct bundle_state *state, struct pw_err *err)
{
	const struct bundle b = {w->manifest, w->blobs};
	const struct bundle_target *t = &w->a->target;
	struct bundle_state next;
	int r = t->dry_run(t->ctx, &b, w->a->caps, err);

	if (r == -EPERM)
		return BUNDLE_ACTION_NOT_ALLOWED;
	if (r < 0)
		return r == -EINVAL ? BUNDLE_INVALID_OBJECT : BUNDLE_APPLY_FAILED;
	next_state(w, state, etag, &next);
	r = t->apply(t->ctx, &b, err);
	if (r == 0)
		r = t->save ? t->save(t->ctx, &next, err) : write_state(w, &next, err);
	if (r < 0)
		return BUNDLE_APPLY_FAILED;
	bundle_state_done(state);
	*state = next;
	state->applied = PW_TAKE(w->manifest);
	return BUNDLE_APPLIED;
}

static enum bundle_reason run(struct work *w, struct pw_slice envelope, const char *etag,
	struct bundle_state *state, struct pw_err *err)
{
	enum bundle_reason reason = BUNDLE_APPLY_FAILED;

	if (bundle_state_keys(state, w->a->keys, &w->keys, err) == 0)
		reason = check_form(w, envelope, err);
	if (reason == BUNDLE_APPLIED)
		reason = check_serial(w, state, err);
	if (reason == BUNDLE_APPLIED)
		reason = check_caps(w, state, err);
	if (reason == BUNDLE_APPLIED)
		reason = fetch_blobs(w, err);
	if (reason == BUNDLE_APPLIED)
		reason = put_in_force(w, etag, state, err);
	return reason;
}

enum bundle_reason bundle_apply(const struct bundle_apply *a, struct pw_slice envelope,
	const char *etag, struct bundle_state *state, struct pw_err *err)
{
	struct work *w = pw_alloc0(1, sizeof(*w));
	enum bundle_reason reason;

	if (!w)
		return refuse(BUNDLE_APPLY_FAILED, err, "out of memory");
	w->a = a;
	reason = run(w, envelope, etag, state, err);
	bundle_envelope_done(&w->envelope);
	pw_buf_done(&w->memory);
	free(w->manifest);
	free(w);
	return reason;
}

void bundle_state_done(struct bundle_state *s)
{
	free(s->applied);
	*s = (struct bundle_state){.serial = 0};
}

int bundle_state_keys(const struct bundle_state *s, const struct bundle_keys *local,
	struct bundle_keys *ret, struct pw_err *err)
{
	int r;

	if (!s->next_keys[0] || strcmp(s->next_from, local->set_id) != 0) {
		*ret = *local;
		return 0;
	}
	r = bundle_keys_parse(pw_slice_str(s->next_keys), s->next_threshold, ret, err);
	return r < 0 ? pw_err_wrap(err, r, "keys of an earlier bundle") : 0;
}

/* The reader has checked that it fits. */
static void copy(char *out, struct pw_slice text)
{
	if (text.len > 0)
		memcpy(out, text.ptr, text.len);
	out[text.len] = '\0';
}

static int read_state(const struct pw_json *root, struct bundle_state *s, struct pw_err *err)
{
	struct pw_json_reader r;
	struct pw_slice set_id, etag, next, from, manifest;

	pw_reader_init(&r, root, err);
	set_id = pw_read_text(&r, "keySet", true, sizeof(s->set_id) - 1);
	etag = pw_read_text(&r, "etag", false, sizeof(s->etag) - 1);
	next = pw_read_text(&r, "nextKeys", false, sizeof(s->next_keys) - 1);
	from = pw_read_text(&r, "nextFrom", false, sizeof(s->next_from) - 1);
	s->next_threshold = (uint32_t)pw_read_int(&r, "nextThreshold", 1, BUNDLE_KEYS, 1);
	manifest = pw_read_text(&r, "manifest", true, BUNDLE_ENVELOPE_BYTES);
	if (err->code < 0)
		return err->code;
	s->applied = pw_alloc0(1, sizeof(*s->applied));
	if (!s->applied)
		return pw_err_set(err, -ENOMEM, "out of memory");
	if (bundle_manifest_parse(manifest, s->applied, err) < 0)
		return err->code;
	copy(s->set_id, set_id);
	copy(s->etag, etag);
	copy(s->next_keys, next);
	copy(s->next_from, from);
	s->serial = s->applied->serial;
	s->expires_ns = s->applied->expires_ns;
	memcpy(s->channel, s->applied->channel, sizeof(s->channel));
	memcpy(s->revision, s->applied->revision, sizeof(s->revision));
	return 0;
}

int bundle_state_load(const char *path, struct bundle_state *ret, struct pw_err *err)
{
	struct pw_err own = PW_ERR_INIT;
	struct bundle_state s = {.serial = 0};
	struct pw_json *root = NULL;
	pw_auto_buf text;
	int r;

	pw_buf_init(&text, 2 * STATE_BYTES);
	r = pw_file_read("bundle state", path, &text, &own);
	if (r == -ENOENT) {
		*ret = s;
		return 0;
	}
	if (r == 0)
		r = pw_json_parse(pw_buf_slice(&text), &root, &own);
	if (r == 0)
		r = read_state(root, &s, &own);
	pw_json_free(root);
	if (r < 0) {
		bundle_state_done(&s);
		return pw_err_set(err, r, "%s: %s", path, own.msg);
	}
	*ret = s;
	return 0;
}
