/* SPDX-License-Identifier: Apache-2.0 */
/* What the sieves stop would not have matched: random rules with and without them say the same. */
#include "analyzer/sig_match.h"
#include "common/testing/cm.h"
#include "analyzer/tests/kit.h"

#include <errno.h>
#include <stdio.h>

#define RULES 150u
#define SETS  12u

static const struct kit_row events[] = {
	{PW_EVENT_EXEC, KIT_MINER, "/tmp/xmrig", 0, 0, 0},
	{PW_EVENT_OPEN, KIT_SHELL, "/etc/shadow", KIT_READ, 3, 1},
	{PW_EVENT_OPEN, KIT_APP, "/proc/1/mem", KIT_WRITE, -EACCES, 2},
	{PW_EVENT_OPEN, KIT_DB, "/etc/ssh/ssh_host_key", KIT_READ, 4, 3},
	{PW_EVENT_CONNECT, KIT_SHELL, "10.1.2.3", PW_CONNECT_AUX(4444, 6, 2), 0, 4},
	{PW_EVENT_RENAME, KIT_SHELL, "/etc/shadow", 0, 0, 5},
	{PW_EVENT_OPEN, KIT_HOST, "/var", KIT_READ, 3, 6},
};

static const char *const checks[] = {"fd.name = /etc/shadow", "fd.name startswith /etc/",
	"fd.name pmatch (/etc/ssh, /proc)", "fd.name endswith mem", "fd.name contains ss",
	"fd.name icontains SSH", "fd.name in (/a, /proc/1/mem)", "fd.name glob \"/*/s*w\"",
	"fd.name glob \"/etc/*/ssh_host_*\"", "fd.name != /etc/shadow", "fd.directory = /etc",
	"fd.typechar = f", "evt.is_open_read = true", "evt.type in (openat, open, execve)",
	"evt.type = openat", "evt.type != connect", "evt.rawres >= 0", "evt.res = EACCES",
	"fd.name oneof (/etc/shadow, /b)", "fd.name startswith anyof (/etc, /proc)",
	"fd.name contains allof (e, s)", "fd.sport = 4444", "fd.sip = 10.1.0.0", "proc.name = sh",
	"proc.name in (xmrig, app)", "proc.aname = app", "proc.cmdline contains pool",
	"proc.cmdline glob \"*tcp*3*\"", "proc.args startswith -", "proc.pname exists",
	"container.id != host", "container.id = host", "user.uid = 0", "proc.exepath glob /t*",
	"fd.name regex \"/etc/.*\"", "fd.name exists", "evt.arg.oldpath startswith /etc"};

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 16;
}

static void add_condition(struct pw_buf *out, uint32_t *seed, unsigned depth)
{
	uint32_t parts = 2 + next_random(seed) % 3;
	const char *word = next_random(seed) % 2 ? " and " : " or ";

	if (depth == 0 || next_random(seed) % 4 == 0) {
		assert_int_equal(pw_buf_addf(out, "%s%s", next_random(seed) % 4 ? "" : "not ",
					 checks[next_random(seed) % PW_COUNT(checks)]),
			0);
		return;
	}
	assert_int_equal(pw_buf_add_str(out, next_random(seed) % 6 ? "(" : "not ("), 0);
	for (uint32_t i = 0; i < parts; i++) {
		if (i > 0)
			assert_int_equal(pw_buf_add_str(out, word), 0);
		add_condition(out, seed, depth - 1);
	}
	assert_int_equal(pw_buf_add_str(out, ")"), 0);
}

static struct policy *make_rules(uint32_t seed)
{
	struct policy *p;
	struct kit_snapshot s;
	pw_auto_buf text;
	char id[16];

	pw_buf_init(&text, 65536);
	kit_snapshot_init(&s, 1);
	for (uint32_t i = 0; i < RULES; i++) {
		(void)snprintf(id, sizeof(id), "r%u", i);
		pw_buf_clear(&text);
		add_condition(&text, &seed, 3);
		(void)kit_signature(&s, (const char *)pw_arena_dup(s.arena, pw_slice_str(id)).ptr,
			(const char *)pw_arena_dup(s.arena, pw_buf_slice(&text)).ptr, false);
	}
	p = kit_compile(&s);
	/* Some have no event that can make them true. */
	assert_in_range(p->signatures->count, RULES / 2, RULES);
	kit_snapshot_done(&s);
	return p;
}

static void assert_same(struct sig_matcher *with, struct sig_matcher *without,
	struct field_ctx *fields, const struct pw_event *event)
{
	const struct sig_rule *a[RULES], *b[RULES];
	uint32_t count;

	field_ctx_begin(fields, event);
	count = sig_match(without, fields, NULL, b, RULES);
	field_ctx_begin(fields, event);
	assert_int_equal(sig_match(with, fields, NULL, a, RULES), count);
	for (uint32_t i = 0; i < count; i++)
		if (a[i]->index != b[i]->index)
			fail_msg("event %u: %.*s", event->kind, PW_SLICE_ARG(b[i]->condition));
}

static void what_is_stopped_would_not_have_matched(void **state)
{
	struct sig_matcher *with = NULL, *without = NULL;
	struct field_ctx *fields = NULL;
	struct pw_decoded *decoded = NULL;

	(void)state;
	assert_int_equal(kit_decode(events, PW_COUNT(events), 1, &decoded), 0);
	assert_int_equal(field_ctx_new(&fields), 0);
	assert_int_equal(sig_matcher_new(&with), 0);
	assert_int_equal(sig_matcher_new(&without), 0);
	for (uint32_t seed = 1; seed <= SETS; seed++) {
		struct policy *p = make_rules(seed);
		struct sig_set plain = *p->signatures;

		plain.number++;
		memset((void *)plain.by_event, 0, sizeof(plain.by_event));
		memset((void *)plain.by_process, 0, sizeof(plain.by_process));
		assert_int_equal(sig_matcher_use(with, p->signatures), 0);
		assert_int_equal(sig_matcher_use(without, &plain), 0);
		for (uint32_t i = 0; i < 4 * PW_COUNT(events); i++)
			assert_same(
				with, without, fields, &decoded->events[i * 5 % PW_COUNT(events)]);
		policy_free(p);
	}
	sig_matcher_free(with);
	sig_matcher_free(without);
	field_ctx_free(fields);
	pw_decoded_free(decoded);
}

/* The process is not even asked when the event's own values rule all rules out. */
static void an_ordinary_event_runs_no_rule(void **state)
{
	static const char *const conditions[] = {
		"evt.type = openat and fd.typechar = f and (fd.name startswith /root/ or fd.name "
		"glob \"/*/x*y\" or not not fd.name in (/a, /b)) and not proc.name = sh",
		"evt.type = openat and not (evt.is_open_read = false or not fd.name endswith "
		".pub)"};
	struct sig_matcher *m = NULL;
	struct field_ctx *fields = NULL;
	struct pw_decoded *decoded = NULL;
	const struct sig_rule *found[1];

	(void)state;
	assert_int_equal(kit_decode(events, PW_COUNT(events), 1, &decoded), 0);
	assert_int_equal(field_ctx_new(&fields), 0);
	assert_int_equal(sig_matcher_new(&m), 0);
	for (size_t i = 0; i < PW_COUNT(conditions); i++) {
		struct kit_snapshot s;
		struct policy *p;

		kit_snapshot_init(&s, 1);
		(void)kit_signature(&s, "a", conditions[i], false);
		p = kit_compile(&s);
		assert_int_equal(p->signatures->count, 1);
		assert_int_equal(sig_matcher_use(m, p->signatures), 0);
		field_ctx_begin(fields, &decoded->events[1]);
		assert_int_equal(sig_match(m, fields, NULL, found, 1), 0);
		assert_int_equal(sig_matcher_stats(m).images, 0);
		policy_free(p);
		kit_snapshot_done(&s);
	}
	sig_matcher_free(m);
	field_ctx_free(fields);
	pw_decoded_free(decoded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_stopped_would_not_have_matched),
		cmocka_unit_test(an_ordinary_event_runs_no_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
