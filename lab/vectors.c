/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/vectors.h"

#include "analyzer/sig_match.h"
#include "common/base/escape.h"
#include "lab/files.h"
#include "lab/lab_event.h"

#include <errno.h>
#include <stdio.h>

#define FILE_BYTES   (64u << 20)
#define EVENTS_LIMIT 1024u
#define ARENA_BYTES  (64u << 20)

struct run {
	struct pw_json *tree; /* of the events */
	struct lab_event *events;
	size_t event_count;
	struct field_ctx *fields;
	struct sig_matcher *matcher;
	struct pw_arena *arena;
	struct pw_buf *out;
	struct vectors_result result;
	uint32_t line;
};

/* 1 true, 0 false, -1 refused, with words in err. */
static int evaluate(struct run *r, struct pw_slice condition, size_t event, struct pw_err *err)
{
	const struct sig_rule *found[1];
	struct sig_set *set = NULL;

	pw_arena_reset(r->arena);
	if (sig_compile_condition(condition, r->arena, &set, err) < 0) {
		/* Refused because it can never be true: that is a verdict. */
		return strstr(err->msg, "can make this condition true") ? 0 : -1;
	}
	if (sig_matcher_use(r->matcher, set) < 0)
		return -1;
	field_ctx_begin(r->fields, &r->events[event].event);
	return sig_match(r->matcher, r->fields, NULL, found, 1) > 0;
}

static const char *verdict_name(int verdict)
{
	return verdict < 0 ? "refused" : verdict ? "true" : "false";
}

static void differ(struct run *r, struct pw_slice condition, int want, int got, const char *words)
{
	bool is_regex = got < 0 && strstr(words, "regular expression") != NULL;

	r->result.differing++;
	r->result.deliberate += is_regex;
	(void)pw_buf_addf(r->out, "line %u: ", r->line);
	(void)pw_escape(r->out, condition, 400);
	(void)pw_buf_addf(r->out, ": expected %s, got %s%s%s\n", verdict_name(want),
		verdict_name(got), words[0] ? ": " : "", words);
}

static void judge(struct run *r, struct pw_slice condition, int want, int got, struct pw_err *err)
{
	char *newline = strchr(err->msg, '\n');

	if (newline)
		*newline = '\0'; /* without the caret */
	if (want == got)
		r->result.agreed++;
	else
		differ(r, condition, want, got, got < 0 ? err->msg : "");
}

static int run_syntax(struct run *r, struct pw_slice condition, const struct pw_json *expected)
{
	struct pw_err err = PW_ERR_INIT;
	struct sig_node *root = NULL;
	int got;

	pw_arena_reset(r->arena);
	got = sig_parse(condition, r->arena, &root, &err) == 0 ? 1 : -1;
	judge(r, condition, pw_json_bool(expected) ? 1 : -1, got, &err);
	return 0;
}

static int run_vector(struct run *r, const struct pw_json *v, struct pw_err *err)
{
	struct pw_slice condition = pw_json_text(pw_json_get(v, "cond"));
	const struct pw_json *syntax = pw_json_get(v, "grammar_2026_07");
	const struct pw_json *result = pw_json_get(v, "result");
	int64_t event = pw_json_int(pw_json_get(v, "event"));
	struct pw_err words = PW_ERR_INIT;

	if (syntax)
		return run_syntax(r, condition, syntax);
	if (!result && !pw_json_get(v, "error"))
		return pw_err_set(err, -EINVAL, "line %u: neither result nor error", r->line);
	if (event < 0 || (size_t)event >= r->event_count)
		return pw_err_set(
			err, -EINVAL, "line %u: there is no event %lld", r->line, (long long)event);
	judge(r, condition, result ? (int)pw_json_int(result) : -1,
		evaluate(r, condition, (size_t)event, &words), &words);
	return 0;
}

static int run_lines(struct run *r, struct pw_slice rest, struct pw_err *err)
{
	struct pw_slice line;
	int e = 0;

	while (e == 0 && rest.len > 0 && pw_slice_cut(&rest, '\n', &line)) {
		struct pw_json *v = NULL;

		r->line++;
		if (pw_slice_trim(line).len == 0)
			continue;
		e = pw_json_parse(line, &v, err);
		if (e < 0)
			return pw_err_wrap(err, e, "line %u", r->line);
		e = run_vector(r, v, err);
		pw_json_free(v);
	}
	return e;
}

static int read_events(struct run *r, const char *path, struct pw_err *err)
{
	pw_auto_buf text;
	int e;

	pw_buf_init(&text, FILE_BYTES);
	e = lab_file_read(path, &text, err);
	if (e == 0)
		e = pw_json_parse(pw_buf_slice(&text), &r->tree, err);
	if (e < 0)
		return e;
	if (pw_json_type(r->tree) != PW_JSON_ARRAY || pw_json_size(r->tree) > EVENTS_LIMIT)
		return pw_err_set(err, -EINVAL, "%s: expected a list of at most %u events", path,
			EVENTS_LIMIT);
	r->events = pw_alloc0(pw_json_size(r->tree) + 1, sizeof(*r->events));
	if (!r->events)
		return pw_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; e == 0 && i < pw_json_size(r->tree); i++) {
		e = lab_event_read(pw_json_at(r->tree, i), &r->events[i], err);
		r->event_count = i + 1;
	}
	return e < 0 ? pw_err_wrap(err, e, "%s: event %zu", path, r->event_count - 1) : 0;
}

static int prepare(struct run *r, const char *events, struct pw_err *err)
{
	if (pw_arena_new(1 << 20, ARENA_BYTES, &r->arena) < 0 || field_ctx_new(&r->fields) < 0 ||
		sig_matcher_new(&r->matcher) < 0)
		return pw_err_set(err, -ENOMEM, "out of memory");
	return events ? read_events(r, events, err) : 0;
}

static void run_done(struct run *r)
{
	for (size_t i = 0; i < r->event_count; i++)
		lab_event_done(&r->events[i]);
	free(r->events);
	pw_json_free(r->tree);
	sig_matcher_free(r->matcher);
	field_ctx_free(r->fields);
	pw_arena_free(r->arena);
}

int vectors_run(const char *file, const char *events, struct pw_buf *out,
	struct vectors_result *ret, struct pw_err *err)
{
	struct run r = {.out = out};
	pw_auto_buf text;
	int e;

	pw_buf_init(&text, FILE_BYTES);
	e = prepare(&r, events, err);
	if (e == 0)
		e = lab_file_read(file, &text, err);
	if (e == 0)
		e = run_lines(&r, pw_buf_slice(&text), err);
	run_done(&r);
	if (e == 0)
		*ret = r.result;
	return e;
}
