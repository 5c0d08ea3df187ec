/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The two neighbours of the analyzer, in-process over unix sockets: a policysync whose "disk"
 * survives its being killed, and a collector that resends as the protocol says.
 * Each has its own rpc loop; what they saw is read by fake_*_look from the test's thread.
 */
#include "analyzer/tests/kit.h"
#include "common/rpc/client.h"

#define FAKE_MAX 4096u

struct fake_sync_look {
	uint32_t alerts, alerts_again; /* distinct ids, repeated ones */
	uint32_t occurrences, occurrences_again;
	uint64_t count;      /* sum of the distinct occurrences */
	uint32_t behaviours; /* received, repeats included */
	uint32_t items;      /* messages stored */
	uint32_t statuses, problems;
	uint32_t report_streams;
	bool in_force;
};

struct fake_sync;
struct fake_sync *fake_sync_new(const char *address);
/* Bytes of a PolicySnapshot for every analyzer that connects from now on, and for those there are.
 */
void fake_sync_policy(struct fake_sync *f, struct pw_slice bytes);
/* Items are received, but neither stored nor committed. */
void fake_sync_hold(struct fake_sync *f, bool hold);
void fake_sync_kill(struct fake_sync *f);
void fake_sync_start(struct fake_sync *f);
struct fake_sync_look fake_sync_look(struct fake_sync *f);
void fake_sync_free(struct fake_sync *f);

struct fake_collector_look {
	uint64_t received, durable;
	uint32_t welcomes, downs, sent;
	uint32_t throttles, throttle_ms; /* number, and the last one */
	uint32_t drains;                 /* it half-closes then, as it must */
	int first_status, last_status;   /* of downs */
	char detail[200];
};

struct fake_collector;
/* schema as in the hello; batches are taken over, seq 1 … count. */
struct fake_collector *fake_collector_new(
	const char *address, uint32_t schema, struct pw_batch **batches, uint32_t count);
/* Sends this instead of the next batch. */
void fake_collector_send_raw(struct fake_collector *c, const Podward__V1__EventBatch *m);
/* Forgets what was acknowledged: everything is sent again after the next welcome. */
void fake_collector_forget(struct fake_collector *c);
struct fake_collector_look fake_collector_look(struct fake_collector *c);
void fake_collector_free(struct fake_collector *c);
