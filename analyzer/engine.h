/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The analyzer without process matters (no settings, signals, HTTP): shards, and on one rpc loop
 * the feed of policies, the loading of profiles, the intake and the forwarding. analyzer.c wraps it
 * into a program, tests start it in-process.
 * Order of start: shards, connection to policysync, listening; of judging: profiles loaded and a
 * policy in force, then the intake is armed.
 * Thread: start, stop and publish from one thread that is not the rpc loop's.
 */
#include "analyzer/state.h"
#include "common/rpc/tls.h"

struct engine_config {
	const char *name;
	const char *const *listen;
	size_t listen_count;
	const char *policysync;
	const char *advertise; /* as collectors reach it; NULL = it shares with nobody */
	uint32_t shard_count, group_limit;
	uint64_t flush_ms;
	size_t report_bytes;
	struct pw_tls *tls;         /* borrowed; NULL = plain text */
	uint32_t connection_age_ms; /* 0 = never ended */
};

struct engine;

int engine_start(
	const struct engine_config *config, struct engine **ret, struct pw_err *err) PW_MUST_CHECK;
struct state *engine_state(struct engine *e);
/* Bound port of the first TCP address. */
uint16_t engine_port(const struct engine *e);
/* Profiles are loaded and a policy is in force, as told by the last publish. Any thread. */
bool engine_is_ready(const struct engine *e);
/* Refreshes state.rpc; called once a second. */
void engine_publish(struct engine *e);
/* Gives its share of the pod groups to others. */
void engine_leave(struct engine *e);
/* After that, as told by the last publish: nothing is left, or there is nobody to give it to. */
bool engine_has_left(const struct engine *e);
/* Tells collectors to go, ends calls after grace_ms, judges what is queued, frees. NULL is fine. */
void engine_stop(struct engine *e, uint32_t grace_ms);
