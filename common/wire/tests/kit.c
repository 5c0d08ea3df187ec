/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire/tests/kit.h"

#include "common/base/err.h"
#include "common/wire/arena_alloc.h"

#include <errno.h>
#include <stdio.h>

uint32_t kit_below(struct kit_world *w, uint32_t bound)
{
	/* splitmix64. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators".
	 */
	uint64_t z = (w->random += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) % bound);
}

struct pw_slice kit_text(uint32_t id, uint8_t space[256])
{
	int len = snprintf((char *)space, 256, "/usr/lib/kit/%u", id);
	uint32_t tail = id * 37 % 90;

	if (id % 50 == 0)
		return (struct pw_slice){0};
	for (uint32_t i = 0; i < tail; i++)
		space[len++] = (uint8_t)(id % 7 == 0 ? 0x80 + i : 'a' + i % 26);
	return (struct pw_slice){space, (size_t)len};
}

struct pw_container_def kit_container(uint32_t ref)
{
	return (struct pw_container_def){
		.ref = ref,
		.pre_running = ref % 2 == 0,
		.id = PW_SLICE_LIT(
			"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
		.pod_uid = PW_SLICE_LIT("8f14e45f-ceea-4672-a9a1-0c1f2f3c4d5e"),
		.pod_group = ref == 1 ? PW_SLICE_LIT("shop/Deployment/front/web")
				      : PW_SLICE_LIT("shop/StatefulSet/db/server"),
		.pod_name = PW_SLICE_LIT("front-5d8f7c9b6-x2x7z"),
		.name = PW_SLICE_LIT("web"),
		.image = PW_SLICE_LIT("registry.example/front:1.2"),
		.runtime = PW_SLICE_LIT("containerd"),
		.started = {KIT_WALL_NS + (int64_t)ref},
	};
}

static uint32_t random_string(struct kit_world *w)
{
	return kit_below(w, 4) == 0 ? 0 : 1 + kit_below(w, KIT_STRINGS);
}

static uint32_t process_born(struct kit_world *w, uint32_t parent_ref)
{
	uint32_t ref = w->next_ref++;

	pw_assert(ref < KIT_HISTORY);
	w->history[ref] = (struct pw_process_def){
		.ref = ref,
		.parent_ref = parent_ref,
		.container = kit_below(w, KIT_CONTAINERS + 1),
		.pid = 100 + ref,
		.uid = kit_below(w, 3),
		.gid = kit_below(w, 3),
		.flags = kit_below(w, 1024),
		.tty = kit_below(w, 2),
		.session = ref / 2,
		.exe = 1 + kit_below(w, KIT_STRINGS),
		.args = random_string(w),
		.cwd = random_string(w),
		.comm = random_string(w),
		.env = random_string(w),
		.script = random_string(w),
		.euid = kit_below(w, 3),
		.egid = kit_below(w, 3),
		.vpid = 1 + kit_below(w, 100),
		.caps_effective = (uint64_t)kit_below(w, UINT32_MAX) << 9,
		.caps_permitted = kit_below(w, UINT32_MAX),
		.caps_inheritable = kit_below(w, 2),
		.exe_inode = (uint64_t)kit_below(w, UINT32_MAX) << 3,
		.exe_dev = (uint64_t)kit_below(w, 260) << 32 | kit_below(w, 9),
		.start = {w->now_ns - kit_below(w, 1000000)},
	};
	return ref;
}

void kit_world_init(struct kit_world *w, uint64_t seed, uint64_t dict_epoch)
{
	*w = (struct kit_world){.random = seed,
		.dict_epoch = dict_epoch,
		.now_ns = KIT_BOOT_NS,
		.next_ref = 1,
		.exit_one_in = 8};
	for (uint32_t i = 0; i < KIT_SLOTS; i++)
		w->slots[i] = process_born(w, i > 0 ? w->slots[kit_below(w, i)] : 0);
}

static int add_text(struct pw_batch *b, uint32_t id)
{
	uint8_t space[256];

	return id == 0 ? 0 : pw_batch_add_string(b, id, kit_text(id, space));
}

int kit_add_process(struct pw_batch *b, const struct pw_process_def *def)
{
	struct pw_container_def container = kit_container(def->container);
	int r = def->container == 0 ? 0 : pw_batch_add_container(b, &container);

	if (r == 0)
		r = add_text(b, def->exe);
	if (r == 0)
		r = add_text(b, def->args);
	if (r == 0)
		r = add_text(b, def->cwd);
	if (r == 0)
		r = add_text(b, def->comm);
	if (r == 0)
		r = add_text(b, def->env);
	if (r == 0)
		r = add_text(b, def->script);
	return r == 0 ? pw_batch_add_process(b, def) : r;
}

static bool is_alive(const struct kit_world *w, uint32_t ref)
{
	for (uint32_t i = 0; i < KIT_SLOTS; i++)
		if (w->slots[i] == ref)
			return true;
	return false;
}

/* The process and its living ancestors, the child first: order is the encoder's business. */
static int add_line(const struct kit_world *w, struct pw_batch *b, uint32_t ref)
{
	int r = 0;

	while (r == 0 && ref != 0 && is_alive(w, ref) && !pw_batch_has_process(b, ref)) {
		r = kit_add_process(b, &w->history[ref]);
		ref = w->history[ref].parent_ref;
	}
	return r;
}

static void make_usual(struct kit_world *w, struct pw_event_row *row)
{
	static const uint8_t kinds[] = {
		PW_EVENT_OPEN, PW_EVENT_OPEN, PW_EVENT_OPEN, PW_EVENT_EXEC, PW_EVENT_CONNECT};

	row->kind = kinds[kit_below(w, sizeof(kinds))];
	row->count = 1;
	row->flags = 0;
	row->syscall = 0;
	row->object2 = row->target = 0;
	row->arg = 0;
}

static int add_event(struct kit_world *w, struct pw_batch *b, uint32_t ref)
{
	struct pw_event_row row = {
		.time = {w->now_ns},
		.process = ref,
		.object = random_string(w),
		.aux = kit_below(w, UINT32_MAX),
		.count = kit_below(w, 8) == 0 ? 1 + kit_below(w, 1000) : 1,
		.ret = (int32_t)kit_below(w, 200) - 100,
		.kind = (uint8_t)(1 + kit_below(w, PW_EVENT_KINDS - 1)),
		.flags = (uint8_t)(kit_below(w, 4) == 0 ? kit_below(w, 16) : 0),
		.syscall = (uint16_t)kit_below(w, PW_SYSCALL_MAX),
		.object2 = kit_below(w, 4) == 0 ? random_string(w) : 0,
		.target = kit_below(w, 8) == 0 ? ref : 0,
		.arg = kit_below(w, 4) == 0 ? (uint64_t)kit_below(w, UINT32_MAX) << 20 : 0,
	};
	int r;

	if (w->usual)
		make_usual(w, &row);
	r = add_text(b, row.object);
	if (r == 0)
		r = add_text(b, row.object2);

	return r == 0 ? pw_batch_add_event(b, &row) : r;
}

static int step(struct kit_world *w, struct pw_batch *b)
{
	uint32_t slot = kit_below(w, KIT_SLOTS);
	uint32_t ref = w->slots[slot];
	int r = add_line(w, b, ref);

	w->now_ns += kit_below(w, 5000000);
	for (uint32_t run = 1 + kit_below(w, 4); r == 0 && run > 0; run--)
		r = add_event(w, b, ref);
	if (r < 0 || w->exit_one_in == 0 || kit_below(w, w->exit_one_in) != 0)
		return r;
	r = pw_batch_add_exited(b, ref);
	w->slots[slot] = process_born(w, w->slots[kit_below(w, KIT_SLOTS)]);
	return r;
}

static int add_losses(struct kit_world *w, struct pw_batch *b)
{
	uint32_t reason = 1 + kit_below(w, 12);
	uint32_t place = b->container_count > 0 ? kit_below(w, b->container_count) : 0;
	int r = pw_batch_add_loss(b, 0, reason, 1 + kit_below(w, 1000));

	if (r == 0 && b->container_count > 0)
		r = pw_batch_add_loss(b, b->containers[place].ref, reason, 7);
	return r;
}

int kit_batch(struct kit_world *w, uint32_t events, struct pw_batch **ret)
{
	struct pw_batch_limits limits = PW_BATCH_LIMITS_DEFAULT;
	kit_auto_batch b = NULL;
	int r = pw_batch_new(&limits, w->dict_epoch, &b);

	while (r == 0 && b->event_count < events)
		r = step(w, b);
	if (r == 0 && kit_below(w, 3) == 0)
		r = add_losses(w, b);
	if (r < 0)
		return r;
	pw_batch_seal(b, ++w->seq, KIT_WALL_NS - (int64_t)KIT_BOOT_NS);
	*ret = PW_TAKE(b);
	return 0;
}

static int golden_processes(struct pw_batch *b)
{
	struct pw_container_def container = kit_container(1);
	struct pw_process_def init = {.ref = 10,
		.container = 1,
		.pid = 4001,
		.uid = 33,
		.gid = 33,
		.flags = 1,
		.session = 4001,
		.exe = 1,
		.args = 2,
		.cwd = 3,
		.comm = 4,
		.start = {KIT_BOOT_NS - 5}};
	struct pw_process_def shell = {.ref = 11,
		.parent_ref = 10,
		.container = 1,
		.pid = 4002,
		.tty = 34816,
		.session = 4002,
		.exe = 5,
		.start = {KIT_BOOT_NS}};
	static const char *const texts[] = {"/usr/sbin/nginx", "nginx\xff", "/", "nginx", "/bin/sh",
		"/etc/shadow", "192.0.2.7"};
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < PW_COUNT(texts); i++)
		r = pw_batch_add_string(b, i + 1, pw_slice_str(texts[i]));
	if (r == 0)
		r = pw_batch_add_container(b, &container);
	if (r == 0)
		r = pw_batch_add_process(b, &shell);
	return r == 0 ? pw_batch_add_process(b, &init) : r;
}

int kit_golden_batch(struct pw_batch **ret)
{
	struct pw_batch_limits limits = PW_BATCH_LIMITS_DEFAULT;
	static const struct pw_event_row rows[] = {
		{{KIT_BOOT_NS + 2500000}, 11, 5, 0, 1, 0, PW_EVENT_EXEC, 0, 60, 0, 0, 0},
		{{KIT_BOOT_NS + 1000999}, 11, 6, 1, 3, -13, PW_EVENT_OPEN, 5, 258, 0, 0, 0},
		{{KIT_BOOT_NS + 3000000}, 10, 7, PW_CONNECT_AUX(443, 6, 2), 1, -115,
			PW_EVENT_CONNECT, 0, 43, 1, 11, 1ull << 40},
		{{KIT_BOOT_NS + 4000000}, 11, 0, 0, 1, 256, PW_EVENT_EXIT, 0, 0, 0, 0, 0},
	};
	kit_auto_batch b = NULL;
	int r = pw_batch_new(&limits, 3, &b);

	if (r == 0)
		r = golden_processes(b);
	for (size_t i = 0; r == 0 && i < PW_COUNT(rows); i++)
		r = pw_batch_add_event(b, &rows[i]);
	if (r == 0)
		r = pw_batch_add_exited(b, 11);
	if (r == 0)
		r = pw_batch_add_loss(b, 0, 1, 12);
	if (r == 0)
		r = pw_batch_add_loss(b, 1, 8, 1);
	if (r < 0)
		return r;
	pw_batch_seal(b, 1, KIT_WALL_NS - (int64_t)KIT_BOOT_NS);
	*ret = PW_TAKE(b);
	return 0;
}

struct pw_slice kit_pack(const Podward__V1__EventBatch *msg, struct pw_arena *arena)
{
	size_t size = podward__v1__event_batch__get_packed_size(msg);
	uint8_t *bytes = pw_arena_alloc(arena, size + 1);

	if (!bytes)
		return (struct pw_slice){0};
	return (struct pw_slice){bytes, podward__v1__event_batch__pack(msg, bytes)};
}

Podward__V1__EventBatch *kit_unpack(struct pw_slice bytes, struct pw_arena *arena)
{
	return (void *)pw_unpack(arena, &podward__v1__event_batch__descriptor, bytes);
}

int kit_send(struct pw_encoder *e, const struct pw_batch *b, struct pw_arena *arena,
	struct pw_decoder *d, struct pw_decoded **ret)
{
	Podward__V1__EventBatch msg;
	Podward__V1__EventBatch *received = NULL;
	struct pw_slice bytes = {0};
	struct pw_err err = PW_ERR_INIT;
	int r = 0;

	pw_arena_reset(arena);
	r = pw_encode_batch(e, b, arena, &msg);
	if (r < 0)
		return r;
	bytes = kit_pack(&msg, arena);
	received = bytes.ptr ? kit_unpack(bytes, arena) : NULL;
	if (!received)
		return -ENOMEM;
	r = pw_decode_batch(d, received, ret, &err);
	if (r < 0 && r != -ENOMEM)
		(void)fprintf(stderr, "refused: %s\n", err.msg);
	return r;
}
