/* SPDX-License-Identifier: Apache-2.0 */
/* The baseline is a join-semilattice: shown on random cases by comparing canonical bytes. */
#include "analyzer/checkpoint.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <stdio.h>

#define CASES        2500u /* of each law: together over 10,000 */
#define OBSERVATIONS 24u
#define FLAG(x)      ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_##x)

/* A generator of our own, so that a case can be named by its number. */
static uint64_t dice(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ull;
	uint64_t z = *state;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

struct seen {
	uint32_t dimension, flags, container, versions;
	int64_t wall_ns;
	const char *actor, *object;
};

/* Few values of each, so that observations meet; templates that stand for some of the others. */
static void throw_case(uint64_t number, struct seen out[OBSERVATIONS])
{
	static const char *const actors[] = {"/usr/bin/app", "/bin/sh", ""};
	static const char *const objects[] = {"/tmp/s_1", "/tmp/s_2", "/tmp/s_ab", "/etc/app.conf",
		"/var/log/a.log", "/var/log/b.log", "/etc/shadow"};
	static const char *const templates[] = {
		"/tmp/s_<digits>", "/tmp/s_<alnum>", "/var/log/<letters>.log", "/etc/<any>"};
	static const uint32_t flags[] = {1, 2, 3, 4, 6, 2, 1, 32, 0, 8};
	uint64_t state = number;

	for (uint32_t i = 0; i < OBSERVATIONS; i++) {
		bool template = dice(&state) % 5 == 0;

		out[i] = (struct seen){
			.dimension = 1 + (uint32_t)(dice(&state) % 3),
			.flags = flags[dice(&state) % PW_COUNT(flags)],
			.container = 1 + (uint32_t)(dice(&state) % 6),
			.wall_ns = (int64_t)(dice(&state) % 1000),
			.actor = actors[dice(&state) % PW_COUNT(actors)],
			.object = template ? templates[dice(&state) % PW_COUNT(templates)]
					   : objects[dice(&state) % PW_COUNT(objects)],
		};
		if (dice(&state) % 4 == 0)
			out[i].versions = (uint32_t)(1 + dice(&state) % 3);
		if (out[i].flags == 0 && out[i].versions == 0)
			out[i].versions = 1;
		if (template)
			out[i].flags = FLAG(TEMPLATE) | (out[i].flags & 11u);
	}
}

static void tell(struct baseline *b, const struct seen *s)
{
	/* The same images have other bits in other baselines. */
	uint32_t one = baseline_version(b, 1000), two = baseline_version(b, 77);
	struct behaviour what = {.dimension = s->dimension,
		.actor = pw_slice_str(s->actor),
		.object = pw_slice_str(s->object)};
	struct baseline_seen seen = {
		.wall_ns = s->wall_ns, .flags = s->flags, .containers = {s->container}};

	if (s->versions & 1)
		seen.versions |= 1u << one;
	if (s->versions & 2)
		seen.versions |= 1u << two;
	what.key = behaviour_key(what.dimension, what.actor, what.object);
	assert_true(baseline_observe(b, &what, &seen) >= 0);
}

static struct baseline *fresh(unsigned order)
{
	struct baseline *b = NULL;

	assert_int_equal(baseline_new(1000, &b), 0);
	(void)baseline_version(b, order ? 1000 : 77);
	(void)baseline_version(b, order ? 77 : 1000);
	return b;
}

static struct baseline *told(const struct seen *list, size_t from, size_t to, unsigned order)
{
	struct baseline *b = fresh(order);

	for (size_t i = from; i < to; i++)
		tell(b, &list[i]);
	assert_int_equal(baseline_sweep(b), 0);
	return b;
}

static void expect_equal(struct baseline *one, struct baseline *two, uint64_t number)
{
	pw_auto_buf a, b;

	pw_buf_init(&a, CHECKPOINT_BYTES);
	pw_buf_init(&b, CHECKPOINT_BYTES);
	assert_int_equal(checkpoint_encode(one, &a), 0);
	assert_int_equal(checkpoint_encode(two, &b), 0);
	if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
		fail_msg("case %llu: %u and %u rows", (unsigned long long)number,
			baseline_count(one), baseline_count(two));
	baseline_free(one);
	baseline_free(two);
}

static struct baseline *merged(struct baseline *into, const struct baseline *other)
{
	assert_int_equal(baseline_merge(into, other), 0);
	return into;
}

static void merging_is_commutative(void **state)
{
	struct seen s[OBSERVATIONS];

	(void)state;
	for (uint64_t n = 0; n < CASES; n++) {
		struct baseline *x, *y, *x2, *y2;

		throw_case(n, s);
		x = told(s, 0, 12, 0);
		y = told(s, 12, OBSERVATIONS, 1);
		x2 = told(s, 0, 12, 1);
		y2 = told(s, 12, OBSERVATIONS, 0);
		expect_equal(merged(x, y), merged(y2, x2), n);
		baseline_free(y);
		baseline_free(x2);
	}
}

static void merging_is_associative(void **state)
{
	struct seen s[OBSERVATIONS];

	(void)state;
	for (uint64_t n = 0; n < CASES; n++) {
		struct baseline *x[2], *y[2], *z[2];

		throw_case(n, s);
		for (unsigned i = 0; i < 2; i++) {
			x[i] = told(s, 0, 8, i);
			y[i] = told(s, 8, 16, 0);
			z[i] = told(s, 16, OBSERVATIONS, i);
		}
		expect_equal(merged(merged(x[0], y[0]), z[0]), merged(x[1], merged(y[1], z[1])), n);
		baseline_free(y[0]);
		baseline_free(z[0]);
		baseline_free(y[1]);
		baseline_free(z[1]);
	}
}

static void merging_is_idempotent(void **state)
{
	struct seen s[OBSERVATIONS];

	(void)state;
	for (uint64_t n = 0; n < CASES; n++) {
		struct baseline *x, *y;

		throw_case(n, s);
		x = told(s, 0, OBSERVATIONS, 0);
		y = told(s, 0, OBSERVATIONS, 1);
		expect_equal(merged(x, y), y, n);
	}
}

/* Any order, any repetition, any split over two owners. */
static void the_way_of_telling_does_not_matter(void **state)
{
	struct seen s[OBSERVATIONS], mixed[2 * OBSERVATIONS];

	(void)state;
	for (uint64_t n = 0; n < CASES; n++) {
		struct baseline *whole, *one = fresh(1), *two = fresh(0);
		uint64_t dices = n ^ 0xabcdef;

		throw_case(n, s);
		whole = told(s, 0, OBSERVATIONS, 0);
		memcpy(mixed, s, sizeof(s));
		memcpy(mixed + OBSERVATIONS, s, sizeof(s));
		for (size_t i = 2 * OBSERVATIONS - 1; i > 0; i--) {
			size_t k = dice(&dices) % (i + 1);
			struct seen swap = mixed[i];

			mixed[i] = mixed[k];
			mixed[k] = swap;
		}
		for (size_t i = 0; i < 2 * OBSERVATIONS; i++)
			tell(dice(&dices) % 2 ? one : two, &mixed[i]);
		expect_equal(whole, merged(one, two), n);
		baseline_free(two);
	}
}

static void what_is_written_is_read_again(void **state)
{
	struct seen s[OBSERVATIONS];
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	for (uint64_t n = 0; n < CASES / 5; n++) {
		struct baseline *b, *back = fresh(1);
		pw_auto_buf packed;

		throw_case(n, s);
		b = told(s, 0, OBSERVATIONS, 0);
		pw_buf_init(&packed, CHECKPOINT_BYTES);
		assert_int_equal(checkpoint_pack(b, &packed), 0);
		if (checkpoint_unpack(pw_buf_slice(&packed), back, &err) < 0)
			fail_msg("case %llu: %s", (unsigned long long)n, err.msg);
		assert_int_equal(baseline_changed_count(back), 0);
		expect_equal(b, back, n);
	}
}

static void damaged_bytes_are_refused_and_named(void **state)
{
	struct seen s[OBSERVATIONS];
	struct baseline *b;
	pw_auto_buf packed, plain;

	(void)state;
	throw_case(3, s);
	b = told(s, 0, OBSERVATIONS, 0);
	pw_buf_init(&packed, CHECKPOINT_BYTES);
	pw_buf_init(&plain, CHECKPOINT_BYTES);
	assert_int_equal(checkpoint_pack(b, &packed), 0);
	assert_int_equal(checkpoint_encode(b, &plain), 0);
	for (size_t i = 0; i < packed.len; i++) {
		struct baseline *back = fresh(0);
		struct pw_err err = PW_ERR_INIT;

		packed.data[i] ^= 0x41;
		/* Bits of the compressed frame that mean nothing may change: the content is what
		 * the digest stands for. */
		if (checkpoint_unpack(pw_buf_slice(&packed), back, &err) == 0)
			expect_equal(told(s, 0, OBSERVATIONS, 0), PW_TAKE(back), i);
		else
			assert_true(err.msg[0] != '\0');
		packed.data[i] ^= 0x41;
		baseline_free(back);
	}
	for (size_t len = 0; len < plain.len; len++) {
		struct baseline *back = fresh(0);
		struct pw_err err = PW_ERR_INIT;

		assert_true(checkpoint_decode(pw_slice_of(plain.data, len), back, &err) < 0);
		baseline_free(back);
	}
	baseline_free(b);
}

static int pack_once(void *ctx)
{
	struct baseline *b = NULL;
	struct pw_err err = PW_ERR_INIT;
	pw_auto_buf out;
	int r = baseline_new(100, &b);

	pw_buf_init(&out, CHECKPOINT_BYTES);
	if (r == 0)
		r = checkpoint_decode(*(struct pw_slice *)ctx, b, &err);
	if (r == 0)
		r = checkpoint_pack(b, &out);
	baseline_free(b);
	return r;
}

static void it_survives_lack_of_memory(void **state)
{
	struct seen s[OBSERVATIONS];
	struct baseline *b;
	struct pw_slice bytes;
	pw_auto_buf plain;

	(void)state;
	throw_case(1, s);
	b = told(s, 0, OBSERVATIONS, 0);
	pw_buf_init(&plain, CHECKPOINT_BYTES);
	assert_int_equal(checkpoint_encode(b, &plain), 0);
	bytes = pw_buf_slice(&plain);
	assert_true(pw_oom_loop(pack_once, &bytes) > 0);
	baseline_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merging_is_commutative),
		cmocka_unit_test(merging_is_associative),
		cmocka_unit_test(merging_is_idempotent),
		cmocka_unit_test(the_way_of_telling_does_not_matter),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(damaged_bytes_are_refused_and_named),
		cmocka_unit_test(it_survives_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
