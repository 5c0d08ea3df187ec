/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Condition text -> tree. The tree and its texts live in the arena (or in the condition text,
 * which must stay as long). Knows the grammar, not the fields and not the macros: names are looked
 * up by sig_tree and sig_atom.
 * Ceilings: 64 KiB of text, depth 256, 65,536 values, 16,384 checks.
 * Thread: the caller's.
 */
#include "analyzer/sig_lex.h"

#define SIG_CONDITION_BYTES 65536u
#define SIG_DEPTH           256u

struct sig_macro;
struct sig_found;

enum sig_operand_kind { SIG_FIELD, SIG_CALL, SIG_TEXT };

/* What is compared: a field, or a transformer with its arguments. */
struct sig_operand {
	enum sig_operand_kind kind;
	struct pw_slice name; /* of the field or transformer; the text itself for SIG_TEXT */
	struct pw_slice arg;  /* in [ ]; ptr NULL = none */
	struct sig_operand *first, *next;
	size_t pos;
};

enum sig_modifier { SIG_PLAIN, SIG_ONEOF, SIG_ANYOF, SIG_ALLOF };

/* One comparison: with values, or with what right gives for the event. */
struct sig_check {
	struct sig_operand *left, *right;
	enum sig_op op;
	enum sig_modifier modifier;
	struct pw_slice *values;
	uint32_t value_count;
	struct sig_found *found; /* of the check, or of each value; private to sig_code.c */
};

enum sig_node_kind { SIG_AND, SIG_OR, SIG_NOT, SIG_CHECK, SIG_MACRO };

struct sig_node {
	enum sig_node_kind kind;
	struct sig_node *first; /* children of and, or, not */
	struct sig_node *next;  /* sibling */
	struct sig_check check;
	struct pw_slice macro;
	struct sig_macro *definition; /* of the macro, once it is resolved */
	uint32_t compound;            /* private to sig_code.c, as scope */
	uint8_t scope;
	size_t pos; /* in the condition, for messages */
};

/* l stands at the start of the text and is used for messages. -EINVAL with line, column and caret
 * in l->err; -ENOMEM. */
int sig_parse_with(struct sig_lex *l, struct sig_node **ret) PW_MUST_CHECK;
int sig_parse(struct pw_slice condition, struct pw_arena *arena, struct sig_node **ret,
	struct pw_err *err) PW_MUST_CHECK;
