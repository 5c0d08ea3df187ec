/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/load/world.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#define PROGRAMS   8u /* of a container; each has one process */
#define POPULARITY 65536u
#define NOVEL_MAX  8000u /* then a new epoch: dictionaries have ceilings */

struct world {
	struct world_settings settings;
	uint32_t weight_sum;
	uint32_t popular[WORLD_KINDS][POPULARITY]; /* a random number below -> key */
};

struct place { /* where an event happens */
	uint32_t pod, group, program;
};

/* splitmix64. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators". */
static uint32_t below(struct world_node *node, uint32_t bound)
{
	uint64_t z = (node->random += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) % bound);
}

static uint32_t keys_of(const struct world *w, enum world_kind kind)
{
	if (kind == WORLD_EXEC)
		return PROGRAMS;
	return kind == WORLD_OPEN ? w->settings.keys : w->settings.keys / 10 + 1;
}

/* Key k is 1 / (k + 1)^s as popular as the first. */
static void fill_popularity(uint32_t *table, uint32_t keys, double s)
{
	double sum = 0, until = 0;
	uint32_t at = 0;

	for (uint32_t k = 0; k < keys; k++)
		sum += pow(k + 1, -s);
	for (uint32_t k = 0; k < keys; k++) {
		until += pow(k + 1, -s) / sum * POPULARITY;
		while (at < POPULARITY && at < until)
			table[at++] = k;
	}
	while (at < POPULARITY)
		table[at++] = 0;
}

static int check(const struct world_settings *s, struct pw_err *err)
{
	if (s->groups == 0 || s->pods == 0 || s->pods > WORLD_PODS_MAX)
		return pw_err_set(
			err, -EINVAL, "pods: 1 to %u, and at least one group", WORLD_PODS_MAX);
	if (s->keys == 0 || s->keys > WORLD_KEYS_MAX)
		return pw_err_set(err, -EINVAL, "keys: 1 to %u", WORLD_KEYS_MAX);
	if ((uint64_t)s->pods * (PROGRAMS + 3ull * s->keys) > WORLD_STRINGS_MAX)
		return pw_err_set(err, -EINVAL, "pods x keys: more than %u strings on a node",
			WORLD_STRINGS_MAX);
	return 0;
}

int world_new(const struct world_settings *settings, struct world **ret, struct pw_err *err)
{
	struct world *w = NULL;
	int r = check(settings, err);

	if (r < 0)
		return r;
	w = pw_alloc0(1, sizeof(*w));
	if (!w)
		return pw_err_set(err, -ENOMEM, "out of memory");
	w->settings = *settings;
	for (uint32_t i = 0; i < WORLD_KINDS; i++) {
		w->weight_sum += settings->weights[i];
		fill_popularity(w->popular[i], keys_of(w, i), settings->zipf_percent / 100.0);
	}
	if (w->weight_sum == 0) {
		world_free(w);
		return pw_err_set(err, -EINVAL, "mix: all weights are 0");
	}
	*ret = w;
	return 0;
}

void world_free(struct world *w)
{
	free(w);
}

struct world_node world_node(const struct world *w, uint32_t number)
{
	return (struct world_node){
		.number = number,
		.random = w->settings.seed * 0x2545f4914f6cdd1dull + number,
		.epoch = 1,
	};
}

uint32_t world_groups_of(const struct world *w, uint32_t nodes)
{
	uint64_t pods = (uint64_t)nodes * w->settings.pods;

	return pods < w->settings.groups ? (uint32_t)pods : w->settings.groups;
}

static struct place place_of(const struct world *w, struct world_node *node)
{
	uint32_t pod = below(node, w->settings.pods);
	uint64_t number = (uint64_t)node->number * w->settings.pods + pod;

	return (struct place){pod, (uint32_t)(number % w->settings.groups), below(node, PROGRAMS)};
}

/* Ids are dense on a node: programs of all pods, then their objects, then what is new. */
static uint32_t program_id(const struct place *at, uint32_t program)
{
	return 1 + at->pod * PROGRAMS + program;
}

static uint32_t object_id(
	const struct world *w, const struct place *at, enum world_kind kind, uint32_t key)
{
	uint32_t row = at->pod * 3 + (kind - WORLD_OPEN);

	return 1 + w->settings.pods * PROGRAMS + row * w->settings.keys + key;
}

static uint32_t novel_id(const struct world *w, struct world_node *node)
{
	return 1 + w->settings.pods * (PROGRAMS + 3 * w->settings.keys) + node->novel++;
}

static int add_container(struct pw_batch *b, const struct world_node *node, const struct place *at)
{
	char id[65], pod[64], group[64], uid[48];
	struct pw_container_def c = {
		.ref = 1 + at->pod,
		.name = PW_SLICE_LIT("main"),
		.image = PW_SLICE_LIT("registry.example/load:1"),
		.runtime = PW_SLICE_LIT("containerd"),
		.started = {(int64_t)PW_NS_PER_S},
	};

	if (pw_batch_has_container(b, c.ref))
		return 0;
	(void)snprintf(id, sizeof(id), "%032x%032x", node->number, at->pod);
	(void)snprintf(pod, sizeof(pod), "g%u-%u-%u", at->group, node->number, at->pod);
	(void)snprintf(group, sizeof(group), "load/Deployment/g%u/main", at->group);
	(void)snprintf(uid, sizeof(uid), "00000000-0000-0000-%04x-%012x", at->pod, node->number);
	c.id = pw_slice_str(id);
	c.pod_name = pw_slice_str(pod);
	c.pod_group = pw_slice_str(group);
	c.pod_uid = pw_slice_str(uid);
	return pw_batch_add_container(b, &c);
}

/* The process that runs a program; the first is the container's init and all others' parent. */
static int add_process(
	struct pw_batch *b, const struct world_node *node, const struct place *at, uint32_t program)
{
	struct pw_process_def p = {
		.ref = program_id(at, program),
		.parent_ref = program == 0 ? 0 : program_id(at, 0),
		.container = 1 + at->pod,
		.pid = 1000 + program_id(at, program),
		.flags = program == 0, /* init */
		.exe = program_id(at, program),
		.start = {PW_NS_PER_S},
	};
	char path[64];
	int r;

	if (pw_batch_has_process(b, p.ref))
		return 0;
	(void)snprintf(path, sizeof(path), "/opt/g%u/bin/p%u", at->group, program);
	r = add_container(b, node, at);
	if (r == 0)
		r = pw_batch_add_string(b, p.exe, pw_slice_str(path));
	return r < 0 ? r : pw_batch_add_process(b, &p);
}

static int add_object(struct pw_batch *b, uint32_t id, enum world_kind kind, const uint32_t of[2])
{
	char text[96];

	if (pw_batch_has_string(b, id))
		return 0;
	if (kind == WORLD_CONNECT)
		(void)snprintf(text, sizeof(text), "10.%u.%u.%u", of[0] & 255, of[1] >> 8 & 255,
			of[1] & 255);
	else if (kind == WORLD_DNS)
		(void)snprintf(text, sizeof(text), "n%u.g%u.svc.cluster.local", of[1], of[0]);
	else
		(void)snprintf(text, sizeof(text), "/srv/g%u/data/%u/file", of[0], of[1]);
	return pw_batch_add_string(b, id, pw_slice_str(text));
}

static enum world_kind kind_of(const struct world *w, struct world_node *node)
{
	uint32_t n = below(node, w->weight_sum);
	uint32_t kind = 0;

	while (n >= w->settings.weights[kind])
		n -= w->settings.weights[kind++];
	return kind;
}

static void fill_row(struct pw_event_row *row, enum world_kind kind)
{
	static const uint8_t kinds[] = {
		PW_EVENT_EXEC, PW_EVENT_OPEN, PW_EVENT_CONNECT, PW_EVENT_DNS};
	static const uint32_t aux[] = {0, 1, PW_CONNECT_AUX(443, 6, 2), 1};

	row->kind = kinds[kind];
	row->aux = aux[kind];
	row->count = 1;
}

static int add_event(
	const struct world *w, struct world_node *node, struct pw_batch *b, struct pw_boot time)
{
	struct place at = place_of(w, node);
	enum world_kind kind = kind_of(w, node);
	uint32_t key = w->popular[kind][below(node, POPULARITY)];
	bool is_novel = kind != WORLD_EXEC && below(node, 1000000) < w->settings.novelty_ppm;
	struct pw_event_row row = {.time = time};
	int r;

	if (kind == WORLD_EXEC)
		at.program = key;
	row.process = program_id(&at, at.program);
	r = add_process(b, node, &at, at.program);
	if (kind == WORLD_EXEC) {
		row.object = row.process; /* the id of its path */
	} else {
		uint32_t of[] = {at.group, key};

		row.object = is_novel ? novel_id(w, node) : object_id(w, &at, kind, key);
		if (is_novel)
			of[1] = 1000000 + below(node, 1u << 30);
		if (r == 0)
			r = add_object(b, row.object, kind, of);
	}
	fill_row(&row, kind);
	return r < 0 ? r : pw_batch_add_event(b, &row);
}

static int add_attack(const struct world *w, struct world_node *node, struct pw_batch *b,
	const struct world_span *span)
{
	struct place at = place_of(w, node);
	struct pw_event_row row = {.time = {span->from.ns + below(node, (uint32_t)span->ns + 1)}};
	char path[64];
	int r = add_process(b, node, &at, at.program);

	(void)snprintf(path, sizeof(path), WORLD_ATTACK_PATHS "%lld",
		(long long)pw_boot_to_wall(row.time, span->boot_to_wall_ns).ns);
	row.process = program_id(&at, at.program);
	row.object = novel_id(w, node);
	if (r == 0)
		r = pw_batch_add_string(b, row.object, pw_slice_str(path));
	fill_row(&row, WORLD_OPEN);
	return r < 0 ? r : pw_batch_add_event(b, &row);
}

int world_batch(const struct world *w, struct world_node *node, const struct world_span *span,
	struct pw_batch **ret)
{
	const struct pw_batch_limits limits = PW_BATCH_LIMITS_DEFAULT;
	struct pw_batch *b = NULL;
	int r = 0;

	if (span->events > WORLD_EVENTS_MAX || span->attacks > span->events)
		return -EINVAL;
	if (node->novel + WORLD_EVENTS_MAX > NOVEL_MAX) {
		node->novel = 0;
		node->epoch++;
	}
	r = pw_batch_new(&limits, node->epoch, &b);
	for (uint32_t i = 0; r == 0 && i < span->events - span->attacks; i++)
		r = add_event(
			w, node, b, (struct pw_boot){span->from.ns + span->ns * i / span->events});
	for (uint32_t i = 0; r == 0 && i < span->attacks; i++)
		r = add_attack(w, node, b, span);
	if (r < 0) {
		pw_batch_free(b);
		return r;
	}
	*ret = b;
	return 0;
}
