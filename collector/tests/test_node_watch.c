/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/node_update.h"
#include "common/base/clock.h"
#include "common/rpc/client.h"
#include "common/rpc/server.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#define BYTES(text) ((ProtobufCBinaryData){sizeof(text) - 1, (uint8_t *)(size_t)(text)})

static void fill(Podward__V1__NodeUpdate *m, Podward__V1__Assignment *a,
	Podward__V1__AnalyzerAddress *address, Podward__V1__Scope *scope)
{
	static Podward__V1__Assignment *assignments[1];
	static Podward__V1__AnalyzerAddress *addresses[1];

	podward__v1__node_update__init(m);
	podward__v1__assignment__init(a);
	podward__v1__analyzer_address__init(address);
	podward__v1__scope__init(scope);
	a->container_id = BYTES("id");
	a->pod_group = BYTES("a/b/c/d");
	address->name = BYTES("analyzer-0");
	address->address = BYTES("unix:/x");
	scope->derive_unassigned = true;
	assignments[0] = a;
	addresses[0] = address;
	m->full = true;
	m->revision = 4;
	m->assignments = assignments;
	m->n_assignments = 1;
	m->analyzers = addresses;
	m->n_analyzers = 1;
	m->scope = scope;
}

static int copy_one(void *ctx)
{
	Podward__V1__NodeUpdate m;
	Podward__V1__Assignment a;
	Podward__V1__AnalyzerAddress address;
	Podward__V1__Scope scope;
	struct node_update *u = NULL;
	int r = 0;

	(void)ctx;
	fill(&m, &a, &address, &scope);
	r = node_update_copy(&m, &u);
	if (r == 0) {
		assert_true(u->full && u->has_scope && u->scope.derive_unassigned);
		assert_int_equal(u->revision, 4);
		assert_int_equal(u->assignment_count, 1);
		assert_true(pw_slice_eq_str(u->assignments[0].facts.pod_group, "a/b/c/d"));
		assert_string_equal(u->analyzers[0].address, "unix:/x");
	}
	node_update_free(u);
	return r;
}

static void an_update_is_copied_whole_or_not_at_all(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(copy_one, NULL) >= 2);
}

static void updates_that_make_no_sense_are_refused(void **state)
{
	Podward__V1__NodeUpdate m;
	Podward__V1__Assignment a;
	Podward__V1__AnalyzerAddress address;
	Podward__V1__Scope scope;
	struct node_update *u = NULL;

	(void)state;
	fill(&m, &a, &address, &scope);
	a.container_id.len = 0;
	assert_int_equal(node_update_copy(&m, &u), -EINVAL);
	fill(&m, &a, &address, &scope);
	a.pod_group.len = 0;
	assert_int_equal(node_update_copy(&m, &u), -EINVAL);
	fill(&m, &a, &address, &scope);
	address.address = BYTES("a\0b");
	assert_int_equal(node_update_copy(&m, &u), -EINVAL);
	fill(&m, &a, &address, &scope);
	m.n_assignments = 8193;
	assert_int_equal(node_update_copy(&m, &u), -E2BIG);
	fill(&m, &a, &address, &scope);
	scope.n_exclude = 257;
	assert_int_equal(node_update_copy(&m, &u), -E2BIG);
	assert_null(u);
}

struct policysync {
	_Atomic unsigned hellos;
	_Atomic bool partial_first;
};

static void on_hello(struct pw_call *call, const ProtobufCMessage *msg)
{
	struct policysync *p = pw_call_ctx(call);
	const Podward__V1__NodeHello *hello = (const Podward__V1__NodeHello *)(const void *)msg;
	Podward__V1__NodeUpdate m;
	Podward__V1__Assignment a;
	Podward__V1__AnalyzerAddress address;
	Podward__V1__Scope scope;

	if (hello->schema != 1 || hello->node.len != 4 || hello->instance.len != 16) {
		pw_call_finish(call, PW_RPC_INVALID_ARGUMENT, "hello");
		return;
	}
	atomic_fetch_add(&p->hellos, 1);
	fill(&m, &a, &address, &scope);
	m.full = !atomic_exchange(&p->partial_first, false);
	if (pw_call_send(call, &m.base) < 0)
		pw_call_finish(call, PW_RPC_INTERNAL, "send");
}

static void keep_open(struct pw_call *call)
{
	(void)call;
}

static int on_open(struct pw_call *call, void *method_ctx)
{
	pw_call_set_ctx(call, method_ctx);
	return 0;
}

static _Atomic unsigned updates;

static void on_update(void *ctx, struct node_update *u)
{
	(void)ctx;
	if (u->full && u->assignment_count == 1)
		atomic_fetch_add(&updates, 1);
	node_update_free(u);
}

static void a_stream_begins_with_a_full_update_or_is_asked_again(void **state)
{
	struct policysync p = {.partial_first = true};
	struct pw_method method = {.service = &podward__v1__node_service__descriptor,
		.name = "Watch",
		.on_open = on_open,
		.on_message = on_hello,
		.on_half_close = keep_open,
		.method_ctx = &p};
	uint8_t instance[16] = {1};
	struct node_watch_stats stats;
	struct pw_rpc_loop *server_loop = NULL;
	struct pw_rpc_loop *loop = NULL;
	struct pw_server *server = NULL;
	struct node_watch *w = NULL;
	struct pw_err err = PW_ERR_INIT;
	char address[64];
	const char *const addresses[] = {address};
	uint64_t end = pw_mono_now().ns + 20 * PW_NS_PER_S;

	(void)state;
	(void)snprintf(address, sizeof(address), "unix-abstract:podward-watch-%d", (int)getpid());
	assert_int_equal(pw_rpc_loop_start("server", &server_loop, &err), 0);
	assert_int_equal(pw_rpc_loop_start("client", &loop, &err), 0);
	assert_int_equal(pw_server_start(&(struct pw_server_config){.loop = server_loop,
						 .addresses = addresses,
						 .address_count = 1,
						 .methods = &method,
						 .method_count = 1},
				 &server, &err),
		0);
	assert_int_equal(
		node_watch_new(&(struct pw_channel_config){.loop = loop, .target = address},
			PW_SLICE_LIT("node"), on_update, NULL, &w),
		0);
	assert_int_equal(node_watch_start(w, instance, &err), 0);
	while (atomic_load(&updates) == 0 && pw_mono_now().ns < end)
		(void)usleep(1000);
	assert_int_equal(atomic_load(&updates), 1);
	assert_int_equal(atomic_load(&p.hellos), 2);
	node_watch_get_stats(w, &stats);
	assert_int_equal(stats.updates, 1);
	assert_int_equal(stats.refused, 1);
	assert_true(stats.connected);
	node_watch_free(w);
	pw_server_stop(server, 0);
	pw_rpc_loop_stop(loop);
	pw_rpc_loop_stop(server_loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_update_is_copied_whole_or_not_at_all),
		cmocka_unit_test(updates_that_make_no_sense_are_refused),
		cmocka_unit_test(a_stream_begins_with_a_full_update_or_is_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
