/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cost of one event on the wire: encode (tell + columns + pack), decode (unpack + resolve + free),
 * and as the floor a memcpy of the same rows. Process CPU time, not wall time; median and best of
 * alternating rounds. Three worlds: "usual" has 40 processes that stay, and opens, starts and
 * connections; "steady" is the same with every kind of event, which fills the seldom columns, and
 * with folds; in "churn" one of the processes exits and is replaced every 20 events besides.
 * Telling 40 processes and 300 strings once is in both.
 */
#include "common/base/err.h"
#include "common/wire/arena_alloc.h"
#include "common/wire/tests/kit.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define BATCHES     120u
#define EVENTS      256u
#define ROUNDS      31u
#define ARENA_LIMIT (64u << 20)

struct figures {
	double encode[ROUNDS], decode[ROUNDS], copy[ROUNDS];
	size_t bytes, events;
};

struct bench {
	struct kit_world w;
	struct pw_batch *batches[BATCHES];
	struct pw_slice packed[BATCHES];
	struct pw_arena *scratch, *store;
	struct pw_event_row *copies;
	struct figures f;
};

static uint64_t cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * PW_NS_PER_S + (uint64_t)t.tv_nsec;
}

static int encode_all(struct bench *b)
{
	kit_auto_encoder e = NULL;
	int r = pw_encoder_new(&e);

	pw_arena_reset(b->store);
	for (uint32_t i = 0; r == 0 && i < BATCHES; i++) {
		Podward__V1__EventBatch m;

		pw_arena_reset(b->scratch);
		r = pw_encode_batch(e, b->batches[i], b->scratch, &m);
		if (r == 0)
			b->packed[i] = kit_pack(&m, b->store);
		if (r == 0 && !b->packed[i].ptr)
			r = -ENOMEM;
	}
	return r;
}

static int decode_all(struct bench *b)
{
	struct pw_decoder_limits limits = PW_DECODER_LIMITS_DEFAULT;
	kit_auto_decoder d = NULL;
	struct pw_err err = PW_ERR_INIT;
	int r = pw_decoder_new(&limits, &d);

	for (uint32_t i = 0; r == 0 && i < BATCHES; i++) {
		kit_auto_decoded got = NULL;
		Podward__V1__EventBatch *m = NULL;

		pw_arena_reset(b->scratch);
		m = kit_unpack(b->packed[i], b->scratch);
		r = m ? pw_decode_batch(d, m, &got, &err) : -ENOMEM;
	}
	if (r < 0)
		(void)fprintf(stderr, "decode: %s\n", err.msg);
	return r;
}

static int copy_all(struct bench *b)
{
	for (uint32_t i = 0; i < BATCHES; i++) {
		const struct pw_batch *batch = b->batches[i];

		memcpy(b->copies, batch->events, batch->event_count * sizeof(*b->copies));
		__asm__ volatile("" : : "r"(b->copies) : "memory"); /* the copy must happen */
	}
	return 0;
}

static double measure(struct bench *b, int (*fn)(struct bench *), int *r)
{
	uint64_t start = cpu_ns();

	if (*r == 0)
		*r = fn(b);
	return (double)(cpu_ns() - start) / (double)b->f.events;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static int bench_prepare(struct bench *b, bool usual, uint32_t exit_one_in)
{
	int r = pw_arena_new(1 << 20, ARENA_LIMIT, &b->scratch);

	if (r == 0)
		r = pw_arena_new(16 << 20, ARENA_LIMIT, &b->store);
	b->copies = pw_alloc0(2 * EVENTS, sizeof(*b->copies));
	if (!b->copies)
		return -ENOMEM;
	kit_world_init(&b->w, 1, 1);
	b->w.exit_one_in = exit_one_in;
	b->w.usual = usual;
	for (uint32_t i = 0; r == 0 && i < BATCHES; i++) {
		r = kit_batch(&b->w, EVENTS, &b->batches[i]);
		b->f.events += r == 0 ? b->batches[i]->event_count : 0;
	}
	return r;
}

static int bench_rounds(struct bench *b, bool usual, uint32_t exit_one_in)
{
	int r = bench_prepare(b, usual, exit_one_in);

	for (uint32_t round = 0; r == 0 && round < ROUNDS; round++) {
		b->f.encode[round] = measure(b, encode_all, &r);
		b->f.decode[round] = measure(b, decode_all, &r);
		b->f.copy[round] = measure(b, copy_all, &r);
	}
	for (uint32_t i = 0; r == 0 && i < BATCHES; i++)
		b->f.bytes += b->packed[i].len;
	return r;
}

static void sort_figures(struct figures *f)
{
	qsort(f->encode, ROUNDS, sizeof(double), by_value);
	qsort(f->decode, ROUNDS, sizeof(double), by_value);
	qsort(f->copy, ROUNDS, sizeof(double), by_value);
}

static double bytes_per_event(const struct figures *f)
{
	return (double)f->bytes / (double)f->events;
}

static void report(const char *world, const struct figures *f)
{
	(void)printf("%s: encode %.1f (%.1f)  decode %.1f (%.1f)  memcpy %.2f (%.2f)  %.1f bytes\n",
		world, f->encode[ROUNDS / 2], f->encode[0], f->decode[ROUNDS / 2], f->decode[0],
		f->copy[ROUNDS / 2], f->copy[0], bytes_per_event(f));
}

static int bench_run(bool usual, uint32_t exit_one_in, struct figures *ret)
{
	struct bench *b = pw_alloc0(1, sizeof(*b));
	int r = b ? bench_rounds(b, usual, exit_one_in) : -ENOMEM;

	if (!b)
		return r;
	sort_figures(&b->f);
	*ret = b->f;
	for (uint32_t i = 0; i < BATCHES; i++)
		pw_batch_free(b->batches[i]);
	pw_arena_free(b->scratch);
	pw_arena_free(b->store);
	free(b->copies);
	free(b);
	return r;
}

static void json_world(const char *world, const struct figures *f)
{
	(void)printf(",\"%s\":{\"encode_ns\":%.2f,\"decode_ns\":%.2f,\"memcpy_ns\":%.3f,"
		     "\"encode_best_ns\":%.2f,\"decode_best_ns\":%.2f,\"bytes_per_event\":%.2f}",
		world, f->encode[ROUNDS / 2], f->decode[ROUNDS / 2], f->copy[ROUNDS / 2],
		f->encode[0], f->decode[0], bytes_per_event(f));
}

int main(void)
{
	static const struct {
		const char *name;
		bool usual;
		uint32_t exit_one_in;
	} worlds[] = {{"usual", true, 0}, {"steady", false, 0}, {"churn", false, 8}};
	struct figures figures[PW_COUNT(worlds)];
	int r = 0;

	for (size_t i = 0; r == 0 && i < PW_COUNT(worlds); i++)
		r = bench_run(worlds[i].usual, worlds[i].exit_one_in, &figures[i]);
	if (r < 0) {
		(void)fprintf(stderr, "bench_codec: %s\n", pw_err_text(r));
		return 1;
	}
	(void)printf("%u batches of %u events, %u rounds, CPU ns per event: median (best)\n",
		BATCHES, EVENTS, ROUNDS);
	for (size_t i = 0; i < PW_COUNT(worlds); i++)
		report(worlds[i].name, &figures[i]);
	(void)printf("{\"bench\":\"codec\",\"batch_events\":%u", EVENTS);
	for (size_t i = 0; i < PW_COUNT(worlds); i++)
		json_world(worlds[i].name, &figures[i]);
	(void)printf("}\n");
	return 0;
}
