/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Every gRPC argument that we set, in one place with the reason; for the files of this folder only.
 * Thread: any.
 */
#include "common/rpc/server.h"
#include <grpc/grpc.h>
#include <stddef.h>
#include <stdint.h>

#define PW_RPC_ARGS_MAX 24

/*
 * Initial metadata of a call that a handler of ours has accepted. gRPC reports initial metadata for
 * refused calls too, just before their status; this key tells the two apart at once.
 */
#define PW_RPC_OPEN_KEY "podward-open"

struct pw_rpc_args {
	grpc_arg items[PW_RPC_ARGS_MAX];
	grpc_channel_args args; /* points into items: do not copy the struct */
};

void pw_rpc_args_client(struct pw_rpc_args *a, size_t message_bytes);
void pw_rpc_args_server(struct pw_rpc_args *a, const struct pw_server_limits *limits);
