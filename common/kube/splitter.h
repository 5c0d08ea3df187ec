/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Cuts an answer of the API server into whole objects while it arrives, in pieces of any size, so
 * that nobody holds a list: a watch into its events, a list into its items. What surrounds the
 * items (kind, resourceVersion, continue) is kept apart. It looks at brackets and strings only;
 * that an object is JSON is for its reader to say. Thread: the owner's. Ceilings:
 * PW_SPLITTER_OBJECT bytes for an object (a larger one is passed over and counted),
 * PW_SPLITTER_REST for what surrounds the items, depth PW_SPLITTER_DEPTH.
 */
#include "common/base/buf.h"
#include "common/base/err.h"

#define PW_SPLITTER_OBJECT ((size_t)4 << 20)
#define PW_SPLITTER_REST   ((size_t)64 << 10)
#define PW_SPLITTER_DEPTH  256u

enum pw_splitter_form {
	PW_SPLITTER_WATCH, /* objects one after the other */
	PW_SPLITTER_LIST   /* one object with "items" */
};

struct pw_splitter {
	enum pw_splitter_form form;
	/* A negative result ends the feeding with it. */
	int (*on_object)(void *ctx, struct pw_slice text);
	void *ctx;
	struct pw_buf object, rest;
	uint64_t oversized; /* objects passed over */
	uint32_t depth;
	bool quoted, escaped, in_items, skipping;
	char name[8]; /* the last string at depth 1, cut */
	uint8_t name_len;
};

void pw_splitter_init(struct pw_splitter *s, enum pw_splitter_form form,
	int (*on_object)(void *ctx, struct pw_slice text), void *ctx);
void pw_splitter_done(struct pw_splitter *s);
int pw_splitter_feed(struct pw_splitter *s, struct pw_slice part) PW_MUST_CHECK;
/* Nothing is half-read. */
bool pw_splitter_is_complete(const struct pw_splitter *s);
/* A list without its items, once it is complete. */
struct pw_slice pw_splitter_rest(const struct pw_splitter *s);
