/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_compile.h"
#include "common/testing/cm.h"
#include "analyzer/tests/kit.h"
#include "common/testing/oom.h"

#include <errno.h>

#define K(x) (1ull << PW_EVENT_##x)
#define FDS                                                                                      \
	(K(OPEN) | K(OPEN_BY_HANDLE) | K(STDIO) | K(CONNECT) | K(BIND) | K(LISTEN) | K(ACCEPT) | \
		K(SEND))
#define EVERY ((1ull << PW_EVENT_KINDS) - 2)

static int compile(const char *condition, uint64_t *ret_mask, struct pw_err *err)
{
	struct pw_arena *arena = NULL;
	struct sig_set *set;
	int r = pw_arena_new(4096, 8 << 20, &arena);

	if (r == 0)
		r = sig_compile_condition(pw_slice_str(condition), arena, &set, err);
	if (r == 0)
		*ret_mask = set->rules[0].event_mask;
	pw_arena_free(arena);
	return r;
}

static void good_conditions_know_their_events(void **state)
{
	static const struct {
		const char *text;
		uint64_t mask;
	} rows[] = {
		{"evt.type = execve", 1 << PW_EVENT_EXEC},
		{"evt.type in (open, openat, openat2)", 1 << PW_EVENT_OPEN},
		{"evt.type=open or evt.type=connect", 1 << PW_EVENT_OPEN | 1 << PW_EVENT_CONNECT},
		{"not evt.type = execve and not not evt.type = connect", 1 << PW_EVENT_CONNECT},
		{"evt.type != connect and (proc.name = sh or evt.type = openat)",
			EVERY & ~(1ull << PW_EVENT_CONNECT)},
		{"proc.name exists", EVERY},
		{"(proc.name exists)", EVERY},
		{"not(proc.name = 'a b' or fd.sport >= 1024)", EVERY},
		{"proc.aname[2] in (a, \"b c\", 'd\\x41')", EVERY},
		{"proc.tty != 0 and proc.is_exe_from_memfd = true", EVERY},
		{"fd.name pmatch (/etc, /root/*)\n  and outcome = refused", FDS},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;
		uint64_t mask = 0;

		if (compile(rows[i].text, &mask, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.msg);
		if (mask != rows[i].mask)
			fail_msg("%s: mask %llx", rows[i].text, (unsigned long long)mask);
	}
}

static void bad_conditions_are_refused_with_their_position(void **state)
{
	static const struct {
		const char *text, *where;
	} rows[] = {
		{"", "line 1, column 1: empty"},
		{"proc.name = ", "line 1, column 13: expected a value"},
		{"proc.name", "line 1, column 10: expected an operator"},
		{"proc.nome = x", "line 1, column 1: unknown field proc.nome"},
		{"proc.name = x and", "line 1, column 18: expected a field"},
		{"proc.name = x\nor (fd.name = y", "line 2, column 16: expected )"},
		{"proc.name = x y", "line 1, column 15: expected and"},
		{"spawned_process and proc.name = x", "unknown macro spawned_process"},
		{"proc.name regex \"(\"", "regular expression, offset 1: missing"},
		{"proc.name glob", "line 1, column 15: expected a value"},
		{"proc.name in (val(proc.pname))", "expected , or )"},
		{"join(proc.name)=a", "transformer join is not supported"},
		{"fd.buffer = x", "unknown field fd.buffer"},
		{"container.privileged = true", "is not supported: the runtime's settings"},
		{"fd.sport = 0x10", "takes a port or the name of a service, not 0x10"},
		{"fd.sip = example.org", "takes addresses and ranges"},
		{"fd.sip startswith 10.", "operator startswith does not fit"},
		{"proc.env = x", "takes a name in [ ]"},
		{"proc.name != anyof (a, b)", "!= takes no oneof"},
		{"tolower(proc.pid) = x", "tolower takes a text"},
		{"proc.pid = val(proc.name)", "are of different types"},
		{"evt.num = 0", "no event that the collector reports"},
		{"evt.type = open and fd.sport = 1", "no event that the collector reports"},
		{"proc.name in x", "expected a list"},
		{"proc.name in (x", "expected , or )"},
		{"proc.name in (x,)", "expected a value"},
		{"proc.name = \"x", "without an end"},
		{"proc.name = \"\\q\"", "unknown escape"},
		{"proc.pid = 0x10", "takes a number"},
		{"proc.pid contains 1", "does not fit the type"},
		{"proc.name < a", "expected a number"},
		{"proc.is_exe_from_memfd = 1", "takes true or false"},
		{"proc.name[1] = x", "takes no [argument]"},
		{"proc.aname[x] = x", "takes a number from 0"},
		{"proc.aname[ = x", "expected [argument]"},
		{"evt.type = openn", "unknown event type openn"},
		{"evt.type startswith xopen", "unknown event type xopen"},
		{"evt.type = container", "no event that the collector reports"},
		{"evt.type = open and evt.type = connect", "no event that the collector reports"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;
		uint64_t mask;

		if (compile(rows[i].text, &mask, &err) != -EINVAL)
			fail_msg("%s: accepted", rows[i].text);
		if (!strstr(err.msg, rows[i].where))
			fail_msg("%s: %s", rows[i].text, err.msg);
	}
}

static void the_caret_stands_under_the_fault(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	uint64_t mask;

	(void)state;
	assert_int_equal(compile("proc.name = x and fd.nome = y", &mask, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "\n  proc.name = x and fd.nome = y\n  "
					"                  ^"));
}

static void nesting_has_a_ceiling(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	char text[1024];
	uint64_t mask;

	(void)state;
	memset(text, '(', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(compile(text, &mask, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "nested deeper"));
}

static void a_bad_rule_is_refused_alone(void **state)
{
	struct kit_snapshot s;
	struct policy *p;

	(void)state;
	kit_snapshot_init(&s, 1);
	(void)kit_signature(&s, "good", "proc.name = x", false);
	(void)kit_signature(&s, "bad", "proc.name = ", false);
	kit_signature(&s, "bad.output", "proc.name = x", false)->output = kit_bytes("%no.such");
	(void)kit_signature(&s, "good.too", "evt.type = connect", false);
	p = kit_compile(&s);
	assert_int_equal(p->signatures->count, 2);
	assert_int_equal(p->signatures->refused, 2);
	assert_int_equal(p->problems.count, 2);
	assert_true(pw_slice_eq_str(p->problems.items[0].object, "SignatureSet/test"));
	assert_true(pw_slice_eq_str(p->problems.items[0].field, "spec.rules[1] (bad)"));
	assert_true(pw_slice_find(p->problems.items[0].message, PW_SLICE_LIT("column 13")) > 0);
	assert_true(pw_slice_find(p->problems.items[1].message, PW_SLICE_LIT("no.such")) > 0);
	assert_int_equal(p->signatures->by_kind_count[PW_EVENT_CONNECT], 2);
	assert_int_equal(p->signatures->by_kind_count[PW_EVENT_OPEN], 1);
	assert_true(pw_slice_eq_str(p->signatures->rules[1].detector, "sig/test/good.too"));
	policy_free(p);
	kit_snapshot_done(&s);
}

static int compile_once(void *ctx)
{
	uint64_t mask;

	(void)ctx;
	return compile("evt.type = execve and (proc.name icontains ABC or proc.pid in (1, 2, 3))",
		&mask, NULL);
}

static void compiling_survives_lack_of_memory(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(compile_once, NULL) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_conditions_know_their_events),
		cmocka_unit_test(bad_conditions_are_refused_with_their_position),
		cmocka_unit_test(the_caret_stands_under_the_fault),
		cmocka_unit_test(nesting_has_a_ceiling),
		cmocka_unit_test(a_bad_rule_is_refused_alone),
		cmocka_unit_test(compiling_survives_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
