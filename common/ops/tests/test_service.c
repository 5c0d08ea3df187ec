/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ops/service.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* What happened, one letter each: capitals for starts, small ones for stops. */
struct story {
	char text[16];
	size_t len;
};

struct actor {
	struct story *story;
	char letter;
	int result;
};

static void tell(struct story *s, char letter)
{
	if (s->len + 1 < sizeof(s->text))
		s->text[s->len++] = letter;
}

static int start_actor(void *ctx, struct pw_err *err)
{
	struct actor *a = ctx;

	if (a->result < 0)
		return pw_err_set(err, a->result, "no luck");
	tell(a->story, a->letter);
	return 0;
}

static void stop_actor(void *ctx)
{
	struct actor *a = ctx;

	tell(a->story, (char)(a->letter | 0x20));
}

static void raise_term(void *ctx)
{
	(void)ctx;
	(void)raise(SIGTERM);
}

static struct pw_service *make(struct actor *actors, size_t count)
{
	struct pw_service *s;

	assert_int_equal(pw_service_new("test", PW_LOG_ERROR, PW_LOG_LOGFMT, &s, NULL), 0);
	for (size_t i = 0; i < count; i++)
		pw_service_add(s, "actor", start_actor, stop_actor, &actors[i]);
	return s;
}

static void a_signal_stops_the_parts_in_reverse_order(void **state)
{
	struct story story = {.len = 0};
	struct actor actors[] = {{&story, 'A', 0}, {&story, 'B', 0}, {&story, 'C', 0}};
	struct pw_service *s = make(actors, 3);

	(void)state;
	assert_int_equal(pw_loop_post(pw_service_loop(s), raise_term, NULL), 0);
	assert_int_equal(pw_service_run(s, NULL), 0);
	assert_string_equal(story.text, "ABCcba");
	pw_service_free(s);
	pw_service_free(NULL);
}

static void a_part_that_does_not_start_undoes_those_before(void **state)
{
	struct story story = {.len = 0};
	struct actor actors[] = {{&story, 'A', 0}, {&story, 'B', -EADDRINUSE}, {&story, 'C', 0}};
	struct pw_service *s = make(actors, 3);
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	assert_int_equal(pw_service_run(s, &err), -EADDRINUSE);
	assert_string_equal(err.msg, "start actor: no luck");
	assert_string_equal(story.text, "Aa");
	pw_service_free(s);
}

static void a_broken_pipe_is_an_error_not_the_end(void **state)
{
	struct pw_service *s = make(NULL, 0);
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	(void)close(fds[0]);
	assert_int_equal(write(fds[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	(void)close(fds[1]);
	pw_service_free(s);
}

static void stop_loop(void *ctx)
{
	pw_loop_stop(ctx);
}

static void the_main_loop_beats(void **state)
{
	struct pw_service *s = make(NULL, 0);
	struct pw_httpd *h;

	(void)state;
	assert_int_equal(pw_httpd_start("127.0.0.1:0", NULL, NULL, 0, &h, NULL), 0);
	assert_int_equal(pw_service_beat(s, h), 0);
	assert_int_equal(pw_loop_post(pw_service_loop(s), stop_loop, pw_service_loop(s)), 0);
	assert_int_equal(pw_service_run(s, NULL), 0);
	pw_httpd_stop(h);
	pw_service_free(s);
}

static int run_once(void *ctx)
{
	struct pw_service *s;
	int r = pw_service_new("test", PW_LOG_ERROR, PW_LOG_LOGFMT, &s, NULL);

	(void)ctx;
	if (r < 0)
		return r;
	r = pw_loop_post(pw_service_loop(s), stop_loop, pw_service_loop(s));
	if (r == 0)
		r = pw_service_run(s, NULL);
	pw_service_free(s);
	return r;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(run_once, NULL) >= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_stops_the_parts_in_reverse_order),
		cmocka_unit_test(a_part_that_does_not_start_undoes_those_before),
		cmocka_unit_test(a_broken_pipe_is_an_error_not_the_end),
		cmocka_unit_test(the_main_loop_beats),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
