/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * `./dev bench stream`: the two ends of the event stream as processes of their own, so that each
 * one's CPU time is its own. The orchestrator (bench_stream.c) starts a server and a client of one
 * kind, reads what they print, and makes the table. Kinds: ours (stream_ours.c), a floor of bare
 * TCP with flat rows (stream_tcp.c), and a C++ peer with the same messages (stream_peer.cc, a
 * program of its own). A child prints "port N" (servers), then "result CPU_NS EVENTS BYTES".
 */
#include <stdbool.h>
#include <stdint.h>

struct stream_wish {
	uint16_t port; /* clients */
	uint32_t batch, messages, connections;
	const char *ca, *cert, *key; /* NULL = plain */
};

/* Each prints and returns the exit code. */
int stream_ours_server(const struct stream_wish *w);
int stream_ours_client(const struct stream_wish *w);
int stream_tcp_server(const struct stream_wish *w);
int stream_tcp_client(const struct stream_wish *w);

uint64_t stream_cpu_ns(void); /* of the process */
void stream_say_port(uint16_t port);
void stream_say_result(uint64_t cpu_ns, uint64_t events, uint64_t bytes);
