// SPDX-License-Identifier: Apache-2.0
#include "policysync/runtime_api.h"
#include "common/base/log.h"
#include "common/base/loop.h"
#include "common/web/http.h"
#include "policysync/map.h"
#include <errno.h>
#include <stdio.h>

/* Collectors give up a container without a group a second after its end: events must be quicker. */
#define EVENTS_MS       250
#define ROUNDS_OF_LISTS 4 /* a list every second */
#define TIMEOUT_MS      5000

/* Stamps are whole seconds, and an event may be written a moment after its stamp. */
#define EVENTS_OVERLAP_S 3
/* No further back: what is older is not waited for any more. */
#define EVENTS_BACK_S RUNTIME_GRACE_S
/* After a refusal; less than collectors wait for the group of a container that runs. */
#define EVENTS_RETRY_S 10

/* A container that was in an earlier answer. */
struct seen {
	struct runtime_container c;
	struct pw_mono last;
	UT_hash_handle hh;
};

struct source {
	char path[108];
	const char *engine; /* NULL = not asked yet */
	bool told;          /* that it is away */
	bool up;
	struct seen *seen;
	int64_t events_until;        /* wall seconds up to which events are known, 0 = none yet */
	struct pw_mono events_retry; /* not asked before */
	bool events_told;            /* that they are refused */
};

struct runtime_api {
	struct source sources[RUNTIME_SOCKETS];
	size_t count;
	uint64_t round;
	struct nodes *nodes;
	struct pw_metrics *metrics;
	struct pw_http *http;
	struct pw_loop *loop;
	struct pw_timer *timer;
	struct pw_thread *thread;
};

int runtime_api_count(const char *sockets, size_t *ret_count, struct pw_err *err)
{
	struct pw_slice rest = pw_slice_str(sockets), part;
	size_t count = 0;

	while (pw_slice_cut(&rest, ',', &part)) {
		if (part.len == 0)
			continue;
		if (part.ptr[0] != '/' || part.len >= sizeof(((struct source *)NULL)->path))
			return pw_err_set(err, -EINVAL,
				"--runtime-socket: expected absolute paths of at most 107 bytes");
		if (++count > RUNTIME_SOCKETS)
			return pw_err_set(err, -E2BIG, "--runtime-socket: at most %d are allowed",
				RUNTIME_SOCKETS);
	}
	*ret_count = count;
	return 0;
}

static int get(struct runtime_api *a, const struct source *s, const char *url,
	struct pw_http_response *ret, struct pw_err *err)
{
	struct pw_http_request request = {
		.method = "GET", .url = url, .unix_socket = s->path, .timeout_ms = TIMEOUT_MS};
	int r = pw_http_do(a->http, &request, ret, err);

	if (r < 0)
		return r;
	if (ret->status == 200)
		return 0;
	r = pw_err_set(err, -EPROTO, "%s answered with status %d", url, ret->status);
	pw_http_response_done(ret);
	return r;
}

static int ask_engine(struct runtime_api *a, struct source *s, struct pw_err *err)
{
	struct pw_http_response response = {0};
	int r;

	if (s->engine)
		return 0;
	r = get(a, s, "http://runtime/version", &response, err);
	if (r < 0)
		return r;
	s->engine = runtime_json_engine(pw_buf_slice(&response.body));
	pw_http_response_done(&response);
	return 0;
}

static void forget(struct source *s, struct seen *e)
{
	HASH_DEL(s->seen, e);
	free(e);
}

/* NULL when there is no room below limit, or no memory. */
static struct seen *add(struct source *s, const struct runtime_container *c, size_t limit)
{
	struct seen *e = HASH_COUNT(s->seen) < limit ? pw_alloc0(1, sizeof(*e)) : NULL;

	if (!e)
		return NULL;
	e->c = *c;
	HASH_ADD_STR(s->seen, c.id, e);
	if (map_has_added(e))
		return e;
	free(e);
	return NULL;
}

/* Returns how many there was no room for. Events (limit RUNTIME_SEEN_EVENTS) know less than lists
 * and change nothing that is known. */
static uint64_t remember(
	struct source *s, const struct runtime_list *list, size_t limit, struct pw_mono now)
{
	uint64_t full = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct seen *e = NULL;

		HASH_FIND_STR(s->seen, list->items[i].id, e);
		if (e && limit == RUNTIME_SEEN)
			e->c = list->items[i];
		if (!e)
			e = add(s, &list->items[i], limit);
		if (e)
			e->last = now;
		else
			full++;
	}
	return full;
}

/* What runs and what ended a moment ago; fresh or events may be NULL. */
static struct runtime_list *merge(
	struct source *s, const struct runtime_list *fresh, const struct runtime_list *events)
{
	struct runtime_list *all = pw_alloc0(1, sizeof(*all));
	struct pw_mono now = pw_mono_now();
	struct seen *e, *tmp;

	if (!all)
		return NULL;
	if (fresh) {
		all->refused = fresh->refused;
		all->full = fresh->full + remember(s, fresh, RUNTIME_SEEN, now);
	}
	if (events) {
		all->refused += events->refused;
		all->full += events->full + remember(s, events, RUNTIME_SEEN_EVENTS, now);
	}
	all->items = pw_alloc0(HASH_COUNT(s->seen) + 1, sizeof(*all->items));
	if (!all->items) {
		runtime_list_free(all);
		return NULL;
	}
	HASH_ITER (hh, s->seen, e, tmp) {
		if (now.ns - e->last.ns > RUNTIME_GRACE_S * PW_NS_PER_S)
			forget(s, e);
		else
			all->items[all->count++] = e->c;
	}
	return all;
}

/* Too long or nonsense: the same is not asked for again, the next seconds may be better. */
static bool is_bad_answer(int r)
{
	return r == -E2BIG || r == -EINVAL;
}

/*
 * Past events only, answered at once. docker ends there when until is not in the future; podman
 * 4.3.1 then answers nothing at all, and knows stream=false instead.
 * Source: https://docs.docker.com/reference/api/engine/version/v1.41/ (SystemEvents),
 * https://docs.podman.io/en/v4.3/_static/api.html (SystemEvents), and tried with podman 4.3.1.
 */
static void events_url(
	char *url, size_t size, const struct source *s, int64_t since, struct pw_wall wall)
{
	static const char filters[] = /* {"type":["container"],"event":["create","start","init"]} */
		"%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%2C"
		"%22start%22%2C%22init%22%5D%7D";
	long long sec = wall.ns / (long long)PW_NS_PER_S, ns = wall.ns % (long long)PW_NS_PER_S;

	if (strcmp(s->engine, "podman") == 0)
		(void)snprintf(url, size,
			"http://runtime/events?since=%lld&until=%lld&stream=false&filters=%s",
			(long long)since, sec + 1, filters);
	else
		(void)snprintf(url, size,
			"http://runtime/events?since=%lld&until=%lld.%09lld&filters=%s",
			(long long)since, sec, ns, filters);
}

static int get_events(
	struct runtime_api *a, struct source *s, struct runtime_list **ret, struct pw_err *err)
{
	struct pw_http_response response = {0};
	struct pw_wall wall = pw_wall_now();
	int64_t now = wall.ns / (int64_t)PW_NS_PER_S;
	int64_t since = s->events_until - EVENTS_OVERLAP_S;
	char url[256];
	int r;

	if (since < now - EVENTS_BACK_S || since > now)
		since = now - EVENTS_BACK_S;
	events_url(url, sizeof(url), s, since, wall);
	r = get(a, s, url, &response, err);
	if (r == 0) {
		r = runtime_json_parse_events(pw_buf_slice(&response.body), s->engine, ret, err);
		pw_http_response_done(&response);
	}
	if (r == 0 || is_bad_answer(r))
		s->events_until = now;
	return r;
}

/* NULL when they are refused: the list alone is then what is known. */
static struct runtime_list *ask_events(struct runtime_api *a, struct source *s)
{
	struct runtime_list *events = NULL;
	struct pw_err err = PW_ERR_INIT;
	struct pw_mono now = pw_mono_now();
	int r;

	if (now.ns < s->events_retry.ns)
		return NULL;
	r = get_events(a, s, &events, &err);
	if (r == 0) {
		s->events_told = false;
		return events;
	}
	if (!is_bad_answer(r))
		s->events_retry.ns = now.ns + EVENTS_RETRY_S * PW_NS_PER_S;
	if (a->metrics)
		pw_metric_add(metric(a->metrics, METRIC_ASSIGNMENTS_REFUSED, "events", NULL), 1);
	if (!s->events_told)
		pw_log_warn("runtime",
			"%s: no list of events, containers that live less than a second may stay "
			"unassigned: %s",
			s->path, err.msg);
	s->events_told = true;
	return NULL;
}

static int ask_list(struct runtime_api *a, struct source *s, struct pw_err *err)
{
	pw_cleanup(runtime_list_freep) struct runtime_list *fresh = NULL;
	struct pw_http_response response = {0};
	struct runtime_list *all;
	int r = get(a, s, "http://runtime/containers/json", &response, err);

	if (r < 0)
		return r;
	r = runtime_json_parse(pw_buf_slice(&response.body), s->engine, &fresh, err);
	pw_http_response_done(&response);
	if (r < 0)
		return r;
	all = merge(s, fresh, NULL);
	if (!all)
		return pw_err_set(err, -ENOMEM, "out of memory");
	nodes_post_take(a->nodes, (size_t)(s - a->sources), all);
	return 0;
}

/* Between lists; what the events name is added to what is known. */
static void take_events(struct runtime_api *a, struct source *s)
{
	pw_cleanup(runtime_list_freep) struct runtime_list *events = ask_events(a, s);
	struct runtime_list *all = NULL;

	if (events && events->count + events->refused + events->full > 0)
		all = merge(s, NULL, events);
	if (all)
		nodes_post_take(a->nodes, (size_t)(s - a->sources), all);
}

static void note_result(struct runtime_api *a, struct source *s, int r, const struct pw_err *err)
{
	bool was_up = s->up;

	s->up = r == 0;
	if (a->metrics)
		pw_metric_set(metric(a->metrics, METRIC_RUNTIME_UP, s->path, NULL), s->up);
	if (r == 0) {
		if (!was_up)
			pw_log_info("runtime", "%s: %s answers", s->path, s->engine);
		s->told = false;
		return;
	}
	s->engine = NULL; /* another one may answer there next */
	if (was_up || !s->told)
		nodes_post_take(a->nodes, (size_t)(s - a->sources), NULL);
	if (!s->told)
		pw_log_warn("runtime",
			"%s: no list of containers, asking again every second; groups are derived "
			"from"
			" cgroups meanwhile: %s",
			s->path, err->msg);
	s->told = true;
}

static void take_list(struct runtime_api *a, struct source *s)
{
	struct pw_err err = PW_ERR_INIT;
	int r = ask_engine(a, s, &err);

	if (r == 0)
		r = ask_list(a, s, &err);
	note_result(a, s, r, &err);
}

static void on_timer(void *ctx)
{
	struct runtime_api *a = ctx;
	bool lists = a->round++ % ROUNDS_OF_LISTS == 0;

	for (size_t i = 0; i < a->count; i++) {
		if (lists)
			take_list(a, &a->sources[i]);
		if (a->sources[i].up)
			take_events(a, &a->sources[i]);
	}
}

static void run(void *ctx)
{
	struct runtime_api *a = ctx;
	struct pw_err err = PW_ERR_INIT;

	pw_timer_set(a->timer, 0, EVENTS_MS);
	if (pw_loop_run(a->loop, &err) < 0)
		pw_log_error("runtime", "loop ended: %s", err.msg);
}

static void api_free(struct runtime_api *a)
{
	struct seen *e, *tmp;

	if (!a)
		return;
	for (size_t i = 0; i < a->count; i++) {
		HASH_ITER (hh, a->sources[i].seen, e, tmp)
			forget(&a->sources[i], e);
	}
	if (a->timer)
		pw_timer_free(a->timer);
	pw_loop_free(a->loop);
	pw_http_free(a->http);
	free(a);
}

static int api_new(const char *sockets, struct runtime_api **ret, struct pw_err *err)
{
	struct pw_slice rest = pw_slice_str(sockets), part;
	struct runtime_api *a = pw_alloc0(1, sizeof(*a));
	int r;

	if (!a)
		return pw_err_set(err, -ENOMEM, "out of memory");
	while (pw_slice_cut(&rest, ',', &part))
		if (part.len > 0)
			memcpy(a->sources[a->count++].path, part.ptr, part.len);
	r = pw_http_new(&a->http, err);
	if (r == 0)
		r = pw_loop_new(&a->loop, err);
	if (r == 0)
		r = pw_timer_new(a->loop, on_timer, a, &a->timer);
	if (r < 0) {
		api_free(a);
		return pw_err_set(err, r, "out of memory");
	}
	*ret = a;
	return 0;
}

int runtime_api_start(const char *sockets, struct nodes *nodes, struct pw_metrics *metrics,
	struct runtime_api **ret, struct pw_err *err)
{
	struct runtime_api *a = NULL;
	size_t count = 0;
	int r = runtime_api_count(sockets, &count, err);

	if (r == 0)
		r = api_new(sockets, &a, err);
	if (r < 0)
		return r;
	a->nodes = nodes;
	a->metrics = metrics;
	r = pw_thread_start("runtime", run, a, &a->thread);
	if (r < 0) {
		api_free(a);
		return pw_err_set(err, r, "cannot start the runtime thread");
	}
	*ret = a;
	return 0;
}

void runtime_api_stop(struct runtime_api *a)
{
	if (!a)
		return;
	pw_loop_stop(a->loop);
	pw_http_cancel(a->http);
	pw_thread_join(a->thread);
	api_free(a);
}
