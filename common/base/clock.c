/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"

#include "common/base/num.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static const struct pw_fake_clock *fake_clock; /* tests only; set before threads start */

void pw_clock_fake(const struct pw_fake_clock *fake)
{
	fake_clock = fake;
}

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * PW_NS_PER_S + (uint64_t)t.tv_nsec;
}

struct pw_mono pw_mono_now(void)
{
	return (struct pw_mono){fake_clock ? fake_clock->mono_ns : read_clock(CLOCK_MONOTONIC)};
}

struct pw_boot pw_boot_now(void)
{
	return (struct pw_boot){fake_clock ? fake_clock->boot_ns : read_clock(CLOCK_BOOTTIME)};
}

struct pw_wall pw_wall_now(void)
{
	return (struct pw_wall){
		fake_clock ? fake_clock->wall_ns : (int64_t)read_clock(CLOCK_REALTIME)};
}

int64_t pw_boot_to_wall_offset(void)
{
	return pw_wall_now().ns - (int64_t)pw_boot_now().ns;
}

void pw_wall_format(struct pw_wall t, char out[PW_WALL_TEXT_SIZE])
{
	int64_t seconds = t.ns / (int64_t)PW_NS_PER_S;
	int64_t rest = t.ns % (int64_t)PW_NS_PER_S;
	time_t when;
	struct tm parts;
	size_t used;

	if (rest < 0) {
		rest += (int64_t)PW_NS_PER_S;
		seconds--;
	}
	when = (time_t)seconds;
	(void)gmtime_r(&when, &parts);
	used = strftime(out, PW_WALL_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
	(void)snprintf(out + used, PW_WALL_TEXT_SIZE - used, ".%03uZ",
		(unsigned)(rest / (int64_t)PW_NS_PER_MS) % 1000u);
}

static const struct unit {
	const char *text;
	uint64_t ns;
} units[] = {
	{"ms", PW_NS_PER_MS},
	{"s", PW_NS_PER_S},
	{"m", 60 * PW_NS_PER_S},
	{"h", 3600 * PW_NS_PER_S},
	{"d", 86400 * PW_NS_PER_S},
};

/* One "15m" off the front; a bare number means seconds. */
static int take_part(struct pw_slice *rest, uint64_t *total)
{
	size_t digits = 0, letters;
	uint64_t number, part;
	struct pw_slice unit;

	while (digits < rest->len && rest->ptr[digits] >= '0' && rest->ptr[digits] <= '9')
		digits++;
	letters = digits;
	while (letters < rest->len && rest->ptr[letters] >= 'a' && rest->ptr[letters] <= 'z')
		letters++;
	if (!digits || (letters == digits && letters != rest->len))
		return -EINVAL;
	if (pw_num_u64(pw_slice_sub(*rest, 0, digits), UINT64_MAX, &number) < 0)
		return -ERANGE;
	unit = pw_slice_sub(*rest, digits, letters);
	if (!unit.len)
		unit = PW_SLICE_LIT("s");
	*rest = pw_slice_sub(*rest, letters, rest->len);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!pw_slice_eq_str(unit, units[i].text))
			continue;
		if (__builtin_mul_overflow(number, units[i].ns, &part) ||
			__builtin_add_overflow(*total, part, total))
			return -ERANGE;
		return 0;
	}
	return -EINVAL;
}

int pw_duration_parse(const char *text, uint64_t *ret_ns)
{
	struct pw_slice rest = pw_slice_str(text);
	uint64_t total = 0;

	if (!rest.len)
		return -EINVAL;
	while (rest.len) {
		int r = take_part(&rest, &total);

		if (r < 0)
			return r;
	}
	*ret_ns = total;
	return 0;
}

void pw_duration_format(uint64_t ns, char *out, size_t size)
{
	size_t used = 0;

	if (!size)
		return;
	out[0] = '\0';
	for (size_t i = sizeof(units) / sizeof(units[0]); i-- > 0;) {
		uint64_t n = ns / units[i].ns;
		int wrote;

		ns %= units[i].ns;
		if (!n && !(i == 1 && used == 0 && ns < PW_NS_PER_MS))
			continue;
		wrote = snprintf(out + used, size - used, "%" PRIu64 "%s", n, units[i].text);
		if (wrote < 0 || (size_t)wrote >= size - used)
			return;
		used += (size_t)wrote;
	}
}
