/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/suppress.h"

#include "common/base/u64map.h"

#include <errno.h>

struct suppress {
	struct pw_u64map *windows; /* low half of the id -> start of the window */
	int64_t newest_window_ns;
	uint64_t forgotten;
	uint32_t limit;
};

int suppress_new(uint32_t limit, struct suppress **ret)
{
	struct suppress *s = pw_alloc0(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->limit = limit;
	s->newest_window_ns = INT64_MIN;
	if (pw_u64map_new(limit, &s->windows) < 0) {
		free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void suppress_free(struct suppress *s)
{
	if (!s)
		return;
	pw_u64map_free(s->windows);
	free(s);
}

int64_t suppress_window(int64_t wall_ns)
{
	int64_t rest = wall_ns % SUPPRESS_WINDOW_NS;

	if (rest < 0)
		rest += SUPPRESS_WINDOW_NS;
	return wall_ns < INT64_MIN + SUPPRESS_WINDOW_NS ? INT64_MIN : wall_ns - rest;
}

static uint64_t key_of(struct pw_hash128 id)
{
	return id.low ^ id.high;
}

bool suppress_has(const struct suppress *s, struct pw_hash128 alert_id)
{
	return pw_u64map_has(s->windows, key_of(alert_id));
}

/* Everything goes but the newest window; when that alone fills the table, all goes. */
static void make_room(struct suppress *s)
{
	uint64_t keep_keys[64], keep_windows[64], key, window;
	size_t cursor = 0, kept = 0, before = pw_u64map_count(s->windows);

	while (kept < PW_COUNT(keep_keys) && pw_u64map_next(s->windows, &cursor, &key, &window)) {
		if ((int64_t)window != s->newest_window_ns)
			continue;
		keep_keys[kept] = key;
		keep_windows[kept++] = window;
	}
	pw_u64map_clear(s->windows);
	for (size_t i = 0; i < kept; i++)
		(void)!pw_u64map_put(s->windows, keep_keys[i], keep_windows[i]);
	s->forgotten += before - pw_u64map_count(s->windows);
}

void suppress_put(struct suppress *s, struct pw_hash128 alert_id, int64_t window_wall_ns)
{
	if (window_wall_ns > s->newest_window_ns)
		s->newest_window_ns = window_wall_ns;
	if (pw_u64map_count(s->windows) >= s->limit)
		make_room(s);
	if (pw_u64map_put(s->windows, key_of(alert_id), (uint64_t)window_wall_ns) < 0)
		s->forgotten++;
}

uint64_t suppress_forgotten(const struct suppress *s)
{
	return s->forgotten;
}
