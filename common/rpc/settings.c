/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/settings.h"

#include <grpc/compression.h>

#include "common/base/err.h"

#define WINDOW_BYTES         (1 << 20) /* what a peer that does not read can make us hold, per stream */
#define METADATA_BYTES       8192
#define CLIENT_PING_MS       20000
#define PING_TIMEOUT_MS      5000
#define PING_MIN_INTERVAL_MS 10000
#define CONNECT_TIMEOUT_MS   10000
#define IDLE_MS              (5 * 60 * 1000)
#define AGE_GRACE_MAX_MS     5000
#define ONLY_IDENTITY        (1 << GRPC_COMPRESS_NONE)

static void args_add(struct pw_rpc_args *a, const char *key, int value)
{
	pw_assert(a->args.num_args < PW_RPC_ARGS_MAX);
	a->items[a->args.num_args++] = (grpc_arg){
		.type = GRPC_ARG_INTEGER,
		.key = (char *)(uintptr_t)key, /* not written to; the type lacks the const */
		.value.integer = value,
	};
}

static void args_common(struct pw_rpc_args *a, size_t message_bytes)
{
	a->args = (grpc_channel_args){0, a->items};
	args_add(a, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)message_bytes);
	args_add(a, GRPC_ARG_MAX_METADATA_SIZE, METADATA_BYTES);
	/* A fixed window: with the default a stalled reader is made to hold 4-8 MB per stream. */
	args_add(a, GRPC_ARG_HTTP2_BDP_PROBE, 0);
	args_add(a, GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, WINDOW_BYTES);
	args_add(a, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, PING_TIMEOUT_MS);
	args_add(a, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
	args_add(a, GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
	/* A compressed message may unpack to any size: not offered, and not unpacked when sent
	 * anyway. */
	args_add(a, GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, ONLY_IDENTITY);
	args_add(a, GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
	args_add(a, GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
}

void pw_rpc_args_client(struct pw_rpc_args *a, size_t message_bytes)
{
	args_common(a, message_bytes);
	args_add(a, GRPC_ARG_KEEPALIVE_TIME_MS, CLIENT_PING_MS);
	/* Replays are our business: gRPC would keep 256 KiB per stream for them. */
	args_add(a, GRPC_ARG_ENABLE_RETRIES, 0);
	/* A service config from a DNS TXT record can crash 1.51 (ring_hash_experimental). */
	args_add(a, GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
	args_add(a, GRPC_ARG_ENABLE_HTTP_PROXY, 0);
	/* A new channel must not inherit the back-off state of the old one: that is
	 * pw_backoff_ms's. */
	args_add(a, GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
	args_add(a, GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
		CONNECT_TIMEOUT_MS); /* is a connect timeout */
}

void pw_rpc_args_server(struct pw_rpc_args *a, const struct pw_server_limits *limits)
{
	args_common(a, limits->message_bytes);
	args_add(a, GRPC_ARG_KEEPALIVE_TIME_MS, (int)limits->ping_ms);
	args_add(a, GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, PING_MIN_INTERVAL_MS);
	args_add(a, GRPC_ARG_MAX_CONCURRENT_STREAMS, (int)limits->streams_per_connection);
	args_add(a, GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, (int)limits->handshake_ms);
	/* A connection without a call, however well it answers pings. */
	args_add(a, GRPC_ARG_MAX_CONNECTION_IDLE_MS, IDLE_MS);
	if (limits->age_ms > 0) {
		uint32_t grace_ms = limits->age_ms / 10;

		args_add(a, GRPC_ARG_MAX_CONNECTION_AGE_MS, (int)limits->age_ms);
		args_add(a, GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
			(int)(grace_ms < AGE_GRACE_MAX_MS ? grace_ms : AGE_GRACE_MAX_MS));
	}
	/* With SO_REUSEPORT a second process would silently share the port. */
	args_add(a, GRPC_ARG_ALLOW_REUSEPORT, 0);
}
