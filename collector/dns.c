/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/dns.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#define HEAD_BYTES    12u
#define NAME_MAX_TEXT 255u
#define ANSWERS_MAX   32u
#define LABEL_MAX     63u
#define POINTER       0xc0u
#define TYPE_A        1u
#define TYPE_AAAA     28u
#define CLASS_IN      1u
#define FLAG_ANSWER   0x8000u

/* Reads from the front of a message; past its end everything is 0 and `bad`. */
struct reader {
	struct pw_slice message;
	size_t at;
	bool bad;
};

static uint8_t read_u8(struct reader *r)
{
	if (r->at >= r->message.len) {
		r->bad = true;
		return 0;
	}
	return r->message.ptr[r->at++];
}

static uint32_t read_u16(struct reader *r)
{
	uint32_t high = read_u8(r);

	return high << 8 | read_u8(r);
}

static void skip(struct reader *r, size_t count)
{
	if (count > r->message.len - r->at)
		r->bad = true;
	else
		r->at += count;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/*
 * The name of the question: labels up to the empty one. A question stands before all other names,
 * so there is nothing that it could point back to: a pointer is damage.
 */
static void read_name(struct reader *r, struct pw_buf *out)
{
	size_t before = out->len;

	for (;;) {
		uint8_t len = read_u8(r);

		if (r->bad || len == 0)
			return;
		if (len > LABEL_MAX || out->len - before + len + 1 > NAME_MAX_TEXT) {
			r->bad = true;
			return;
		}
		if (out->len > before)
			(void)pw_buf_add_byte(out, '.');
		for (uint8_t i = 0; i < len && !r->bad; i++) {
			uint8_t c = read_u8(r);

			(void)pw_buf_add_byte(out, c == 0 ? '?' : lower(c));
		}
	}
}

/* The name that an answer is about: skipped. */
static void skip_name(struct reader *r)
{
	for (;;) {
		uint8_t len = read_u8(r);

		if (r->bad || len == 0)
			return;
		if ((len & POINTER) == POINTER) {
			skip(r, 1);
			return;
		}
		skip(r, len);
	}
}

static void read_answer(struct reader *r, struct pw_buf *out)
{
	char text[INET6_ADDRSTRLEN];
	uint32_t type = 0;
	uint32_t class = 0;
	uint32_t len = 0;
	size_t data = 0;
	int family = AF_UNSPEC;

	skip_name(r);
	type = read_u16(r);
	class = read_u16(r);
	skip(r, 4);
	len = read_u16(r);
	data = r->at;
	skip(r, len);
	if (r->bad || class != CLASS_IN)
		return;
	if (type == TYPE_A && len == 4)
		family = AF_INET;
	else if (type == TYPE_AAAA && len == 16)
		family = AF_INET6;
	if (family == AF_UNSPEC || !inet_ntop(family, r->message.ptr + data, text, sizeof(text)))
		return;
	if (out->len > 0)
		(void)pw_buf_add_byte(out, 0);
	(void)pw_buf_add_str(out, text);
}

void dns_describe(
	struct pw_slice message, struct pw_buf *name, struct pw_buf *addresses, uint32_t *aux)
{
	struct reader r = {.message = message};
	uint32_t flags = 0;
	uint32_t answers = 0;
	uint32_t type = 0;

	if (message.len < HEAD_BYTES)
		return;
	skip(&r, 2);
	flags = read_u16(&r);
	if (read_u16(&r) == 0) /* no question */
		return;
	answers = read_u16(&r);
	skip(&r, 4);
	read_name(&r, name);
	type = read_u16(&r);
	skip(&r, 2);
	if (r.bad) {
		pw_buf_clear(name);
		return;
	}
	*aux = (type & 0xffff) | (flags & 0xf) << 16 | (flags & FLAG_ANSWER ? 1u << 31 : 0);
	if (!(flags & FLAG_ANSWER)) /* a question binds no addresses to its name, whatever it
				       carries */
		return;
	for (uint32_t i = 0; i < answers && i < ANSWERS_MAX && !r.bad; i++)
		read_answer(&r, addresses);
}
