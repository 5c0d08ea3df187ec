/* SPDX-License-Identifier: Apache-2.0 */
/* The sender against a peer that reads, hangs up, or reads nothing at all; and gzip bodies. */
#include "common/base/loop.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"
#include "common/web/gzip.h"
#include "common/web/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

struct peer {
	int listener;
	char host_port[64];
};

static void peer_open(struct peer *p)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(p->listener, 8), 0);
	assert_int_equal(getsockname(p->listener, (struct sockaddr *)&a, &len), 0);
	(void)snprintf(p->host_port, sizeof(p->host_port), "127.0.0.1:%u", ntohs(a.sin_port));
}

static void expect_text(int fd, const char *want)
{
	char got[256] = "";
	size_t used = 0, len = strlen(want);

	while (used < len) {
		ssize_t n = read(fd, got + used, len - used);

		assert_true(n > 0);
		used += (size_t)n;
	}
	assert_string_equal(got, want);
}

static struct pw_tcp *sender_to(const struct peer *p)
{
	struct pw_tcp *s = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(
		pw_tcp_new(&(struct pw_tcp_target){.host_port = p->host_port}, &s, &err), 0);
	return s;
}

static void a_connection_is_kept_and_made_again_after_the_peer_ended_it(void **state)
{
	struct peer p;
	struct pw_tcp *s;
	struct pw_err err = PW_ERR_INIT;
	int first, second;

	(void)state;
	peer_open(&p);
	s = sender_to(&p);
	assert_int_equal(pw_tcp_send(s, PW_SLICE_LIT("one "), &err), 0);
	assert_int_equal(pw_tcp_send(s, PW_SLICE_LIT("two"), &err), 0);
	first = accept(p.listener, NULL, NULL);
	expect_text(first, "one two");
	(void)close(first);
	assert_int_equal(pw_tcp_send(s, PW_SLICE_LIT("three"), &err), 0);
	second = accept(p.listener, NULL, NULL);
	expect_text(second, "three");
	(void)close(second);
	pw_tcp_free(s);
	(void)close(p.listener);
}

static void where_nobody_listens_is_an_error_that_names_the_peer(void **state)
{
	struct peer p;
	struct pw_tcp *s;
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	peer_open(&p);
	(void)close(p.listener);
	s = sender_to(&p);
	assert_true(pw_tcp_send(s, PW_SLICE_LIT("x"), &err) < 0);
	assert_non_null(strstr(err.msg, p.host_port));
	pw_tcp_free(s);
}

static void cancel_on_timer(void *ctx)
{
	struct pw_tcp *s = ctx;

	/* Both before and in the middle are fine: the send must end either way. */
	(void)poll(NULL, 0, 50);
	pw_tcp_cancel(s);
}

static void a_peer_that_reads_nothing_does_not_hold_a_cancelled_send(void **state)
{
	struct peer p;
	struct pw_tcp *s;
	struct pw_thread *thread = NULL;
	struct pw_err err = PW_ERR_INIT;
	size_t len = (size_t)64 << 20; /* more than any socket takes */
	uint8_t *much = calloc(1, len);

	(void)state;
	peer_open(&p);
	s = sender_to(&p);
	assert_int_equal(pw_thread_start("cancel", cancel_on_timer, s, &thread), 0);
	assert_int_equal(pw_tcp_send(s, pw_slice_of(much, len), &err), -ECANCELED);
	pw_thread_join(thread);
	pw_err_clear(&err);
	assert_int_equal(pw_tcp_send(s, PW_SLICE_LIT("x"), &err), -ECANCELED);
	pw_tcp_free(s);
	free(much);
	(void)close(p.listener);
}

static void expect_unpacked(struct pw_slice packed, struct pw_slice want)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)packed.ptr, .avail_in = (uInt)packed.len};
	uint8_t *out = malloc(want.len + 1);

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_out = out;
	z.avail_out = (uInt)want.len + 1;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_true(pw_slice_eq(pw_slice_of(out, z.total_out), want));
	(void)inflateEnd(&z);
	free(out);
}

static void gzip_gives_back_what_went_in(void **state)
{
	struct pw_buf text, packed;

	(void)state;
	pw_buf_init(&text, 1 << 20);
	for (int i = 0; i < 3000; i++)
		(void)pw_buf_addf(&text, "alert %d\n", i);
	pw_buf_init(&packed, 1 << 20);
	assert_int_equal(pw_gzip(PW_SLICE_LIT(""), &packed), 0);
	expect_unpacked(pw_buf_slice(&packed), PW_SLICE_LIT(""));
	pw_buf_clear(&packed);
	assert_int_equal(pw_buf_add_byte(&packed, '#'), 0);
	assert_int_equal(pw_gzip(pw_buf_slice(&text), &packed), 0);
	assert_true(packed.len < text.len / 2);
	expect_unpacked(pw_slice_sub(pw_buf_slice(&packed), 1, packed.len), pw_buf_slice(&text));
	pw_buf_done(&packed);
	pw_buf_init(&packed, 100);
	assert_int_equal(pw_gzip(pw_buf_slice(&text), &packed), -E2BIG);
	pw_buf_done(&packed);
	pw_buf_done(&text);
}

static int gzip_once(void *ctx)
{
	pw_auto_buf packed;

	(void)ctx;
	pw_buf_init(&packed, 1 << 20);
	return pw_gzip(PW_SLICE_LIT("text"), &packed);
}

static void running_out_of_memory_is_an_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(gzip_once, NULL) >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_is_kept_and_made_again_after_the_peer_ended_it),
		cmocka_unit_test(where_nobody_listens_is_an_error_that_names_the_peer),
		cmocka_unit_test(a_peer_that_reads_nothing_does_not_hold_a_cancelled_send),
		cmocka_unit_test(gzip_gives_back_what_went_in),
		cmocka_unit_test(running_out_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
