// SPDX-License-Identifier: Apache-2.0
/* PolicyService and NodeService, seen by a client. */
#include "rpc_fixture.h"

#include "policysync/nodes.h"
#include "policysync/policy_dir.h"
#include "policysync/publish.h"
#include "podward/v1/node.pb-c.h"

struct fixture {
	struct service service;
	struct pw_snapshot *policies;
	struct policy_dir *dir;
	struct publish *publish;
	struct nodes *nodes;
	struct peer peer;
};

static void destroy_set(void *set)
{
	policy_set_free(set);
}

static void publish_serial(struct fixture *f, uint64_t serial)
{
	struct policy_set *set = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(policy_dir_make_set(f->dir, serial, &set, &err), 0);
	assert_int_equal(pw_snapshot_publish(f->policies, set), 0);
}

static int setup(void **state)
{
	static struct nodes_settings settings;
	struct fixture *f = calloc(1, sizeof(*f));
	struct pw_method methods[2];
	struct pw_err err = PW_ERR_INIT;

	assert_non_null(f);
	settings = (struct nodes_settings){.source_count = 1};
	assert_int_equal(
		nodes_parse_analyzers("a-0=unix:/run/a0, unix:/run/a1", &settings, &err), 0);
	service_loops(&f->service);
	assert_int_equal(policy_dir_new(NULL, &f->dir, &err), 0);
	assert_int_equal(pw_snapshot_new(destroy_set, &f->policies), 0);
	publish_serial(f, 1);
	assert_int_equal(publish_new(f->service.server_loop, f->policies, NULL, &f->publish), 0);
	assert_int_equal(nodes_new(f->service.server_loop, &settings, NULL, &f->nodes), 0);
	publish_method(f->publish, &methods[0]);
	nodes_method(f->nodes, &methods[1]);
	service_start(&f->service, methods, 2);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	peer_stop(&f->peer);
	service_stop_client(&f->service);
	pw_server_stop(f->service.server, 1000);
	pw_rpc_loop_stop(f->service.server_loop);
	nodes_free(f->nodes);
	publish_free(f->publish);
	pw_snapshot_free(f->policies);
	policy_dir_free(f->dir);
	folder_remove(&f->service.folder);
	free(f);
	return 0;
}

static Podward__V1__PolicyStatus status_of(const char *name, uint64_t serial, bool in_force)
{
	Podward__V1__PolicyStatus s = PODWARD__V1__POLICY_STATUS__INIT;

	s.schema = 1;
	s.analyzer = text_of(name);
	s.serial = serial;
	s.revision = text_of("r\"1");
	s.in_force = in_force;
	return s;
}

static uint64_t serial_at(const struct peer *p, size_t i)
{
	struct pw_slice bytes = pw_buf_slice(&p->messages[i]);
	Podward__V1__PolicySnapshot *m =
		podward__v1__policy_snapshot__unpack(NULL, bytes.len, bytes.ptr);
	uint64_t serial;

	assert_non_null(m);
	assert_int_equal(m->n_policies, 1);
	assert_int_equal(m->n_signature_sets, 1);
	assert_true(m->signature_sets[0]->n_rules >= 12);
	serial = m->serial;
	podward__v1__policy_snapshot__free_unpacked(m, NULL);
	return serial;
}

static void wait_status(struct fixture *f, const char *words)
{
	struct pw_buf out;
	bool found = false;

	pw_buf_init(&out, 1 << 20);
	for (int i = 0; i < WAIT_S * 1000 && !found; i++) {
		pw_buf_clear(&out);
		(void)publish_status(f->publish, &out);
		found = strstr(pw_buf_text(&out), words) != NULL;
		if (!found)
			(void)nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
	if (!found)
		fail_msg("no %s in %s", words, pw_buf_text(&out));
	pw_buf_done(&out);
}

static void an_analyzer_gets_the_snapshot_and_each_newer_one(void **state)
{
	struct fixture *f = *state;
	Podward__V1__PolicyStatus hello = status_of("analyzer-0", 0, false);
	Podward__V1__PolicyStatus good = status_of("", 1, true), bad = status_of("", 2, false);
	Podward__V1__PolicyProblem problem = PODWARD__V1__POLICY_PROBLEM__INIT,
				   *problems[] = {&problem};

	f->peer.hello = &hello.base;
	peer_start(&f->peer, &f->service, &podward__v1__policy_service__descriptor, "Watch");
	peer_wait(&f->peer, peer_has_messages, 1);
	assert_int_equal(serial_at(&f->peer, 0), 1);
	peer_send(&f->peer, &good.base);
	wait_status(
		f, "\"name\":\"analyzer-0\",\"serial\":1,\"revision\":\"r\\\"1\",\"inForce\":true");
	publish_serial(f, 2);
	publish_changed(f->publish);
	peer_wait(&f->peer, peer_has_messages, 2);
	assert_int_equal(serial_at(&f->peer, 1), 2);
	problem.object = text_of("SignatureSet/x");
	problem.field = text_of("spec.rules[3].condition");
	problem.message = text_of("line 1, column 7: \x1b[31m");
	bad.problems = problems;
	bad.n_problems = 1;
	peer_send(&f->peer, &bad.base);
	wait_status(f, "spec.rules[3].condition");
	wait_status(f, "\"serial\":1"); /* the last one in force */
}

static void a_hello_of_another_schema_is_refused(void **state)
{
	struct fixture *f = *state;
	Podward__V1__PolicyStatus hello = status_of("analyzer-0", 0, false);

	hello.schema = 2;
	f->peer.hello = &hello.base;
	peer_start(&f->peer, &f->service, &podward__v1__policy_service__descriptor, "Watch");
	peer_wait(&f->peer, peer_is_down, 1);
	(void)pthread_mutex_lock(&f->peer.lock);
	assert_int_equal(f->peer.status, PW_RPC_FAILED_PRECONDITION);
	(void)pthread_mutex_unlock(&f->peer.lock);
}

/* What a collector makes of the updates. */
struct view {
	size_t assignments, removed, fulls;
	bool derive;
	size_t analyzers;
	char group[128]; /* of the last assignment */
};

static void view_of(const struct peer *p, struct view *v)
{
	*v = (struct view){0};
	for (size_t i = 0; i < p->message_count; i++) {
		struct pw_slice bytes = pw_buf_slice(&p->messages[i]);
		Podward__V1__NodeUpdate *u =
			podward__v1__node_update__unpack(NULL, bytes.len, bytes.ptr);

		assert_non_null(u);
		if (u->full)
			*v = (struct view){.fulls = v->fulls + 1, .analyzers = u->n_analyzers};
		if (u->scope)
			v->derive = u->scope->derive_unassigned;
		v->assignments += u->n_assignments;
		v->removed += u->n_removed;
		if (u->n_assignments > 0) {
			const ProtobufCBinaryData *g =
				&u->assignments[u->n_assignments - 1]->pod_group;

			(void)snprintf(v->group, sizeof(v->group), "%.*s", (int)g->len,
				(const char *)g->data);
		}
		podward__v1__node_update__free_unpacked(u, NULL);
	}
}

/* The same from the test's own thread; the conditions of peer_wait hold the lock already. */
static void look(struct peer *p, struct view *v)
{
	(void)pthread_mutex_lock(&p->lock);
	view_of(p, v);
	(void)pthread_mutex_unlock(&p->lock);
}

static bool has_assignments(const struct peer *p, uint64_t n)
{
	struct view v;

	view_of(p, &v);
	return v.assignments >= n;
}

static bool has_removed(const struct peer *p, uint64_t n)
{
	struct view v;

	view_of(p, &v);
	return v.removed >= n;
}

static bool may_derive(const struct peer *p, uint64_t yes)
{
	struct view v;

	view_of(p, &v);
	return v.fulls > 0 && v.derive == (yes != 0);
}

static struct runtime_list *list_of(size_t from, size_t to, const char *group)
{
	struct runtime_list *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	l->items = calloc(to - from + 1, sizeof(*l->items));
	assert_non_null(l->items);
	for (size_t i = from; i < to; i++) {
		struct runtime_container *c = &l->items[l->count++];

		(void)snprintf(c->id, sizeof(c->id), "%012zx", i + 0x100000);
		(void)snprintf(c->group, sizeof(c->group), "%s", group);
		(void)snprintf(c->name, sizeof(c->name), "c%zu", i);
	}
	return l;
}

static void a_collector_gets_everything_and_then_the_difference(void **state)
{
	struct fixture *f = *state;
	Podward__V1__NodeHello hello = PODWARD__V1__NODE_HELLO__INIT;
	struct view v;

	hello.schema = 1;
	hello.node = text_of("node-1");
	nodes_post_take(f->nodes, 0, list_of(0, 1200, "docker/Container/a/a"));
	f->peer.hello = &hello.base;
	peer_start(&f->peer, &f->service, &podward__v1__node_service__descriptor, "Watch");
	peer_wait(&f->peer, has_assignments, 1200);
	peer_wait(&f->peer, may_derive, 0);
	look(&f->peer, &v);
	assert_int_equal(v.fulls, 1);
	assert_int_equal(v.analyzers, 2);
	/* Two new, one with another group, one gone; the same list again says nothing. */
	nodes_post_take(f->nodes, 0, list_of(1, 1202, "docker/Container/a/a"));
	nodes_post_take(f->nodes, 0, list_of(1, 1202, "docker/Container/a/a"));
	peer_wait(&f->peer, has_removed, 1);
	peer_wait(&f->peer, has_assignments, 1202);
	nodes_post_take(f->nodes, 0, list_of(1, 2, "docker/Container/b/b"));
	peer_wait(&f->peer, has_removed, 1 + 1200);
	look(&f->peer, &v);
	assert_int_equal(v.assignments, 1203);
	assert_string_equal(v.group, "docker/Container/b/b");
	nodes_post_take(f->nodes, 0, NULL);
	peer_wait(&f->peer, may_derive, 1);
}

static void analyzers_are_parsed_or_named_as_wrong(void **state)
{
	struct nodes_settings s = {0};
	struct pw_err err = PW_ERR_INIT;
	static const char *const bad[] = {"=x", "a="};

	(void)state;
	assert_int_equal(nodes_parse_analyzers("x=1.2.3.4:5,unix:/a", &s, &err), 0);
	assert_int_equal(s.analyzer_count, 2);
	assert_string_equal(s.analyzers[0].name, "x");
	assert_string_equal(s.analyzers[0].address, "1.2.3.4:5");
	assert_string_equal(s.analyzers[1].name, "analyzer-1");
	for (size_t i = 0; i < PW_COUNT(bad); i++) {
		pw_err_clear(&err);
		assert_true(nodes_parse_analyzers(bad[i], &s, &err) < 0);
		assert_non_null(strstr(err.msg, bad[i]));
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_analyzer_gets_the_snapshot_and_each_newer_one),
		T(a_hello_of_another_schema_is_refused),
		T(a_collector_gets_everything_and_then_the_difference),
		cmocka_unit_test(analyzers_are_parsed_or_named_as_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
