/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Words of the condition language, read straight from the text: the language is context-bound (a
 * bare value may contain what elsewhere is an operator), so there is no token stream.
 * Texts with escapes are copied into the arena, all others point into the condition.
 * Thread: the caller's.
 */
#include "common/base/arena.h"
#include "common/base/err.h"

enum sig_op {
	SIG_OP_NONE,
	SIG_OP_EQ,
	SIG_OP_NE,
	SIG_OP_LT,
	SIG_OP_LE,
	SIG_OP_GT,
	SIG_OP_GE,
	SIG_OP_IN,
	SIG_OP_CONTAINS,
	SIG_OP_ICONTAINS,
	SIG_OP_BCONTAINS,
	SIG_OP_STARTSWITH,
	SIG_OP_BSTARTSWITH,
	SIG_OP_ENDSWITH,
	SIG_OP_GLOB,
	SIG_OP_IGLOB,
	SIG_OP_REGEX,
	SIG_OP_PMATCH,
	SIG_OP_INTERSECTS,
	SIG_OP_EXISTS,
};

/* Where a run of the text came from: lists are put in before the text is read. */
struct sig_origin {
	size_t at, from;
	bool is_list; /* all of the run stands for the list's name at from */
};

struct sig_lex {
	struct pw_slice text;
	size_t pos;
	struct pw_arena *arena;
	struct pw_err *err;
	/* For messages: the text as it was written; count 0 = the same text. */
	struct pw_slice written;
	const struct sig_origin *origins;
	uint32_t origin_count;
};

void sig_lex_blanks(struct sig_lex *l);
bool sig_lex_at_end(struct sig_lex *l); /* skips blanks first */
/* Eats the byte when it is next (behind blanks). */
bool sig_lex_eat(struct sig_lex *l, char byte);
/* Eats a word operator when it is next and ends there: followed by a blank, '(' or the end. */
bool sig_lex_word(struct sig_lex *l, const char *word);
/* Is this word next? Eats nothing. */
bool sig_lex_sees_word(struct sig_lex *l, const char *word);
bool sig_lex_sees(struct sig_lex *l, char byte); /* skips blanks first */
/* name('.'name)* with an optional [argument]; arg.ptr is NULL when there is none. */
int sig_lex_field(struct sig_lex *l, struct pw_slice *ret_name, struct pw_slice *ret_arg);
/* The operator that is next; SIG_OP_NONE when there is none. ret_word is how it was written. */
enum sig_op sig_lex_operator(struct sig_lex *l, struct pw_slice *ret_word);
/* Bare or quoted value. */
int sig_lex_value(struct sig_lex *l, struct pw_slice *ret);
/* A number in decimal or as 0x…, as it is written. False when there is none. */
bool sig_lex_number(struct sig_lex *l, struct pw_slice *ret);
const char *sig_op_name(enum sig_op op);
/* Sets err: "line 1, column 14: what" and below it the text with a caret. Returns -EINVAL. */
int sig_lex_fail(struct sig_lex *l, size_t pos, const char *format, ...) PW_PRINTF(3, 4);
