/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The stream to one analyzer: CONNECT -> HELLO -> WELCOME -> STREAM, again and again. Batches go
 * out in the order of their numbers, through a fresh encoder per stream; what is not durable is
 * sent again to an analyzer that does not have it. Told to wait (throttle) it waits, told to drain
 * it half-closes and comes back. Threads: uplink_new, uplink_push, uplink_set_target and
 * uplink_free from the pipeline's thread; everything else happens on the RPC loop's.
 * uplink_get_stats: any thread. Ceilings: 1,024 batches between the threads, then backlog_bytes.
 */
#include "collector/keep.h"
#include "collector/split.h"

struct uplink;
struct pw_rpc_loop;
struct pw_tls;

struct uplink_settings {
	struct pw_slice node;
	uint8_t boot_id[16];
	uint8_t instance[16]; /* unless the file goes on with another */
	size_t backlog_bytes;
	const char *state_dir;   /* of the backlog's file; NULL or "" = memory only */
	bool live;               /* false: stamps belong to a recording … */
	int64_t boot_to_wall_ns; /* … whose wall time is stamp + this */
	struct pw_tls *tls;      /* for targets that are no unix sockets; NULL = plain text */
};

struct uplink_stats {
	uint64_t sent_batches, resent_batches, sent_events, resent_events;
	uint64_t acked_batches; /* durable */
	uint64_t unacked_events, backlog_bytes, backlog_batches;
	uint64_t dropped_batches, dropped_events; /* by the backlog's ceiling */
	uint64_t connects, disconnects, protocol_errors, throttles, drains;
	uint64_t bytes_sent;
	uint64_t not_owner;        /* batches that an analyzer refused by another map */
	uint64_t restored_batches; /* from the file, at start */
	struct keep_stats file;
	uint32_t max_batch_events; /* of the last Welcome, 0 = none */
	bool connected;            /* welcomed */
	bool idle;                 /* everything pushed so far is durable */
};

/* Lists by lane. */
struct uplink_parts {
	struct pw_batch *first[SPLIT_LANES], *last[SPLIT_LANES];
};

int uplink_new(struct pw_rpc_loop *loop, const struct uplink_settings *settings,
	struct uplink **ret, struct pw_err *err) PW_MUST_CHECK;
const uint8_t *uplink_instance(const struct uplink *u); /* 16 bytes, for all peers */
uint64_t uplink_first_epoch(const struct uplink *u);    /* of new batches; before any push */
/* Batches of this instance up to now, those in the file included; before any push. */
uint64_t uplink_batches_before(const struct uplink *u);
/* Connects to this address from now on; the same address changes nothing. */
int uplink_set_target(struct uplink *u, const char *target, struct pw_err *err) PW_MUST_CHECK;
/* No analyzer for now: batches wait. */
void uplink_clear_target(struct uplink *u);
/*
 * From now on this uplink is lane `lane` of the map: what others own leaves it, in parts for each
 * lane (see backlog_reroute), oldest first. limit_bytes: of its backlog from now on. -ENOMEM: all
 * stayed. Nothing may be pushed by an older map afterwards.
 */
int uplink_reroute(struct uplink *u, const struct split_map *map, uint32_t lane, bool is_new,
	struct uplink_parts *ret) PW_MUST_CHECK;
void uplink_set_limit(struct uplink *u, size_t backlog_bytes);
/* Takes over batches that another uplink gave away, oldest first (pw_batch::next). */
void uplink_adopt(struct uplink *u, struct pw_batch *first);
/* Takes the batch over. False: no room between the threads; the caller keeps it and counts. */
bool uplink_push(struct uplink *u, struct pw_batch *batch) PW_MUST_CHECK;
void uplink_get_stats(const struct uplink *u, struct uplink_stats *ret);
void uplink_free(struct uplink *u); /* before the loop stops */
