/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the tests of this folder share: a server with an echo of CollectService/Stream and a client
 * stream to it, each on a loop of its own, and a wait with a generous deadline. A hello with
 * next_seq N comes back as a welcome with received_seq N.
 * Thread: the test's; what the loops write is under `lock`.
 */
#include "common/rpc/client.h"
#include "common/rpc/loop.h"
#include "common/rpc/server.h"
#include "podward/v1/collect.pb-c.h"
#include <pthread.h>
#include <stdbool.h>

#define RIG_LOG_MAX 64

struct rig {
	struct pw_rpc_loop *server_loop, *client_loop;
	struct pw_server *server;
	struct pw_channel *channel;
	struct pw_stream *stream;
	struct pw_tls *server_tls, *client_tls; /* set before start; the test's */
	char directory[64], address[128], target[128];

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* server side: how it behaves, and what it saw */
	int refuse_status; /* answer of on_open */
	bool holds;        /* never asks for the next message */
	bool is_mute;      /* reads, answers nothing */
	bool ends_on_stop; /* instead of waiting for the grace period's end */
	int finish_status; /* > 0: ends the call with it after the first message; -1: with OK */
	uint64_t opened, closed, half_closed, server_messages, sent_again;
	struct pw_call *held; /* last call, held; give back with pw_call_put */
	/* client side */
	char log[RIG_LOG_MAX][96]; /* "up", "down STATUS detail" */
	size_t log_len;
	uint64_t sent, received, send_goal, last_seq, out_of_order;
	uint32_t last_delay_ms;
	bool pauses;      /* the client does not ask for the next message */
	bool half_closes; /* after send_goal messages */
};

/* Context of the echo: what could not be sent yet. */
struct rig_echo {
	struct rig *rig;
	uint64_t waiting_seq;
	bool is_waiting;
};

void rig_init(struct rig *r);
void rig_start_server(struct rig *r, const struct pw_server_limits *limits);
void rig_stop_server(struct rig *r, uint32_t grace_ms);
void rig_start_client(struct rig *r);
void rig_start_stream(struct rig *r);
void rig_stop_client(struct rig *r); /* and forgets what it saw: another may start */
void rig_done(struct rig *r);
/* Waits until fn says true, under the lock; fails the test after 60 s. */
void rig_wait(struct rig *r, bool (*fn)(struct rig *r, uint64_t n), uint64_t n);
void rig_wake(struct rig *r);
uint64_t rig_messages_seen(struct rig *r); /* by the server's handler */
uint64_t rig_sends_resumed(struct rig *r); /* how often the server was told of room again */
void rig_set_pauses(struct rig *r, bool pauses);
bool rig_log_has(struct rig *r, uint64_t n);    /* at least n lines */
bool rig_received(struct rig *r, uint64_t n);   /* the client at least n messages */
bool rig_sent(struct rig *r, uint64_t n);       /* the client at least n messages */
bool rig_server_saw(struct rig *r, uint64_t n); /* the server at least n messages */
bool rig_closed(struct rig *r, uint64_t n);     /* at least n calls */
/* Runs fn on the client's loop and waits for it. */
void rig_on_client(struct rig *r, void (*fn)(void *ctx), void *ctx);
void rig_stats(struct rig *r, struct pw_server_stats *ret);
/* Waits until a counter of the server's stats, by offset, is at least n. */
#define rig_wait_stat(r, field, n) rig_wait_stat_at(r, offsetof(struct pw_server_stats, field), n)
void rig_wait_stat_at(struct rig *r, size_t offset, uint64_t n);

/* raw.c: one call with any bytes, through gRPC itself. */
struct raw_result {
	int status;
	char detail[256];
	uint8_t reply[256];
	size_t reply_len;
};
struct raw_request {
	const char *target, *path;
	const void *bytes;
	size_t len;
	bool is_compressed;
};
void raw_call(const struct raw_request *request, struct raw_result *ret);
/* A plain TCP connection to a port of 127.0.0.1. */
int raw_connect(uint16_t port);
/* A gRPC server that is not ours: accepts one call of any method and sends nothing. */
struct raw_server;
struct raw_server *raw_server_start(uint16_t *ret_port);
void raw_server_stop(struct raw_server *s);
