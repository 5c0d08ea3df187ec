/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <openssl/ssl.h>

#include "common/rpc/tests/raw_tls.h"
#include "common/rpc/tests/rig.h"

/* The preface of a client and an empty SETTINGS frame. Source: RFC 9113, 3.4 and 6.5 */
static const char begin[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
#define BEGIN_LEN (24 + 9)

static SSL_CTX *context(const struct raw_tls_wish *wish)
{
	const char *alpn = wish->alpn ? wish->alpn : "\x02h2";
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_non_null(ctx);
	if (wish->is_tls12)
		assert_int_equal(SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION), 1);
	assert_int_equal(
		SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)alpn, (unsigned)strlen(alpn)),
		0);
	if (wish->cert) {
		assert_int_equal(
			SSL_CTX_use_certificate_file(ctx, wish->cert, SSL_FILETYPE_PEM), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, wish->key, SSL_FILETYPE_PEM), 1);
	}
	return ctx;
}

/* With 1.3 a client is told only after its own handshake that it is not welcome. */
static bool is_answered(SSL *ssl)
{
	uint8_t frame[9];

	return SSL_connect(ssl) == 1 && SSL_write(ssl, begin, BEGIN_LEN) == BEGIN_LEN &&
	       SSL_read(ssl, frame, sizeof(frame)) == (int)sizeof(frame) && frame[3] == 4;
}

bool raw_tls_try(uint16_t port, const struct raw_tls_wish *wish)
{
	const struct timeval patience = {60, 0};
	SSL_CTX *ctx = context(wish);
	SSL *ssl = SSL_new(ctx);
	int fd = raw_connect(port);
	bool is_let_in;

	assert_non_null(ssl);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	is_let_in = is_answered(ssl);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	(void)close(fd);
	return is_let_in;
}
