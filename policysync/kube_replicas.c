// SPDX-License-Identifier: Apache-2.0
/* kube_peers within struct kube: read by the watch, told by who does not lead. */
#include "policysync/kube_private.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include <stdio.h>

#define BODY_MAX  4096
#define MANY_DEAD (KUBE_PEERS / 2) /* then entries of replicas that are gone are cleared */

struct peers_posted {
	struct kube *kube;
	struct kube_peers peers;
};

static void take(void *ctx)
{
	struct peers_posted *p = ctx;

	kube_peers_take(&p->kube->peers, &p->peers, pw_mono_now().ns);
	free(p);
}

void kube_peers_post(struct kube *k, const struct pw_json *object)
{
	struct peers_posted *p = pw_alloc0(1, sizeof(*p));

	if (p) {
		p->kube = k;
		kube_peers_read(object, k->settings.identity, &p->peers);
	}
	if (!p || pw_loop_post(k->loop, take, p) < 0)
		free(p); /* the next beat says it again */
}

static void on_written(void *ctx, const char *key, int result, const char *words)
{
	struct kube *k = ctx;

	k->peers.busy = false;
	if (result == 0)
		return;
	k->peers.told.revision[0] = '\0'; /* again with the next beat */
	pw_log_limited(PW_LOG_WARN, 2, "kube", "%s: %s", key, words);
}

static void post(struct kube *k, const struct kube_write *write, struct pw_buf *body)
{
	k->peers.busy = kube_writer_post_take(k->writer, write, body) == 0;
}

static void tell(struct kube *k)
{
	struct kube_policies_stats now;
	struct pw_buf body;
	char path[512];

	kube_policies_get_stats(k->policies, &now);
	if (!kube_peers_is_due(&k->peers, &now, pw_mono_now().ns))
		return;
	pw_buf_init(&body, BODY_MAX);
	if (kube_peers_write(k->settings.identity, &now, &body) < 0) {
		pw_buf_done(&body);
		return;
	}
	/* Each replica owns its entry under a name of its own. */
	(void)snprintf(path, sizeof(path),
		KUBE_HEALTH_PATH "/status?force=true&fieldManager=podward-replica-%.100s",
		k->settings.identity);
	k->peers.told = now;
	k->peers.told_ns = pw_mono_now().ns;
	post(k,
		&(struct kube_write){.verb = KUBE_APPLY_AS,
			.key = "RuntimeProtection/default",
			.path = path,
			.done = on_written,
			.ctx = k},
		&body);
}

static void clear_dead(struct kube *k)
{
	uint64_t now = pw_mono_now().ns;
	struct pw_buf body;
	size_t dead = 0;

	for (size_t i = 0; i < k->peers.count; i++)
		dead += now - k->peers.items[i].seen_ns > KUBE_PEERS_STALE_NS;
	if (dead < MANY_DEAD || k->peers.busy)
		return;
	pw_buf_init(&body, BODY_MAX);
	(void)pw_buf_add_str(&body, "{\"status\":{\"replicas\":[]}}"); /* who lives comes again */
	post(k,
		&(struct kube_write){.verb = KUBE_MERGE,
			.key = "RuntimeProtection/default",
			.path = KUBE_HEALTH_PATH "/status",
			.done = on_written,
			.ctx = k},
		&body);
}

void kube_peers_tick(struct kube *k)
{
	struct kube_policies_peers sum;

	kube_peers_sum(&k->peers, pw_mono_now().ns, &sum);
	kube_policies_set_peers(k->policies, &sum);
	if (k->leads)
		clear_dead(k);
	else
		tell(k);
}
