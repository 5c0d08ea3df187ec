/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire/encode.h"

#include "common/base/arena.h"
#include "common/base/u64map.h"

#include <errno.h>

#define TOLD_LIMIT    65536u
#define PARENTS_FIRST 32u /* that many generations of one batch are put in order */

_Static_assert((int)PW_EVENT_NONE == (int)PODWARD__V1__EVENT_KIND__EVENT_KIND_UNSPECIFIED, "kind");
_Static_assert((int)PW_EVENT_EXEC == (int)PODWARD__V1__EVENT_KIND__EVENT_KIND_EXEC, "kind");
_Static_assert((int)PW_EVENT_OPEN == (int)PODWARD__V1__EVENT_KIND__EVENT_KIND_OPEN, "kind");
_Static_assert((int)PW_EVENT_CONNECT == (int)PODWARD__V1__EVENT_KIND__EVENT_KIND_CONNECT, "kind");
_Static_assert((int)PW_EVENT_EXIT == (int)PODWARD__V1__EVENT_KIND__EVENT_KIND_EXIT, "kind");
_Static_assert((int)PW_EVENT_REMOVE == (int)PODWARD__V1__EVENT_KIND__EVENT_KIND_REMOVE, "kind");
_Static_assert((int)PW_EVENT_STDIO == (int)PODWARD__V1__EVENT_KIND__EVENT_KIND_STDIO, "kind");
_Static_assert((int)PW_EVENT_SETNS == (int)PODWARD__V1__EVENT_KIND__EVENT_KIND_SETNS, "kind");
_Static_assert((int)PW_EVENT_KINDS == (int)PODWARD__V1__EVENT_KIND__EVENT_KIND_SYSCALL + 1, "kind");

/* What the other end knows, as sets. */
struct pw_encoder {
	struct pw_u64map *strings, *processes, *containers;
	uint64_t dict_epoch;
};

/* One encoding under way; what it has told so far is in *msg, so that it can be taken back. */
struct run {
	struct pw_encoder *e;
	const struct pw_batch *b;
	struct pw_arena *arena;
	Podward__V1__EventBatch *msg;
};

static void encoder_freep(struct pw_encoder **e)
{
	pw_encoder_free(*e);
}

int pw_encoder_new(struct pw_encoder **ret)
{
	pw_cleanup(encoder_freep) struct pw_encoder *e = pw_alloc0(1, sizeof(*e));
	int r = 0;

	if (!e)
		return -ENOMEM;
	r = pw_u64map_new(TOLD_LIMIT, &e->strings);
	if (r < 0)
		return r;
	r = pw_u64map_new(TOLD_LIMIT, &e->processes);
	if (r < 0)
		return r;
	r = pw_u64map_new(TOLD_LIMIT, &e->containers);
	if (r < 0)
		return r;
	*ret = PW_TAKE(e);
	return 0;
}

void pw_encoder_free(struct pw_encoder *e)
{
	if (!e)
		return;
	pw_u64map_free(e->strings);
	pw_u64map_free(e->processes);
	pw_u64map_free(e->containers);
	free(e);
}

void pw_encoder_reset(struct pw_encoder *e)
{
	pw_u64map_clear(e->strings);
	pw_u64map_clear(e->processes);
	pw_u64map_clear(e->containers);
}

/* Never asks for 0 bytes, so NULL always means failure. */
static void *array_new(struct pw_arena *arena, size_t count, size_t size)
{
	return pw_arena_alloc(arena, count == 0 ? size : count * size);
}

static ProtobufCBinaryData bytes_of(struct pw_slice s)
{
	/* protobuf-c only reads what it packs. */
	return (ProtobufCBinaryData){.len = s.len, .data = (uint8_t *)(uintptr_t)s.ptr};
}

static int tell(struct pw_u64map *set, uint32_t id)
{
	int r = pw_u64map_put(set, id, 0);

	return r < 0 ? r : 0;
}

static int tell_strings(struct run *run)
{
	const struct pw_batch *b = run->b;
	Podward__V1__EventBatch *msg = run->msg;

	for (uint32_t i = 0; i < b->string_count; i++) {
		int r = 0;

		if (pw_u64map_has(run->e->strings, b->strings[i].id))
			continue;
		r = tell(run->e->strings, b->strings[i].id);
		if (r < 0)
			return r;
		msg->dict_id[msg->n_dict_id++] = b->strings[i].id;
		msg->dict[msg->n_dict++] = bytes_of(b->strings[i].bytes);
	}
	return 0;
}

static int tell_container(struct run *run, const struct pw_container_def *def)
{
	Podward__V1__ContainerDef *out = pw_arena_alloc(run->arena, sizeof(*out));
	int r = 0;

	if (!out)
		return -ENOMEM;
	r = tell(run->e->containers, def->ref);
	if (r < 0)
		return r;
	podward__v1__container_def__init(out);
	out->ref = def->ref;
	out->id = bytes_of(def->id);
	out->pod_uid = bytes_of(def->pod_uid);
	out->pod_group = bytes_of(def->pod_group);
	out->pod_name = bytes_of(def->pod_name);
	out->name = bytes_of(def->name);
	out->image = bytes_of(def->image);
	out->image_digest = bytes_of(def->image_digest);
	out->runtime = bytes_of(def->runtime);
	out->started_wall_ns = def->started.ns;
	out->pre_running = def->pre_running;
	run->msg->containers[run->msg->n_containers++] = out;
	return 0;
}

static int tell_containers(struct run *run)
{
	for (uint32_t i = 0; i < run->b->container_count; i++) {
		const struct pw_container_def *def = &run->b->containers[i];
		int r = 0;

		if (pw_u64map_has(run->e->containers, def->ref))
			continue;
		r = tell_container(run, def);
		if (r < 0)
			return r;
	}
	return 0;
}

static void process_fill(const struct pw_process_def *def, Podward__V1__ProcessDef *out)
{
	podward__v1__process_def__init(out);
	out->ref = def->ref;
	out->container = def->container;
	out->pid = def->pid;
	out->start_boot_ns = def->start.ns;
	out->uid = def->uid;
	out->gid = def->gid;
	out->exe = def->exe;
	out->args = def->args;
	out->cwd = def->cwd;
	out->comm = def->comm;
	out->flags = def->flags;
	out->tty = def->tty;
	out->session = def->session;
	out->euid = def->euid;
	out->egid = def->egid;
	out->vpid = def->vpid;
	out->caps_effective = def->caps_effective;
	out->caps_permitted = def->caps_permitted;
	out->caps_inheritable = def->caps_inheritable;
	out->exe_inode = def->exe_inode;
	out->exe_dev = def->exe_dev;
	out->env = def->env;
	out->script = def->script;
}

/* Parents go first; recursion ends after PARENTS_FIRST generations, also when refs make a circle.
 */
static int tell_process(struct run *run, const struct pw_process_def *def, uint32_t depth)
{
	struct pw_u64map *told = run->e->processes;
	const struct pw_process_def *parent = NULL;
	Podward__V1__ProcessDef *out = NULL;
	int r = 0;

	if (depth < PARENTS_FIRST && !pw_u64map_has(told, def->parent_ref))
		parent = pw_batch_find_process(run->b, def->parent_ref);
	if (parent) {
		r = tell_process(run, parent, depth + 1);
		if (r < 0)
			return r;
	}
	if (pw_u64map_has(told, def->ref)) /* by the recursion, in a circle */
		return 0;
	out = pw_arena_alloc(run->arena, sizeof(*out));
	if (!out)
		return -ENOMEM;
	process_fill(def, out);
	if (pw_u64map_has(told, def->parent_ref))
		out->parent_ref = def->parent_ref;
	r = tell(told, def->ref);
	if (r < 0)
		return r;
	run->msg->processes[run->msg->n_processes++] = out;
	return 0;
}

static int tell_processes(struct run *run)
{
	for (uint32_t i = 0; i < run->b->process_count; i++) {
		const struct pw_process_def *def = &run->b->processes[i];
		int r = 0;

		if (pw_u64map_has(run->e->processes, def->ref))
			continue;
		r = tell_process(run, def, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static void take_back(struct run *run)
{
	Podward__V1__EventBatch *msg = run->msg;

	for (size_t i = 0; i < msg->n_dict_id; i++)
		(void)pw_u64map_remove(run->e->strings, msg->dict_id[i], NULL);
	for (size_t i = 0; i < msg->n_containers; i++)
		(void)pw_u64map_remove(run->e->containers, msg->containers[i]->ref, NULL);
	for (size_t i = 0; i < msg->n_processes; i++)
		(void)pw_u64map_remove(run->e->processes, msg->processes[i]->ref, NULL);
}

/* The definitions' arrays at their largest: what is new is known only while telling. */
static int definitions_alloc(struct run *run)
{
	const struct pw_batch *b = run->b;
	Podward__V1__EventBatch *m = run->msg;

	m->dict_id = array_new(run->arena, b->string_count, sizeof(*m->dict_id));
	m->dict = array_new(run->arena, b->string_count, sizeof(*m->dict));
	m->containers = array_new(run->arena, b->container_count, sizeof(*m->containers));
	m->processes = array_new(run->arena, b->process_count, sizeof(*m->processes));
	m->exited = array_new(run->arena, b->exited_count, sizeof(*m->exited));
	return m->dict_id && m->dict && m->containers && m->processes && m->exited ? 0 : -ENOMEM;
}

static int columns_alloc(struct pw_arena *arena, size_t n, Podward__V1__EventBatch *m)
{
	m->kind.data = array_new(arena, n, 1);
	m->flags.data = array_new(arena, n, 1);
	m->time_delta_us = array_new(arena, n, sizeof(uint32_t));
	m->process = array_new(arena, n, sizeof(uint32_t));
	m->ret = array_new(arena, n, sizeof(int32_t));
	m->object = array_new(arena, n, sizeof(uint32_t));
	m->aux = array_new(arena, n, sizeof(uint32_t));
	m->count = array_new(arena, n, sizeof(uint32_t));
	m->syscall = array_new(arena, n, sizeof(uint32_t));
	m->object2 = array_new(arena, n, sizeof(uint32_t));
	m->arg = array_new(arena, n, sizeof(uint64_t));
	m->target = array_new(arena, n, sizeof(uint32_t));
	if (!m->syscall || !m->object2 || !m->arg || !m->target)
		return -ENOMEM;
	if (!m->kind.data || !m->flags.data || !m->time_delta_us || !m->process || !m->ret)
		return -ENOMEM;
	return m->object && m->aux && m->count ? 0 : -ENOMEM;
}

static uint64_t earliest(const struct pw_batch *b)
{
	uint64_t first = b->event_count > 0 ? b->events[0].time.ns : 0;

	for (uint32_t i = 1; i < b->event_count; i++)
		first = b->events[i].time.ns < first ? b->events[i].time.ns : first;
	return first;
}

/* The columns that are left out when they hold nothing. */
static void seldom_fill(const struct pw_batch *b, Podward__V1__EventBatch *m)
{
	uint32_t n = b->event_count;
	uint32_t any_syscall = 0;
	uint32_t any_object2 = 0;
	uint32_t any_target = 0;
	uint64_t any_arg = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct pw_event_row *row = &b->events[i];

		any_syscall |= m->syscall[i] = row->syscall;
		any_object2 |= m->object2[i] = row->object2;
		any_target |= m->target[i] = row->target;
		any_arg |= m->arg[i] = row->arg;
	}
	m->n_syscall = any_syscall ? n : 0;
	m->n_object2 = any_object2 ? n : 0;
	m->n_target = any_target ? n : 0;
	m->n_arg = any_arg ? n : 0;
}

static void columns_fill(const struct pw_batch *b, Podward__V1__EventBatch *m)
{
	uint32_t n = b->event_count;
	uint32_t any_flag = 0;
	uint32_t any_fold = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct pw_event_row *row = &b->events[i];

		m->kind.data[i] = row->kind;
		m->flags.data[i] = row->flags;
		m->time_delta_us[i] = (uint32_t)((row->time.ns - m->base_boot_ns) / PW_NS_PER_US);
		m->process[i] = row->process;
		m->ret[i] = row->ret;
		m->object[i] = row->object;
		m->aux[i] = row->aux;
		m->count[i] = row->count;
		any_flag |= row->flags;
		any_fold |= row->count ^ 1;
	}
	m->kind.len = n;
	m->flags.len = any_flag ? n : 0;
	m->n_time_delta_us = m->n_process = m->n_ret = m->n_object = m->n_aux = n;
	m->n_count = any_fold ? n : 0;
}

static int losses_fill(const struct pw_batch *b, struct pw_arena *arena, Podward__V1__EventBatch *m)
{
	Podward__V1__Loss *all = array_new(arena, b->loss_count, sizeof(*all));

	m->losses = array_new(arena, b->loss_count, sizeof(*m->losses));
	if (!all || !m->losses)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->loss_count; i++) {
		podward__v1__loss__init(&all[i]);
		all[i].container = b->losses[i].container;
		all[i].reason = b->losses[i].reason;
		all[i].count = b->losses[i].count;
		m->losses[i] = &all[i];
	}
	m->n_losses = b->loss_count;
	return 0;
}

/* Forgets as the other end will; cannot fail, so it comes last. */
static void exited_fill(struct run *run)
{
	Podward__V1__EventBatch *m = run->msg;

	for (uint32_t i = 0; i < run->b->exited_count; i++)
		if (pw_u64map_remove(run->e->processes, run->b->exited[i], NULL))
			m->exited[m->n_exited++] = run->b->exited[i];
}

static int fill_all(struct run *run)
{
	int r = definitions_alloc(run);

	if (r < 0)
		return r;
	r = columns_alloc(run->arena, run->b->event_count, run->msg);
	if (r < 0)
		return r;
	r = losses_fill(run->b, run->arena, run->msg);
	if (r < 0)
		return r;
	columns_fill(run->b, run->msg);
	seldom_fill(run->b, run->msg);
	r = tell_strings(run);
	if (r < 0)
		return r;
	r = tell_containers(run);
	if (r < 0)
		return r;
	return tell_processes(run);
}

int pw_encode_batch(struct pw_encoder *e, const struct pw_batch *b, struct pw_arena *arena,
	Podward__V1__EventBatch *ret)
{
	Podward__V1__EventBatch msg = PODWARD__V1__EVENT_BATCH__INIT;
	struct run run = {e, b, arena, &msg};
	int r = 0;

	if (b->seq == 0)
		return -EINVAL;
	if (b->dict_epoch != e->dict_epoch)
		pw_encoder_reset(e);
	e->dict_epoch = b->dict_epoch;
	msg.seq = b->seq;
	msg.dict_epoch = b->dict_epoch;
	msg.boot_to_wall_ns = b->boot_to_wall_ns;
	msg.base_boot_ns = earliest(b);
	if (b->origin_seq > 0) {
		msg.origin_instance =
			(ProtobufCBinaryData){sizeof(b->origin), (uint8_t *)(uintptr_t)b->origin};
		msg.origin_seq = b->origin_seq;
	}
	r = fill_all(&run);
	if (r < 0) {
		take_back(&run);
		return r;
	}
	exited_fill(&run);
	*ret = msg;
	return 0;
}
