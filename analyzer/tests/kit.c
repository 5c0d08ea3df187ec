/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/tests/kit.h"

#include <errno.h>

static const struct {
	const char *exe, *args, *comm;
	size_t args_len;
	uint32_t parent, container, pid, flags;
} processes[KIT_PROCESSES] = {
	[KIT_APP] = {"/usr/bin/app", "app\0--serve", "app", 11, 0, 1, 100, 1},
	[KIT_SHELL] = {"/bin/sh", "sh\0-c\0id", "sh", 8, KIT_APP, 1, 101, 0},
	[KIT_MINER] = {"/tmp/xmrig", "xmrig\0-o\0stratum+tcp://pool:3333", "xmrig", 32, KIT_SHELL,
		1, 102, 2},
	[KIT_INTRUDER] = {"/bin/sh", "sh", "sh", 2, 0, 1, 103, 16},
	[KIT_DB] = {"/usr/bin/db", "db", "db", 2, 0, 2, 200, 1},
	[KIT_HOST] = {"/usr/sbin/sshd", "sshd", "sshd", 4, 0, 0, 1, 0},
};

static int add_container(struct pw_batch *b, uint32_t ref)
{
	bool web = ref == 1;
	struct pw_container_def d = {
		.ref = ref,
		.id = pw_slice_str(web ? "c0ffee0000000001" : "c0ffee0000000002"),
		.pod_uid = pw_slice_str(web ? "uid-web" : "uid-db"),
		.pod_group = pw_slice_str(web ? KIT_GROUP_WEB : KIT_GROUP_DB),
		.pod_name = pw_slice_str(web ? "web-1" : "db-0"),
		.name = pw_slice_str(web ? "app" : "db"),
		.image = pw_slice_str(web ? "registry:5000/shop/web:1.2" : "db@sha256:00"),
		.runtime = PW_SLICE_LIT("containerd"),
		.started = {KIT_WALL_NS - 1000000000},
	};

	return pw_batch_add_container(b, &d);
}

static int add_process(struct pw_batch *b, uint32_t ref)
{
	struct pw_process_def d = {
		.ref = ref,
		.parent_ref = processes[ref].parent,
		.container = processes[ref].container,
		.pid = processes[ref].pid,
		.flags = processes[ref].flags,
		.exe = ref * 10 + 1,
		.args = ref * 10 + 2,
		.comm = ref * 10 + 3,
		.cwd = ref * 10 + 4,
		.start = {KIT_BOOT_NS / 2},
	};
	int r = 0;

	if (d.container)
		r = add_container(b, d.container);
	if (r == 0 && d.parent_ref)
		r = add_process(b, d.parent_ref);
	if (r == 0)
		r = pw_batch_add_string(b, d.exe, pw_slice_str(processes[ref].exe));
	if (r == 0)
		r = pw_batch_add_string(
			b, d.args, pw_slice_of(processes[ref].args, processes[ref].args_len));
	if (r == 0)
		r = pw_batch_add_string(b, d.comm, pw_slice_str(processes[ref].comm));
	if (r == 0)
		r = pw_batch_add_string(b, d.cwd, PW_SLICE_LIT("/"));
	return r < 0 ? r : pw_batch_add_process(b, &d);
}

/* Stable within a dictionary epoch, far from the ids of the processes. */
uint32_t kit_text_id(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 16777619u;
	return 1000 + h % 60000;
}

static int add_row(struct pw_batch *b, const struct kit_row *row)
{
	struct pw_event_row e = {
		.time = {KIT_BOOT_NS + row->at_ms * PW_NS_PER_MS},
		.process = row->process,
		.object = row->object ? kit_text_id(row->object) : 0,
		.aux = row->aux,
		.count = 1,
		.ret = row->ret,
		.kind = row->kind,
	};
	int r = add_process(b, row->process);

	if (r == 0 && row->object)
		r = pw_batch_add_string(b, e.object, pw_slice_str(row->object));
	return r < 0 ? r : pw_batch_add_event(b, &e);
}

int kit_batch(const struct kit_row *rows, size_t count, uint64_t seq, struct pw_batch **ret)
{
	struct pw_batch_limits limits = PW_BATCH_LIMITS_DEFAULT;
	struct pw_batch *b = NULL;
	int r = pw_batch_new(&limits, 1, &b);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_row(b, &rows[i]);
	if (r < 0) {
		pw_batch_free(b);
		return r;
	}
	pw_batch_seal(b, seq, KIT_WALL_NS - (int64_t)KIT_BOOT_NS);
	*ret = b;
	return 0;
}

int kit_decode(const struct kit_row *rows, size_t count, uint64_t seq, struct pw_decoded **ret)
{
	struct pw_decoder_limits limits = PW_DECODER_LIMITS_DEFAULT;
	Podward__V1__EventBatch m = PODWARD__V1__EVENT_BATCH__INIT;
	struct pw_encoder *encoder = NULL;
	struct pw_decoder *decoder = NULL;
	struct pw_arena *arena = NULL;
	struct pw_batch *b = NULL;
	struct pw_err err = PW_ERR_INIT;
	int r = kit_batch(rows, count, seq, &b);

	if (r == 0)
		r = pw_encoder_new(&encoder);
	if (r == 0)
		r = pw_decoder_new(&limits, &decoder);
	if (r == 0)
		r = pw_arena_new(64 << 10, 4 << 20, &arena);
	if (r == 0)
		r = pw_encode_batch(encoder, b, arena, &m);
	if (r == 0)
		r = pw_decode_batch(decoder, &m, ret, &err);
	pw_decoder_free(decoder);
	pw_encoder_free(encoder);
	pw_arena_free(arena);
	pw_batch_free(b);
	return r;
}

static void *take(struct kit_snapshot *s, size_t size)
{
	void *p = pw_arena_alloc0(s->arena, 1, size);

	pw_assert(p);
	return p;
}

/* A list that has room for 256. */
static void *list(struct kit_snapshot *s, void *items, size_t count)
{
	pw_assert(count < 256);
	return items ? items : take(s, 256 * sizeof(ProtobufCBinaryData));
}

ProtobufCBinaryData kit_bytes(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

void kit_snapshot_init(struct kit_snapshot *s, uint64_t serial)
{
	pw_assert(pw_arena_new(64 << 10, 16 << 20, &s->arena) == 0);
	podward__v1__policy_snapshot__init(&s->m);
	s->m.serial = serial;
	s->m.revision = kit_bytes("rev");
}

void kit_snapshot_done(struct kit_snapshot *s)
{
	pw_arena_free(s->arena);
}

Podward__V1__Policy *kit_policy(
	struct kit_snapshot *s, const char *ns, const char *name, Podward__V1__PolicyTier tier)
{
	Podward__V1__Policy *p = take(s, sizeof(*p));

	podward__v1__policy__init(p);
	p->namespace_ = kit_bytes(ns);
	p->name = kit_bytes(name);
	p->tier = tier;
	p->mode = PODWARD__V1__POLICY_MODE__POLICY_MODE_ENFORCE;
	s->m.policies = list(s, s->m.policies, s->m.n_policies);
	s->m.policies[s->m.n_policies++] = p;
	return p;
}

void kit_profile(struct kit_snapshot *s, Podward__V1__Policy *p, uint64_t learning_ns)
{
	p->profile = take(s, sizeof(*p->profile));
	podward__v1__profile_settings__init(p->profile);
	p->profile->present = true;
	p->profile->enabled = learning_ns > 0;
	p->profile->learning_duration_ns = learning_ns;
}

static ProtobufCBinaryData *one(struct kit_snapshot *s, const char *text)
{
	ProtobufCBinaryData *b = take(s, sizeof(*b));

	*b = kit_bytes(text);
	return b;
}

Podward__V1__Rule *kit_rule(struct kit_snapshot *s, Podward__V1__Policy *p, const char *name,
	Podward__V1__RuleAction action, uint8_t kind, const char *glob)
{
	Podward__V1__Rule *r = take(s, sizeof(*r));

	podward__v1__rule__init(r);
	r->name = kit_bytes(name);
	r->action = action;
	if (kind == PW_EVENT_EXEC) {
		r->exec = take(s, sizeof(*r->exec));
		podward__v1__exec_match__init(r->exec);
		r->exec->paths = one(s, glob);
		r->exec->n_paths = 1;
	} else if (kind == PW_EVENT_OPEN) {
		r->file = take(s, sizeof(*r->file));
		podward__v1__file_match__init(r->file);
		r->file->paths = one(s, glob);
		r->file->n_paths = 1;
	} else {
		r->network = take(s, sizeof(*r->network));
		podward__v1__network_match__init(r->network);
		r->network->cidrs = one(s, glob);
		r->network->n_cidrs = 1;
	}
	p->rules = list(s, p->rules, p->n_rules);
	p->rules[p->n_rules++] = r;
	return r;
}

Podward__V1__Signature *kit_signature(
	struct kit_snapshot *s, const char *id, const char *condition, bool suppress_if_learned)
{
	Podward__V1__Signature *g = take(s, sizeof(*g));
	Podward__V1__SignatureSet *set;

	if (s->m.n_signature_sets == 0) {
		set = take(s, sizeof(*set));
		podward__v1__signature_set__init(set);
		set->name = kit_bytes("test");
		s->m.signature_sets = list(s, NULL, 0);
		s->m.signature_sets[s->m.n_signature_sets++] = set;
	}
	set = s->m.signature_sets[0];
	podward__v1__signature__init(g);
	g->id = kit_bytes(id);
	g->title = kit_bytes(id);
	g->condition = kit_bytes(condition);
	g->severity = PODWARD__V1__SEVERITY__SEVERITY_CRITICAL;
	g->profile_mode = suppress_if_learned;
	set->rules = list(s, set->rules, set->n_rules);
	set->rules[set->n_rules++] = g;
	return g;
}

Podward__V1__Exclusion *kit_exclusion(
	struct kit_snapshot *s, const char *detector, const char *object)
{
	Podward__V1__Exclusion *x = take(s, sizeof(*x));

	podward__v1__exclusion__init(x);
	x->name = kit_bytes("quiet");
	x->detectors = one(s, detector);
	x->n_detectors = 1;
	if (object) {
		x->objects = one(s, object);
		x->n_objects = 1;
	}
	x->reason = kit_bytes("known");
	s->m.exclusions = list(s, s->m.exclusions, s->m.n_exclusions);
	s->m.exclusions[s->m.n_exclusions++] = x;
	return x;
}

struct pw_slice kit_pack(struct kit_snapshot *s)
{
	size_t size = protobuf_c_message_get_packed_size(&s->m.base);
	uint8_t *bytes = take(s, size + 1);

	return pw_slice_of(bytes, protobuf_c_message_pack(&s->m.base, bytes));
}

struct policy *kit_compile(struct kit_snapshot *s)
{
	struct policy *p = NULL;
	struct pw_err err = PW_ERR_INIT;

	pw_assert(policy_compile(kit_pack(s), &p, &err) == 0);
	return p;
}
