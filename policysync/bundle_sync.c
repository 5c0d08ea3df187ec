// SPDX-License-Identifier: Apache-2.0
#include "policysync/bundle_sync.h"
#include "common/base/log.h"
#include "common/base/loop.h"
#include "common/base/random.h"
#include "common/web/http.h"
#include "policysync/header_file.h"
#include "policysync/json_write.h"
#include <errno.h>
#include <stdio.h>

#define LONG_POLL_MIN   (5 * PW_NS_PER_S) /* an answer that took this long was held back for us */
#define BACKOFF_BASE_MS 1000
#define BACKOFF_CAP_MS  300000
#define WAIT_MAX_MS     3600000u
#define SPLAY_MAX_MS    30000u
#define STATUS_MS       60000
#define TURN_MS         1000
#define FAILURES_TOLD   10 /* then the backend counts as unreachable */
#define ANSWER_BYTES    ((size_t)64 << 10)

struct bundle_sync {
	struct bundle_sync_settings settings;
	struct bundle_state state;
	struct pw_loop *loop;
	struct pw_timer *poll_timer, *status_timer;
	struct pw_thread *thread;
	struct pw_http *http;
	char seen_etag[128]; /* of what was looked at last, applied or refused */
	enum bundle_reason last;
	char last_message[480];
	uint32_t failures;
	bool fresh_told, must_load;
	bool active;             /* not another replica's */
	struct bundle_told told; /* what was told last */
	char failure[480];
};

struct answer {
	struct pw_http_response http;
	uint64_t took_ns;
};

static void count(struct bundle_sync *s, const char *endpoint, int status)
{
	char code[16];

	if (!s->settings.metrics)
		return;
	(void)snprintf(code, sizeof(code), "%d", status);
	pw_metric_add(metric(s->settings.metrics, METRIC_BACKEND_REQUESTS, endpoint,
			      status > 0 ? code : "none"),
		1);
}

static void set(struct bundle_sync *s, enum metric_id id, double value)
{
	if (s->settings.metrics)
		pw_metric_set(metric(s->settings.metrics, id, NULL, NULL), value);
}

/* extra: up to three more header lines, NULL-terminated. */
static int request(struct bundle_sync *s, const char *endpoint, struct pw_http_request *r,
	const char *const *extra, struct pw_http_response *ret, struct pw_err *err)
{
	const char *lines[HEADER_FILE_LINES + 6];
	struct header_file headers;
	char cluster[160];
	size_t count_lines = 0;
	int code = header_file_read(s->settings.header_file, &headers, err);

	for (size_t i = 0; i < headers.count; i++)
		lines[count_lines++] = headers.lines[i];
	(void)snprintf(cluster, sizeof(cluster), "X-Cluster-Id: %s", s->settings.cluster);
	lines[count_lines++] = cluster;
	for (size_t i = 0; extra && extra[i]; i++)
		lines[count_lines++] = extra[i];
	lines[count_lines] = NULL;
	r->headers = lines;
	r->ca_file = s->settings.ca_file;
	r->cert_file = s->settings.cert_file;
	r->key_file = s->settings.key_file;
	if (code == 0)
		code = pw_http_do(s->http, r, ret, err);
	header_file_done(&headers);
	count(s, endpoint, code < 0 ? 0 : ret->status);
	return code;
}

static int fetch_blob(
	void *ctx, const struct bundle_object *o, struct pw_buf *out, struct pw_err *err)
{
	struct bundle_sync *s = ctx;
	struct pw_http_response response = {0};
	char url[1300];
	struct pw_http_request r = {.method = "GET",
		.url = url,
		.timeout_ms = s->settings.timeout_ms,
		.response_limit = o->size + 1};
	int code;

	(void)snprintf(url, sizeof(url), "%s/v1/blobs/sha256/%s", s->settings.url, o->sha256);
	code = request(s, "blob", &r, NULL, &response, err);
	if (code < 0)
		return code;
	if (response.status != 200)
		code = pw_err_set(err, -EIO, "HTTP status %d", response.status);
	else
		code = pw_buf_add_slice(out, pw_buf_slice(&response.body));
	pw_http_response_done(&response);
	return code;
}

/* Only what is new. */
static void tell(struct bundle_sync *s)
{
	struct bundle_told told = {.reason = s->last,
		.serial = s->state.serial,
		.expires_ns = s->state.expires_ns,
		.fresh = s->fresh_told,
		.reachable = s->failures < FAILURES_TOLD};

	if (!s->settings.on_told)
		return;
	(void)snprintf(told.message, sizeof(told.message), "%s", s->last_message);
	if (!told.reachable)
		(void)snprintf(told.unreachable, sizeof(told.unreachable), "%s", s->failure);
	memcpy(told.revision, s->state.revision, sizeof(told.revision));
	(void)snprintf(told.channel, sizeof(told.channel), "%s", s->settings.channel);
	if (memcmp(&told, &s->told, sizeof(told)) == 0)
		return;
	s->told = told;
	s->settings.on_told(s->settings.told_ctx, &told);
}

/* Expired rules stay in force; only somebody must know. */
static void tell_freshness(struct bundle_sync *s)
{
	bool fresh = s->state.serial == 0 || s->state.expires_ns > pw_wall_now().ns;

	set(s, METRIC_BUNDLE_FRESH, fresh);
	set(s, METRIC_BUNDLE_SERIAL, (double)s->state.serial);
	set(s, METRIC_BUNDLE_EXPIRES, (double)s->state.expires_ns / 1e9);
	if (!fresh && s->fresh_told)
		pw_log_warn("bundle",
			"Fresh=False: bundle %lld has expired; it stays in force until a newer one "
			"comes",
			(long long)s->state.serial);
	s->fresh_told = fresh;
}

static void note_result(struct bundle_sync *s, enum bundle_reason reason, const struct pw_err *err)
{
	const char *name = bundle_reason_names[reason];

	if (reason == BUNDLE_APPLIED)
		pw_log_info("bundle", "BundleApplied=True: serial %lld \"%s\", %zu objects",
			(long long)s->state.serial, s->state.revision,
			s->state.applied->object_count);
	else if (reason != BUNDLE_UNCHANGED)
		pw_log_limited(PW_LOG_ERROR, 6, "bundle",
			"BundleApplied=False/%s: %s; what was in force stays", name, err->msg);
	if (s->settings.metrics)
		pw_metric_add(metric(s->settings.metrics, METRIC_BUNDLE_RESULTS, name, NULL), 1);
	if (reason != BUNDLE_UNCHANGED || s->last > BUNDLE_UNCHANGED) {
		s->last = reason;
		(void)snprintf(s->last_message, sizeof(s->last_message), "%s",
			reason <= BUNDLE_UNCHANGED ? "" : err->msg);
		pw_timer_set(s->status_timer, 0, STATUS_MS);
	}
}

static bool may_try_again(enum bundle_reason reason)
{
	return reason == BUNDLE_BLOB_UNAVAILABLE || reason == BUNDLE_APPLY_FAILED;
}

/* -EAGAIN when the same should be asked for again. */
static int take_manifest(struct bundle_sync *s, const struct pw_http_response *response)
{
	const struct bundle_apply a = {
		.keys = &s->settings.keys,
		.caps = &s->settings.caps,
		.channel = s->settings.channel,
		.state_path = s->settings.state_path,
		.target = s->settings.target,
		.fetch = fetch_blob,
		.fetch_ctx = s,
	};
	struct pw_err err = PW_ERR_INIT;
	enum bundle_reason reason =
		bundle_apply(&a, pw_buf_slice(&response->body), response->etag, &s->state, &err);

	note_result(s, reason, &err);
	if (may_try_again(reason))
		return -EAGAIN;
	memcpy(s->seen_etag, response->etag, sizeof(s->seen_etag));
	return 0;
}

static int get_manifest(struct bundle_sync *s, struct pw_http_response *ret, struct pw_err *err)
{
	char url[1300], prefer[48], match[160];
	const char *extra[4] = {prefer, NULL};
	struct pw_http_request r = {.method = "GET",
		.url = url,
		.timeout_ms = s->settings.timeout_ms + s->settings.wait_s * 1000,
		.response_limit = BUNDLE_ENVELOPE_BYTES};

	(void)snprintf(url, sizeof(url), "%s/v1/manifest/%s", s->settings.url, s->settings.channel);
	(void)snprintf(prefer, sizeof(prefer), "Prefer: wait=%u", s->settings.wait_s);
	(void)snprintf(match, sizeof(match), "If-None-Match: %s", s->seen_etag);
	if (s->seen_etag[0])
		extra[1] = match;
	return request(s, "manifest", &r, extra, ret, err);
}

static void failed(struct bundle_sync *s, uint32_t asked_ms, const struct pw_err *err)
{
	uint32_t ms = pw_backoff_ms(s->failures, BACKOFF_BASE_MS, BACKOFF_CAP_MS);

	if (asked_ms > 0)
		ms = asked_ms < WAIT_MAX_MS ? asked_ms : WAIT_MAX_MS;
	s->failures += s->failures < 1000;
	(void)snprintf(s->failure, sizeof(s->failure), "%s", err->msg);
	set(s, METRIC_BACKEND_UP, 0);
	if (s->failures == FAILURES_TOLD)
		pw_log_error("bundle", "BackendReachable=False: %s; next attempt in %u ms",
			err->msg, ms);
	else
		pw_log_limited(PW_LOG_WARN, 6, "bundle",
			"the backend does not answer as it should, again in %u ms: %s", ms,
			err->msg);
	pw_timer_set(s->poll_timer, ms, 0);
}

/* Long polls follow each other at once, and so does what comes after news: it shows whether the
 * backend holds answers back. Else the interval, ± 20 %. */
static void succeeded(struct bundle_sync *s, uint64_t took_ns, bool is_news)
{
	uint64_t ms = s->settings.poll_ms;

	if (s->failures >= FAILURES_TOLD)
		pw_log_info("bundle", "BackendReachable=True");
	s->failures = 0;
	set(s, METRIC_BACKEND_UP, 1);
	set(s, METRIC_BACKEND_SUCCESS, (double)pw_wall_now().ns / 1e9);
	ms = ms - ms / 5 + pw_random_below(ms / 5 * 2 + 1);
	if (took_ns >= LONG_POLL_MIN || is_news)
		ms = pw_random_below(500);
	pw_timer_set(s->poll_timer, ms, 0);
}

static int judge(struct bundle_sync *s, const struct pw_http_response *response, struct pw_err *err)
{
	if (response->status == 200 && take_manifest(s, response) < 0)
		return pw_err_set(err, -EAGAIN, "%s", s->last_message);
	if (response->status == 200 || response->status == 204 || response->status == 304)
		return 0;
	if (response->status >= 300 && response->status < 400)
		return pw_err_set(err, -EPROTO, "HTTP status %d: redirects are not followed",
			response->status);
	return pw_err_set(err, -EPROTO, "HTTP status %d", response->status);
}

static int load_state(struct bundle_sync *s, struct pw_err *err)
{
	const struct bundle_target *t = &s->settings.target;
	struct bundle_state state = {.serial = 0};
	struct bundle_keys keys;
	int r = t->load ? t->load(t->ctx, &state, err)
			: bundle_state_load(s->settings.state_path, &state, err);

	if (r < 0)
		return r;
	bundle_state_done(&s->state);
	s->state = state;
	s->seen_etag[0] = '\0';
	/* A change of keys or channel makes the old answer void. */
	if (bundle_state_keys(&state, &s->settings.keys, &keys, err) == 0 &&
		strcmp(state.set_id, keys.set_id) == 0 &&
		strcmp(state.channel, s->settings.channel) == 0)
		memcpy(s->seen_etag, state.etag, sizeof(s->seen_etag));
	return 0;
}

/* True when there is something to ask for now. */
static bool is_our_turn(struct bundle_sync *s, struct pw_err *err)
{
	const struct bundle_target *t = &s->settings.target;
	enum bundle_turn turn = t->turn ? t->turn(t->ctx) : BUNDLE_TURN_GO;

	s->active = turn != BUNDLE_TURN_WAIT;
	if (!s->active) {
		pw_timer_set(s->poll_timer, TURN_MS, 0);
		return false;
	}
	s->must_load |= turn == BUNDLE_TURN_AGAIN;
	if (s->must_load && load_state(s, err) < 0) {
		pw_log_limited(PW_LOG_WARN, 4, "bundle", "what is in force: %s", err->msg);
		pw_timer_set(s->poll_timer, TURN_MS, 0);
		return false;
	}
	if (s->must_load) {
		s->state.reapply = true;
		s->seen_etag[0] = '\0';
	}
	s->must_load = false;
	return true;
}

static void on_poll(void *ctx)
{
	struct bundle_sync *s = ctx;
	struct pw_http_response response = {0};
	struct pw_err err = PW_ERR_INIT;
	struct pw_mono start = pw_mono_now();
	uint32_t asked_ms;
	int r;

	if (!is_our_turn(s, &err))
		return;
	r = get_manifest(s, &response, &err);
	asked_ms = r == 0 ? response.retry_after_ms : 0;

	if (r == -ECANCELED)
		return;
	if (r == 0)
		r = judge(s, &response, &err);
	tell_freshness(s);
	if (r < 0)
		failed(s, asked_ms, &err);
	else
		succeeded(s, pw_mono_now().ns - start.ns, response.status == 200);
	tell(s);
	pw_http_response_done(&response);
}

static void add_status(struct bundle_sync *s, struct json_writer *w)
{
	json_open_object(w, NULL);
	json_text(w, "cluster", s->settings.cluster);
	json_text(w, "version", PODWARD_VERSION);
	json_text(w, "channel", s->settings.channel);
	json_i64(w, "serial", s->state.serial);
	json_text(w, "revision", s->state.revision);
	json_text(w, "bundleApplied", bundle_reason_names[s->last]);
	json_text(w, "message", s->last_message);
	json_bool(w, "fresh", s->fresh_told);
	json_close_object(w);
}

/* A read-only backend has no such endpoint: only counted. */
static void on_status(void *ctx)
{
	struct bundle_sync *s = ctx;
	static const char *const type[] = {"Content-Type: application/json", NULL};
	struct pw_http_response response = {0};
	struct pw_err err = PW_ERR_INIT;
	char url[1300];
	pw_auto_buf body;
	struct json_writer w = JSON_WRITER(&body);
	struct pw_http_request r = {.method = "POST",
		.url = url,
		.timeout_ms = s->settings.timeout_ms,
		.response_limit = ANSWER_BYTES};

	if (!s->active)
		return;
	pw_buf_init(&body, ANSWER_BYTES);
	add_status(s, &w);
	(void)snprintf(url, sizeof(url), "%s/v1/status", s->settings.url);
	r.body = pw_buf_slice(&body);
	if (request(s, "status", &r, type, &response, &err) < 0)
		pw_log_debug("bundle", "status: %s", err.msg);
	pw_http_response_done(&response);
}

static void run(void *ctx)
{
	struct bundle_sync *s = ctx;
	struct pw_err err = PW_ERR_INIT;
	uint64_t splay = s->settings.poll_ms / 2;

	if (splay > SPLAY_MAX_MS)
		splay = SPLAY_MAX_MS;
	tell_freshness(s);
	pw_timer_set(s->poll_timer, pw_random_below(splay + 1), 0);
	pw_timer_set(s->status_timer, STATUS_MS, STATUS_MS);
	if (pw_loop_run(s->loop, &err) < 0)
		pw_log_error("bundle", "loop ended: %s", err.msg);
}

static int build(struct bundle_sync *s, struct pw_err *err)
{
	int r = s->settings.target.load ? 0 : load_state(s, err);

	if (r < 0)
		return pw_err_wrap(err, r, "move the bundle's state away to start with none");
	s->fresh_told = true;
	s->last = BUNDLE_UNCHANGED;
	r = pw_http_new(&s->http, err);
	if (r == 0)
		r = pw_loop_new(&s->loop, err);
	if (r == 0)
		r = pw_timer_new(s->loop, on_poll, s, &s->poll_timer);
	if (r == 0)
		r = pw_timer_new(s->loop, on_status, s, &s->status_timer);
	if (r == 0)
		r = pw_thread_start("bundle", run, s, &s->thread);
	return r < 0 ? pw_err_set(err, r, "out of memory") : 0;
}

int bundle_sync_start(
	const struct bundle_sync_settings *settings, struct bundle_sync **ret, struct pw_err *err)
{
	struct bundle_sync *s = pw_alloc0(1, sizeof(*s));
	int r;

	if (!s)
		return pw_err_set(err, -ENOMEM, "out of memory");
	s->settings = *settings;
	r = build(s, err);
	if (r < 0) {
		bundle_sync_stop(s);
		return r;
	}
	*ret = s;
	return 0;
}

void bundle_sync_stop(struct bundle_sync *s)
{
	if (!s)
		return;
	if (s->thread) {
		pw_loop_stop(s->loop);
		pw_http_cancel(s->http);
		pw_thread_join(s->thread);
	}
	if (s->poll_timer)
		pw_timer_free(s->poll_timer);
	if (s->status_timer)
		pw_timer_free(s->status_timer);
	pw_loop_free(s->loop);
	pw_http_free(s->http);
	bundle_state_done(&s->state);
	free(s);
}
