/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The one place that says how connections are protected: mutual TLS, or plain text when no
 * certificates are given (unix sockets, loopback that was asked for). For the files of this folder
 * only. The caller releases what it gets. NULL = out of memory.
 * Thread: any.
 */
#include "common/rpc/tls_core.h"
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

/* One listening address: which certificates gRPC has for it. Lives as long as the server. */
struct pw_tls_port {
	struct pw_tls *tls;
	uint64_t version; /* under gRPC's lock of the port */
};

grpc_server_credentials *pw_credentials_plain_server(void);
grpc_server_credentials *pw_credentials_tls_server(struct pw_tls_port *port);
grpc_channel_credentials *pw_credentials_plain_client(void);
/* The peer must have a certificate of this role, and of this name unless it is empty. */
grpc_channel_credentials *pw_credentials_tls_client(
	const struct pw_tls *t, const struct pw_tls_bundle *b, enum pw_role role, const char *name);
/* What the certificate of a connected peer says; role NONE for plain text and foreign names. */
void pw_credentials_identity(grpc_call *call, const char *domain, struct pw_identity *ret);
