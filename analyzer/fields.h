/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Every field that a signature condition or output can name: one table (fields_table.c), one getter
 * each; fields that we know but cannot fill are in the table too, with the reason. A getter returns
 * false when the fact is missing; a missing field makes a check false.
 * Texts that must be put together (command lines) are built in the context's scratch memory and
 * live until the next field_ctx_begin.
 * Thread: a context belongs to one shard; the table is constant. Ceiling: FIELD_SCRATCH_BYTES.
 */
#include "common/base/alloc.h"
#include "common/wire/decode.h"

#define FIELD_SCRATCH_BYTES 65536u
#define FIELD_TEXT_BYTES    20480u /* one built text */
#define FIELD_INDEX_LIMIT   64u    /* largest [n] */

/* PORT is a number that conditions may name by service, IP a text that is compared as address. */
enum field_type { FIELD_TEXT, FIELD_INT, FIELD_BOOL, FIELD_PORT, FIELD_IP };
enum field_scope { FIELD_EVENT, FIELD_PROCESS, FIELD_CONTAINER };
/* ANCESTOR: [n], or any ancestor without. SIDES: both ends of a connection, either may match.
 * KEY: [text], must be given. */
enum field_arg { FIELD_NO_ARG, FIELD_ANCESTOR, FIELD_SIDES, FIELD_KEY };

struct field_value {
	struct pw_slice text;
	int64_t number; /* FIELD_INT, FIELD_BOOL, FIELD_PORT */
};

/* A text that many checks ask for: built once for an event. */
struct field_kept {
	bool is_built;
	size_t len;
	uint8_t bytes[FIELD_TEXT_BYTES];
};

struct field_ctx {
	const struct pw_event *event;
	const struct field_dns *dns; /* NULL = no name is known */
	size_t used;
	uint8_t scratch[FIELD_SCRATCH_BYTES];
	struct field_kept args, cmdline;
};

/* One mention of a field: which, and what stands in [ ]. */
struct field_ref {
	const struct field_spec *spec;
	int32_t index;       /* -1 = none given */
	struct pw_slice key; /* FIELD_KEY */
};

struct field_spec {
	const char *name;
	enum field_type type;
	enum field_scope scope;
	enum field_arg arg;
	bool (*get)(struct field_ctx *c, const struct field_ref *r, struct field_value *ret);
	uint64_t kinds;   /* bits 1 << event kind that carry it */
	const char *help; /* what it is; for a field without a getter: why it cannot be had */
};

#define FIELD_ALL_KINDS ((1ull << PW_EVENT_KINDS) - 2u) /* kind 0 does not occur */
_Static_assert(PW_EVENT_KINDS < 64, "kinds fit a 64-bit mask");

extern const struct field_spec field_table[];
extern const size_t field_count;

int field_ctx_new(struct field_ctx **ret) PW_MUST_CHECK;
void field_ctx_free(struct field_ctx *c);
void field_ctx_begin(struct field_ctx *c, const struct pw_event *event);

const struct field_spec *field_find(struct pw_slice name); /* NULL = unknown */
/* Name and [arg] (ptr NULL = none) -> reference. -EINVAL: *ret_fault says what is wrong with it. */
int field_ref_make(struct pw_slice name, struct pw_slice arg, struct field_ref *ret,
	const char **ret_fault) PW_MUST_CHECK;
/* The value as people read it; false = missing. out has room for numbers. */
bool field_print(
	const struct field_ref *r, struct field_ctx *c, char out[24], struct pw_slice *ret);

/* Ancestor number n (0 = the process itself), NULL past the known ones. */
const struct pw_process *field_ancestor(const struct pw_process *p, uint32_t n);
/* The system call did what was asked: ret >= 0, or a connect that goes on in the background. */
bool field_is_done(const struct pw_event *e);
/* "SUCCESS" or the name of the errno. */
const char *field_result_name(int32_t ret);
