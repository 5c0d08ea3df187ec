/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Condition text -> tree. The tree and its texts live in the arena (or in the condition text,
 * which must stay as long). Knows the grammar, not the fields: names are looked up by sig_compile.
 * Ceilings: 64 KiB of text, depth 256, 65,536 values.
 * Thread: the caller's.
 */
#include "analyzer/fields.h"
#include "analyzer/sig_lex.h"

#define SIG_CONDITION_BYTES 65536u
#define SIG_DEPTH           256u

enum sig_node_kind { SIG_AND, SIG_OR, SIG_NOT, SIG_CHECK };

/* One comparison; the second half is filled in by sig_compile. */
struct sig_check {
	struct pw_slice field_name, field_arg; /* field_arg.ptr NULL = none */
	enum sig_op op;
	struct pw_slice *values;
	uint32_t value_count;
	const struct field_spec *field;
	int32_t index;       /* ancestor number, -1 = any */
	int64_t *numbers;    /* for FIELD_INT and FIELD_BOOL, as many as values */
	uint64_t event_mask; /* for evt.type: kinds for which the check is true */
};

struct sig_node {
	enum sig_node_kind kind;
	struct sig_node *first; /* children of and, or, not */
	struct sig_node *next;  /* sibling */
	struct sig_check check;
	size_t pos; /* in the condition, for messages */
};

/* -EINVAL with line, column and caret in err; -ENOMEM. */
int sig_parse(struct pw_slice condition, struct pw_arena *arena, struct sig_node **ret,
	struct pw_err *err) PW_MUST_CHECK;
