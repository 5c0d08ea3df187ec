/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A TLS client of any kind, without gRPC: to see who is let in.
 * Thread: the test's.
 */
#include <stdbool.h>
#include <stdint.h>

struct raw_tls_wish {
	const char *cert, *key; /* PEM files; cert NULL = none */
	const char *alpn;       /* wire form; NULL = "h2" */
	bool is_tls12;          /* 1.2 at most */
};

/* Shakes hands with 127.0.0.1:port and begins HTTP/2. True when the server answers with a frame. */
bool raw_tls_try(uint16_t port, const struct raw_tls_wish *wish);
