// SPDX-License-Identifier: Apache-2.0
/* What other replicas say of their analyzers, and for how long that counts. */
#include "fixture.h"

#include "common/base/clock.h"
#include "policysync/kube_peers.h"

static void read_replicas(const char *replicas, struct kube_peers *ret)
{
	struct pw_json *json = NULL;
	struct pw_err err = PW_ERR_INIT;
	char text[2048];

	(void)snprintf(text, sizeof(text), "{\"status\":{\"replicas\":%s}}", replicas);
	assert_int_equal(pw_json_parse(pw_slice_str(text), &json, &err), 0);
	kube_peers_read(json, "self", ret);
	pw_json_free(json);
}

static void entries_of_others_are_summed_up(void **state)
{
	static const struct {
		const char *replicas;
		size_t analyzers;
		bool done, agree;
	} rows[] = {
		{"[]", 0, true, true},
		{"null", 0, true, true},
		{"7", 0, true, true},
		{"[7,{\"name\":3},{}]", 0, true, true},
		{"[{\"name\":\"self\",\"revision\":\"a\",\"analyzers\":3}]", 0, true, true},
		{"[{\"name\":\"b\",\"revision\":\"a\",\"analyzers\":3,\"inForce\":3}]", 3, true,
			true},
		{"[{\"name\":\"b\",\"revision\":\"a\",\"analyzers\":3,\"inForce\":2}]", 3, false,
			true},
		{"[{\"name\":\"b\",\"revision\":\"a\",\"analyzers\":-1},"
		 "{\"name\":\"c\",\"revision\":\"x\",\"analyzers\":99999}]",
			0, true, true},
		{"[{\"name\":\"b\",\"revision\":\"a\",\"analyzers\":1,\"inForce\":1},"
		 "{\"name\":\"c\",\"revision\":\"x\",\"analyzers\":2,\"inForce\":2}]",
			3, true, false},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct kube_peers p = {.count = 0}, now;
		struct kube_policies_peers sum;

		read_replicas(rows[i].replicas, &now);
		kube_peers_take(&p, &now, 1000);
		kube_peers_sum(&p, 1000, &sum);
		if (sum.analyzers != rows[i].analyzers || sum.done != rows[i].done ||
			sum.agree != rows[i].agree)
			fail_msg("row %zu: %zu %d %d", i, sum.analyzers, sum.done, sum.agree);
	}
}

static void an_entry_that_is_not_renewed_counts_for_nothing(void **state)
{
	static const char before[] =
		"[{\"name\":\"b\",\"revision\":\"a\",\"analyzers\":2,\"inForce\":1,\"beat\":1}]";
	static const char after[] =
		"[{\"name\":\"b\",\"revision\":\"a\",\"analyzers\":2,\"inForce\":1,\"beat\":2}]";
	struct kube_peers p = {.count = 0}, now;
	struct kube_policies_peers sum;

	(void)state;
	read_replicas(before, &now);
	kube_peers_take(&p, &now, 1000);
	/* Told again by a list, but not renewed. */
	kube_peers_take(&p, &now, 1000 + KUBE_PEERS_STALE_NS);
	kube_peers_sum(&p, 1001 + KUBE_PEERS_STALE_NS, &sum);
	assert_int_equal(sum.analyzers, 0);
	assert_true(sum.done);
	read_replicas(after, &now);
	kube_peers_take(&p, &now, 1001 + KUBE_PEERS_STALE_NS);
	kube_peers_sum(&p, 1001 + KUBE_PEERS_STALE_NS, &sum);
	assert_int_equal(sum.analyzers, 2);
	assert_false(sum.done);
	assert_int_equal(sum.oldest_ns, 1001 + KUBE_PEERS_STALE_NS);
}

static void our_entry_is_due_when_it_changes_and_with_each_beat(void **state)
{
	struct kube_peers p = {.count = 0};
	struct kube_policies_stats now = {.analyzers = 1, .in_force = 1, .revision = "r"};

	(void)state;
	assert_true(kube_peers_is_due(&p, &now, 5));
	p.told = now;
	p.told_ns = 5;
	assert_false(kube_peers_is_due(&p, &now, 6));
	assert_true(kube_peers_is_due(&p, &now, 5 + KUBE_PEERS_BEAT_NS));
	now.in_force = 0;
	assert_true(kube_peers_is_due(&p, &now, 6));
	p.busy = true;
	assert_false(kube_peers_is_due(&p, &now, 6));
}

static void what_is_written_is_read_again(void **state)
{
	const struct kube_policies_stats stats = {
		.analyzers = 3, .in_force = 2, .revision = "r\"1"};
	struct pw_json *json = NULL;
	struct pw_err err = PW_ERR_INIT;
	struct kube_peers p;
	pw_auto_buf body;

	(void)state;
	pw_buf_init(&body, 4096);
	assert_int_equal(kube_peers_write("other", &stats, &body), 0);
	assert_int_equal(pw_json_parse(pw_buf_slice(&body), &json, &err), 0);
	kube_peers_read(json, "self", &p);
	pw_json_free(json);
	assert_int_equal(p.count, 1);
	assert_string_equal(p.items[0].name, "other");
	assert_string_equal(p.items[0].revision, "r\"1");
	assert_int_equal(p.items[0].analyzers, 3);
	assert_int_equal(p.items[0].in_force, 2);
	assert_true(p.items[0].beat > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_of_others_are_summed_up),
		cmocka_unit_test(an_entry_that_is_not_renewed_counts_for_nothing),
		cmocka_unit_test(our_entry_is_due_when_it_changes_and_with_each_beat),
		cmocka_unit_test(what_is_written_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
