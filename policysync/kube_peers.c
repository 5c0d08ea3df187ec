// SPDX-License-Identifier: Apache-2.0
#include "policysync/kube_peers.h"
#include "common/base/clock.h"
#include "policysync/json_write.h"
#include <stdio.h>

static size_t count_of(const struct pw_json *item, const char *key)
{
	int64_t value = pw_json_int(pw_json_get(item, key));

	return value > 0 && value <= PUBLISH_ANALYZERS ? (size_t)value : 0;
}

static void copy(char *out, size_t size, struct pw_slice text)
{
	(void)snprintf(out, size, "%.*s", PW_SLICE_ARG(text));
}

void kube_peers_read(const struct pw_json *object, const char *self, struct kube_peers *ret)
{
	const struct pw_json *list = pw_json_get(pw_json_get(object, "status"), "replicas");

	*ret = (struct kube_peers){.count = 0};
	for (size_t i = 0; i < pw_json_size(list) && ret->count < KUBE_PEERS; i++) {
		const struct pw_json *item = pw_json_at(list, i);
		struct kube_peer *p = &ret->items[ret->count];

		copy(p->name, sizeof(p->name), pw_json_text(pw_json_get(item, "name")));
		copy(p->revision, sizeof(p->revision), pw_json_text(pw_json_get(item, "revision")));
		p->analyzers = count_of(item, "analyzers");
		p->in_force = count_of(item, "inForce");
		p->beat = pw_json_int(pw_json_get(item, "beat"));
		ret->count += p->name[0] != '\0' && strcmp(p->name, self) != 0;
	}
}

static bool is_same(const struct kube_peer *a, const struct kube_peer *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->revision, b->revision) == 0 &&
	       a->analyzers == b->analyzers && a->in_force == b->in_force && a->beat == b->beat;
}

void kube_peers_take(struct kube_peers *p, const struct kube_peers *read, uint64_t now_ns)
{
	struct kube_peer old[KUBE_PEERS];
	size_t old_count = p->count;

	memcpy(old, p->items, sizeof(old));
	memcpy(p->items, read->items, sizeof(p->items));
	p->count = read->count;
	for (size_t i = 0; i < p->count; i++) {
		p->items[i].seen_ns = now_ns;
		for (size_t k = 0; k < old_count; k++)
			if (is_same(&p->items[i], &old[k]))
				p->items[i].seen_ns = old[k].seen_ns;
	}
}

void kube_peers_sum(const struct kube_peers *p, uint64_t now_ns, struct kube_policies_peers *ret)
{
	bool first = true;

	*ret = (struct kube_policies_peers){.done = true, .agree = true};
	for (size_t i = 0; i < p->count; i++) {
		const struct kube_peer *peer = &p->items[i];

		if (now_ns - peer->seen_ns > KUBE_PEERS_STALE_NS || peer->analyzers == 0)
			continue;
		ret->analyzers += peer->analyzers;
		ret->done &= peer->in_force == peer->analyzers;
		if (first || peer->seen_ns < ret->oldest_ns)
			ret->oldest_ns = peer->seen_ns;
		if (first)
			memcpy(ret->revision, peer->revision, sizeof(ret->revision));
		ret->agree &= strcmp(ret->revision, peer->revision) == 0;
		first = false;
	}
}

bool kube_peers_is_due(
	const struct kube_peers *p, const struct kube_policies_stats *now, uint64_t now_ns)
{
	if (p->busy)
		return false;
	return p->told_ns == 0 || now_ns - p->told_ns >= KUBE_PEERS_BEAT_NS ||
	       p->told.analyzers != now->analyzers || p->told.in_force != now->in_force ||
	       strcmp(p->told.revision, now->revision) != 0;
}

int kube_peers_write(const char *self, const struct kube_policies_stats *now, struct pw_buf *out)
{
	struct json_writer w = JSON_WRITER(out);

	json_open_object(&w, NULL);
	json_text(&w, "apiVersion", CRD_API_VERSION);
	json_text(&w, "kind", "RuntimeProtection");
	json_open_object(&w, "metadata");
	json_text(&w, "name", "default");
	json_close_object(&w);
	json_open_object(&w, "status");
	json_open_array(&w, "replicas");
	json_open_object(&w, NULL);
	json_text(&w, "name", self);
	json_text(&w, "revision", now->revision[0] ? now->revision : "none");
	json_u64(&w, "analyzers", now->analyzers);
	json_u64(&w, "inForce", now->in_force);
	json_i64(&w, "beat", pw_wall_now().ns / (int64_t)PW_NS_PER_S);
	json_close_object(&w);
	json_close_array(&w);
	json_close_object(&w);
	json_close_object(&w);
	return pw_buf_error(out);
}
