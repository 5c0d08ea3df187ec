/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From a received envelope to what is in force, in one fixed order: size, signatures, schema and
 * minAgent, serial, expiry, local caps, blobs (size and hash), dry run, apply, and the state file
 * last: before it is written nothing has changed for a restart. Whatever fails refuses the bundle
 * whole, and what was in force stays. A bundle that expires later stays in force too. Not the
 * network: blobs come through a function. Thread: the bundle's own. Ceiling: blobs of 8 MiB in all.
 */
#include "policysync/bundle_verify.h"

#define BUNDLE_TOTAL_BYTES ((size_t)8 << 20)
#define BUNDLE_KINDS       8

/* Why a bundle was refused; the words of the condition BundleApplied. */
enum bundle_reason {
	BUNDLE_APPLIED,
	BUNDLE_UNCHANGED, /* the serial that is in force */
	BUNDLE_TOO_LARGE,
	BUNDLE_MALFORMED,
	BUNDLE_SIGNATURE_INVALID,
	BUNDLE_SCHEMA_UNSUPPORTED,
	BUNDLE_AGENT_TOO_OLD,
	BUNDLE_WRONG_CHANNEL,
	BUNDLE_ROLLBACK_REFUSED,
	BUNDLE_EXPIRED,
	BUNDLE_KIND_NOT_ALLOWED,
	BUNDLE_ACTION_NOT_ALLOWED,
	BUNDLE_PRUNE_REFUSED,
	BUNDLE_BLOB_UNAVAILABLE, /* not refused: tried again */
	BUNDLE_HASH_MISMATCH,
	BUNDLE_INVALID_OBJECT,
	BUNDLE_APPLY_FAILED, /* not refused: tried again */
	BUNDLE_REASONS
};
extern const char *const bundle_reason_names[BUNDLE_REASONS];

/* What no backend can lift. */
struct bundle_caps {
	char kinds[BUNDLE_KINDS][64]; /* allowed; none = all that are known */
	size_t kind_count;
	bool audit_only; /* policies may only audit */
	uint32_t max_prune_percent;
};

/* One bundle with its contents, all checked but not parsed. */
struct bundle {
	const struct bundle_manifest *manifest;
	const struct pw_slice *blobs; /* one for each object */
};

struct bundle_state;
enum bundle_turn {
	BUNDLE_TURN_GO,
	BUNDLE_TURN_WAIT,  /* another replica does it */
	BUNDLE_TURN_AGAIN, /* it became ours, or somebody changed what was applied: apply anew */
};

/* Where objects go: a folder, or the API server. */
struct bundle_target {
	/* Would all of it be taken? -EINVAL with the field, -EPERM for an action past the cap. */
	int (*dry_run)(void *ctx, const struct bundle *b, const struct bundle_caps *caps,
		struct pw_err *err);
	/* Makes it the whole of what is in force; a failure leaves what was. */
	int (*apply)(void *ctx, const struct bundle *b, struct pw_err *err);
	/*
	 * Where the state is kept; both NULL = in the file. save is the last step of an apply. What
	 * load does not know stays empty; without expires_ns etag counts for nothing.
	 */
	int (*load)(void *ctx, struct bundle_state *ret, struct pw_err *err);
	int (*save)(void *ctx, const struct bundle_state *next, struct pw_err *err);
	enum bundle_turn (*turn)(void *ctx); /* before each request; NULL = always go */
	void *ctx;
};

/* Remembered across restarts. */
struct bundle_state {
	int64_t serial; /* 0 = bundle zero: what the program brought along */
	int64_t expires_ns;
	char set_id[CRYPTO_HEX_SIZE]; /* keys that the serial counts for */
	char etag[128], channel[64], revision[64];
	/* Keys that a bundle put in the place of those of the local file, and the set_id of that
	 * file: another file counts again. */
	char next_keys[BUNDLE_NEXT_KEYS_BYTES], next_from[CRYPTO_HEX_SIZE];
	uint32_t next_threshold;
	bool reapply;                    /* the serial in force is applied once more; not kept */
	struct bundle_manifest *applied; /* NULL with bundle zero */
};

int bundle_state_load(const char *path, struct bundle_state *ret, struct pw_err *err) PW_MUST_CHECK;
void bundle_state_done(struct bundle_state *s);
/* The keys that count now: those of the file, or the ones that a bundle signed with them named. */
int bundle_state_keys(const struct bundle_state *s, const struct bundle_keys *local,
	struct bundle_keys *ret, struct pw_err *err) PW_MUST_CHECK;

struct bundle_apply {
	const struct bundle_keys *keys; /* of the local file */
	const struct bundle_caps *caps;
	const char *channel, *state_path;
	struct bundle_target target;
	/* Appends the blob to out, at most size bytes. */
	int (*fetch)(
		void *ctx, const struct bundle_object *o, struct pw_buf *out, struct pw_err *err);
	void *fetch_ctx;
};

/* state follows when it was applied. err says what was wrong for every reason but the first two. */
enum bundle_reason bundle_apply(const struct bundle_apply *a, struct pw_slice envelope,
	const char *etag, struct bundle_state *state, struct pw_err *err) PW_MUST_CHECK;
