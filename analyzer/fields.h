/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Every field that a signature condition or output can name: one table (fields_table.c), one getter
 * each. A getter returns false when the fact is missing; a missing field makes a check false.
 * Texts that must be put together (command lines) are built once per event in the context.
 * Thread: a context belongs to one shard; the table is constant.
 */
#include "common/base/alloc.h"
#include "common/wire/decode.h"

enum field_type { FIELD_TEXT, FIELD_INT, FIELD_BOOL };
enum field_scope { FIELD_EVENT, FIELD_PROCESS, FIELD_CONTAINER };
enum field_arg { FIELD_NO_ARG, FIELD_ANCESTOR }; /* ANCESTOR: [n], or any ancestor without */

struct field_value {
	struct pw_slice text;
	int64_t number; /* FIELD_INT, FIELD_BOOL */
};

#define FIELD_BUILT_BYTES 20480u

struct field_text {
	bool built;
	size_t len;
	uint8_t bytes[FIELD_BUILT_BYTES];
};

struct field_ctx {
	const struct pw_event *event;
	struct field_text args, cmdline, pcmdline, fd_name;
};

struct field_spec {
	const char *name;
	enum field_type type;
	enum field_scope scope;
	enum field_arg arg;
	bool (*get)(struct field_ctx *c, int32_t index, struct field_value *ret);
	bool is_event_type; /* evt.type: compared with all names of the event's kind */
	const char *help;
};

extern const struct field_spec field_table[];
extern const size_t field_count;

int field_ctx_new(struct field_ctx **ret) PW_MUST_CHECK;
void field_ctx_free(struct field_ctx *c);
void field_ctx_begin(struct field_ctx *c, const struct pw_event *event);

const struct field_spec *field_find(struct pw_slice name); /* NULL = unknown */
/* The value as people read it; false = missing. out has room for numbers. */
bool field_print(const struct field_spec *f, int32_t index, struct field_ctx *c, char out[24],
	struct pw_slice *ret);

/* Ancestor number n (0 = the process itself), NULL past the known ones. */
const struct pw_process *field_ancestor(const struct pw_process *p, uint32_t n);
/* Bits (1 << kind) of the event kinds that carry this system call name; 0 = known but not captured;
 * -EINVAL. */
int field_event_mask(struct pw_slice name, uint64_t *ret_mask) PW_MUST_CHECK;
const char *field_event_name(uint8_t kind); /* "execve", "openat", "connect", "procexit" */
/* "SUCCESS" or the name of the errno. */
const char *field_result_name(int32_t ret);
/* The system call did what was asked: ret >= 0, or a connect that goes on in the background. */
bool field_is_done(const struct pw_event *e);
