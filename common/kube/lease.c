/* SPDX-License-Identifier: Apache-2.0 */
#include "common/kube/lease.h"

#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/log.h"
#include "common/base/loop.h"
#include "common/base/random.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BODY_MAX 4096
#define TEXT_MAX 256

/* The record as it is at the server. */
struct record {
	char holder[TEXT_MAX], version[64], renewed[64];
	uint32_t duration_ms;
	int64_t transitions;
};

struct pw_lease {
	struct pw_lease_settings settings;
	struct pw_kube *kube;
	struct pw_thread *thread;
	int stop_fd;
	char path[512], collection[512];
	struct record seen;
	struct pw_mono seen_at;    /* when the record was first seen like this */
	struct pw_mono renewed_at; /* before the request of the last renewal that succeeded */
	bool leads, stopping;
};

static void copy(char *out, size_t size, struct pw_slice text)
{
	(void)snprintf(out, size, "%.*s", PW_SLICE_ARG(text));
}

static void read_record(const struct pw_json *object, struct record *out)
{
	const struct pw_json *meta = pw_json_get(object, "metadata");
	const struct pw_json *spec = pw_json_get(object, "spec");
	int64_t seconds = pw_json_int(pw_json_get(spec, "leaseDurationSeconds"));

	copy(out->holder, sizeof(out->holder), pw_json_text(pw_json_get(spec, "holderIdentity")));
	copy(out->version, sizeof(out->version),
		pw_json_text(pw_json_get(meta, "resourceVersion")));
	copy(out->renewed, sizeof(out->renewed), pw_json_text(pw_json_get(spec, "renewTime")));
	out->duration_ms = seconds > 0 && seconds < 3600 ? (uint32_t)seconds * 1000 : 0;
	out->transitions = pw_json_int(pw_json_get(spec, "leaseTransitions"));
}

static void see(struct pw_lease *l, const struct pw_json *object)
{
	struct record now = {.holder = ""};

	read_record(object, &now);
	if (strcmp(now.holder, l->seen.holder) != 0 || strcmp(now.renewed, l->seen.renewed) != 0 ||
		l->seen_at.ns == 0)
		l->seen_at = pw_mono_now();
	l->seen = now;
}

static void set_leads(struct pw_lease *l, bool leads)
{
	if (l->leads == leads)
		return;
	l->leads = leads;
	pw_log_info("lease", leads ? "this replica writes now" : "this replica no longer writes");
	l->settings.on_change(l->settings.ctx, leads);
}

/* MicroTime of the API: six digits behind the point. */
static void format_now(char *out, size_t size)
{
	char text[PW_WALL_TEXT_SIZE];

	pw_wall_format(pw_wall_now(), text);
	(void)snprintf(out, size, "%.23s000Z", text);
}

static int make_body(
	const struct pw_lease *l, const char *holder, uint32_t seconds, struct pw_buf *out)
{
	int64_t transitions = l->seen.transitions + (strcmp(l->seen.holder, holder) != 0);
	char now[64];

	format_now(now, sizeof(now));
	(void)pw_buf_add_str(out, "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\","
				  "\"metadata\":{\"name\":");
	(void)pw_escape_json(out, pw_slice_str(l->settings.name));
	if (l->seen.version[0]) {
		(void)pw_buf_add_str(out, ",\"resourceVersion\":");
		(void)pw_escape_json(out, pw_slice_str(l->seen.version));
	}
	(void)pw_buf_add_str(out, "},\"spec\":{\"holderIdentity\":");
	(void)pw_escape_json(out, pw_slice_str(holder));
	return pw_buf_addf(out,
		",\"leaseDurationSeconds\":%u,\"renewTime\":\"%s\",\"leaseTransitions\":%lld}}",
		seconds, now, (long long)transitions);
}

static int write_record(
	struct pw_lease *l, const char *holder, uint32_t seconds, struct pw_err *err)
{
	bool exists = l->seen.version[0] != '\0';
	struct pw_json *object = NULL;
	pw_auto_buf body;
	int r;

	pw_buf_init(&body, BODY_MAX);
	r = make_body(l, holder, seconds, &body);
	if (r < 0)
		return pw_err_set(err, r, "lease: %s", pw_err_text(r));
	r = pw_kube_object(l->kube,
		&(struct pw_kube_call){.method = exists ? "PUT" : "POST",
			.path = exists ? l->path : l->collection,
			.timeout_ms = l->settings.retry_ms * 2,
			.body = pw_buf_slice(&body)},
		&object, err);
	if (r == 0)
		see(l, object);
	pw_json_free(object);
	return r;
}

static int read_server(struct pw_lease *l, struct pw_err *err)
{
	struct pw_json *object = NULL;
	int r = pw_kube_object(l->kube,
		&(struct pw_kube_call){
			.method = "GET", .path = l->path, .timeout_ms = l->settings.retry_ms * 2},
		&object, err);

	if (r == -ENOENT) {
		pw_err_clear(err);
		l->seen = (struct record){.holder = ""};
		return 0;
	}
	if (r == 0)
		see(l, object);
	pw_json_free(object);
	return r;
}

/* Nobody holds it, we do, or its holder was silent for its whole duration. */
static bool may_take(const struct pw_lease *l)
{
	uint64_t duration = l->seen.duration_ms ? l->seen.duration_ms : l->settings.duration_ms;

	return l->seen.holder[0] == '\0' || strcmp(l->seen.holder, l->settings.identity) == 0 ||
	       pw_mono_now().ns - l->seen_at.ns > duration * PW_NS_PER_MS;
}

static int try_once(struct pw_lease *l, struct pw_err *err)
{
	struct pw_mono before = pw_mono_now();
	int r = l->leads ? 0 : read_server(l, err);

	if (r < 0)
		return r;
	if (!may_take(l))
		return 0;
	r = write_record(l, l->settings.identity, (l->settings.duration_ms + 999) / 1000, err);
	if (r == 0) {
		l->renewed_at = before;
		set_leads(l, true);
	} else if (r == -ESTALE || r == -ENOENT) {
		(void)read_server(l, NULL); /* someone wrote or removed it */
	}
	if (l->leads && r == -ESTALE && strcmp(l->seen.holder, l->settings.identity) != 0)
		set_leads(l, false);
	return r;
}

static void pause_ms(struct pw_lease *l, uint32_t ms)
{
	struct pollfd fd = {.fd = l->stop_fd, .events = POLLIN};

	if (poll(&fd, 1, (int)ms) > 0)
		l->stopping = true;
}

static void run(void *ctx)
{
	struct pw_lease *l = ctx;
	uint32_t retry = l->settings.retry_ms;

	while (!l->stopping) {
		struct pw_err err = PW_ERR_INIT;
		int r = try_once(l, &err);

		if (r < 0 && r != -ESTALE)
			pw_log_limited(PW_LOG_WARN, 4, "lease", "%s", err.msg);
		if (l->leads &&
			pw_mono_now().ns - l->renewed_at.ns > l->settings.renew_ms * PW_NS_PER_MS)
			set_leads(l, false);
		/* Jitter of a fifth: replicas that start together do not ask together. */
		pause_ms(l, retry + (uint32_t)pw_random_below(retry / 5 + 1));
	}
	if (l->leads) {
		set_leads(l, false);
		(void)write_record(l, "", 1, NULL);
	}
}

static int set_paths(struct pw_lease *l)
{
	const char *namespace =
		l->settings.namespace ? l->settings.namespace : pw_kube_namespace(l->kube);
	int n = snprintf(l->collection, sizeof(l->collection),
		"/apis/coordination.k8s.io/v1/namespaces/%s/leases", namespace);
	int m = snprintf(
		l->path, sizeof(l->path), "%.400s/%.100s", l->collection, l->settings.name);

	return n > 400 || m >= (int)sizeof(l->path) || strlen(l->settings.name) > 100 ||
			       strlen(l->settings.identity) >= TEXT_MAX
		       ? -ENAMETOOLONG
		       : 0;
}

int pw_lease_start(
	const struct pw_lease_settings *settings, struct pw_lease **ret, struct pw_err *err)
{
	struct pw_lease *l = pw_alloc0(1, sizeof(*l));
	int r;

	if (!l)
		return pw_err_set(err, -ENOMEM, "out of memory");
	l->settings = *settings;
	l->settings.duration_ms = settings->duration_ms ? settings->duration_ms : 15000;
	l->settings.renew_ms = settings->renew_ms ? settings->renew_ms : 10000;
	l->settings.retry_ms = settings->retry_ms ? settings->retry_ms : 2000;
	l->stop_fd = eventfd(0, EFD_CLOEXEC);
	r = l->stop_fd < 0 ? pw_err_set(err, -errno, "eventfd: %s", pw_err_text(errno)) : 0;
	if (r == 0)
		r = pw_kube_new(&settings->kube, &l->kube, err);
	if (r == 0 && set_paths(l) < 0)
		r = pw_err_set(err, -ENAMETOOLONG, "lease: a name is too long");
	if (r == 0) {
		r = pw_thread_start("lease", run, l, &l->thread);
		if (r < 0)
			(void)pw_err_set(err, r, "thread: %s", pw_err_text(r));
	}
	if (r < 0) {
		pw_lease_stop(l);
		return r;
	}
	*ret = l;
	return 0;
}

void pw_lease_stop(struct pw_lease *l)
{
	if (!l)
		return;
	if (l->thread) {
		(void)eventfd_write(l->stop_fd, 1);
		pw_thread_join(l->thread);
	}
	pw_kube_free(l->kube);
	if (l->stop_fd >= 0)
		(void)close(l->stop_fd);
	free(l);
}
