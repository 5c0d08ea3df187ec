// SPDX-License-Identifier: Apache-2.0
#include "policysync/kube_health.h"
#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include <errno.h>
#include <stdio.h>

#define BODY_MAX 16384

/* One condition as it should be. */
struct said {
	bool holds;
	const char *reason;
	char message[600];
};

static bool is_good(const struct kube_health *h)
{
	return h->policies.refused == 0 && h->pods.refused == 0 &&
	       h->policies.in_force == h->policies.analyzers;
}

static void say_healthy(const struct kube_health *h, struct said *s)
{
	*s = (struct said){is_good(h), "Ok", "policies are in force everywhere"};
	if (h->policies.refused > 0) {
		s->reason = "PolicyRefused";
		(void)snprintf(s->message, sizeof(s->message),
			"%zu policy objects are refused; their status says why",
			h->policies.refused);
	} else if (h->pods.refused > 0) {
		s->reason = "Ceiling";
		(void)snprintf(s->message, sizeof(s->message),
			"%llu pods, owners or containers are past a ceiling",
			(unsigned long long)h->pods.refused);
	} else if (!s->holds) {
		s->reason = "Pending";
		(void)snprintf(s->message, sizeof(s->message),
			"the newest policies are in force at %zu of %zu analyzers",
			h->policies.in_force, h->policies.analyzers);
	}
}

static void say_applied(const struct kube_health *h, struct said *s)
{
	const struct bundle_told *t = h->bundle;

	if (t->reason != BUNDLE_APPLIED && t->reason != BUNDLE_UNCHANGED) {
		*s = (struct said){false, bundle_reason_names[t->reason], ""};
		(void)snprintf(s->message, sizeof(s->message), "%s; serial %lld stays in force",
			t->message, (long long)t->serial);
		return;
	}
	*s = (struct said){t->serial > 0, t->serial > 0 ? "Applied" : "None",
		"the backend has none yet; what the program brought along is in force"};
	if (t->serial > 0)
		(void)snprintf(s->message, sizeof(s->message), "serial %lld, revision %s",
			(long long)t->serial, t->revision);
}

static void say(const struct kube_health *h, enum kube_health_condition which, struct said *s)
{
	const struct bundle_told *t = h->bundle;

	switch (which) {
	case KUBE_HEALTHY:
		say_healthy(h, s);
		return;
	case KUBE_BUNDLE_APPLIED:
		say_applied(h, s);
		return;
	case KUBE_BUNDLE_FRESH:
		*s = (struct said){t->fresh, t->fresh ? "Ok" : "Expired",
			"the bundle in force has not expired"};
		if (!t->fresh)
			(void)snprintf(s->message, sizeof(s->message),
				"the bundle has expired; it stays in force until a newer one "
				"comes");
		return;
	default:
		*s = (struct said){
			t->reachable, t->reachable ? "Ok" : "Failing", "the backend answers"};
		if (!t->reachable)
			(void)snprintf(s->message, sizeof(s->message), "%s", t->unreachable);
		return;
	}
}

static size_t condition_count(const struct kube_health *h)
{
	return h->bundle ? KUBE_HEALTH_CONDITIONS : 1;
}

static void add_condition(
	const struct kube_health *h, enum kube_health_condition which, struct pw_buf *out)
{
	static const char *const names[] = {
		"Healthy", "BundleApplied", "Fresh", "BackendReachable"};
	struct said s;

	say(h, which, &s);
	(void)pw_buf_addf(out,
		"%s{\"type\":\"%s\",\"status\":\"%s\",\"reason\":\"%s\",\"message\":",
		which > 0 ? "," : "", names[which], s.holds ? "True" : "False", s.reason);
	(void)pw_escape_json(out, pw_slice_str(s.message));
	(void)pw_buf_addf(out, ",\"lastTransitionTime\":\"%s\"}", h->conditions[which].since);
}

static int write_status(const struct kube_health *h, struct pw_buf *out)
{
	(void)pw_buf_add_str(out, "{\"status\":{\"version\":\"" PODWARD_VERSION "\",\"leader\":");
	(void)pw_escape_json(out, pw_slice_str(h->leader));
	(void)pw_buf_addf(out,
		",\"revision\":\"%s\",\"policies\":%zu,\"refused\":%zu,\"pods\":%llu,"
		"\"analyzers\":\"%zu/%zu\",\"conditions\":[",
		h->policies.revision, h->policies.objects, h->policies.refused,
		(unsigned long long)h->pods.pods, h->policies.in_force, h->policies.analyzers);
	for (size_t i = 0; i < condition_count(h); i++)
		add_condition(h, (enum kube_health_condition)i, out);
	return pw_buf_add_str(out, "]}}");
}

static void on_written(void *ctx, const char *key, int result, const char *words)
{
	struct kube_health *h = ctx;

	h->busy = false;
	if (result == 0)
		return;
	h->written = 0; /* again with the next tick */
	if (result != -ECANCELED)
		pw_log_limited(PW_LOG_WARN, 4, "kube", "%s: %s", key, words);
}

/* The object is there: now its status. */
static void on_applied(void *ctx, const char *key, int result, const char *words)
{
	const struct kube_write write = {
		KUBE_MERGE, key, KUBE_HEALTH_PATH "/status", on_written, ctx};
	struct kube_health *h = ctx;
	struct pw_buf body;

	pw_buf_init(&body, BODY_MAX);
	if (result == 0)
		result = write_status(h, &body);
	if (result == 0)
		result = kube_writer_post_take(h->writer, &write, &body);
	pw_buf_done(&body);
	if (result < 0)
		on_written(h, key, result, words);
}

/* The time of the last change is this replica's: a new leader begins anew. */
static void renew(struct kube_health *h, const struct kube_policies *policies,
	const struct pod_groups *groups)
{
	struct said s;

	kube_policies_get_stats(policies, &h->policies);
	pod_groups_get_stats(groups, &h->pods);
	for (size_t i = 0; i < condition_count(h); i++) {
		char *since = h->conditions[i].since;

		say(h, (enum kube_health_condition)i, &s);
		if (!since[0] || s.holds != h->conditions[i].holds) {
			pw_wall_format(pw_wall_now(), since);
			(void)snprintf(since + 19, 2, "Z");
		}
		h->conditions[i].holds = s.holds;
	}
}

static uint64_t hash_of(const struct kube_health *h)
{
	pw_auto_buf body;

	pw_buf_init(&body, BODY_MAX);
	return write_status(h, &body) < 0 ? 0 : pw_hash64(pw_buf_slice(&body), 1);
}

void kube_health_tick(struct kube_health *h, struct kube_writer *writer,
	const struct kube_policies *policies, const struct pod_groups *groups)
{
	const struct kube_write write = {
		KUBE_APPLY, "RuntimeProtection/default", KUBE_HEALTH_PATH, on_applied, h};
	struct pw_buf object;
	uint64_t hash;

	if (h->busy)
		return;
	h->writer = writer;
	renew(h, policies, groups);
	hash = hash_of(h);
	if (hash == 0 || hash == h->written)
		return;
	pw_buf_init(&object, BODY_MAX);
	(void)pw_buf_add_str(&object, KUBE_HEALTH_OBJECT);
	h->busy = kube_writer_post_take(writer, &write, &object) == 0;
	h->written = h->busy ? hash : 0;
}
