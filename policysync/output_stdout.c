// SPDX-License-Identifier: Apache-2.0
#include "policysync/output_stdout.h"
#include "common/base/escape.h"
#include "podward/v1/event.pb-c.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t)256 << 10)

struct output_stdout {
	int fd;
	enum output_form form;
	bool color;
};

static const char *severity_color(Podward__V1__Severity severity)
{
	switch (severity) {
	case PODWARD__V1__SEVERITY__SEVERITY_CRITICAL:
		return "\033[1;37;41m";
	case PODWARD__V1__SEVERITY__SEVERITY_HIGH:
		return "\033[1;31m";
	case PODWARD__V1__SEVERITY__SEVERITY_MEDIUM:
		return "\033[1;33m";
	case PODWARD__V1__SEVERITY__SEVERITY_LOW:
		return "\033[1;36m";
	default:
		return "\033[1m";
	}
}

struct pen {
	struct pw_buf *out;
	bool color;
};

static void style(const struct pen *p, const char *code)
{
	if (p->color)
		(void)pw_buf_add_str(p->out, code);
}

static void add(const struct pen *p, ProtobufCBinaryData value, size_t max)
{
	(void)pw_escape(p->out, pw_slice_of(value.data, value.len), max);
}

static void add_head(const struct pen *p, const struct output_item *item)
{
	const Podward__V1__Alert *a = item->alert;
	char time[PW_WALL_TEXT_SIZE];

	pw_wall_format((struct pw_wall){a->first_wall_ns}, time);
	style(p, "\033[2m");
	(void)pw_buf_add_str(p->out, time);
	style(p, "\033[0m");
	(void)pw_buf_add_byte(p->out, ' ');
	style(p, severity_color(a->severity));
	(void)pw_buf_addf(p->out, "%-8s", alert_severity_name(a->severity));
	style(p, "\033[0m");
	(void)pw_buf_add_byte(p->out, ' ');
	style(p, "\033[1m");
	add(p, a->title, 200);
	style(p, "\033[0m");
	if (a->mode.len > 0 && !pw_slice_eq_str(pw_slice_of(a->mode.data, a->mode.len), "Alert")) {
		(void)pw_buf_add_str(p->out, " [");
		add(p, a->mode, 32);
		(void)pw_buf_add_byte(p->out, ']');
	}
	if (item->seen.count > 1)
		(void)pw_buf_addf(p->out, " ×%llu", (unsigned long long)item->seen.count);
	(void)pw_buf_add_byte(p->out, '\n');
}

static void add_actor(const struct pen *p, const Podward__V1__Alert *a)
{
	for (size_t i = 0; i < a->n_lineage && i < 4; i++) {
		if (i > 0)
			(void)pw_buf_add_str(p->out, " ← ");
		add(p, a->lineage[i]->exe, 120);
	}
}

static void add_where(const struct pen *p, const Podward__V1__Alert *a)
{
	(void)pw_buf_add_str(p->out, "    ");
	style(p, "\033[36m");
	add(p, a->pod_group, 200);
	style(p, "\033[0m");
	if (a->container_id.len > 0) {
		(void)pw_buf_add_str(p->out, " (");
		add(p,
			(ProtobufCBinaryData){a->container_id.len < 12 ? a->container_id.len : 12,
				a->container_id.data},
			16);
		(void)pw_buf_add_byte(p->out, ')');
	}
	(void)pw_buf_add_str(p->out, "  ");
	add_actor(p, a);
	if (a->object.len > 0) {
		(void)pw_buf_addf(p->out, "  %s ", alert_event_name(a->event_kind));
		style(p, "\033[35m");
		add(p, a->object, 300);
		if (a->event_kind == PODWARD__V1__EVENT_KIND__EVENT_KIND_CONNECT &&
			(a->aux & 0xffff) != 0)
			(void)pw_buf_addf(p->out, " port %u", a->aux & 0xffff);
		style(p, "\033[0m");
	}
	(void)pw_buf_add_byte(p->out, '\n');
}

static void add_why(const struct pen *p, const Podward__V1__Alert *a)
{
	(void)pw_buf_add_str(p->out, "    ");
	add(p, a->reason, 600);
	style(p, "\033[2m");
	(void)pw_buf_add_str(p->out, "  ");
	add(p, a->detector, 200);
	for (size_t i = 0; i < a->n_mitre; i++) {
		(void)pw_buf_add_byte(p->out, ' ');
		add(p, a->mitre[i], 32);
	}
	style(p, "\033[0m");
	(void)pw_buf_add_byte(p->out, '\n');
}

int output_stdout_format(
	struct pw_buf *out, const struct output_item *item, enum output_form form, bool color)
{
	struct pen pen = {out, color};

	if (form == OUTPUT_JSON) {
		(void)alert_json(out, item->alert, &item->seen);
		(void)pw_buf_add_byte(out, '\n');
		return pw_buf_error(out);
	}
	add_head(&pen, item);
	add_where(&pen, item->alert);
	add_why(&pen, item->alert);
	return pw_buf_error(out);
}

static int write_all(int fd, struct pw_slice s, struct pw_err *err)
{
	size_t done = 0;

	while (done < s.len) {
		ssize_t n = write(fd, s.ptr + done, s.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return pw_err_set(err, -errno, "cannot write to standard output: %s",
				pw_err_text(errno));
		done += (size_t)n;
	}
	return 0;
}

/* One write for the whole batch, so that a kill leaves the fewest repeated lines behind. */
static enum output_result do_send(void *ctx, const struct output_item *items, size_t count,
	uint32_t *ret_wait_ms, struct pw_err *err)
{
	const struct output_stdout *o = ctx;
	pw_auto_buf out;

	*ret_wait_ms = 0;
	pw_buf_init(&out, LINE_MAX_BYTES * count);
	for (size_t i = 0; i < count; i++)
		if (output_stdout_format(&out, &items[i], o->form, o->color) < 0)
			break;
	if (pw_buf_error(&out) == -E2BIG) {
		(void)pw_err_set(err, -E2BIG, "too long for a line");
		return OUTPUT_REFUSED;
	}
	if (pw_buf_error(&out) < 0) {
		(void)pw_err_set(err, -ENOMEM, "out of memory");
		return OUTPUT_RETRY;
	}
	return write_all(o->fd, pw_buf_slice(&out), err) < 0 ? OUTPUT_RETRY : OUTPUT_DONE;
}

int output_stdout_new(int fd, enum output_form form, enum output_color color, struct output *ret)
{
	struct output_stdout *o = pw_alloc0(1, sizeof(*o));
	const char *no_color = getenv("NO_COLOR");

	if (!o)
		return -ENOMEM;
	o->fd = fd;
	o->form = form;
	o->color = color == OUTPUT_COLOR_ALWAYS ||
		   (color == OUTPUT_COLOR_AUTO && isatty(fd) && !(no_color && no_color[0]));
	*ret = (struct output){
		.name = "stdout", .send = do_send, .destroy = free, .ctx = o, .max_rows = 100};
	return 0;
}
