// SPDX-License-Identifier: Apache-2.0
#include "policysync/kube_health.h"
#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include <errno.h>
#include <stdio.h>

#define BODY_MAX 4096
/* The object itself has nothing but its name. */
#define OBJECT                                                                    \
	"{\"apiVersion\":\"" CRD_API_VERSION "\",\"kind\":\"RuntimeProtection\"," \
	"\"metadata\":{\"name\":\"default\"}}"

static bool is_good(const struct kube_health *h)
{
	return h->policies.refused == 0 && h->pods.refused == 0 &&
	       h->policies.in_force == h->policies.analyzers;
}

static void reason_of(const struct kube_health *h, const char **reason, char *message, size_t size)
{
	*reason = "Ok";
	(void)snprintf(message, size, "policies are in force everywhere");
	if (h->policies.refused > 0) {
		*reason = "PolicyRefused";
		(void)snprintf(message, size,
			"%zu policy objects are refused; their status says why",
			h->policies.refused);
	} else if (h->pods.refused > 0) {
		*reason = "Ceiling";
		(void)snprintf(message, size, "%llu pods, owners or containers are past a ceiling",
			(unsigned long long)h->pods.refused);
	} else if (!is_good(h)) {
		*reason = "Pending";
		(void)snprintf(message, size,
			"the newest policies are in force at %zu of %zu analyzers",
			h->policies.in_force, h->policies.analyzers);
	}
}

static int write_status(const struct kube_health *h, struct pw_buf *out)
{
	const char *reason = NULL;
	char message[200];

	reason_of(h, &reason, message, sizeof(message));
	(void)pw_buf_add_str(out, "{\"status\":{\"version\":\"" PODWARD_VERSION "\",\"leader\":");
	(void)pw_escape_json(out, pw_slice_str(h->leader));
	(void)pw_buf_addf(out,
		",\"revision\":\"%s\",\"policies\":%zu,\"refused\":%zu,\"pods\":%llu,"
		"\"analyzers\":\"%zu/%zu\"",
		h->policies.revision, h->policies.objects, h->policies.refused,
		(unsigned long long)h->pods.pods, h->policies.in_force, h->policies.analyzers);
	return pw_buf_addf(out,
		",\"conditions\":[{\"type\":\"Healthy\",\"status\":\"%s\",\"reason\":\"%s\","
		"\"message\":\"%s\",\"lastTransitionTime\":\"%s\"}]}}",
		is_good(h) ? "True" : "False", reason, message, h->since);
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
	bool good;

	kube_policies_get_stats(policies, &h->policies);
	pod_groups_get_stats(groups, &h->pods);
	good = is_good(h);
	if (!h->since[0] || good != h->was_good) {
		pw_wall_format(pw_wall_now(), h->since);
		(void)snprintf(h->since + 19, 2, "Z");
	}
	h->was_good = good;
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
	(void)pw_buf_add_str(&object, OBJECT);
	h->busy = kube_writer_post_take(writer, &write, &object) == 0;
	h->written = h->busy ? hash : 0;
}
