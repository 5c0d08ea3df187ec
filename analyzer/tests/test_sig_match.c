/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_match.h"
#include "analyzer/sig_output.h"
#include "common/testing/cm.h"
#include "analyzer/tests/kit.h"

#include <errno.h>
#include <stdio.h>

/* Events of the table tests, by index. */
static const struct kit_row events[] = {
	{PW_EVENT_EXEC, KIT_MINER, "/tmp/xmrig", 0, 0, 0},
	{PW_EVENT_OPEN, KIT_SHELL, "/etc/shadow", KIT_READ, 3, 1},
	{PW_EVENT_OPEN, KIT_SHELL, "/proc/1/mem", KIT_WRITE, -EACCES, 2},
	{PW_EVENT_CONNECT, KIT_SHELL, "10.1.2.3", PW_CONNECT_AUX(4444, 6, 2), -EINPROGRESS, 3},
	{PW_EVENT_CONNECT, KIT_APP, "/run/docker.sock", PW_CONNECT_AUX(0, 0, 1), 0, 4},
	{PW_EVENT_OPEN, KIT_HOST, "/rootfile", KIT_READ, 3, 5},
	{PW_EVENT_EXIT, KIT_SHELL, NULL, 0, 256, 6},
	{PW_EVENT_CONNECT, KIT_DB, "fd00::1", PW_CONNECT_AUX(53, 17, 10), 0, 7},
};

struct world {
	struct pw_decoded *decoded;
	struct field_ctx *fields;
	struct sig_matcher *matcher;
	struct pw_arena *arena;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	assert_int_equal(kit_decode(events, PW_COUNT(events), 1, &w->decoded), 0);
	assert_int_equal(field_ctx_new(&w->fields), 0);
	assert_int_equal(sig_matcher_new(&w->matcher), 0);
	return pw_arena_new(1 << 20, 256 << 20, &w->arena);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	pw_decoded_free(w->decoded);
	field_ctx_free(w->fields);
	sig_matcher_free(w->matcher);
	pw_arena_free(w->arena);
	free(w);
	return 0;
}

static bool matches(struct world *w, const char *condition, unsigned event)
{
	const struct sig_rule *found[1];
	struct sig_set *set;
	struct pw_err err = PW_ERR_INIT;
	uint32_t count = 0;

	if (sig_compile_condition(pw_slice_str(condition), w->arena, &set, &err) < 0)
		fail_msg("%s: %s", condition, err.msg);
	assert_int_equal(sig_matcher_use(w->matcher, set), 0);
	/* The third time only what the process can fire is looked at: the same must come out. */
	for (int i = 0; i < 3; i++) {
		uint32_t before = count;

		field_ctx_begin(w->fields, &w->decoded->events[event]);
		count = sig_match(w->matcher, w->fields, NULL, found, 1);
		assert_true(i == 0 || count == before);
	}
	return count == 1;
}

static void every_field_and_operator_says_what_it_should(void **state)
{
	static const struct {
		unsigned event;
		bool want;
		const char *condition;
	} rows[] = {
		{0, true, "evt.type = execve"},
		{0, true, "evt.type = execveat"},
		{0, false, "evt.type != execve"},
		{1, true, "evt.type in (open, openat)"},
		{1, false, "evt.type = connect"},
		{0, true, "proc.name = xmrig and proc.exepath = /tmp/xmrig and proc.exe = xmrig"},
		{0, true, "proc.cmdline = \"xmrig -o stratum+tcp://pool:3333\""},
		{0, true, "proc.args contains stratum+tcp"},
		{0, true, "proc.args icontains STRATUM"},
		{0, false, "proc.args contains STRATUM"},
		{0, true, "proc.pname = sh and proc.aname[1] = sh and proc.aname[0] = xmrig"},
		{0, true, "proc.aname[2] = app and proc.aname = app and not proc.aname = xmrig"},
		{0, false, "proc.aname[3] exists"},
		{0, true, "proc.pexepath = /bin/sh and proc.pcmdline = 'sh -c id'"},
		{0, true, "proc.is_exe_upper_layer = true and proc.is_exe_from_memfd = false"},
		{0, true, "proc.pid = 102 and proc.ppid = 101 and proc.tty = 0 and user.uid = 0"},
		{0, false, "fd.name exists"},
		{0, true, "not fd.name = x"},
		{0, false, "fd.name != x"},
		{1, true, "fd.name = /etc/shadow and fd.directory = /etc and fd.filename = shadow"},
		{1, true,
			"fd.typechar = f and evt.is_open_read = true and evt.is_open_write = "
			"false"},
		{1, true,
			"evt.rawres >= 0 and evt.rawres < 4 and evt.rawres > 2 and evt.rawres <= "
			"3"},
		{1, true, "evt.res = SUCCESS and outcome = done"},
		{1, true,
			"fd.name startswith /etc/ and fd.name endswith dow and fd.name glob "
			"/*/sh*"},
		{1, true, "fd.name pmatch (/var, /etc)"},
		{1, false, "fd.name pmatch (/et)"},
		{1, true, "fd.name in (/a, /b, /etc/shadow, /z)"},
		{1, false, "fd.name in ()"},
		{1, true, "fd.name intersects (/etc/shadow)"},
		{2, true, "evt.res = EACCES and outcome = refused and evt.is_open_write = true"},
		{3, true, "fd.sip = 10.1.2.3 and fd.rip = 10.1.2.3 and fd.sport = 4444"},
		{3, true, "fd.rport in (1, 4444) and fd.l4proto = tcp and fd.typechar = 4"},
		{3, true, "fd.name = 10.1.2.3:4444 and outcome = done"},
		{3, false, "fd.directory exists"},
		{3, false, "evt.is_open_read = false"},
		{4, true, "fd.name = /run/docker.sock and fd.typechar = u and not fd.sip exists"},
		{5, true, "container.id = host and fd.directory = / and container.name = host"},
		{5, false, "k8s.ns.name exists"},
		{6, true, "evt.type = procexit and evt.rawres = 256 and outcome = done"},
		{7, true, "fd.typechar = 6 and fd.l4proto = udp and fd.name = fd00::1:53"},
		{1, true, "container.id = c0ffee0000000001 and container.name = app"},
		{1, true, "container.image = registry:5000/shop/web:1.2"},
		{1, true, "container.image.repository = registry:5000/shop/web"},
		{7, true, "container.image.repository = db"},
		{1, true, "k8s.ns.name = shop and k8s.pod.name = web-1 and proc.cwd = /"},
		{4, true, "proc.args = --serve"},
		{7, true, "proc.args = \"\""},
		{1, true,
			"(proc.name = a or proc.name = sh) and not (fd.name = /x or fd.name = /y)"},
		{1, false, "proc.name = a or proc.name = b and fd.name = /etc/shadow"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < PW_COUNT(rows); i++)
		if (matches(w, rows[i].condition, rows[i].event) != rows[i].want)
			fail_msg("event %u: %s", rows[i].event, rows[i].condition);
}

static void all_matching_rules_are_reported_in_order(void **state)
{
	struct world *w = *state;
	const struct sig_rule *found[2];
	struct kit_snapshot s;
	struct policy *p;
	uint64_t off[1] = {1u << 1};

	kit_snapshot_init(&s, 1);
	(void)kit_signature(&s, "a", "evt.type = openat", false);
	(void)kit_signature(&s, "b", "proc.name = sh", false);
	(void)kit_signature(&s, "c", "fd.name = /nowhere", false);
	(void)kit_signature(&s, "d", "fd.name = /etc/shadow", false);
	p = kit_compile(&s);
	field_ctx_begin(w->fields, &w->decoded->events[1]);
	assert_int_equal(sig_matcher_use(w->matcher, p->signatures), 0);
	assert_int_equal(sig_match(w->matcher, w->fields, NULL, found, 2), 3);
	assert_true(pw_slice_eq_str(found[0]->id, "a"));
	assert_true(pw_slice_eq_str(found[1]->id, "b"));
	assert_int_equal(sig_match(w->matcher, w->fields, off, found, 2), 2);
	assert_true(pw_slice_eq_str(found[1]->id, "d"));
	policy_free(p);
	kit_snapshot_done(&s);
}

/* One pattern so long that no automaton takes it, beside short ones of all forms. */
static void patterns_without_room_are_compared_one_by_one(void **state)
{
	static const char *const forms[] = {"fd.name startswith /etc/", "fd.name endswith shadow",
		"fd.name contains c/sh", "fd.name icontains C/SH", "fd.name pmatch (/etc)"};
	static const char *const words[] = {
		"startswith", "endswith", "contains", "icontains", "pmatch ("};
	static char text[96000], filler[40001];
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(filler) - 1; i++)
		filler[i] = (char)('!' + 1 + i % 90);
	for (size_t i = 0; i < sizeof(filler) - 1; i++)
		if (strchr("()'\"=,*?[]\\", filler[i]))
			filler[i] = 'x';
	for (size_t i = 0; i < PW_COUNT(forms); i++) {
		(void)snprintf(text, sizeof(text), "%s or fd.name %s%s%s", forms[i], words[i],
			i == 4 ? filler : " ", i == 4 ? ")" : filler);
		assert_true(matches(w, text, 1));
		assert_false(matches(w, text, 2));
	}
}

static void output_texts_are_filled(void **state)
{
	static const struct {
		unsigned event;
		const char *format, *want;
	} rows[] = {
		{1, "%proc.name read %fd.name.", "sh read /etc/shadow."},
		{1, "100%% %proc.aname[1] %fd.sport", "100% app <NA>"},
		{3, "%fd.sport/%fd.l4proto %evt.type", "4444/tcp connect"},
		{0, "%proc.is_exe_upper_layer", "true"},
		{0, "", ""},
	};
	struct world *w = *state;
	pw_auto_buf out;

	pw_buf_init(&out, 4096);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		pw_buf_clear(&out);
		field_ctx_begin(w->fields, &w->decoded->events[rows[i].event]);
		assert_int_equal(sig_output_check(pw_slice_str(rows[i].format), NULL), 0);
		sig_output_print(pw_slice_str(rows[i].format), w->fields, &out);
		assert_string_equal(pw_buf_text(&out), rows[i].want);
	}
	assert_int_equal(sig_output_check(PW_SLICE_LIT("a %b"), NULL), -EINVAL);
	assert_int_equal(sig_output_check(PW_SLICE_LIT("a %"), NULL), -EINVAL);
	assert_int_equal(sig_output_check(PW_SLICE_LIT("%proc.aname[x]"), NULL), -EINVAL);
}

static bool prints(
	struct world *w, const struct field_spec *f, char number[24], struct pw_slice *ret)
{
	struct field_ref ref = {.spec = f, .index = -1, .key = PW_SLICE_LIT("PATH")};

	return f->get && field_print(&ref, w->fields, number, ret);
}

static void every_field_prints_or_is_missing(void **state)
{
	struct world *w = *state;
	struct pw_slice text;
	char number[24];

	for (unsigned e = 0; e < PW_COUNT(events); e++) {
		field_ctx_begin(w->fields, &w->decoded->events[e]);
		for (size_t i = 0; i < field_count; i++)
			if (prints(w, &field_table[i], number, &text))
				assert_true(text.ptr || text.len == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_and_operator_says_what_it_should),
		cmocka_unit_test(all_matching_rules_are_reported_in_order),
		cmocka_unit_test(patterns_without_room_are_compared_one_by_one),
		cmocka_unit_test(output_texts_are_filled),
		cmocka_unit_test(every_field_prints_or_is_missing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
