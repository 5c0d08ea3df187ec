// SPDX-License-Identifier: Apache-2.0
#include "rpc_fixture.h"

#include "common/wire/arena_alloc.h"
#include "policysync/report.h"

struct fixture {
	struct service service;
	struct keeper *keeper;
	struct report *report;
	struct peer peer;
	struct pw_arena *arena;
	bool peer_started;
};

static Podward__V1__ReportHello hello_fields;
static Podward__V1__ReportRequest hello;

static void make_hello(uint32_t schema)
{
	static uint8_t instance[16] = {1, 2, 3};

	podward__v1__report_hello__init(&hello_fields);
	hello_fields.schema = schema;
	hello_fields.analyzer = text_of("analyzer-0");
	hello_fields.instance = (ProtobufCBinaryData){16, instance};
	podward__v1__report_request__init(&hello);
	hello.message_case = PODWARD__V1__REPORT_REQUEST__MESSAGE_HELLO;
	hello.hello = &hello_fields;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct keeper_settings settings = {.limits = {256 << 20, 7ull * 86400 * PW_NS_PER_S}};
	struct pw_method methods[REPORT_METHODS];
	struct pw_err err = PW_ERR_INIT;

	assert_non_null(f);
	service_loops(&f->service);
	settings.dir = f->service.folder.path;
	assert_int_equal(keeper_new(&settings, &f->keeper, &err), 0);
	assert_int_equal(report_new(f->service.server_loop, f->keeper, NULL, &f->report), 0);
	report_methods(f->report, methods);
	assert_int_equal(keeper_start(f->keeper, &err), 0);
	service_start(&f->service, methods, REPORT_METHODS);
	assert_int_equal(pw_arena_new(1 << 16, 64 << 20, &f->arena), 0);
	make_hello(1);
	f->peer.hello = &hello.base;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->peer_started)
		peer_stop(&f->peer);
	service_stop_client(&f->service);
	pw_server_stop(f->service.server, 1000);
	keeper_stop(f->keeper);
	pw_rpc_loop_stop(f->service.server_loop);
	report_free(f->report);
	keeper_free(f->keeper);
	pw_arena_free(f->arena);
	folder_remove(&f->service.folder);
	free(f);
	return 0;
}

static void connect_peer(struct fixture *f)
{
	peer_start(&f->peer, &f->service, &podward__v1__report_service__descriptor, "Report");
	f->peer_started = true;
}

/* Items with alerts first … first + count - 1, each with one occurrence. */
struct items {
	Podward__V1__ReportRequest request;
	Podward__V1__ReportItems items;
	struct numbered_alert alerts[8];
	Podward__V1__Alert *alert_list[8];
	Podward__V1__AlertOccurrence occurrences[8];
	Podward__V1__AlertOccurrence *occurrence_list[8];
};

static void make_items(struct items *m, uint64_t seq, uint64_t first, size_t count)
{
	podward__v1__report_items__init(&m->items);
	m->items.seq = seq;
	for (size_t i = 0; i < count; i++) {
		alert_make(&m->alerts[i], first + i, PODWARD__V1__SEVERITY__SEVERITY_HIGH);
		m->alert_list[i] = &m->alerts[i].alert;
		podward__v1__alert_occurrence__init(&m->occurrences[i]);
		m->occurrences[i].alert_id = m->alerts[i].alert.id;
		m->occurrences[i].source = text_of("collector");
		m->occurrences[i].seq = seq;
		m->occurrences[i].count = 2;
		m->occurrence_list[i] = &m->occurrences[i];
	}
	m->items.n_alerts = m->items.n_occurrences = count;
	m->items.alerts = m->alert_list;
	m->items.occurrences = m->occurrence_list;
	podward__v1__report_request__init(&m->request);
	m->request.message_case = PODWARD__V1__REPORT_REQUEST__MESSAGE_ITEMS;
	m->request.items = &m->items;
}

static uint64_t committed(const struct peer *p)
{
	uint64_t max = 0;

	for (size_t i = 0; i < p->message_count; i++) {
		struct pw_slice bytes = pw_buf_slice(&p->messages[i]);
		Podward__V1__ReportReply *r =
			podward__v1__report_reply__unpack(NULL, bytes.len, bytes.ptr);

		if (r && r->committed_seq > max)
			max = r->committed_seq;
		podward__v1__report_reply__free_unpacked(r, NULL);
	}
	return max;
}

static bool has_committed(const struct peer *p, uint64_t n)
{
	return committed(p) >= n;
}

static int64_t count_rows(struct fixture *f, const char *sql)
{
	struct store *reader = NULL;
	struct pw_err err = PW_ERR_INIT;
	int64_t value = -1;

	assert_int_equal(store_open_reader(f->service.folder.path, &reader, &err), 0);
	assert_int_equal(store_query_i64(reader, sql, -1, &value, &err), 0);
	store_close(reader);
	return value;
}

static void what_is_acknowledged_is_in_the_database(void **state)
{
	struct fixture *f = *state;
	struct items m;

	connect_peer(f);
	for (uint64_t seq = 1; seq <= 40; seq++) {
		make_items(&m, seq, seq * 10, 8);
		peer_send(&f->peer, &m.request.base);
	}
	peer_wait(&f->peer, has_committed, 40);
	assert_int_equal(count_rows(f, "SELECT count(*) FROM alerts"), 320);
	assert_int_equal(count_rows(f, "SELECT sum(count) FROM alerts"), 640);
}

static void a_message_sent_again_on_a_new_stream_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct items m;

	connect_peer(f);
	make_items(&m, 1, 1, 8);
	peer_send(&f->peer, &m.request.base);
	peer_wait(&f->peer, has_committed, 1);
	peer_stop(&f->peer);
	connect_peer(f);
	peer_send(&f->peer, &m.request.base);
	peer_wait(&f->peer, has_committed, 1);
	assert_int_equal(count_rows(f, "SELECT count(*) FROM alerts"), 8);
	assert_int_equal(count_rows(f, "SELECT sum(count) FROM alerts"), 16);
}

static void a_wrong_message_closes_the_stream_and_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	static uint8_t short_id[3];

	for (int row = 0; row < 7; row++) {
		static const char *const words[] = {"alert.id", "occurrence.source",
			"occurrence.seq", "alert.severity", "seq: does not rise", "alert.pod_group",
			"occurrence.count"};
		struct items m;

		connect_peer(f);
		make_items(&m, row == 4 ? 0 : 1, 1, 2);
		if (row == 0)
			m.alerts[1].alert.id = (ProtobufCBinaryData){3, short_id};
		if (row == 1)
			m.occurrences[0].source.len = 0;
		if (row == 2)
			m.occurrences[1].seq = UINT64_MAX;
		if (row == 3)
			m.alerts[0].alert.severity = 77;
		if (row == 4)
			m.occurrences[0].seq = m.occurrences[1].seq = 1;
		if (row == 5)
			m.alerts[1].alert.pod_group.len = 0;
		if (row == 6)
			m.occurrences[1].count = 0;
		peer_send(&f->peer, &m.request.base);
		peer_wait(&f->peer, peer_is_down, (uint64_t)row + 1);
		(void)pthread_mutex_lock(&f->peer.lock);
		assert_int_equal(f->peer.status, PW_RPC_INVALID_ARGUMENT);
		if (!strstr(f->peer.detail, words[row]))
			fail_msg("row %d: %s", row, f->peer.detail);
		(void)pthread_mutex_unlock(&f->peer.lock);
		peer_stop(&f->peer);
	}
	f->peer_started = false;
	assert_int_equal(count_rows(f, "SELECT count(*) FROM alerts"), 0);
}

struct gate {
	pthread_mutex_t lock;
};

static void wait_at_gate(void *ctx)
{
	struct gate *g = ctx;

	(void)pthread_mutex_lock(&g->lock);
	(void)pthread_mutex_unlock(&g->lock);
}

static int apply_error(struct keeper *k, struct keeper_job *job, struct pw_err *err)
{
	(void)k;
	(void)job;
	return pw_err_set(err, -EIO, "planted");
}

static void ignore_result(struct keeper_job *job, int result)
{
	(void)job;
	(void)result;
}

static void do_nothing(void *ctx)
{
	(void)ctx;
}

/* Until the server has handed n messages over. */
static void wait_handed_over(struct fixture *f, uint64_t n)
{
	struct pw_server_stats stats = {0};

	for (int i = 0; i < WAIT_S * 1000 && stats.messages_received < n; i++) {
		pw_server_stats(f->service.server, &stats);
		(void)nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
	assert_true(stats.messages_received >= n);
	assert_int_equal(pw_rpc_loop_call(f->service.server_loop, do_nothing, NULL), 0);
}

/* Both messages speak of one alert: the second must not be applied while the first is missing. */
static void what_follows_a_failed_message_waits_until_it_is_sent_again(void **state)
{
	struct fixture *f = *state;
	struct gate gate = {PTHREAD_MUTEX_INITIALIZER};
	struct keeper_job fail_job = {.apply = apply_error, .done = ignore_result};
	struct items one, two;

	connect_peer(f);
	make_items(&one, 1, 1, 1);
	make_items(&two, 2, 1, 1);
	(void)pthread_mutex_lock(&gate.lock);
	assert_int_equal(keeper_post(f->keeper, wait_at_gate, &gate), 0);
	peer_send(&f->peer, &one.request.base);
	wait_handed_over(f, 2);
	assert_int_equal(keeper_write(f->keeper, &fail_job), 0);
	peer_send(&f->peer, &two.request.base);
	wait_handed_over(f, 3);
	(void)pthread_mutex_unlock(&gate.lock);
	peer_wait(&f->peer, peer_is_down, 1);
	assert_int_equal(f->peer.status, PW_RPC_UNAVAILABLE);
	peer_stop(&f->peer);
	connect_peer(f);
	peer_send(&f->peer, &one.request.base);
	peer_send(&f->peer, &two.request.base);
	peer_wait(&f->peer, has_committed, 2);
	assert_int_equal(count_rows(f, "SELECT sum(count) FROM alerts"), 4);
}

static void an_unknown_schema_is_a_failed_precondition(void **state)
{
	struct fixture *f = *state;

	make_hello(99);
	connect_peer(f);
	peer_wait(&f->peer, peer_is_down, 1);
	(void)pthread_mutex_lock(&f->peer.lock);
	assert_int_equal(f->peer.status, PW_RPC_FAILED_PRECONDITION);
	assert_non_null(strstr(f->peer.detail, "schema"));
	(void)pthread_mutex_unlock(&f->peer.lock);
}

static void store_profile(struct fixture *f, const char *group, size_t count)
{
	static char path[64];
	Podward__V1__ProfileState state = PODWARD__V1__PROFILE_STATE__INIT;
	Podward__V1__ProfileDelta delta = PODWARD__V1__PROFILE_DELTA__INIT, *list[] = {&delta};
	Podward__V1__Behaviour *rows = calloc(count, sizeof(*rows)),
			       **ptrs = calloc(count, sizeof(*ptrs));
	struct items m;

	make_items(&m, f->peer.message_count + 1, 1, 0);
	(void)snprintf(path, sizeof(path), "/usr/share/podward/a/rather/long/path/of/a/file");
	state.pod_group = text_of(group);
	state.generation = 3;
	state.phase = PODWARD__V1__PROFILE_PHASE__PROFILE_PHASE_PROTECTED;
	for (size_t i = 0; i < count; i++) {
		podward__v1__behaviour__init(&rows[i]);
		rows[i].key = i * 0x9e3779b97f4a7c15ull;
		rows[i].dimension = PODWARD__V1__DIMENSION__DIMENSION_FILE_READ;
		rows[i].object = text_of(path);
		ptrs[i] = &rows[i];
	}
	delta.state = &state;
	delta.behaviours = ptrs;
	delta.n_behaviours = count;
	m.items.profiles = list;
	m.items.n_profiles = 1;
	peer_send(&f->peer, &m.request.base);
	peer_wait(&f->peer, has_committed, m.items.seq);
	free(rows);
	free((void *)ptrs);
}

static size_t behaviours_of(const struct peer *p)
{
	size_t count = 0;

	for (size_t i = 0; i < p->message_count; i++) {
		struct pw_slice bytes = pw_buf_slice(&p->messages[i]);
		Podward__V1__ProfileDelta *d =
			podward__v1__profile_delta__unpack(NULL, bytes.len, bytes.ptr);

		assert_non_null(d);
		assert_true(bytes.len < 512 << 10);
		assert_int_equal(d->state->generation, 3);
		count += d->n_behaviours;
		podward__v1__profile_delta__free_unpacked(d, NULL);
	}
	return count;
}

static void stored_profiles_are_loaded_whole_or_by_group(void **state)
{
	struct fixture *f = *state;
	Podward__V1__LoadProfilesRequest request = PODWARD__V1__LOAD_PROFILES_REQUEST__INIT;
	ProtobufCBinaryData wanted = text_of("b");
	struct peer loader = {.hello = &request.base};

	connect_peer(f);
	store_profile(f, "a", 1000);
	store_profile(f, "b", 500);
	store_profile(f, "c", 1000);
	peer_start(&loader, &f->service, &podward__v1__report_service__descriptor, "LoadProfiles");
	peer_wait(&loader, peer_is_down, 1);
	(void)pthread_mutex_lock(&loader.lock);
	assert_int_equal(loader.status, PW_RPC_OK);
	assert_int_equal(behaviours_of(&loader), 2500);
	(void)pthread_mutex_unlock(&loader.lock);
	peer_stop(&loader);
	request.pod_groups = &wanted;
	request.n_pod_groups = 1;
	loader = (struct peer){.hello = &request.base};
	peer_start(&loader, &f->service, &podward__v1__report_service__descriptor, "LoadProfiles");
	peer_wait(&loader, peer_is_down, 1);
	(void)pthread_mutex_lock(&loader.lock);
	assert_int_equal(behaviours_of(&loader), 500);
	(void)pthread_mutex_unlock(&loader.lock);
	peer_stop(&loader);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_acknowledged_is_in_the_database),
		T(a_message_sent_again_on_a_new_stream_changes_nothing),
		T(a_wrong_message_closes_the_stream_and_leaves_nothing),
		T(what_follows_a_failed_message_waits_until_it_is_sent_again),
		T(an_unknown_schema_is_a_failed_precondition),
		T(stored_profiles_are_loaded_whole_or_by_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
