// SPDX-License-Identifier: Apache-2.0
/* What kube.h offers to the bundle: who leads, holding policies back, conditions and events. */
#include "policysync/kube_private.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "policysync/kube_event.h"
#include <stdio.h>

#define EVENT_MAX 8192

static const bool yes = true, no = false;

static void keep(void *value)
{
	(void)value;
}

int kube_bundle_init(struct kube *k)
{
	return pw_snapshot_new(keep, &k->leading);
}

/* Losing must never be missed: it is said until there is memory for it. */
void kube_bundle_set_leads(struct kube *k, bool leads)
{
	while (pw_snapshot_publish(k->leading, (void *)(uintptr_t)(leads ? &yes : &no)) < 0)
		kube_pause_5_ms();
}

bool kube_leads(void *kube)
{
	struct kube *k = kube;
	struct pw_snapshot_ref *ref = pw_snapshot_get(k->leading);
	bool leads = ref && *(const bool *)pw_snapshot_value(ref);

	pw_snapshot_put(ref);
	return leads;
}

static void hold(void *ctx)
{
	kube_policies_hold(((struct kube *)ctx)->policies, true);
}

static void let_go(void *ctx)
{
	kube_policies_hold(((struct kube *)ctx)->policies, false);
}

void kube_hold(void *kube, bool is_held)
{
	struct kube *k = kube;

	while (pw_loop_post(k->loop, is_held ? hold : let_go, k) < 0)
		kube_pause_5_ms();
}

struct told_posted {
	struct kube *kube;
	struct bundle_told told;
};

static void on_event(void *ctx, const char *key, int result, const char *words)
{
	(void)ctx;
	if (result < 0)
		pw_log_debug("kube", "%s: %s", key, words);
}

/* Of an object without a namespace: events about those live in "default". */
static void add_event(struct kube *k, const struct bundle_told *told)
{
	int64_t now = pw_wall_now().ns;
	char name[80], message[700];
	struct kube_event e = {.name = name,
		.namespace = "default",
		.api_version = CRD_API_VERSION,
		.kind = "RuntimeProtection",
		.object_namespace = "",
		.object = "default",
		.uid = "",
		.reason = bundle_reason_names[told->reason],
		.is_warning = told->reason != BUNDLE_APPLIED,
		.count = 1,
		.first_ns = now,
		.last_ns = now};
	struct pw_buf body;

	(void)snprintf(name, sizeof(name), "podward-bundle.%llx", (unsigned long long)now);
	(void)snprintf(message, sizeof(message), "bundle %lld %s: %s", (long long)told->serial,
		told->reason == BUNDLE_APPLIED ? "is in force"
					       : "stays in force, another was refused",
		told->reason == BUNDLE_APPLIED ? told->revision : told->message);
	e.message = pw_slice_str(message);
	pw_buf_init(&body, EVENT_MAX);
	if (kube_event_write(&e, &body) < 0) {
		pw_buf_done(&body);
		return;
	}
	if (kube_writer_post_take(k->writer,
		    &(struct kube_write){.verb = KUBE_CREATE,
			    .key = "event of a bundle",
			    .path = "/api/v1/namespaces/default/events",
			    .done = on_event,
			    .ctx = k},
		    &body) < 0)
		pw_log_debug("kube", "no room for an event of a bundle");
}

static void take_told(void *ctx)
{
	struct told_posted *posted = ctx;
	struct kube *k = posted->kube;
	const struct bundle_told *told = &posted->told;
	bool is_new = told->reason != BUNDLE_UNCHANGED &&
		      (told->reason != k->bundle.reason || told->serial != k->bundle.serial ||
			      strcmp(told->message, k->bundle.message) != 0);

	k->bundle = *told;
	k->health.bundle = &k->bundle;
	if (is_new && k->leads && k->writer)
		add_event(k, told);
	free(posted);
}

void kube_bundle_told(void *kube, const struct bundle_told *told)
{
	struct told_posted *posted = pw_alloc0(1, sizeof(*posted));
	struct kube *k = kube;

	if (posted)
		*posted = (struct told_posted){k, *told};
	if (!posted || pw_loop_post(k->loop, take_told, posted) < 0)
		free(posted); /* the next change tells it */
}
