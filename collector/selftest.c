/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/selftest.h"

#include "collector/decode.h"
#include "common/wire/batch.h"

#include <errno.h>
#include <unistd.h>

#define RING_BYTES (16u << 20) /* the whole machine is watched meanwhile */
#define NAMES_SIZE 400

struct selftest {
	struct source *source;
	struct selftest_place place;
	uint64_t seen; /* bit n = kind n came from us or a child of ours */
};

static int note(void *ctx, const void *record, size_t len)
{
	struct selftest *t = ctx;
	uint32_t self = (uint32_t)getpid();
	enum pw_event_kind kind;
	struct event e;

	if (decode(record, len, &e) != DECODE_OK || (e.pid != self && e.ppid != self))
		return 0;
	kind = event_wire_kind(e.type);
	if ((unsigned)kind < 64)
		t->seen |= 1ull << kind;
	return 0;
}

static int drain(struct selftest *t, struct pw_err *err)
{
	int n = 1;

	while (n > 0)
		n = source_consume(t->source, 0, note, t, err);
	return n;
}

/* The own process is left out otherwise. */
static int watch_self(struct selftest *t, struct pw_err *err)
{
	const struct kmaps *maps = probe_maps(t->source);
	struct abi_settings settings;
	int r = kmaps_settings_get(maps, &settings);

	settings.self_tgid = 0;
	if (r == 0)
		r = kmaps_settings_set(maps, &settings);
	return r < 0 ? pw_err_set(err, r, "settings map: %s", pw_err_text(r)) : 0;
}

static const char *outcome_of(
	struct selftest *t, const struct selftest_action *a, bool *ret_missing)
{
	*ret_missing = false;
	if (!a->act)
		return a->why_not;
	if (a->writes && !t->place.folder[0])
		return "not tried: nowhere to write";
	*ret_missing = !(t->seen & 1ull << a->kind);
	return *ret_missing ? "DID NOT COME" : "came";
}

static int report(struct selftest *t, struct pw_err *err)
{
	char missing[NAMES_SIZE] = "";
	size_t len = 0;

	for (const struct selftest_action *a = selftest_actions; a->kind; a++) {
		const char *name = pw_event_kind_name(a->kind);
		bool is_missing = false;
		const char *outcome = outcome_of(t, a, &is_missing);

		(void)printf("%-16s %s\n", name, outcome);
		if (is_missing && len < sizeof(missing))
			len += (size_t)snprintf(missing + len, sizeof(missing) - len, " %s", name);
	}
	(void)fflush(stdout);
	return missing[0] ? pw_err_set(err, -ENODATA, "did not come:%s", missing) : 0;
}

int selftest_run(struct pw_err *err)
{
	const struct probe_options options = {
		.ring_bytes = RING_BYTES,
		.setting_flags = SETTING_WATCH_ALL,
		.every_mask = UINT64_MAX,
	};
	struct selftest t = {0};
	int r = probe_open(&options, &t.source, err);

	if (r < 0)
		return r;
	r = watch_self(&t, err);
	selftest_place_make(&t.place);
	for (const struct selftest_action *a = selftest_actions; r >= 0 && a->kind; a++) {
		if (!a->act || (a->writes && !t.place.folder[0]))
			continue;
		a->act(&t.place);
		r = drain(&t, err);
	}
	selftest_place_remove(&t.place);
	if (r >= 0)
		r = drain(&t, err);
	source_close(t.source);
	return r < 0 ? r : report(&t, err);
}
