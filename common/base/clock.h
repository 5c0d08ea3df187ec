/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Three clocks that cannot be mixed by accident. Conversion happens here only.
 *   pw_mono  CLOCK_MONOTONIC, ns: timers, windows, learning clocks
 *   pw_boot  CLOCK_BOOTTIME, ns: kernel event stamps (bpf_ktime_get_boot_ns), process start times
 *   pw_wall  CLOCK_REALTIME, ns since 1970: what people read
 * Tests replace all three by a fake clock. Thread: any; the fake is set before threads start.
 */
#include <stddef.h>
#include <stdint.h>

struct pw_mono {
	uint64_t ns;
};
struct pw_boot {
	uint64_t ns;
};
struct pw_wall {
	int64_t ns;
};

#define PW_NS_PER_US 1000ull
#define PW_NS_PER_MS 1000000ull
#define PW_NS_PER_S  1000000000ull

struct pw_mono pw_mono_now(void);
struct pw_boot pw_boot_now(void);
struct pw_wall pw_wall_now(void);
/* wall - boot at this moment, in ns; carried with batches so that a stamp always gives the same
 * wall time. */
int64_t pw_boot_to_wall_offset(void);
static inline struct pw_wall pw_boot_to_wall(struct pw_boot b, int64_t offset_ns)
{
	return (struct pw_wall){(int64_t)b.ns + offset_ns};
}
/* RFC 3339 with milliseconds, UTC: 2026-11-23T19:30:00.123Z. Always NUL-terminated. */
#define PW_WALL_TEXT_SIZE 32
void pw_wall_format(struct pw_wall t, char out[PW_WALL_TEXT_SIZE]);
/* "1500ms", "90s", "15m", "24h", "7d" or plain seconds -> ns; -EINVAL, -ERANGE. */
int pw_duration_parse(const char *text, uint64_t *ret_ns);
void pw_duration_format(uint64_t ns, char *out, size_t size); /* "24h", "1m30s", "250ms" */

/* Tests only: from now on the clocks stand at these values until changed; NULL = real clocks. */
struct pw_fake_clock {
	uint64_t mono_ns, boot_ns;
	int64_t wall_ns;
};
void pw_clock_fake(const struct pw_fake_clock *fake); /* borrowed; advance by writing to it */
