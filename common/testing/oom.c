/* SPDX-License-Identifier: Apache-2.0 */
#include "common/testing/oom.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define RUNS_MAX 100000

/*
 * Only allocations of the thread that runs the loop are counted: helpers of a test (a server
 * thread) must not make the numbering random.
 */
static _Thread_local bool counting;
static _Thread_local size_t seen, failing;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static bool fails_now(void)
{
	if (!counting || ++seen != failing)
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails_now() ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails_now() ? NULL : __real_aligned_alloc(alignment, size);
}

static int run_failing_at(int (*fn)(void *ctx), void *ctx, size_t number)
{
	int r;

	seen = 0;
	failing = number;
	counting = true;
	r = fn(ctx);
	counting = false;
	return r;
}

size_t pw_oom_loop(int (*fn)(void *ctx), void *ctx)
{
	for (size_t number = 1; number <= RUNS_MAX; number++) {
		int r = run_failing_at(fn, ctx, number);

		if (r != 0 && r != -ENOMEM)
			fail_msg("allocation %zu fails: result %d instead of 0 or -ENOMEM", number,
				r);
		if (seen >= number)
			continue;
		if (r != 0)
			fail_msg("no allocation fails: result %d instead of 0", r);
		return seen;
	}
	fail_msg("more than %d allocations", RUNS_MAX);
	return 0;
}
