/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reports on their way to policysync: cut into messages, numbered, sent in order, kept until
 * committed, sent again after a reconnect. Nothing is dropped: past the ceiling has_room says no
 * and the intake stops taking batches (what is under way still gets in).
 * Thread: the rpc loop's. Ceilings: messages and bytes as set (64 Ki, 64 MiB).
 */
#include "analyzer/report.h"
#include "common/base/err.h"
#include "common/rpc/client.h"

#define FORWARD_ITEMS      65536u
#define FORWARD_BYTES      (64u << 20)
#define FORWARD_PART_BYTES (256u << 10)

struct forward_config {
	struct pw_channel *channel;
	const char *name;     /* stable replica name */
	uint8_t instance[16]; /* of this process */
	uint32_t item_limit;
	size_t byte_limit;
	void (*on_commit)(void *ctx); /* committed rose: acks may rise, there may be room again */
	void *ctx;
};

struct forward_stats {
	uint64_t items, bytes, sent, resent, committed_alerts, queued_alerts;
	bool is_up;
};

struct forward;

int forward_start(const struct forward_config *config, struct forward **ret,
	struct pw_err *err) PW_MUST_CHECK;
/* Takes the report over; *ret_seq is the message that ends it. -ENOMEM: it stays the caller's. */
int forward_put(struct forward *f, struct report *report, uint64_t *ret_seq) PW_MUST_CHECK;
uint64_t forward_last(const struct forward *f);      /* number of the last message queued */
uint64_t forward_committed(const struct forward *f); /* number up to which all is committed */
bool forward_has_room(const struct forward *f);
void forward_get_stats(const struct forward *f, struct forward_stats *ret);
void forward_stop(struct forward *f); /* stops the stream and frees; NULL is fine */
