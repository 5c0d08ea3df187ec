// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "common/base/clock.h"
#include "common/testing/oom.h"
#include "policysync/pod_groups.h"
#include <errno.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct told {
	char group[256], id[80], node[64], digest[80];
	size_t puts, removals;
	int answer;
};

static int emit(void *ctx, struct nodes_changes *changes)
{
	struct told *t = ctx;

	if (t->answer < 0)
		return t->answer;
	for (size_t i = 0; i < changes->count; i++) {
		const struct node_entry *e = &changes->items[i].entry;

		(void)snprintf(t->id, sizeof(t->id), "%s", e->id);
		(void)snprintf(t->node, sizeof(t->node), "%s", e->node);
		if (changes->items[i].removed) {
			t->removals++;
			continue;
		}
		t->puts++;
		(void)snprintf(t->group, sizeof(t->group), "%s", e->group);
		(void)snprintf(t->digest, sizeof(t->digest), "%s", e->digest);
	}
	nodes_changes_free(changes);
	return 0;
}

static struct pw_json *parse(const char *text)
{
	struct pw_json *j = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (pw_json_parse(pw_slice_str(text), &j, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return j;
}

/* A pod "p" of uid on node n1 with one container; meta are further members of metadata. */
static void pod_text(char *out, size_t size, const char *uid, const char *meta, const char *id)
{
	(void)snprintf(out, size,
		"{\"metadata\":{\"uid\":\"%s\",\"namespace\":\"n\",\"name\":\"kube-proxy-n1\"%s},"
		"\"spec\":"
		"{\"nodeName\":\"n1\"},\"status\":{\"containerStatuses\":[{\"name\":\"c\","
		"\"image\":\"i\","
		"\"imageID\":\"r/i@sha256:00\",\"containerID\":\"containerd://"
		"%s\"},{\"name\":\"not-yet\"}]}}",
		uid, meta, id);
}

static void put(struct pod_groups *g, const char *uid, const char *meta, const char *id)
{
	char text[2048];
	struct pw_json *j;
	struct pod *pod = NULL;

	pod_text(text, sizeof(text), uid, meta, id);
	j = parse(text);
	assert_int_equal(pod_read(j, &pod), 0);
	pw_json_free(j);
	pod_groups_put_take(g, pod);
}

static void put_parent(struct pod_groups *g, const char *uid, const char *owner)
{
	char text[512];
	struct pw_json *j;
	struct pod_parent *parent = NULL;

	(void)snprintf(
		text, sizeof(text), "{\"metadata\":{\"uid\":\"%s\",\"name\":\"x\"%s}}", uid, owner);
	j = parse(text);
	assert_int_equal(pod_parent_read(j, &parent), 0);
	pw_json_free(j);
	pod_groups_parent_put_take(g, parent);
}

#define OWNER(kind, name, uid)                                                               \
	",\"ownerReferences\":[{\"kind\":\"Other\",\"name\":\"o\",\"uid\":\"o\"},{\"kind\":" \
	"\"" kind "\",\"name\":\"" name "\",\"uid\":\"" uid "\",\"controller\":true}]"

static void the_topmost_owner_gives_the_group(void **state)
{
	static const struct {
		const char *meta, *parent, *group;
	} rows[] = {
		{"", NULL, "n/Pod/kube-proxy-n1/c"},
		{",\"generateName\":\"job-runner-\"", NULL, "n/Pod/job-runner/c"},
		{",\"generateName\":\"-\"", NULL, "n/Pod/kube-proxy-n1/c"},
		{OWNER("Node", "n1", "u"), NULL, "n/Node/kube-proxy/c"},
		{OWNER("StatefulSet", "db", "u"), NULL, "n/StatefulSet/db/c"},
		{OWNER("DaemonSet", "logs", "u"), NULL, "n/DaemonSet/logs/c"},
		{OWNER("ReplicaSet", "web-5d4", "u"), OWNER("Deployment", "web", "d"),
			"n/Deployment/web/c"},
		{OWNER("ReplicaSet", "web-5d4", "u"), OWNER("Rollout", "web", "d"),
			"n/Rollout/web/c"},
		{OWNER("ReplicaSet", "web-5d4", "u"), "", "n/ReplicaSet/web-5d4/c"},
		{OWNER("Job", "tidy-1", "u"), OWNER("CronJob", "tidy", "d"), "n/CronJob/tidy/c"},
		{OWNER("Job", "once", "u"), "", "n/Job/once/c"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct told told = {.answer = 0};
		struct pod_groups *g = NULL;

		assert_int_equal(pod_groups_new(emit, &told, &g), 0);
		put(g, "p", rows[i].meta, ID);
		assert_int_equal(told.puts, rows[i].parent ? 0 : 1);
		if (rows[i].parent)
			put_parent(g, "u", rows[i].parent);
		assert_int_equal(told.puts, 1);
		assert_string_equal(told.group, rows[i].group);
		assert_string_equal(told.id, ID);
		assert_string_equal(told.node, "n1");
		assert_string_equal(told.digest, "sha256:00");
		pod_groups_free(g);
	}
}

static void an_owner_that_never_comes_is_waited_for_30_s(void **state)
{
	struct pw_fake_clock clock = {.mono_ns = PW_NS_PER_S};
	struct told told = {.answer = 0};
	struct pod_groups_stats stats;
	struct pod_groups *g = NULL;

	(void)state;
	pw_clock_fake(&clock);
	assert_int_equal(pod_groups_new(emit, &told, &g), 0);
	put(g, "p", OWNER("ReplicaSet", "web-5d4", "u"), ID);
	clock.mono_ns += 30 * PW_NS_PER_S;
	pod_groups_tick(g);
	assert_int_equal(told.puts, 0);
	pod_groups_get_stats(g, &stats);
	assert_int_equal(stats.waiting, 1);
	clock.mono_ns += 1;
	pod_groups_tick(g);
	assert_string_equal(told.group, "n/ReplicaSet/web-5d4/c");
	pod_groups_get_stats(g, &stats);
	assert_int_equal(stats.waiting, 0);
	pod_groups_free(g);
	pw_clock_fake(NULL);
}

static void a_container_that_vanished_stays_assigned_for_a_minute(void **state)
{
	struct pw_fake_clock clock = {.mono_ns = PW_NS_PER_S};
	struct told told = {.answer = 0};
	struct pod_groups *g = NULL;

	(void)state;
	pw_clock_fake(&clock);
	assert_int_equal(pod_groups_new(emit, &told, &g), 0);
	put(g, "p", "", ID);
	put(g, "p", "", "ffffffffffff"); /* restarted: another container */
	assert_int_equal(told.puts, 2);
	pod_groups_remove(g, "p");
	clock.mono_ns += 59 * PW_NS_PER_S;
	pod_groups_tick(g);
	assert_int_equal(told.removals, 0);
	clock.mono_ns += 1 * PW_NS_PER_S;
	told.answer = -EAGAIN; /* nobody listens: it is said later, not forgotten */
	pod_groups_tick(g);
	told.answer = 0;
	pod_groups_tick(g);
	assert_int_equal(told.removals, 2);
	assert_string_equal(told.id, "ffffffffffff");
	pod_groups_tick(g);
	assert_int_equal(told.removals, 2);
	pod_groups_free(g);
	pw_clock_fake(NULL);
}

static void what_cannot_be_said_now_is_said_by_the_tick(void **state)
{
	struct told told = {.answer = -EAGAIN};
	struct pod_groups *g = NULL;

	(void)state;
	assert_int_equal(pod_groups_new(emit, &told, &g), 0);
	put(g, "p", "", ID);
	told.answer = 0;
	pod_groups_tick(g);
	assert_int_equal(told.puts, 1);
	put(g, "p", "", ID); /* nothing new */
	assert_int_equal(told.puts, 1);
	pod_groups_free(g);
}

static void what_is_no_pod_is_refused(void **state)
{
	static const char *const rows[] = {"{}", "[]",
		"{\"metadata\":{\"uid\":\"u\",\"name\":\"p\"}}",
		"{\"metadata\":{\"uid\":\"\",\"name\":\"p\",\"namespace\":\"n\"}}",
		"{\"metadata\":{\"uid\":\"u\",\"name\":\"a/b\",\"namespace\":\"n\"}}",
		"{\"metadata\":{\"uid\":\"u\",\"name\":7,\"namespace\":\"n\"}}"};
	static const char *const ids[] = {"", "docker", "containerd://", "containerd://xyz",
		"containerd://0123456789AB", "containerd://01234567"};
	struct pod *pod = NULL;

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_json *j = parse(rows[i]);

		assert_int_equal(pod_read(j, &pod), -EINVAL);
		pw_json_free(j);
	}
	for (size_t i = 0; i < PW_COUNT(ids); i++) {
		char text[512];
		struct pw_json *j;

		(void)snprintf(text, sizeof(text),
			"{\"metadata\":{\"uid\":\"u\",\"name\":\"p\",\"namespace\":\"n\"},"
			"\"status\":{"
			"\"containerStatuses\":[{\"containerID\":\"%s\"}]}}",
			ids[i]);
		j = parse(text);
		assert_int_equal(pod_read(j, &pod), 0);
		assert_int_equal(pod->container_count, 0);
		free(pod);
		pw_json_free(j);
	}
}

static int run_once(void *ctx)
{
	struct told told = {.answer = 0};
	struct pod_groups_stats stats;
	struct pod_groups *g = NULL;
	struct pod *pod = NULL;
	int r = pod_groups_new(emit, &told, &g);

	if (r == 0)
		r = pod_read(ctx, &pod);
	if (r == 0) {
		pod_groups_put_take(g, pod);
		pod_groups_get_stats(g, &stats);
		r = stats.refused || stats.waiting ? -ENOMEM : 0;
	}
	pod_groups_free(g);
	return r;
}

static void running_out_of_memory_loses_nothing_uncounted(void **state)
{
	char text[2048];
	struct pw_json *j;

	(void)state;
	pod_text(text, sizeof(text), "p", "", ID);
	j = parse(text);
	assert_true(pw_oom_loop(run_once, j) > 3);
	pw_json_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_topmost_owner_gives_the_group),
		cmocka_unit_test(an_owner_that_never_comes_is_waited_for_30_s),
		cmocka_unit_test(a_container_that_vanished_stays_assigned_for_a_minute),
		cmocka_unit_test(what_cannot_be_said_now_is_said_by_the_tick),
		cmocka_unit_test(what_is_no_pod_is_refused),
		cmocka_unit_test(running_out_of_memory_loses_nothing_uncounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
