/* SPDX-License-Identifier: Apache-2.0 */
#include "common/kube/reflector.h"

#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/log.h"
#include "common/base/loop.h"
#include "common/base/random.h"
#include "common/kube/known.h"
#include "common/kube/splitter.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PAGE_DEFAULT    500
#define BACKOFF_MS      800
#define BACKOFF_CAP_MS  30000
#define HEALTHY_NS      (120 * PW_NS_PER_S)
#define SHORT_WATCH_NS  PW_NS_PER_S
#define WATCH_SLACK_S   30
#define LIST_TIMEOUT_MS 120000
/* A server that knows lists in form of a watch ends them at once. */
#define INITIAL_NS            (10 * PW_NS_PER_S)
#define VERSION_MAX           64
#define CONTINUE_MAX          1024
#define METADATA_ACCEPT(kind) "application/json;as=" kind ";g=meta.k8s.io;v=v1,application/json"

/* What a request ended with; errno values say the rest. */
enum { RELIST = 1 };

struct pw_reflector {
	struct pw_reflector_settings settings;
	struct pw_kube *kube;
	struct pw_known *known;
	struct pw_thread *thread;
	int stop_fd;
	char version[VERSION_MAX]; /* where to go on; "" = nowhere */
	bool listed;               /* at least once */
	bool expired;              /* the version is too old even for a list */
	bool list_first;           /* the server has no lists in form of a watch */
	bool stopping;
	uint32_t attempt;
	uint32_t retry_after_ms;
	struct pw_mono healthy_since;
};

/* One list or watch that is read. */
struct reading {
	struct pw_reflector *f;
	struct pw_splitter splitter;
	bool initial; /* what comes is a list in form of a watch */
	struct pw_mono started;
	uint64_t events;
};

static void count(struct pw_reflector *f, enum pw_reflector_count what)
{
	if (f->settings.on_count)
		f->settings.on_count(f->settings.ctx, what, 1);
}

/* --- telling
 * -------------------------------------------------------------------------------------- */

static int key_of(const struct pw_json *meta, char *out, size_t size)
{
	struct pw_slice name = pw_json_text(pw_json_get(meta, "name"));
	struct pw_slice namespace = pw_json_text(pw_json_get(meta, "namespace"));
	int n = snprintf(out, size, "%.*s%s%.*s", PW_SLICE_ARG(namespace),
		namespace.len > 0 ? "/" : "", PW_SLICE_ARG(name));

	return name.len > 0 && n > 0 && (size_t)n < size ? 0 : -EINVAL;
}

static void set_version(struct pw_reflector *f, struct pw_slice version)
{
	if (version.len > 0 && version.len < sizeof(f->version))
		(void)snprintf(f->version, sizeof(f->version), "%.*s", PW_SLICE_ARG(version));
}

static int tell_object(struct pw_reflector *f, const struct pw_json *object)
{
	const struct pw_reflector_settings *s = &f->settings;
	const struct pw_json *meta = pw_json_get(object, "metadata");
	struct pw_known_object o = {.uid = pw_json_text(pw_json_get(meta, "uid")),
		.version = pw_json_text(pw_json_get(meta, "resourceVersion"))};
	char key[384], old_uid[64];
	int r = key_of(meta, key, sizeof(key));

	o.key = pw_slice_str(key);
	if (r == 0)
		r = pw_known_put(f->known, &o, old_uid);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		count(f, PW_REFLECTOR_REFUSED);
		pw_log_limited(PW_LOG_WARN, 2, "kube", "%s: an object is passed over: %s", s->name,
			r == -ENOSPC ? "too many of them" : "no usable name");
		return 0;
	}
	if (r == PW_KNOWN_SAME)
		return 0;
	if (r == PW_KNOWN_REPLACED)
		s->on_gone(s->ctx, key, old_uid);
	count(f, PW_REFLECTOR_EVENTS);
	s->on_object(s->ctx, object);
	return 0;
}

static void tell_gone(struct pw_reflector *f, const struct pw_json *object)
{
	char key[384], uid[64];

	if (key_of(pw_json_get(object, "metadata"), key, sizeof(key)) < 0 ||
		!pw_known_remove(f->known, pw_slice_str(key), uid))
		return;
	count(f, PW_REFLECTOR_EVENTS);
	f->settings.on_gone(f->settings.ctx, key, uid);
}

static void tell_swept(void *ctx, const char *key, const char *uid)
{
	struct pw_reflector *f = ctx;

	count(f, PW_REFLECTOR_EVENTS);
	f->settings.on_gone(f->settings.ctx, key, uid);
}

static void list_ended(struct pw_reflector *f)
{
	pw_known_sweep(f->known, tell_swept, f);
	f->listed = true;
	f->expired = false;
	f->settings.on_synced(f->settings.ctx, pw_known_count(f->known));
}

/* What is whole and yet no JSON of ours is passed over: asked for again it would be the same. */
static int parse(struct pw_reflector *f, struct pw_slice text, struct pw_json **ret)
{
	struct pw_err err = PW_ERR_INIT;
	int r = pw_json_parse_large(text, PW_SPLITTER_OBJECT, ret, &err);

	if (r == 0 || r == -ENOMEM)
		return r;
	count(f, PW_REFLECTOR_REFUSED);
	pw_log_limited(PW_LOG_WARN, 2, "kube", "%s: an object is passed over: %s", f->settings.name,
		err.msg);
	return 0;
}

/* --- list
 * ----------------------------------------------------------------------------------------- */

static int on_item(void *ctx, struct pw_slice text)
{
	struct reading *reading = ctx;
	struct pw_json *object = NULL;
	int r = parse(reading->f, text, &object);

	if (r < 0 || !object)
		return r;
	reading->events++;
	r = tell_object(reading->f, object);
	pw_json_free(object);
	return r;
}

static int on_part(void *ctx, struct pw_slice part)
{
	struct reading *reading = ctx;

	return pw_splitter_feed(&reading->splitter, part);
}

/* Query values: the server's texts are opaque. */
static int add_encoded(struct pw_buf *out, struct pw_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
			(void)pw_buf_add_byte(out, c);
		else if ((c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~')
			(void)pw_buf_add_byte(out, c);
		else
			(void)pw_buf_addf(out, "%%%02X", c);
	}
	return pw_buf_error(out);
}

/*
 * The first list takes what the server has at hand (0), a later one nothing older than what was
 * seen, without limit, because limit would ask for exactly that version. After 410 the store itself
 * is asked, in pages.
 */
static void list_path(struct pw_reflector *f, struct pw_slice token, struct pw_buf *out)
{
	uint32_t page = f->settings.page ? f->settings.page : PAGE_DEFAULT;

	(void)pw_buf_addf(out, "%s?", f->settings.path);
	if (token.len > 0) {
		(void)pw_buf_addf(out, "limit=%u&continue=", page);
		(void)add_encoded(out, token);
	} else if (f->expired) {
		(void)pw_buf_addf(out, "limit=%u", page);
	} else {
		(void)pw_buf_add_str(out, "resourceVersion=");
		(void)add_encoded(out, f->listed ? pw_slice_str(f->version) : PW_SLICE_LIT("0"));
	}
}

/* 410, and "Too large resource version" (504, the server restarted and is behind). */
static bool is_expired(const struct pw_http_response *answer)
{
	struct pw_slice body = pw_buf_slice(&answer->body);

	return answer->status == 410 ||
	       (answer->status == 504 &&
		       pw_slice_find(body, PW_SLICE_LIT("Too large resource version")) >= 0);
}

static int refused(
	struct pw_reflector *f, const struct pw_http_response *answer, struct pw_err *err)
{
	f->retry_after_ms = answer->retry_after_ms;
	if (is_expired(answer)) {
		count(f, PW_REFLECTOR_EXPIRED);
		f->expired = true;
		f->version[0] = '\0';
	}
	return pw_kube_check(answer, err);
}

/* What surrounds the items of one part of a list. */
static int read_rest(
	struct reading *reading, struct pw_buf *version, struct pw_buf *token, struct pw_err *err)
{
	struct pw_json *rest = NULL;
	const struct pw_json *meta;
	int r;

	if (!pw_splitter_is_complete(&reading->splitter))
		return pw_err_set(err, -EPIPE, "the list ends too early");
	r = pw_json_parse(pw_splitter_rest(&reading->splitter), &rest, err);
	if (r < 0)
		return r;
	meta = pw_json_get(rest, "metadata");
	pw_buf_clear(version);
	pw_buf_clear(token);
	(void)pw_buf_add_slice(version, pw_json_text(pw_json_get(meta, "resourceVersion")));
	(void)pw_buf_add_slice(token, pw_json_text(pw_json_get(meta, "continue")));
	pw_json_free(rest);
	if (pw_buf_error(version) < 0 || pw_buf_error(token) < 0 || version->len == 0)
		return pw_err_set(err, -EBADMSG, "the list has no usable resourceVersion");
	return 0;
}

static int list_page(
	struct pw_reflector *f, struct pw_buf *version, struct pw_buf *token, struct pw_err *err)
{
	struct reading reading = {.f = f};
	struct pw_http_response answer = {0};
	pw_auto_buf path;
	int r;

	pw_buf_init(&path, 1900);
	list_path(f, pw_buf_slice(token), &path);
	if (pw_buf_error(&path) < 0)
		return pw_err_set(err, pw_buf_error(&path), "list: the path is too long");
	pw_splitter_init(&reading.splitter, PW_SPLITTER_LIST, on_item, &reading);
	r = pw_kube_do(f->kube,
		&(struct pw_kube_call){.method = "GET",
			.path = pw_buf_text(&path),
			.accept = f->settings.metadata_only
					  ? METADATA_ACCEPT("PartialObjectMetadataList")
					  : NULL,
			.timeout_ms = LIST_TIMEOUT_MS,
			.on_part = on_part,
			.part_ctx = &reading},
		&answer, err);
	if (r == 0)
		r = refused(f, &answer, err);
	if (r == 0)
		r = read_rest(&reading, version, token, err);
	if (r == 0 && reading.splitter.oversized > 0)
		count(f, PW_REFLECTOR_REFUSED);
	pw_http_response_done(&answer);
	pw_splitter_done(&reading.splitter);
	return r;
}

static int list(struct pw_reflector *f, struct pw_err *err)
{
	pw_auto_buf version;
	pw_auto_buf token;
	int r;

	pw_buf_init(&version, VERSION_MAX - 1);
	pw_buf_init(&token, CONTINUE_MAX);
	count(f, PW_REFLECTOR_LISTS);
	pw_known_begin(f->known);
	do {
		r = list_page(f, &version, &token, err);
	} while (r == 0 && token.len > 0 && !f->stopping);
	if (r < 0 || token.len > 0)
		return pw_err_wrap(err, r, "list");
	set_version(f, pw_buf_slice(&version));
	list_ended(f);
	return 0;
}

/* --- watch
 * ---------------------------------------------------------------------------------------- */

/* The server tells a failure inside of an answer that began well. */
static int on_error(struct reading *reading, const struct pw_json *status)
{
	struct pw_reflector *f = reading->f;
	int64_t code = pw_json_int(pw_json_get(status, "code"));
	char shown[200];

	pw_log_debug("kube", "%s: the watch ends with %lld: %s", f->settings.name, (long long)code,
		pw_escape_to(pw_json_text(pw_json_get(status, "message")), shown, sizeof(shown)));
	if (code != 410)
		return -EREMOTEIO;
	count(f, PW_REFLECTOR_EXPIRED);
	f->expired = true;
	f->version[0] = '\0';
	return -EIDRM;
}

static bool ends_initial(const struct pw_json *object)
{
	const struct pw_json *notes = pw_json_get(pw_json_get(object, "metadata"), "annotations");

	return pw_slice_eq_str(
		pw_json_text(pw_json_get(notes, "k8s.io/initial-events-end")), "true");
}

static void on_bookmark(struct reading *reading, const struct pw_json *object)
{
	if (!reading->initial || !ends_initial(object))
		return;
	reading->initial = false;
	list_ended(reading->f);
}

static int take_event(struct reading *reading, const struct pw_json *event)
{
	struct pw_reflector *f = reading->f;
	struct pw_slice type = pw_json_text(pw_json_get(event, "type"));
	const struct pw_json *object = pw_json_get(event, "object");
	int r = 0;

	if (pw_slice_eq_str(type, "ERROR"))
		return on_error(reading, object);
	if (pw_json_type(object) != PW_JSON_OBJECT)
		return -EBADMSG;
	reading->events++;
	if (pw_slice_eq_str(type, "ADDED") || pw_slice_eq_str(type, "MODIFIED"))
		r = tell_object(f, object);
	else if (pw_slice_eq_str(type, "DELETED"))
		tell_gone(f, object);
	else if (pw_slice_eq_str(type, "BOOKMARK"))
		on_bookmark(reading, object);
	/* What comes first in a list has no order: only its end says where to go on. */
	if (r == 0 && !reading->initial)
		set_version(f, pw_json_text(pw_json_get(
				       pw_json_get(object, "metadata"), "resourceVersion")));
	return r;
}

static int on_event(void *ctx, struct pw_slice text)
{
	struct reading *reading = ctx;
	struct pw_json *event = NULL;
	int r = parse(reading->f, text, &event);

	if (r == 0 && event)
		r = take_event(reading, event);
	pw_json_free(event);
	return r;
}

static int on_watch_part(void *ctx, struct pw_slice part)
{
	struct reading *reading = ctx;

	if (reading->initial && pw_mono_now().ns - reading->started.ns > INITIAL_NS &&
		reading->events == 0)
		return -ETIME;
	return pw_splitter_feed(&reading->splitter, part);
}

static uint32_t watch_seconds(const struct pw_reflector *f)
{
	return f->settings.watch_s ? f->settings.watch_s : 300 + (uint32_t)pw_random_below(300);
}

static void watch_path(struct pw_reflector *f, bool initial, uint32_t seconds, struct pw_buf *out)
{
	(void)pw_buf_addf(out, "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%u",
		f->settings.path, seconds);
	if (initial)
		(void)pw_buf_add_str(
			out, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
	if (f->version[0]) {
		(void)pw_buf_add_str(out, "&resourceVersion=");
		(void)add_encoded(out, pw_slice_str(f->version));
	}
}

/* The server's words about a list in form of a watch: 4xx means that it knows none. */
static bool knows_no_initial(const struct pw_http_response *answer)
{
	return answer->status / 100 == 4 && answer->status != 401 && answer->status != 403 &&
	       answer->status != 404 && answer->status != 410 && answer->status != 429;
}

static int request_watch(struct reading *reading, bool initial, struct pw_err *err)
{
	struct pw_reflector *f = reading->f;
	struct pw_http_response answer = {0};
	uint32_t seconds = watch_seconds(f);
	pw_auto_buf path;
	int r;

	pw_buf_init(&path, 1900);
	watch_path(f, initial, seconds, &path);
	if (pw_buf_error(&path) < 0)
		return pw_err_set(err, pw_buf_error(&path), "the path is too long");
	r = pw_kube_do(f->kube,
		&(struct pw_kube_call){.method = "GET",
			.path = pw_buf_text(&path),
			.accept = f->settings.metadata_only
					  ? METADATA_ACCEPT("PartialObjectMetadata")
					  : NULL,
			.timeout_ms = (seconds + WATCH_SLACK_S) * 1000,
			.on_part = on_watch_part,
			.part_ctx = reading},
		&answer, err);
	if (r == 0 && initial && knows_no_initial(&answer)) {
		f->list_first = true;
		r = RELIST;
	} else if (r == 0) {
		r = refused(f, &answer, err);
	}
	pw_http_response_done(&answer);
	return r;
}

/*
 * initial: the list comes first, in form of a watch. 0 = the server ended it in its time, RELIST =
 * list in the other form, else what failed; the version stays good for the next watch.
 */
static int watch(struct pw_reflector *f, bool initial, struct pw_err *err)
{
	struct reading reading = {.f = f, .initial = initial, .started = pw_mono_now()};
	uint64_t lasted;
	int r;

	count(f, initial ? PW_REFLECTOR_LISTS : PW_REFLECTOR_WATCHES);
	if (initial)
		pw_known_begin(f->known);
	pw_splitter_init(&reading.splitter, PW_SPLITTER_WATCH, on_event, &reading);
	r = request_watch(&reading, initial, err);
	if (reading.splitter.oversized > 0)
		count(f, PW_REFLECTOR_REFUSED);
	pw_splitter_done(&reading.splitter);
	lasted = pw_mono_now().ns - reading.started.ns;
	if (r == -ETIME || (r == 0 && reading.initial)) {
		f->list_first = true;
		return RELIST;
	}
	if (r == 0 && lasted < SHORT_WATCH_NS && reading.events == 0)
		return pw_err_set(err, -EAGAIN, "watch: ended at once without an event");
	if (reading.events > 0 || lasted >= HEALTHY_NS)
		f->attempt = 0;
	return r < 0 ? pw_err_wrap(err, r, "watch") : r;
}

/* --- thread
 * --------------------------------------------------------------------------------------- */

static void pause_ms(struct pw_reflector *f, uint32_t ms)
{
	struct pollfd fd = {.fd = f->stop_fd, .events = POLLIN};

	if (poll(&fd, 1, (int)ms) > 0)
		f->stopping = true;
}

static void back_off(struct pw_reflector *f, const struct pw_err *err)
{
	uint32_t base = f->settings.backoff_base_ms ? f->settings.backoff_base_ms : BACKOFF_MS;
	uint32_t ms = pw_backoff_ms(f->attempt, base, BACKOFF_CAP_MS);

	if (f->retry_after_ms > ms)
		ms = f->retry_after_ms;
	count(f, PW_REFLECTOR_FAILURES);
	pw_log_limited(PW_LOG_WARN, 10, "kube", "%s: %s; again in %u ms", f->settings.name,
		err->msg[0] ? err->msg : "failed", ms);
	f->attempt += f->attempt < 16;
	pause_ms(f, ms);
}

static int step(struct pw_reflector *f, struct pw_err *err)
{
	bool initial = !f->version[0] || f->expired;

	f->retry_after_ms = 0;
	if (!initial)
		return watch(f, false, err);
	if (!f->list_first && !f->expired)
		return watch(f, true, err);
	return list(f, err);
}

static void run(void *ctx)
{
	struct pw_reflector *f = ctx;

	while (!f->stopping) {
		struct pw_err err = PW_ERR_INIT;
		bool was_expired = f->expired;
		int r = step(f, &err);

		if (r == -ECANCELED)
			return;
		if (r < 0 && (was_expired || !f->expired))
			back_off(f, &err);
		else
			pause_ms(f, 0); /* goes on at once, or lists anew after 410 */
	}
}

int pw_reflector_start(
	const struct pw_reflector_settings *settings, struct pw_reflector **ret, struct pw_err *err)
{
	struct pw_reflector *f = pw_alloc0(1, sizeof(*f));
	int r;

	if (!f)
		return pw_err_set(err, -ENOMEM, "out of memory");
	f->settings = *settings;
	f->list_first = settings->list_first;
	f->stop_fd = eventfd(0, EFD_CLOEXEC);
	r = f->stop_fd < 0 ? pw_err_set(err, -errno, "eventfd: %s", pw_err_text(errno)) : 0;
	if (r == 0)
		r = pw_kube_new(&settings->kube, &f->kube, err);
	if (r == 0 && pw_known_new(settings->limit, &f->known) < 0)
		r = pw_err_set(err, -ENOMEM, "out of memory");
	if (r == 0) {
		r = pw_thread_start(settings->name, run, f, &f->thread);
		if (r < 0)
			(void)pw_err_set(err, r, "thread: %s", pw_err_text(r));
	}
	if (r < 0) {
		pw_reflector_stop(f);
		return r;
	}
	*ret = f;
	return 0;
}

void pw_reflector_stop(struct pw_reflector *f)
{
	if (!f)
		return;
	if (f->thread) {
		(void)eventfd_write(f->stop_fd, 1);
		pw_kube_cancel(f->kube);
		pw_thread_join(f->thread);
	}
	pw_kube_free(f->kube);
	pw_known_free(f->known);
	if (f->stop_fd >= 0)
		(void)close(f->stop_fd);
	free(f);
}
