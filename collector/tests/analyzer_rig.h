/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An analyzer made for tests of the uplink: takes batches, counts each number, and behaves as told.
 * Threads: its loop's; what is atomic may be read and set by the test at any time, the rest while
 * it is halted.
 */
#include "common/rpc/loop.h"
#include "common/rpc/server.h"
#include "common/wire/decode.h"

#include <stdatomic.h>

#define SEQ_MAX 1024

/* What the analyzer does with batches. */
enum manner {
	MANNER_ACK,      /* received and durable at once */
	MANNER_RECEIVED, /* never durable */
	MANNER_SILENT,   /* takes them, says nothing */
	MANNER_STALL,    /* reads one message, then no more */
	MANNER_BAD_ACK,  /* acknowledges what was never sent */
	MANNER_BAD_HELLO /* welcomes with impossible numbers, once */
};

struct analyzer {
	struct pw_rpc_loop *loop;
	struct pw_server *server;
	char address[64];
	_Atomic int manner;
	_Atomic uint32_t throttle_ms; /* once */
	_Atomic bool drain;           /* once */
	_Atomic bool hang_up;         /* once, in the middle of the stream */
	uint8_t instance[16];
	struct pw_decoder *decoder; /* of the present stream */
	uint64_t received_seq;      /* of this instance */
	_Atomic uint32_t streams, drained, throttled, hellos;
	_Atomic uint64_t first_seq, next_seq; /* of the last hello */
	_Atomic uint32_t seen[SEQ_MAX];       /* times each number came */
	_Atomic uint64_t events, lost, batches;
	_Atomic uint64_t with_origin; /* batches that another analyzer was sent before */
	_Atomic uint64_t map_epoch;   /* of the last batch */
	_Atomic bool not_owner;       /* once: refuses the next batch */
};

void analyzer_start(struct analyzer *a, const char *name);
void analyzer_listen(struct analyzer *a); /* again, after analyzer_halt */
void analyzer_halt(struct analyzer *a);
void analyzer_stop(struct analyzer *a);
