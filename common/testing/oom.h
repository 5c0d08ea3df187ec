/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Out-of-memory loop: runs a function again and again, each time another one of its allocations
 * fails, until a run needs fewer allocations than the failing number. The function must return 0
 * or -ENOMEM and leave nothing behind (leaks show under ASan).
 * Only allocations of our own objects fail (malloc, calloc, realloc wrapped at link time).
 */
#include <stddef.h>

/* Returns the number of allocations of a full run; fails the cmocka test on any other result than 0
 * or -ENOMEM. */
size_t pw_oom_loop(int (*fn)(void *ctx), void *ctx);
