// SPDX-License-Identifier: Apache-2.0
/* A runtime on a unix socket that appears, changes, answers nonsense and goes away; seen by a
 * collector. */
#include "http_fixture.h"
#include "rpc_fixture.h"

#include "policysync/runtime_api.h"
#include "podward/v1/node.pb-c.h"

struct fixture {
	struct service service;
	struct nodes *nodes;
	struct runtime_api *api;
	struct peer peer;
	struct sink sink;
	char path[128];
};

static const char *list_body = "[]";
static const char *events_body; /* NULL = refused */

static struct answer runtime(struct sink *s, const struct request *r)
{
	(void)s;
	if (strstr(r->head, "GET /version "))
		return (struct answer){
			.status = 200, .body = "{\"Components\":[{\"Name\":\"Podman Engine\"}]}"};
	if (strstr(r->head, "GET /containers/json "))
		return (struct answer){.status = 200, .body = list_body};
	if (strstr(r->head, "GET /events?since=") && strstr(r->head, "&until=") && events_body)
		return (struct answer){.status = 200, .body = events_body};
	return (struct answer){.status = 404};
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct nodes_settings settings = {.source_count = 1};
	struct pw_method method;

	assert_non_null(f);
	service_loops(&f->service);
	(void)snprintf(f->path, sizeof(f->path), "%s/runtime", f->service.folder.path);
	assert_int_equal(nodes_new(f->service.server_loop, &settings, NULL, &f->nodes), 0);
	nodes_method(f->nodes, &method);
	service_start(&f->service, &method, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	runtime_api_stop(f->api);
	peer_stop(&f->peer);
	service_stop_client(&f->service);
	pw_server_stop(f->service.server, 1000);
	pw_rpc_loop_stop(f->service.server_loop);
	nodes_free(f->nodes);
	folder_remove(&f->service.folder);
	free(f);
	return 0;
}

/* The last scope that was told, -1 before any; and whether the group was assigned. */
static int derives(const struct peer *p, const char *group, bool *ret_assigned)
{
	int derive = -1;

	*ret_assigned = false;
	for (size_t i = 0; i < p->message_count; i++) {
		struct pw_slice bytes = pw_buf_slice(&p->messages[i]);
		Podward__V1__NodeUpdate *u =
			podward__v1__node_update__unpack(NULL, bytes.len, bytes.ptr);

		assert_non_null(u);
		if (u->scope)
			derive = u->scope->derive_unassigned;
		for (size_t k = 0; k < u->n_assignments; k++)
			*ret_assigned |=
				pw_slice_eq_str(pw_slice_of(u->assignments[k]->pod_group.data,
							u->assignments[k]->pod_group.len),
					group);
		podward__v1__node_update__free_unpacked(u, NULL);
	}
	return derive;
}

static bool has_web(const struct peer *p, uint64_t derive)
{
	bool assigned;

	return derives(p, "podman/Container/web/web", &assigned) == (int)derive && assigned;
}

static bool has_second(const struct peer *p, uint64_t derive)
{
	bool assigned;

	return derives(p, "podman/Compose/shop/front", &assigned) == (int)derive && assigned;
}

static bool has_brief(const struct peer *p, uint64_t derive)
{
	bool assigned;

	return derives(p, "podman/Container/brief/brief", &assigned) == (int)derive && assigned;
}

#define WEB "{\"Id\":\"aaaaaaaaaaaaaaaa\",\"Names\":[\"/web\"]}"

static void containers_of_the_runtime_reach_the_collector(void **state)
{
	struct fixture *f = *state;
	Podward__V1__NodeHello hello = PODWARD__V1__NODE_HELLO__INIT;
	struct pw_err err = PW_ERR_INIT;

	hello.schema = 1;
	hello.node = text_of("node");
	f->peer.hello = &hello.base;
	list_body = "[" WEB "]";
	/* The socket is not there yet when the program starts. */
	assert_int_equal(runtime_api_start(f->path, f->nodes, NULL, &f->api, &err), 0);
	peer_start(&f->peer, &f->service, &podward__v1__node_service__descriptor, "Watch");
	peer_wait(&f->peer, peer_has_messages, 1);
	sink_bind_unix(&f->sink, f->path);
	f->sink.decide = runtime;
	sink_start(&f->sink);
	peer_wait(&f->peer, has_web, 0);
	(void)pthread_mutex_lock(&f->sink.lock);
	list_body = "[" WEB ",{\"Id\":\"bbbbbbbbbbbbbbbb\",\"Names\":[\"/x\"],\"Labels\":"
		    "{\"com.docker.compose.project\":\"shop\",\"com.docker.compose.service\":"
		    "\"front\"}}]";
	(void)pthread_mutex_unlock(&f->sink.lock);
	peer_wait(&f->peer, has_second, 0);
	/* Nonsense: what was assigned stays, and collectors derive what is new. */
	(void)pthread_mutex_lock(&f->sink.lock);
	list_body = "{\"message\":\"oops\"}";
	(void)pthread_mutex_unlock(&f->sink.lock);
	peer_wait(&f->peer, has_second, 1);
	sink_stop(&f->sink);
}

static bool was_asked(struct sink *s, unsigned requests)
{
	bool asked;

	(void)pthread_mutex_lock(&s->lock);
	asked = s->requests >= requests;
	(void)pthread_mutex_unlock(&s->lock);
	return asked;
}

static bool is_told_nothing_new(const struct peer *p, size_t messages)
{
	return p->message_count == messages;
}

#define BRIEF_ID "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

/* It is in no list ever; bad answers later change nothing. */
static void a_container_between_two_lists_is_named_by_events(void **state)
{
	struct fixture *f = *state;
	Podward__V1__NodeHello hello = PODWARD__V1__NODE_HELLO__INIT;
	struct pw_err err = PW_ERR_INIT;
	unsigned requests;
	size_t messages;

	hello.schema = 1;
	hello.node = text_of("node");
	f->peer.hello = &hello.base;
	list_body = "[" WEB "]";
	events_body = "{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"" BRIEF_ID
		      "\",\"Attributes\":{\"name\":\"brief\",\"image\":\"i\"}}}\n";
	sink_bind_unix(&f->sink, f->path);
	f->sink.decide = runtime;
	sink_start(&f->sink);
	assert_int_equal(runtime_api_start(f->path, f->nodes, NULL, &f->api, &err), 0);
	peer_start(&f->peer, &f->service, &podward__v1__node_service__descriptor, "Watch");
	peer_wait(&f->peer, has_brief, 0);
	peer_wait(&f->peer, has_web, 0);
	(void)pthread_mutex_lock(&f->sink.lock);
	events_body = "nonsense";
	requests = f->sink.requests + 6;
	(void)pthread_mutex_unlock(&f->sink.lock);
	messages = f->peer.message_count;
	while (!was_asked(&f->sink, requests))
		(void)usleep(10000);
	/* Neither removed nor told again, and no collector derives groups because of it. */
	peer_wait(&f->peer, is_told_nothing_new, messages);
	sink_stop(&f->sink);
	events_body = NULL;
}

static void sockets_are_counted_or_named_as_wrong(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	size_t count = 0;

	(void)state;
	assert_int_equal(runtime_api_count("/run/a.sock,/run/b.sock", &count, &err), 0);
	assert_int_equal(count, 2);
	assert_true(runtime_api_count("run/a.sock", &count, &err) < 0);
	assert_non_null(strstr(err.msg, "--runtime-socket"));
	pw_err_clear(&err);
	assert_true(runtime_api_count("/1,/2,/3,/4,/5,/6,/7,/8,/9", &count, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			containers_of_the_runtime_reach_the_collector, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_container_between_two_lists_is_named_by_events, setup, teardown),
		cmocka_unit_test(sockets_are_counted_or_named_as_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
