/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The way to the analyzers: one uplink (lane) for each that has pod groups here. With one analyzer
 * there is one lane and nothing is looked at; where several share, batches are split by owner, and
 * when owners change everything that the one before had not made durable goes to the next.
 *
 * A lane outlives its analyzer: it is bound to the next one that comes. Lane 0 keeps its file in
 * the state folder, lane n in "lane-n" below it; at start all that are there are read, and the
 * first map says where their batches go.
 * Thread: the pipeline's. Ceilings: SPLIT_LANES lanes, which share backlog_bytes.
 */
#include "collector/uplink.h"

struct lanes;

struct lanes_settings {
	struct uplink_settings uplink; /* backlog_bytes: of all lanes together */
	void (*on_lost)(void *ctx, struct pw_batch *batch); /* takes it over; count it */
	void *ctx;
};

int lanes_new(struct pw_rpc_loop *loop, const struct lanes_settings *settings, struct lanes **ret,
	struct pw_err *err) PW_MUST_CHECK;
void lanes_free(struct lanes *l);                     /* before the loop stops */
const uint8_t *lanes_instance(const struct lanes *l); /* 16 bytes, for all peers */
uint64_t lanes_first_epoch(const struct lanes *l);    /* of new batches; before any push */
/* Everything to this address; the same address changes nothing. */
int lanes_use_one(struct lanes *l, const char *address, struct pw_err *err) PW_MUST_CHECK;
/* A map of a lower epoch is ignored. Failure: parts of it may be in force, the next one mends. */
int lanes_use_map(struct lanes *l, const struct owners *map, struct pw_err *err) PW_MUST_CHECK;
void lanes_push(struct lanes *l, struct pw_batch *batch); /* takes it over */
/* Of all lanes together; connected: every analyzer that owns something here. */
void lanes_get_stats(const struct lanes *l, struct uplink_stats *ret);
uint64_t lanes_epoch(const struct lanes *l); /* of the map in force; 0 = none */
