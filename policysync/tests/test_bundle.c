// SPDX-License-Identifier: Apache-2.0
/*
 * Bundles on their way into force: one good one, then every way in which one is refused, each for
 * the right reason and with the previous one still in force.
 */
#include "bundle_fixture.h"

static void a_good_bundle_comes_in_force_and_survives_a_restart(void **state)
{
	struct fixture *f = *state;
	struct pw_err err = PW_ERR_INIT;

	f->blobs[0] = policy;
	f->blobs[1] = exclusion;
	must_apply(f, &(struct wish){.serial = 7});
	expect_in_force(f, 7, policy);
	assert_int_equal(f->changes, 1);
	assert_string_equal(f->state.etag, "\"e\"");
	assert_int_equal(offer(f, &(struct wish){.serial = 7}, &err), BUNDLE_UNCHANGED);
	assert_int_equal(f->changes, 1);
	f->blobs[0] = audit_policy;
	must_apply(f, &(struct wish){.serial = 8});
	expect_in_force(f, 8, audit_policy);
}

static const struct row {
	const char *name;
	struct wish wish;
	enum bundle_reason reason;
	const char *words;
	const char *blob, *swap;
	const char *allowed;
	int fetch_fails, apply_fails;
	bool audit_only, without_exclusion;
	uint32_t threshold;
} rows[] = {
	{.name = "tampered",
		.wish = {.serial = 8, .break_payload = true},
		.reason = BUNDLE_SIGNATURE_INVALID,
		.words = "signed by 0"},
	{.name = "wrong key",
		.wish = {.serial = 8, .signer = 2},
		.reason = BUNDLE_SIGNATURE_INVALID,
		.words = "signed by 0 of 2"},
	{.name = "unsigned",
		.wish = {.serial = 8, .signer = -1},
		.reason = BUNDLE_SIGNATURE_INVALID,
		.words = "signed by 0"},
	{.name = "one of two",
		.wish = {.serial = 8},
		.reason = BUNDLE_SIGNATURE_INVALID,
		.words = "signed by 1 of 2",
		.threshold = 2},
	{.name = "later schema",
		.wish = {.serial = 8, .schema = 2},
		.reason = BUNDLE_SCHEMA_UNSUPPORTED,
		.words = "schema"},
	{.name = "for later agents",
		.wish = {.serial = 8, .min_agent = "99.0.0"},
		.reason = BUNDLE_AGENT_TOO_OLD,
		.words = "minAgent"},
	{.name = "other channel",
		.wish = {.serial = 8, .channel = "beta"},
		.reason = BUNDLE_WRONG_CHANNEL,
		.words = "channel"},
	{.name = "rolled back",
		.wish = {.serial = 6},
		.reason = BUNDLE_ROLLBACK_REFUSED,
		.words = "6 is older than 7"},
	{.name = "expired",
		.wish = {.serial = 8, .expires = "2020-01-01T00:00:00Z"},
		.reason = BUNDLE_EXPIRED,
		.words = "expiresAt"},
	{.name = "kind not allowed",
		.wish = {.serial = 8},
		.reason = BUNDLE_KIND_NOT_ALLOWED,
		.words = "objects[0]: kind",
		.allowed = "SignatureSet"},
	{.name = "action not allowed",
		.wish = {.serial = 8},
		.reason = BUNDLE_ACTION_NOT_ALLOWED,
		.words = "mode Enforce",
		.audit_only = true},
	{.name = "prunes too much",
		.wish = {.serial = 8},
		.reason = BUNDLE_PRUNE_REFUSED,
		.words = "1 of 2 objects would vanish",
		.without_exclusion = true},
	{.name = "prunes without saying so",
		.wish = {.serial = 8, .prune = "false"},
		.reason = BUNDLE_PRUNE_REFUSED,
		.words = "without \"prune\"",
		.without_exclusion = true},
	{.name = "blob away",
		.wish = {.serial = 8},
		.reason = BUNDLE_BLOB_UNAVAILABLE,
		.words = "no connection",
		.fetch_fails = -ECONNREFUSED},
	{.name = "blob swapped",
		.wish = {.serial = 8},
		.reason = BUNDLE_HASH_MISMATCH,
		.words = "is not",
		.swap = audit_policy},
	{.name = "blob too long",
		.wish = {.serial = 8},
		.reason = BUNDLE_HASH_MISMATCH,
		.words = "no connection",
		.fetch_fails = -E2BIG},
	{.name = "size a lie",
		.wish = {.serial = 8, .size_off = 1},
		.reason = BUNDLE_HASH_MISMATCH,
		.words = "is not"},
	{.name = "oversized",
		.wish = {.serial = 8, .size_off = 800 << 10},
		.reason = BUNDLE_MALFORMED,
		.words = "objects[0].size"},
	{.name = "nonsense",
		.wish = {.serial = 8},
		.reason = BUNDLE_INVALID_OBJECT,
		.words = "spec.mode",
		.blob = nonsense},
	{.name = "not YAML",
		.wish = {.serial = 8},
		.reason = BUNDLE_INVALID_OBJECT,
		.words = "ClusterRuntimePolicy/base",
		.blob = "RuntimePolicy: ["},
	{.name = "another object",
		.wish = {.serial = 8, .kind = "SignatureSet"},
		.reason = BUNDLE_INVALID_OBJECT,
		.words = "SignatureSet/base"},
	{.name = "half applied",
		.wish = {.serial = 8},
		.reason = BUNDLE_APPLY_FAILED,
		.words = "the disk is full",
		.apply_fails = -ENOSPC},
};

static void try_row(struct fixture *f, const struct row *row)
{
	struct pw_err err = PW_ERR_INIT;
	enum bundle_reason reason;
	unsigned changes;

	f->caps = (struct bundle_caps){.max_prune_percent = 50};
	f->caps.max_prune_percent = row->without_exclusion ? 49 : 50;
	f->caps.audit_only = row->audit_only;
	if (row->allowed) {
		(void)snprintf(f->caps.kinds[0], sizeof(f->caps.kinds[0]), "%s", row->allowed);
		f->caps.kind_count = 1;
	}
	f->blobs[0] = row->blob ? row->blob : policy;
	f->blobs[1] = row->without_exclusion ? NULL : exclusion;
	f->swap = row->swap;
	f->fetch_fails = row->fetch_fails;
	f->apply_fails = row->apply_fails;
	f->keys.threshold = row->threshold ? row->threshold : 1;
	changes = f->changes;
	reason = offer(f, &row->wish, &err);
	if (reason != row->reason || !strstr(err.msg, row->words))
		fail_msg("%s: %s: %s", row->name, bundle_reason_names[reason], err.msg);
	assert_int_equal(f->changes, changes);
	expect_in_force(f, 7, policy);
}

static void every_bad_bundle_is_refused_for_its_reason_and_changes_nothing(void **state)
{
	struct fixture *f = *state;

	f->blobs[0] = policy;
	f->blobs[1] = exclusion;
	must_apply(f, &(struct wish){.serial = 7});
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		try_row(f, &rows[i]);
	/* And none of it stands in the way of the next good one. */
	f->caps = (struct bundle_caps){.max_prune_percent = 50};
	f->blobs[0] = audit_policy;
	f->swap = NULL;
	f->apply_fails = 0;
	must_apply(f, &(struct wish){.serial = 8});
	expect_in_force(f, 8, audit_policy);
}

static void garbage_is_refused_before_anything_else(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *text;
		enum bundle_reason reason;
	} garbage[] = {
		{"", BUNDLE_MALFORMED},
		{"<html>not found</html>", BUNDLE_MALFORMED},
		{"{}", BUNDLE_MALFORMED},
		{"{\"payloadType\":\"text/plain\",\"payload\":\"\",\"signatures\":[]}",
			BUNDLE_MALFORMED},
		{"{\"payloadType\":\"" BUNDLE_PAYLOAD_TYPE
		 "\",\"payload\":\"e30\",\"signatures\":[{\"keyid\":\"\",\"sig\":\"AAAA\"}]}",
			BUNDLE_MALFORMED},
		{"{\"payloadType\":\"" BUNDLE_PAYLOAD_TYPE
		 "\",\"payload\":\"e3!\",\"signatures\":[]}",
			BUNDLE_MALFORMED},
		{"{\"payloadType\":\"" BUNDLE_PAYLOAD_TYPE
		 "\",\"payload\":\"e30=\",\"signatures\":[]}",
			BUNDLE_SIGNATURE_INVALID},
	};
	char *large = malloc(BUNDLE_ENVELOPE_BYTES + 2);
	struct pw_err err = PW_ERR_INIT;

	for (size_t i = 0; i < PW_COUNT(garbage); i++) {
		pw_err_clear(&err);
		assert_int_equal(
			bundle_apply(&f->apply, pw_slice_str(garbage[i].text), "", &f->state, &err),
			garbage[i].reason);
		assert_true(err.msg[0] != '\0');
	}
	memset(large, ' ', BUNDLE_ENVELOPE_BYTES + 1);
	assert_int_equal(bundle_apply(&f->apply, pw_slice_of(large, BUNDLE_ENVELOPE_BYTES + 1), "",
				 &f->state, &err),
		BUNDLE_TOO_LARGE);
	free(large);
	assert_int_equal(f->state.serial, 0);
	assert_int_equal(f->changes, 0);
}

static void with_two_of_two_both_must_sign(void **state)
{
	struct fixture *f = *state;

	read_keys(f, 2, 2);
	f->blobs[0] = policy;
	must_apply(f, &(struct wish){.serial = 1, .signer = 9});
}

static void other_trusted_keys_start_a_counter_of_their_own(void **state)
{
	struct fixture *f = *state;

	f->blobs[0] = policy;
	must_apply(f, &(struct wish){.serial = 1000});
	read_keys(f, 1, 1);
	f->blobs[0] = audit_policy;
	must_apply(f, &(struct wish){.serial = 3});
	expect_in_force(f, 3, audit_policy);
}

static void a_bundle_rotates_the_keys_and_the_local_file_has_the_last_word(void **state)
{
	struct fixture *f = *state;
	struct bundle_state again;
	struct pw_err err = PW_ERR_INIT;

	f->blobs[0] = policy;
	must_apply(f, &(struct wish){.serial = 10, .signer = 8, .next_signer = 2});
	f->blobs[0] = audit_policy;
	assert_int_equal(offer(f, &(struct wish){.serial = 11}, &err), BUNDLE_SIGNATURE_INVALID);
	expect_in_force(f, 10, policy);
	/* A restart knows it too. */
	assert_int_equal(bundle_state_load(f->state_path, &again, &err), 0);
	bundle_state_done(&f->state);
	f->state = again;
	must_apply(f, &(struct wish){.serial = 2, .signer = 2});
	expect_in_force(f, 2, audit_policy);
	pw_err_clear(&err);
	assert_int_equal(
		offer(f, &(struct wish){.serial = 1, .signer = 2}, &err), BUNDLE_ROLLBACK_REFUSED);
	read_keys(f, 1, 1);
	must_apply(f, &(struct wish){.serial = 1, .signer = 0});
}

static void what_is_in_force_is_applied_once_more_when_asked(void **state)
{
	struct fixture *f = *state;

	f->blobs[0] = policy;
	must_apply(f, &(struct wish){.serial = 7});
	f->state.reapply = true;
	must_apply(f, &(struct wish){.serial = 7, .expires = "2001-01-01T00:00:00Z"});
	assert_int_equal(f->changes, 2);
	assert_false(f->state.reapply);
}

static void keys_that_cannot_be_meant_are_refused(void **state)
{
	struct fixture *f = *state;
	struct bundle_keys keys;
	struct pw_err err = PW_ERR_INIT;

	(void)f;
	assert_true(bundle_keys_parse(PW_SLICE_LIT(""), 1, &keys, &err) < 0);
	assert_non_null(strstr(err.msg, "0 keys, but 1 must sign"));
	pw_err_clear(&err);
	assert_true(bundle_keys_parse(
			    PW_SLICE_LIT("-----BEGIN PUBLIC KEY-----\n"), 1, &keys, &err) < 0);
	assert_non_null(strstr(err.msg, "without its end"));
	pw_err_clear(&err);
	assert_true(bundle_keys_read("/nowhere/keys.pem", 1, &keys, &err) < 0);
	assert_non_null(strstr(err.msg, "--backend-keys /nowhere/keys.pem"));
}

static void a_damaged_state_file_is_told_and_never_taken_for_none(void **state)
{
	struct fixture *f = *state;
	static const char *const texts[] = {
		"", "{}", "{\"keySet\":\"x\",\"manifest\":\"{}\"}", "7"};
	struct bundle_state s;
	struct pw_err err = PW_ERR_INIT;

	for (size_t i = 0; i < PW_COUNT(texts); i++) {
		assert_int_equal(pw_file_write(f->state_path, pw_slice_str(texts[i]), &err), 0);
		assert_true(bundle_state_load(f->state_path, &s, &err) < 0);
		assert_non_null(strstr(err.msg, f->state_path));
		pw_err_clear(&err);
	}
}

struct oom {
	struct fixture *f;
	struct pw_buf envelope;
};

/* OpenSSL's and libyaml's own allocations do not fail here; ours do. */
static int apply_once(void *ctx)
{
	struct oom *o = ctx;
	struct pw_err err = PW_ERR_INIT;
	enum bundle_reason reason;

	bundle_state_done(&o->f->state);
	reason = bundle_apply(&o->f->apply, pw_buf_slice(&o->envelope), "", &o->f->state, &err);
	if (reason == BUNDLE_APPLIED)
		return 0;
	return reason == BUNDLE_APPLY_FAILED || reason == BUNDLE_BLOB_UNAVAILABLE ? -ENOMEM : -EIO;
}

static void running_out_of_memory_refuses_nothing_for_good(void **state)
{
	struct oom o = {.f = *state};

	o.f->blobs[0] = policy;
	o.f->blobs[1] = exclusion;
	make_envelope(o.f, &(struct wish){.serial = 7}, &o.envelope);
	assert_true(pw_oom_loop(apply_once, &o) > 10);
	pw_buf_done(&o.envelope);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_good_bundle_comes_in_force_and_survives_a_restart),
		T(every_bad_bundle_is_refused_for_its_reason_and_changes_nothing),
		T(garbage_is_refused_before_anything_else),
		T(with_two_of_two_both_must_sign),
		T(other_trusted_keys_start_a_counter_of_their_own),
		T(a_bundle_rotates_the_keys_and_the_local_file_has_the_last_word),
		T(what_is_in_force_is_applied_once_more_when_asked),
		T(keys_that_cannot_be_meant_are_refused),
		T(a_damaged_state_file_is_told_and_never_taken_for_none),
		T(running_out_of_memory_refuses_nothing_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
