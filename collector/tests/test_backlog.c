/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/backlog.h"
#include "collector/loss.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#define BACKLOG_REASON ((uint32_t)PODWARD__V1__LOSS_REASON__LOSS_REASON_BACKLOG)
#define DECODE_REASON  ((uint32_t)PODWARD__V1__LOSS_REASON__LOSS_REASON_DECODE)

/* A batch of one container with so many events. */
static struct pw_batch *make(uint32_t container, uint32_t events)
{
	struct pw_batch_limits limits = {64, 8, 8, 4, 65536};
	struct pw_container_def c = {.ref = container, .id = PW_SLICE_LIT("id")};
	struct pw_process_def p = {.ref = 1, .container = container};
	struct pw_event_row row = {.time = {5}, .process = 1, .count = 1, .kind = PW_EVENT_OPEN};
	struct pw_batch *b = NULL;

	assert_int_equal(pw_batch_new(&limits, 1, &b), 0);
	assert_int_equal(pw_batch_add_container(b, &c), 0);
	assert_int_equal(pw_batch_add_process(b, &p), 0);
	for (uint32_t i = 0; i < events; i++)
		assert_int_equal(pw_batch_add_event(b, &row), 0);
	return b;
}

/* Ceiling that holds so many of these batches. */
static size_t room_for(uint32_t count)
{
	struct pw_batch *b = make(3, 2);
	size_t bytes = b->bytes * count + b->bytes / 2;

	pw_batch_free(b);
	return bytes;
}

static uint64_t send(struct backlog *b)
{
	const struct pw_batch *next = backlog_take_next(b, 0);

	if (!next)
		return 0;
	backlog_sent(b);
	return next->seq;
}

static uint64_t loss_in(const struct pw_batch *b, uint32_t container, uint32_t reason)
{
	for (uint32_t i = 0; b && i < b->loss_count; i++)
		if (b->losses[i].container == container && b->losses[i].reason == reason)
			return b->losses[i].count;
	return 0;
}

static void numbers_are_given_when_sent_and_have_no_gap(void **state)
{
	struct backlog b;

	(void)state;
	backlog_init(&b, 1 << 20);
	assert_int_equal(backlog_first_seq(&b), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(backlog_push(&b, make(3, 1)), 0);
	assert_int_equal(backlog_first_seq(&b), 1);
	assert_int_equal(send(&b), 1);
	assert_int_equal(send(&b), 2);
	assert_int_equal(backlog_ack(&b, 2, 1), 0);
	assert_int_equal(b.count, 2);
	assert_int_equal(backlog_first_seq(&b), 2);
	assert_int_equal(send(&b), 3);
	assert_int_equal(send(&b), 0);
	assert_int_equal(backlog_ack(&b, 3, 3), 0);
	assert_int_equal(b.count, 0);
	assert_int_equal(b.bytes, 0);
	assert_int_equal(b.unacked_events, 0);
	assert_int_equal(backlog_first_seq(&b), 4);
	backlog_done(&b);
}

static void impossible_acknowledgements_are_refused(void **state)
{
	struct backlog b;

	(void)state;
	backlog_init(&b, 1 << 20);
	(void)backlog_push(&b, make(3, 1));
	assert_int_equal(backlog_ack(&b, 1, 0), -EPROTO);
	assert_int_equal(send(&b), 1);
	assert_int_equal(backlog_ack(&b, 2, 0), -EPROTO);
	assert_int_equal(backlog_ack(&b, 0, 1), -EPROTO);
	assert_int_equal(backlog_ack(&b, 1, 1), 0);
	assert_int_equal(backlog_ack(&b, 0, 0), 0); /* late, says nothing new */
	assert_int_equal(b.received_seq, 1);
	backlog_done(&b);
}

static void waiting_batches_over_the_ceiling_are_told_as_lost_by_container(void **state)
{
	struct backlog b;
	struct pw_batch *with_loss = make(3, 2);
	const struct pw_batch *next = NULL;

	(void)state;
	backlog_init(&b, room_for(2));
	assert_int_equal(pw_batch_add_loss(with_loss, 0, DECODE_REASON, 5), 0);
	assert_int_equal(backlog_push(&b, with_loss), 0);
	assert_int_equal(backlog_push(&b, make(4, 2)), 0);
	assert_int_equal(backlog_push(&b, make(3, 2)), 1);
	assert_int_equal(backlog_push(&b, make(3, 2)), 1);
	assert_int_equal(b.dropped_batches, 2);
	assert_int_equal(b.dropped_events, 4);
	assert_false(b.gap);
	next = backlog_take_next(&b, 0);
	assert_int_equal(next->seq, 1);
	assert_int_equal(loss_in(next, 3, BACKLOG_REASON), 2);
	assert_int_equal(loss_in(next, 4, BACKLOG_REASON), 2);
	assert_int_equal(loss_in(next, 0, DECODE_REASON), 5);
	assert_true(pw_batch_has_container(next, 4));
	backlog_sent(&b);
	next = backlog_take_next(&b, 0);
	assert_int_equal(next->seq, 2);
	assert_int_equal(next->loss_count, 0);
	backlog_done(&b);
}

static void what_the_analyzer_has_is_lost_only_when_it_dies(void **state)
{
	struct backlog b;

	(void)state;
	for (unsigned dies = 0; dies < 2; dies++) {
		const struct pw_batch *next = NULL;

		backlog_init(&b, room_for(2));
		(void)backlog_push(&b, make(3, 2));
		(void)backlog_push(&b, make(3, 2));
		assert_int_equal(send(&b), 1);
		assert_int_equal(send(&b), 2);
		assert_int_equal(backlog_ack(&b, 2, 0), 0);
		assert_int_equal(backlog_push(&b, make(3, 2)), 1);
		assert_non_null(b.at_risk);
		assert_false(b.gap);
		if (dies)
			backlog_resume(&b, false, 0);
		else
			assert_int_equal(backlog_ack(&b, 2, 1), 0);
		assert_null(b.at_risk);
		while ((next = backlog_take_next(&b, 0)) && next->seq < 3)
			backlog_sent(&b);
		assert_int_equal(next->seq, 3);
		assert_int_equal(loss_in(next, 3, BACKLOG_REASON), dies ? 2 : 0);
		backlog_done(&b);
	}
}

static void dropping_what_is_due_again_asks_for_a_new_stream(void **state)
{
	struct backlog b;

	(void)state;
	backlog_init(&b, room_for(2));
	(void)backlog_push(&b, make(3, 2));
	(void)backlog_push(&b, make(3, 2));
	assert_int_equal(send(&b), 1);
	assert_int_equal(send(&b), 2);
	backlog_resume(&b, false, 0); /* a new analyzer wants both again */
	assert_int_equal(backlog_push(&b, make(3, 2)), 1);
	assert_true(b.gap);
	backlog_resume(&b, true, 0);
	assert_false(b.gap);
	assert_int_equal(backlog_first_seq(&b), 2);
	assert_int_equal(send(&b), 2);
	assert_int_equal(send(&b), 3);
	backlog_done(&b);
}

static void the_same_instance_continues_and_a_new_one_begins_at_the_durable(void **state)
{
	struct backlog b;

	(void)state;
	backlog_init(&b, 1 << 20);
	for (unsigned i = 0; i < 4; i++)
		(void)backlog_push(&b, make(3, 1));
	for (uint64_t seq = 1; seq <= 3; seq++)
		assert_int_equal(send(&b), seq);
	assert_int_equal(backlog_ack(&b, 2, 1), 0);
	backlog_resume(&b, true, 3);
	assert_int_equal(send(&b), 4);
	backlog_resume(&b, true, 1);
	assert_int_equal(send(&b), 2);
	backlog_resume(&b, false, 4);
	assert_int_equal(send(&b), 2);
	backlog_done(&b);
}

/* --- restarts --- */

#define ROUNDS  60u
#define SEQ_MAX 2048u
#define STEPS   120u

/* What the analyzers saw: number -> the container of that batch, which names it here. */
struct seen {
	uint32_t what[SEQ_MAX];
	uint64_t received; /* by the present one */
	uint8_t analyzer[16];
};

static uint32_t dice(uint64_t *state, uint32_t sides)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33) % sides;
}

static void open_file(struct backlog *b, const char *dir)
{
	struct keep *keep = NULL;

	backlog_init(b, 8 << 20);
	b->instance[0] = 1;
	assert_int_equal(keep_open(dir, 64 << 20, &keep, NULL), 0);
	assert_int_equal(backlog_restore(b, keep), 0);
}

static void connect_to(struct backlog *b, const struct seen *seen)
{
	backlog_resume(b, backlog_welcome(b, seen->analyzer), seen->received);
}

static void send_one(struct backlog *b, struct seen *seen, bool arrives)
{
	const struct pw_batch *next = backlog_take_next(b, 7);
	uint32_t what = next ? next->containers[0].ref : 0;

	if (!next)
		return;
	assert_in_range(next->seq, 1, SEQ_MAX - 1);
	/* A number means the same batch for ever, whoever was told it. */
	assert_true(seen->what[next->seq] == 0 || seen->what[next->seq] == what);
	backlog_sent(b);
	if (!arrives || next->seq <= seen->received)
		return;
	assert_int_equal(next->seq, seen->received + 1);
	seen->what[next->seq] = what;
	seen->received = next->seq;
}

/* One step of a day; returns true when the connection has to be made anew. */
static bool step(struct backlog *b, struct seen *seen, uint64_t *random, uint32_t *pushed)
{
	uint64_t durable = b->durable_seq;

	switch (dice(random, 5)) {
	case 0:
	case 1:
		(void)backlog_push(b, make(++*pushed, 1));
		return false;
	case 2:
		send_one(b, seen, true);
		return false;
	case 3:
		if (seen->received > durable)
			durable += dice(random, (uint32_t)(seen->received - durable) + 1);
		assert_int_equal(backlog_ack(b, seen->received, durable), 0);
		return false;
	default:
		send_one(b, seen, false); /* sent, and the stream breaks */
		return true;
	}
}

static void a_day(const char *dir, uint64_t random)
{
	struct seen seen = {.analyzer = {1}};
	struct backlog b;
	uint32_t pushed = 0;

	open_file(&b, dir);
	connect_to(&b, &seen);
	for (unsigned i = 0; i < STEPS; i++) {
		bool again = step(&b, &seen, &random, &pushed);
		uint32_t event = dice(&random, 10);

		if (event == 0) { /* the collector ends */
			backlog_done(&b);
			open_file(&b, dir);
		}
		if (event == 1) { /* the analyzer ends: it knows what is durable elsewhere */
			seen.analyzer[0]++;
			seen.received = b.durable_seq;
		}
		if (again || event < 2)
			connect_to(&b, &seen);
	}
	while (seen.received < pushed)
		send_one(&b, &seen, true);
	for (uint32_t i = 1; i <= pushed; i++)
		assert_int_equal(seen.what[i], i);
	assert_int_equal(seen.what[pushed + 1], 0);
	assert_int_equal(backlog_ack(&b, pushed, pushed), 0);
	assert_int_equal(b.count, 0);
	backlog_done(&b);
}

static void remove_state(const char *dir)
{
	static const char *const names[] = {"backlog", "backlog.lock", "backlog.new"};
	char path[128];

	for (size_t i = 0; i < PW_COUNT(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(dir), 0);
}

static void restarts_at_any_point_keep_every_number_and_its_content(void **state)
{
	(void)state;
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		char dir[] = "/tmp/podward-backlog-XXXXXX";

		assert_non_null(mkdtemp(dir));
		a_day(dir, round);
		remove_state(dir);
	}
}

static int carry_all(void *ctx, const struct loss_entry *e)
{
	uint64_t *sum = ctx;

	*sum += e->count;
	return 0;
}

static int carry_none(void *ctx, const struct loss_entry *e)
{
	(void)ctx;
	(void)e;
	return -ENOSPC;
}

static void the_ledger_carries_each_loss_once(void **state)
{
	static struct loss l;
	uint64_t sum = 0;

	(void)state;
	assert_true(loss_is_empty(&l));
	for (uint32_t i = 0; i < LOSS_ENTRIES + 10; i++)
		loss_add(&l, i + 1, DECODE_REASON, 2);
	loss_add(&l, 1, DECODE_REASON, 1);
	loss_add(&l, 1, BACKLOG_REASON, 0);
	assert_false(loss_is_empty(&l));
	assert_int_equal(loss_carry(&l, carry_none, NULL), -1);
	assert_int_equal(loss_carry(&l, carry_all, &sum), 0);
	assert_int_equal(sum, (LOSS_ENTRIES + 10) * 2 + 1);
	assert_int_equal(loss_carry(&l, carry_all, &sum), 0);
	assert_int_equal(sum, l.totals[DECODE_REASON]);
	assert_string_equal(loss_reason_name(DECODE_REASON), "decode");
	assert_string_equal(loss_reason_name(99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_given_when_sent_and_have_no_gap),
		cmocka_unit_test(impossible_acknowledgements_are_refused),
		cmocka_unit_test(waiting_batches_over_the_ceiling_are_told_as_lost_by_container),
		cmocka_unit_test(what_the_analyzer_has_is_lost_only_when_it_dies),
		cmocka_unit_test(dropping_what_is_due_again_asks_for_a_new_stream),
		cmocka_unit_test(the_same_instance_continues_and_a_new_one_begins_at_the_durable),
		cmocka_unit_test(restarts_at_any_point_keep_every_number_and_its_content),
		cmocka_unit_test(the_ledger_carries_each_loss_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
