/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ops/service.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define PARTS_MAX 32
#define BEAT_MS   1000

struct part {
	const char *name;
	int (*start)(void *ctx, struct pw_err *err);
	void (*stop)(void *ctx);
	void *ctx;
};

struct pw_service {
	const char *program;
	struct pw_loop *loop;
	struct pw_timer *beat;
	struct pw_httpd *httpd; /* borrowed */
	struct part parts[PARTS_MAX];
	size_t part_count, started_count;
};

static void on_stop_signal(int signal, void *ctx)
{
	struct pw_service *s = ctx;

	pw_log_info("service", "%s received, stopping", strsignal(signal));
	pw_loop_stop(s->loop);
}

static void ignore_sigpipe(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	(void)sigaction(SIGPIPE, &ignore, NULL);
}

/* From here on the kernel's own meaning: an impatient second signal ends the process. */
static void restore_stop_signals(void)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};

	(void)sigaction(SIGTERM, &standard, NULL);
	(void)sigaction(SIGINT, &standard, NULL);
}

static void service_freep(struct pw_service **s)
{
	pw_service_free(*s);
}

int pw_service_new(const char *program, enum pw_log_level level, enum pw_log_format format,
	struct pw_service **ret, struct pw_err *err)
{
	pw_cleanup(service_freep) struct pw_service *s = pw_alloc0(1, sizeof(*s));
	int r;

	if (!s)
		return pw_err_set(err, -ENOMEM, "%s: out of memory", program);
	s->program = program;
	pw_log_setup(level, format, program);
	ignore_sigpipe();
	r = pw_loop_new(&s->loop, err);
	if (r < 0)
		return r;
	r = pw_loop_on_signal(s->loop, SIGTERM, on_stop_signal, s);
	if (r == 0)
		r = pw_loop_on_signal(s->loop, SIGINT, on_stop_signal, s);
	if (r < 0)
		return pw_err_set(err, r, "signals: %s", pw_err_text(r));
	*ret = PW_TAKE(s);
	return 0;
}

void pw_service_free(struct pw_service *s)
{
	if (!s)
		return;
	pw_timer_free(s->beat);
	pw_loop_free(s->loop);
	free(s);
}

struct pw_loop *pw_service_loop(struct pw_service *s)
{
	return s->loop;
}

void pw_service_add(struct pw_service *s, const char *name,
	int (*start)(void *ctx, struct pw_err *err), void (*stop)(void *ctx), void *ctx)
{
	pw_assert(s->part_count < PARTS_MAX);
	s->parts[s->part_count++] = (struct part){name, start, stop, ctx};
}

static void on_beat(void *ctx)
{
	struct pw_service *s = ctx;

	pw_httpd_beat(s->httpd);
}

int pw_service_beat(struct pw_service *s, struct pw_httpd *h)
{
	int r = s->beat ? 0 : pw_timer_new(s->loop, on_beat, s, &s->beat);

	if (r < 0)
		return r;
	s->httpd = h;
	pw_timer_set(s->beat, 0, BEAT_MS);
	return 0;
}

static int start_parts(struct pw_service *s, struct pw_err *err)
{
	for (; s->started_count < s->part_count; s->started_count++) {
		const struct part *p = &s->parts[s->started_count];
		int r = p->start ? p->start(p->ctx, err) : 0;

		if (r < 0)
			return pw_err_wrap(err, r, "start %s", p->name);
		pw_log_debug("service", "%s started", p->name);
	}
	return 0;
}

static void stop_parts(struct pw_service *s)
{
	while (s->started_count) {
		const struct part *p = &s->parts[--s->started_count];

		if (p->stop)
			p->stop(p->ctx);
		pw_log_debug("service", "%s stopped", p->name);
	}
}

int pw_service_run(struct pw_service *s, struct pw_err *err)
{
	int r = start_parts(s, err);

	if (r == 0) {
		pw_log_info("service", "%s %s runs", s->program, PODWARD_VERSION);
		r = pw_loop_run(s->loop, err);
	}
	if (s->beat)
		pw_timer_stop(s->beat);
	restore_stop_signals();
	stop_parts(s);
	if (r == 0)
		pw_log_info("service", "%s stopped", s->program);
	return r;
}
