// SPDX-License-Identifier: Apache-2.0
#include "policysync/output_syslog.h"
#include "common/web/tcp.h"
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_BYTES     ((size_t)64 << 10)
#define MESSAGE_UDP_BYTES ((size_t)8 << 10)
#define BATCH             100
#define BATCH_BYTES       ((size_t)1 << 20)

struct output_syslog {
	struct syslog_settings settings;
	enum syslog_transport transport;
	char *address, *ca_file, *cert_file, *key_file;
	const char *host_port; /* in address */
	char cluster[128];
	struct pw_tcp *stream;
	int fd; /* UDP; -1 = none yet */
};

/* Source: RFC 5424, table 2. */
static unsigned severity_of(Podward__V1__Severity severity)
{
	static const unsigned values[] = {5, 6, 5, 4, 3, 2};

	return (unsigned)severity < PW_COUNT(values) ? values[severity] : values[0];
}

/* PRINTUSASCII without blanks, at most 255 bytes; "-" when nothing is left. */
static void add_hostname(struct pw_buf *out, ProtobufCBinaryData node)
{
	size_t before = out->len;

	for (size_t i = 0; i < node.len && i < 255; i++)
		if (node.data[i] > 0x20 && node.data[i] < 0x7f)
			(void)pw_buf_add_byte(out, node.data[i]);
	if (out->len == before)
		(void)pw_buf_add_byte(out, '-');
}

static int format(
	struct pw_buf *out, const struct syslog_settings *s, const struct output_item *item)
{
	char time[PW_WALL_TEXT_SIZE];

	pw_wall_format((struct pw_wall){item->alert->first_wall_ns}, time);
	(void)pw_buf_addf(
		out, "<%u>1 %s ", s->facility * 8 + severity_of(item->alert->severity), time);
	add_hostname(out, item->alert->node);
	(void)pw_buf_add_str(out, " podward - alert - ");
	return alert_format_one(out, &s->form, item);
}

int output_syslog_format(struct pw_buf *out, const struct syslog_settings *s,
	const struct output_item *item, size_t limit)
{
	Podward__V1__Alert shorter = *item->alert;
	struct output_item shown = {&shorter, item->seen, item->n};
	size_t before = out->len;
	int r = format(out, s, item);

	if (r == 0 && out->len - before <= limit)
		return 0;
	if (r < 0 && r != -E2BIG)
		return r;
	if (r == 0)
		out->len = before;
	shorter.n_lineage = shorter.n_lineage > 0 ? 1 : 0;
	shorter.exclusion.len = 0;
	if (r == 0)
		r = format(out, s, &shown);
	return r == 0 && out->len - before > limit ? -E2BIG : r;
}

static int open_udp(struct output_syslog *o, struct pw_err *err)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *found = NULL;
	struct pw_slice all = pw_slice_str(o->host_port);
	ptrdiff_t colon = pw_slice_rfind_byte(all, ':');
	char host[256];
	size_t from = all.ptr[0] == '[', to = (size_t)colon - from;
	int r;

	(void)snprintf(host, sizeof(host), "%.*s", (int)(to - from), (const char *)all.ptr + from);
	r = getaddrinfo(host, o->host_port + colon + 1, &hints, &found);
	if (r != 0)
		return pw_err_set(err, -EHOSTUNREACH, "%s: %s", o->address, gai_strerror(r));
	r = -EHOSTUNREACH;
	for (const struct addrinfo *a = found; a && r < 0; a = a->ai_next) {
		int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);

		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
			o->fd = fd;
			r = 0;
		} else if (fd >= 0) {
			(void)close(fd);
		}
	}
	freeaddrinfo(found);
	return r < 0 ? pw_err_set(err, r, "%s: %s", o->address, pw_err_text(r)) : 0;
}

/* A port where nobody listens shows as an error of the next send. */
static int send_udp(struct output_syslog *o, struct pw_slice message, struct pw_err *err)
{
	int r = 0;

	if (o->fd < 0)
		r = open_udp(o, err);
	if (r < 0 || send(o->fd, message.ptr, message.len, MSG_NOSIGNAL) >= 0)
		return r;
	r = pw_err_set(err, -errno, "%s: %s", o->address, pw_err_text(errno));
	(void)close(o->fd);
	o->fd = -1;
	return r;
}

static int add_counted(struct output_syslog *o, struct pw_buf *out, const struct output_item *item)
{
	pw_auto_buf message;
	int r;

	pw_buf_init(&message, 4 * MESSAGE_BYTES);
	r = output_syslog_format(&message, &o->settings, item, MESSAGE_BYTES);
	if (r < 0)
		return r;
	(void)pw_buf_addf(out, "%zu ", message.len);
	return pw_buf_add_slice(out, pw_buf_slice(&message));
}

static enum output_result verdict(int r, struct pw_err *err)
{
	if (r == 0)
		return OUTPUT_DONE;
	if (r != -E2BIG)
		return OUTPUT_RETRY;
	(void)pw_err_set(err, r, "longer than a syslog message may be");
	return OUTPUT_REFUSED;
}

static enum output_result send_stream(
	struct output_syslog *o, const struct output_item *items, size_t count, struct pw_err *err)
{
	pw_auto_buf body;
	int r = 0;

	pw_buf_init(&body, BATCH * 4 * MESSAGE_BYTES);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_counted(o, &body, &items[i]);
	if (r == 0)
		r = pw_tcp_send(o->stream, pw_buf_slice(&body), err);
	return verdict(r, err);
}

static enum output_result do_send(void *ctx, const struct output_item *items, size_t count,
	uint32_t *ret_wait_ms, struct pw_err *err)
{
	struct output_syslog *o = ctx;
	pw_auto_buf message;
	int r = 0;

	*ret_wait_ms = 0;
	pw_buf_init(&message, 4 * MESSAGE_BYTES);
	if (o->transport != SYSLOG_UDP)
		return send_stream(o, items, count, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		pw_buf_clear(&message);
		r = output_syslog_format(&message, &o->settings, &items[i], MESSAGE_UDP_BYTES);
		if (r == 0)
			r = send_udp(o, pw_buf_slice(&message), err);
	}
	return verdict(r, err);
}

static void cancel(void *ctx)
{
	struct output_syslog *o = ctx;

	if (o->stream)
		pw_tcp_cancel(o->stream);
}

static void destroy(void *ctx)
{
	struct output_syslog *o = ctx;

	if (!o)
		return;
	pw_tcp_free(o->stream);
	if (o->fd >= 0)
		(void)close(o->fd);
	free(o->address);
	free(o->ca_file);
	free(o->cert_file);
	free(o->key_file);
	free(o);
}

static int copy_text(const char *from, char **ret)
{
	if (!from || !from[0])
		return 0;
	*ret = pw_strdup(from);
	return *ret ? 0 : -ENOMEM;
}

static int copy_settings(struct output_syslog *o, const struct syslog_settings *s)
{
	int r = copy_text(s->address, &o->address);

	if (r == 0)
		r = copy_text(s->ca_file, &o->ca_file);
	if (r == 0)
		r = copy_text(s->cert_file, &o->cert_file);
	if (r == 0)
		r = copy_text(s->key_file, &o->key_file);
	o->settings = *s;
	(void)snprintf(o->cluster, sizeof(o->cluster), "%s", s->form.cluster);
	o->settings.form.cluster = o->cluster;
	return r;
}

static int check_address(struct output_syslog *o, struct pw_err *err)
{
	static const char *const schemes[] = {"udp://", "tcp://", "tls://"};
	struct pw_slice address = pw_slice_str(o->address), rest;
	ptrdiff_t colon;

	for (size_t i = 0; i < PW_COUNT(schemes); i++) {
		if (!pw_slice_starts(address, pw_slice_str(schemes[i])))
			continue;
		o->transport = (enum syslog_transport)i;
		o->host_port = o->address + strlen(schemes[i]);
		rest = pw_slice_str(o->host_port);
		colon = pw_slice_rfind_byte(rest, ':');
		if (colon > 0 && (size_t)colon + 1 < rest.len && rest.len < 300 &&
			pw_slice_find_byte(rest, '/') < 0)
			return 0;
	}
	return pw_err_set(err, -EINVAL, "address: expected udp://, tcp:// or tls://HOST:PORT");
}

static int check_settings(struct output_syslog *o, struct pw_err *err)
{
	enum alert_format format = o->settings.form.format;

	if (format != ALERT_PODWARD && format != ALERT_OCSF && format != ALERT_CEF)
		return pw_err_set(err, -EINVAL, "format: syslog takes podward, ocsf or cef");
	if (o->settings.facility > 23)
		return pw_err_set(err, -EINVAL, "facility: at most 23");
	if (!o->cert_file != !o->key_file)
		return pw_err_set(err, -EINVAL, "certFile and keyFile: both or none");
	return check_address(o, err);
}

int output_syslog_new(const struct syslog_settings *s, struct output *ret, struct pw_err *err)
{
	struct output_syslog *o = pw_alloc0(1, sizeof(*o));
	int r = -ENOMEM;

	if (o) {
		o->fd = -1;
		r = copy_settings(o, s);
	}
	r = r < 0 ? pw_err_set(err, r, "out of memory") : check_settings(o, err);
	if (r == 0 && o->transport != SYSLOG_UDP)
		r = pw_tcp_new(&(struct pw_tcp_target){.host_port = o->host_port,
				       .tls = o->transport == SYSLOG_TLS,
				       .ca_file = o->ca_file,
				       .cert_file = o->cert_file,
				       .key_file = o->key_file},
			&o->stream, err);
	if (r < 0) {
		destroy(o);
		return r;
	}
	ret->send = do_send;
	ret->cancel = cancel;
	ret->destroy = destroy;
	ret->ctx = o;
	ret->max_rows = BATCH;
	return 0;
}
