/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Random numbers from the kernel, and the one back-off formula of the project. Thread: any. */
#include <stdint.h>
#include <stddef.h>

uint64_t pw_random_u64(void);
void pw_random_bytes(void *out, size_t len);
uint64_t pw_random_below(uint64_t bound); /* uniform in [0, bound); bound > 0 */
/* Full jitter: uniform in [base, min(cap, base * 2^attempt)] ms. */
uint32_t pw_backoff_ms(uint32_t attempt, uint32_t base_ms, uint32_t cap_ms);
