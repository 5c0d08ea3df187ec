/* SPDX-License-Identifier: Apache-2.0 */
/* Refusals: one field of a good message is spoiled; the error names it and nothing has changed. */
#include "common/base/err.h"
#include "common/testing/oom.h"
#include "common/wire/tests/kit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

struct stream {
	struct pw_decoder *d;
	struct pw_arena *arena;
	Podward__V1__EventBatch *msg; /* the golden batch, unpacked: ours to spoil */
};

static const struct pw_decoder_limits small_limits = {8, 10, 2000, 3, 2};

static Podward__V1__EventBatch *golden_message(struct pw_arena *arena)
{
	kit_auto_encoder e = NULL;
	kit_auto_batch b = NULL;
	Podward__V1__EventBatch m;

	assert_int_equal(pw_encoder_new(&e), 0);
	assert_int_equal(kit_golden_batch(&b), 0);
	assert_int_equal(pw_encode_batch(e, b, arena, &m), 0);
	return kit_unpack(kit_pack(&m, arena), arena);
}

static int setup(void **state)
{
	struct stream *t = pw_alloc0(1, sizeof(*t));

	if (!t || pw_decoder_new(&small_limits, &t->d) < 0 ||
		pw_arena_new(65536, 16u << 20, &t->arena) < 0)
		return -1;
	t->msg = golden_message(t->arena);
	*state = t;
	return t->msg ? 0 : -1;
}

static int teardown(void **state)
{
	struct stream *t = *state;

	pw_decoder_free(t->d);
	pw_arena_free(t->arena);
	free(t);
	return 0;
}

static int feed(struct pw_decoder *d, const Podward__V1__EventBatch *m, struct pw_err *err)
{
	kit_auto_decoded got = NULL;

	return pw_decode_batch(d, m, &got, err);
}

static void assert_fed(struct pw_decoder *d, const Podward__V1__EventBatch *m)
{
	struct pw_err err = PW_ERR_INIT;

	if (feed(d, m, &err) != 0)
		fail_msg("refused: %s", err.msg);
}

static uint8_t long_bytes[PW_WIRE_STRING_MAX + 1];
static const ProtobufCBinaryData too_long = {sizeof(long_bytes), long_bytes};
static const ProtobufCBinaryData fits_the_wire = {sizeof(long_bytes) - 1, long_bytes};

static void grow_kinds(Podward__V1__EventBatch *m)
{
	m->kind.data = long_bytes;
	m->kind.len = 9;
}

static Podward__V1__ContainerDef *another(Podward__V1__EventBatch *m, uint32_t ref)
{
	static Podward__V1__ContainerDef defs[2];
	static Podward__V1__ContainerDef *list[3];
	Podward__V1__ContainerDef *def = &defs[m->n_containers - 1];

	podward__v1__container_def__init(def);
	def->ref = ref;
	memcpy(list, m->containers, m->n_containers * sizeof(*list));
	list[m->n_containers++] = def;
	m->containers = list;
	return def;
}

static void four_processes(Podward__V1__EventBatch *m)
{
	static Podward__V1__ProcessDef more[2];
	static Podward__V1__ProcessDef *list[4];

	for (uint32_t i = 0; i < 2; i++) {
		podward__v1__process_def__init(&more[i]);
		more[i].ref = 100 + i;
		list[i] = m->processes[i];
		list[2 + i] = &more[i];
	}
	m->processes = list;
	m->n_processes = 4;
}

static void many_strings(Podward__V1__EventBatch *m)
{
	static uint32_t ids[11];
	static ProtobufCBinaryData texts[11];

	for (uint32_t i = 0; i < 11; i++) {
		ids[i] = i + 1;
		texts[i] = i < m->n_dict ? m->dict[i] : (ProtobufCBinaryData){0};
	}
	m->dict_id = ids;
	m->dict = texts;
	m->n_dict = m->n_dict_id = 11;
}

static void many_losses(Podward__V1__EventBatch *m)
{
	static Podward__V1__Loss *list[9];

	for (size_t i = 0; i < 9; i++)
		list[i] = m->losses[0];
	m->losses = list;
	m->n_losses = 9;
}

struct row {
	int code;
	const char *says;
	void (*spoil)(Podward__V1__EventBatch *m);
};

#define SPOIL(name, statement)                       \
	static void name(Podward__V1__EventBatch *m) \
	{                                            \
		statement;                           \
	}
SPOIL(seq_zero, m->seq = 0)
SPOIL(base_late, m->base_boot_ns = PW_WIRE_TIME_MAX)
SPOIL(wall_far, m->boot_to_wall_ns = INT64_MAX)
SPOIL(wall_early, m->boot_to_wall_ns = INT64_MIN)
SPOIL(flags_short, m->flags.len = 3)
SPOIL(delta_short, m->n_time_delta_us = 3)
SPOIL(process_short, m->n_process = 0)
SPOIL(ret_short, m->n_ret = 3)
SPOIL(object_long, m->n_object = 5)
SPOIL(aux_short, m->n_aux = 3)
SPOIL(count_short, m->n_count = 2)
SPOIL(kind_short, m->kind.len = 3)
SPOIL(dict_short, m->n_dict = 6)
SPOIL(dict_id_zero, m->dict_id[2] = 0)
SPOIL(dict_id_high, m->dict_id[2] = 0x80000000u)
SPOIL(dict_twice, m->dict_id[2] = 2)
SPOIL(dict_long, m->dict[3] = too_long)
SPOIL(dict_bytes, m->dict[3] = fits_the_wire)
SPOIL(container_zero, m->containers[0]->ref = 0)
SPOIL(container_high, m->containers[0]->ref = UINT32_MAX)
SPOIL(container_twice, another(m, 1))
SPOIL(container_many, (another(m, 2), another(m, 3)))
SPOIL(container_long, m->containers[0]->image_digest = too_long)
SPOIL(container_long_id, m->containers[0]->id = too_long)
SPOIL(container_bytes, m->containers[0]->image = fits_the_wire)
SPOIL(process_zero, m->processes[1]->ref = 0)
SPOIL(process_high, m->processes[1]->ref = 0x80000000u)
SPOIL(process_twice, m->processes[1]->ref = 10)
SPOIL(process_parent, m->processes[1]->parent_ref = 17)
SPOIL(process_own_parent, m->processes[1]->parent_ref = 11)
SPOIL(process_container, m->processes[1]->container = 17)
SPOIL(process_exe, m->processes[1]->exe = 17)
SPOIL(process_args, m->processes[1]->args = 17)
SPOIL(process_cwd, m->processes[0]->cwd = 17)
SPOIL(process_comm, m->processes[0]->comm = 0xffffffffu)
SPOIL(process_env, m->processes[0]->env = 17)
SPOIL(process_script, m->processes[0]->script = 17)
SPOIL(syscall_short, m->n_syscall = 3)
SPOIL(syscall_high, m->syscall[1] = PW_SYSCALL_MAX)
SPOIL(object2_short, m->n_object2 = 1)
SPOIL(object2_unknown, m->object2[2] = 17)
SPOIL(arg_short, m->n_arg = 2)
SPOIL(target_short, m->n_target = 3)
SPOIL(target_unknown, m->target[0] = 17)
SPOIL(process_start, m->processes[0]->start_boot_ns = PW_WIRE_TIME_MAX)
SPOIL(event_process, m->process[2] = 17)
SPOIL(event_process_zero, m->process[0] = 0)
SPOIL(event_object, m->object[3] = 17)
SPOIL(event_kind, m->kind.data[1] = 0)
SPOIL(event_count, m->count[3] = 0)
SPOIL(loss_container, m->losses[1]->container = 17)
SPOIL(loss_reason, m->losses[0]->reason = 0)
SPOIL(loss_count, m->losses[0]->count = 0)
SPOIL(exited_unknown, m->exited[0] = 17)
SPOIL(exited_zero, m->exited[0] = 0)

static const struct row rows[] = {
	{-EINVAL, "seq: 0", seq_zero},
	{-EINVAL, "base_boot_ns: out of range", base_late},
	{-EINVAL, "boot_to_wall_ns: out of range", wall_far},
	{-EINVAL, "boot_to_wall_ns: out of range", wall_early},
	{-E2BIG, "kind: 9 events, at most 8", grow_kinds},
	{-EINVAL, "flags: 3 entries for 4 events", flags_short},
	{-EINVAL, "time_delta_us: 3 entries for 4 events", delta_short},
	{-EINVAL, "process: 0 entries for 4 events", process_short},
	{-EINVAL, "ret: 3 entries for 4 events", ret_short},
	{-EINVAL, "object: 5 entries for 4 events", object_long},
	{-EINVAL, "aux: 3 entries for 4 events", aux_short},
	{-EINVAL, "count: 2 entries for 4 events", count_short},
	{-EINVAL, "flags: 4 entries for 3 events", kind_short},
	{-EINVAL, "dict_id: 7 entries for 6 strings", dict_short},
	{-EINVAL, "dict_id[2]: 0 is out of range", dict_id_zero},
	{-EINVAL, "dict_id[2]: 2147483648 is out of range", dict_id_high},
	{-EINVAL, "dict[2]: id 2 was defined with other bytes", dict_twice},
	{-EINVAL, "dict[3]: 65537 bytes, at most 65536", dict_long},
	{-E2BIG, "dict[3]: more than 2000 bytes", dict_bytes},
	{-E2BIG, "dict[10]: more than 10", many_strings},
	{-EINVAL, "containers[0].ref: 0 is out of range", container_zero},
	{-EINVAL, "containers[0].ref: 4294967295 is out of range", container_high},
	{-EINVAL, "containers[1]: ref 1 was defined otherwise", container_twice},
	{-E2BIG, "containers[2]: more than 2", container_many},
	{-EINVAL, "containers[0].image_digest: 65537 bytes", container_long},
	{-EINVAL, "containers[0].id: 65537 bytes", container_long_id},
	{-E2BIG, "containers[0]: more than 2000 bytes", container_bytes},
	{-EINVAL, "processes[1].ref: 0 is out of range", process_zero},
	{-EINVAL, "processes[1].ref: 2147483648 is out of range", process_high},
	{-EINVAL, "processes[1]: ref 10 was defined otherwise", process_twice},
	{-E2BIG, "processes[3]: more than 3", four_processes},
	{-EINVAL, "processes[1].parent_ref: unknown ref 17", process_parent},
	{-EINVAL, "processes[1].parent_ref: unknown ref 11", process_own_parent},
	{-EINVAL, "processes[1].container: unknown ref 17", process_container},
	{-EINVAL, "processes[1].exe: unknown ref 17", process_exe},
	{-EINVAL, "processes[1].args: unknown ref 17", process_args},
	{-EINVAL, "processes[0].cwd: unknown ref 17", process_cwd},
	{-EINVAL, "processes[0].comm: unknown ref 4294967295", process_comm},
	{-EINVAL, "processes[0].env: unknown ref 17", process_env},
	{-EINVAL, "processes[0].script: unknown ref 17", process_script},
	{-EINVAL, "syscall: 3 entries for 4 events", syscall_short},
	{-EINVAL, "syscall[1]: 1024 is out of range 0 to 1023", syscall_high},
	{-EINVAL, "object2: 1 entries for 4 events", object2_short},
	{-EINVAL, "object2[2]: unknown ref 17", object2_unknown},
	{-EINVAL, "arg: 2 entries for 4 events", arg_short},
	{-EINVAL, "target: 3 entries for 4 events", target_short},
	{-EINVAL, "target[0]: unknown ref 17", target_unknown},
	{-EINVAL, "processes[0].start_boot_ns: out of range", process_start},
	{-EINVAL, "process[2]: unknown ref 17", event_process},
	{-EINVAL, "process[0]: unknown ref 0", event_process_zero},
	{-EINVAL, "object[3]: unknown ref 17", event_object},
	{-EINVAL, "kind[1]: 0 is no kind", event_kind},
	{-EINVAL, "count[3]: 0, at least 1", event_count},
	{-EINVAL, "losses[1].container: unknown ref 17", loss_container},
	{-EINVAL, "losses[0].reason: 0 is no reason", loss_reason},
	{-EINVAL, "losses[0].count: 0, at least 1", loss_count},
	{-E2BIG, "losses: 9 entries, at most 8", many_losses},
	{-EINVAL, "exited[0]: unknown ref 17", exited_unknown},
	{-EINVAL, "exited[0]: unknown ref 0", exited_zero},
};

static void assert_unchanged(struct pw_decoder_stats before, struct pw_decoder_stats after)
{
	assert_true(before.seq == after.seq);
	assert_int_equal(before.string_bytes, after.string_bytes);
	assert_int_equal(before.strings, after.strings);
	assert_int_equal(before.processes, after.processes);
	assert_int_equal(before.containers, after.containers);
}

static void assert_refused(
	struct pw_decoder *d, const Podward__V1__EventBatch *m, const struct row *row)
{
	struct pw_decoder_stats before = pw_decoder_stats(d);
	struct pw_err err = PW_ERR_INIT;
	struct pw_decoded *got = (void *)&err;
	int r = pw_decode_batch(d, m, &got, &err);

	if (r != row->code || !strstr(err.msg, row->says))
		fail_msg("\"%s\" expected, got %d \"%s\"", row->says, r, err.msg);
	assert_ptr_equal(got, &err); /* output untouched */
	assert_int_equal(err.code, r);
	assert_unchanged(before, pw_decoder_stats(d));
}

static void a_spoiled_field_is_named_and_the_good_message_still_fits(void **state)
{
	struct stream *t = *state;

	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		kit_auto_decoder d = NULL;

		assert_int_equal(pw_decoder_new(&small_limits, &d), 0);
		rows[i].spoil(t->msg);
		assert_refused(d, t->msg, &rows[i]);
		t->msg = golden_message(t->arena);
		assert_fed(d, t->msg);
	}
}

/* The same on a stream that has seen the good message before: journal and not fresh tables. */
static void a_refusal_in_mid_stream_changes_nothing_either(void **state)
{
	struct stream *t = *state;

	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		kit_auto_decoder d = NULL;
		Podward__V1__EventBatch empty = PODWARD__V1__EVENT_BATCH__INIT;

		assert_int_equal(pw_decoder_new(&small_limits, &d), 0);
		empty.seq = 41;
		empty.dict_epoch = t->msg->dict_epoch;
		assert_fed(d, &empty);
		t->msg->seq = 42;
		rows[i].spoil(t->msg);
		assert_refused(d, t->msg, &rows[i]);
		t->msg = golden_message(t->arena);
		t->msg->seq = 42;
		assert_fed(d, t->msg);
	}
}

static void seq_starts_anywhere_and_then_has_no_gaps(void **state)
{
	struct stream *t = *state;
	static const struct row gap = {-EINVAL, "seq: 902 after 900", NULL};
	static const struct row again = {-EINVAL, "seq: 900 after 900", NULL};

	t->msg->seq = 900;
	assert_fed(t->d, t->msg);
	assert_refused(t->d, t->msg, &again);
	t->msg->seq = 902;
	assert_refused(t->d, t->msg, &gap);
	t->msg->seq = 901;
	assert_fed(t->d, t->msg);
	assert_int_equal(pw_decoder_stats(t->d).seq, 901);
}

static void equal_definitions_may_come_again(void **state)
{
	struct stream *t = *state;
	struct pw_decoder_stats stats;

	t->msg->n_exited = 0;
	assert_fed(t->d, t->msg);
	t->msg->seq++;
	t->msg->processes[1]->parent_ref = 0; /* unknown contradicts nothing */
	assert_fed(t->d, t->msg);
	stats = pw_decoder_stats(t->d);
	assert_int_equal(stats.processes, 2);
	assert_int_equal(stats.strings, 7);
	assert_int_equal(stats.containers, 1);
}

/* small_limits has room for 10 strings; their ids may still be any. */
static void ids_far_apart_are_as_good_as_dense_ones(void **state)
{
	struct stream *t = *state;
	uint32_t ids[] = {11, PW_WIRE_REF_MAX, 9, 1, 64, 10};
	ProtobufCBinaryData texts[PW_COUNT(ids)];
	Podward__V1__EventBatch m = PODWARD__V1__EVENT_BATCH__INIT;
	static const struct row again = {
		-EINVAL, "dict[0]: id 11 was defined with other bytes", NULL};

	for (size_t i = 0; i < PW_COUNT(ids); i++)
		texts[i] = (ProtobufCBinaryData){i + 1, long_bytes};
	m.seq = 1;
	m.n_dict = m.n_dict_id = PW_COUNT(ids);
	m.dict_id = ids;
	m.dict = texts;
	assert_fed(t->d, &m);
	m.seq = 2;
	assert_fed(t->d, &m); /* found again, with the same bytes */
	assert_int_equal(pw_decoder_stats(t->d).strings, PW_COUNT(ids));
	assert_int_equal(pw_decoder_stats(t->d).string_bytes, 21);
	m.seq = 3;
	texts[0].len = 9;
	assert_refused(t->d, &m, &again);
}

static void exited_refs_are_forgotten_after_the_batch(void **state)
{
	struct stream *t = *state;
	Podward__V1__EventBatch next = PODWARD__V1__EVENT_BATCH__INIT;
	static const struct row unknown = {-EINVAL, "exited[0]: unknown ref 11", NULL};

	assert_fed(t->d, t->msg);
	assert_int_equal(pw_decoder_stats(t->d).processes, 1);
	next.seq = 2;
	next.dict_epoch = t->msg->dict_epoch;
	next.exited = t->msg->exited;
	next.n_exited = 1;
	assert_refused(t->d, &next, &unknown);
	next.exited[0] = 10;
	assert_fed(t->d, &next);
	assert_int_equal(pw_decoder_stats(t->d).processes, 0);
}

/* The decoder remembers which processes it found last: not longer than they are in its tables. */
static void assert_process_unknown(struct stream *t, uint64_t seq, uint64_t epochs_later)
{
	static const struct row unknown = {-EINVAL, "process[0]: unknown ref 11", NULL};

	t->msg = golden_message(t->arena);
	t->msg->seq = seq;
	t->msg->dict_epoch += epochs_later;
	t->msg->n_processes = t->msg->n_exited = 0;
	assert_refused(t->d, t->msg, &unknown);
}

static void events_name_no_process_of_another_epoch_and_none_that_exited(void **state)
{
	struct stream *t = *state;
	kit_auto_decoded got =
		NULL; /* holds the process: what is remembered would still be valid */

	t->msg->n_exited = 0;
	assert_fed(t->d, t->msg);
	assert_process_unknown(t, 2, 1);
	t->msg = golden_message(t->arena);
	t->msg->seq = 2;
	assert_int_equal(pw_decode_batch(t->d, t->msg, &got, NULL), 0);
	assert_process_unknown(t, 3, 0);
}

static void events_name_no_process_of_a_refused_batch(void **state)
{
	struct stream *t = *state;
	static const struct row late = {-EINVAL, "exited[0]: unknown ref 17", NULL};
	Podward__V1__EventBatch empty = PODWARD__V1__EVENT_BATCH__INIT;

	empty.seq = 1;
	empty.dict_epoch = t->msg->dict_epoch;
	assert_fed(t->d, &empty);
	t->msg->seq = 2;
	t->msg->exited[0] = 17; /* found out after the events have been looked up */
	assert_refused(t->d, t->msg, &late);
	assert_process_unknown(t, 2, 0);
}

static void a_new_epoch_starts_empty_and_a_refused_one_does_not_start(void **state)
{
	struct stream *t = *state;
	Podward__V1__EventBatch *bare = golden_message(t->arena);
	static const struct row unknown = {-EINVAL, "processes[0].container: unknown ref 1", NULL};

	assert_fed(t->d, t->msg);
	bare->seq = 2;
	bare->n_containers = 0;
	bare->dict_epoch = 4;
	assert_refused(t->d, bare, &unknown);
	bare->dict_epoch = 3;
	assert_fed(t->d, bare); /* the container of epoch 3 is still there */
	t->msg->seq = 3;
	t->msg->dict_epoch = 4;
	t->msg->dict[0] = t->msg->dict[4]; /* other bytes under an old id */
	assert_fed(t->d, t->msg);
}

static void kinds_of_the_future_are_left_out_and_counted(void **state)
{
	struct stream *t = *state;
	kit_auto_decoded got = NULL;

	t->msg->kind.data[0] = PW_EVENT_KINDS;
	t->msg->kind.data[2] = 255;
	t->msg->losses[0]->reason = 4000;
	assert_int_equal(pw_decode_batch(t->d, t->msg, &got, NULL), 0);
	assert_int_equal(got->event_count, 2);
	assert_int_equal(got->skipped, 2);
	assert_int_equal(got->events[0].kind, PW_EVENT_OPEN);
	assert_int_equal(got->events[1].kind, PW_EVENT_EXIT);
	assert_int_equal(got->losses[0].reason, 4000);
}

static void feed_generation(
	struct pw_decoder *d, uint64_t seq, uint32_t ref, struct pw_decoded **ret)
{
	Podward__V1__EventBatch m = PODWARD__V1__EVENT_BATCH__INIT;
	Podward__V1__ProcessDef def = PODWARD__V1__PROCESS_DEF__INIT;
	Podward__V1__ProcessDef *defs[] = {&def};
	uint8_t kind = PW_EVENT_EXEC;
	uint32_t zero = 0;
	int32_t ret_column = 0;
	uint32_t parent = ref - 1;

	def.ref = ref;
	def.parent_ref = parent;
	m.seq = seq;
	m.processes = defs;
	m.n_processes = 1;
	m.kind = (ProtobufCBinaryData){1, &kind};
	m.process = &ref;
	m.ret = &ret_column;
	m.time_delta_us = m.object = m.aux = &zero;
	m.n_process = m.n_ret = m.n_time_delta_us = m.n_object = m.n_aux = 1;
	m.exited = &parent;
	m.n_exited = parent > 0;
	assert_int_equal(pw_decode_batch(d, &m, ret, NULL), 0);
}

/* 10,000 execs in a row: every process sees its near ancestors, none sees more than the ceiling. */
static void a_long_lineage_is_cut_but_near_ancestors_stay(void **state)
{
	struct stream *t = *state;
	uint32_t longest = 0;

	for (uint32_t ref = 1; ref <= 10000; ref++) {
		kit_auto_decoded got = NULL;
		const struct pw_process *p = NULL;
		uint32_t count = 0;

		feed_generation(t->d, ref, ref, &got);
		for (p = got->events[0].process->parent; p; p = p->parent)
			assert_int_equal(p->def.ref, ref - ++count);
		assert_int_equal(count, got->events[0].process->ancestors);
		assert_in_range(count, ref > PW_PROCESS_KEPT ? PW_PROCESS_KEPT : ref - 1,
			PW_PROCESS_ANCESTORS);
		longest = count > longest ? count : longest;
	}
	assert_int_equal(longest, PW_PROCESS_ANCESTORS);
	assert_int_equal(pw_decoder_stats(t->d).processes, 1);
}

static int cut_generations(void *ctx)
{
	kit_auto_decoder d = NULL;
	int r = pw_decoder_new(&(struct pw_decoder_limits)PW_DECODER_LIMITS_DEFAULT, &d);
	Podward__V1__ProcessDef defs[40];
	Podward__V1__ProcessDef *list[40];
	Podward__V1__EventBatch m = PODWARD__V1__EVENT_BATCH__INIT;

	(void)ctx;
	for (uint32_t i = 0; i < 40; i++) {
		podward__v1__process_def__init(&defs[i]);
		defs[i].ref = i + 1;
		defs[i].parent_ref = i;
		list[i] = &defs[i];
	}
	m.processes = list;
	m.n_processes = 40;
	m.seq = 1;
	for (int attempt = 0; d && attempt < 2; attempt++) {
		struct pw_decoder_stats before = pw_decoder_stats(d);
		int got = feed(d, &m, NULL);

		m.seq += got == 0;
		if (got < 0) {
			assert_unchanged(before, pw_decoder_stats(d));
			r = got;
		}
	}
	if (d && r == 0)
		assert_int_equal(pw_decoder_stats(d).processes, 40);
	return r;
}

static void running_out_of_memory_in_a_cut_takes_it_back(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(cut_generations, NULL) > 60);
}

static void bytes_that_are_no_message_or_too_large_unpack_to_nothing(void **state)
{
	struct stream *t = *state;
	kit_auto_arena small = NULL;
	struct pw_slice bytes = kit_pack(t->msg, t->arena);

	assert_int_equal(pw_arena_new(256, 512, &small), 0);
	assert_non_null(kit_unpack(bytes, t->arena));
	assert_null(kit_unpack(pw_slice_sub(bytes, 0, bytes.len - 1), t->arena));
	assert_null(kit_unpack(PW_SLICE_LIT("\x0a\xff"), t->arena));
	assert_null(kit_unpack(bytes, small));
	assert_true(pw_arena_refused(small) > 0);
	assert_non_null(kit_unpack((struct pw_slice){0}, t->arena));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_spoiled_field_is_named_and_the_good_message_still_fits),
		TEST(a_refusal_in_mid_stream_changes_nothing_either),
		TEST(seq_starts_anywhere_and_then_has_no_gaps),
		TEST(equal_definitions_may_come_again),
		TEST(ids_far_apart_are_as_good_as_dense_ones),
		TEST(exited_refs_are_forgotten_after_the_batch),
		TEST(events_name_no_process_of_another_epoch_and_none_that_exited),
		TEST(events_name_no_process_of_a_refused_batch),
		TEST(a_new_epoch_starts_empty_and_a_refused_one_does_not_start),
		TEST(kinds_of_the_future_are_left_out_and_counted),
		TEST(a_long_lineage_is_cut_but_near_ancestors_stay),
		TEST(running_out_of_memory_in_a_cut_takes_it_back),
		TEST(bytes_that_are_no_message_or_too_large_unpack_to_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
