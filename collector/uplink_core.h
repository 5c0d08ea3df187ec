/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of an uplink: what the change of owners (uplink_share.c) shares with the rest. Threads: as
 * said in the struct; the functions are the RPC loop's.
 */
#include "collector/backlog_private.h"
#include "collector/uplink_shared.h"
#include "common/base/arena.h"
#include "common/base/spsc.h"
#include "common/wire/encode.h"

enum uplink_state {
	UPLINK_DOWN,
	UPLINK_HELLO,  /* hello sent or about to be, no welcome yet */
	UPLINK_STREAM, /* batches go out */
	UPLINK_DRAIN,  /* half-closed */
};

struct uplink {
	struct pw_rpc_loop *loop;
	struct uplink_settings settings;
	char *node;
	struct pw_spsc *queue;
	_Atomic uint64_t pushed;
	_Atomic bool wake_waits; /* a posted wake-up has not run yet */
	struct uplink_shared shared;

	/* The RPC loop's from here on. */
	struct backlog backlog;
	struct pw_encoder *encoder;
	struct pw_arena *arena;
	struct pw_channel *channel;
	struct pw_stream *stream;
	struct pw_rpc_timer *timer; /* throttle, retry after lack of memory */
	char *target;
	enum uplink_state state;
	bool waiting; /* the timer decides when the next batch goes */
	bool hello_due;
	uint64_t map_epoch; /* of the owners that everything not yet sent goes by; 0 = not shared */
	uint64_t newest_sent_seq; /* on any stream: what is not above was sent before */
};

/* RPC loop. */
void uplink_publish(struct uplink *u);
void uplink_take_queue(struct uplink *u);
void uplink_send_next(struct uplink *u); /* when it may */
void uplink_disconnect(struct uplink *u);
