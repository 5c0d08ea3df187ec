/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Lists and macros of one signature set. Lists are put into the text before it is read, macros into
 * the tree: a macro sees the macros before it, a rule sees all. A macro that cannot be read is a
 * problem of its own; what uses it is refused with its name.
 * Thread: the compiling one; constant afterwards. Ceilings: 4,096 lists and 4,096 macros, 65,536
 * items in all, 64 KiB for a condition with its lists put in.
 */
#include "analyzer/problems.h"
#include "analyzer/sig_parse.h"
#include "podward/v1/policy.pb-c.h"

#define SIG_LISTS_LIMIT  4096u
#define SIG_MACROS_LIMIT 4096u
#define SIG_ITEMS_LIMIT  65536u

struct sig_list {
	struct pw_slice name, text; /* items with commas between, quoted where needed */
	bool used;
};

/* A condition that was read: its tree, and the text for messages about it. */
struct sig_text {
	struct sig_lex lex;
	struct sig_node *root;
};

struct sig_macro {
	struct pw_slice name;
	struct sig_text text; /* root NULL = was refused */
	bool used;
	uint32_t *compounds; /* by kind of event; private to sig_code.c */
};

struct sig_defs {
	struct pw_arena *arena;
	struct sig_list *lists;
	struct sig_macro *macros;
	uint32_t list_count, macro_count;
	uint32_t *buckets; /* private: list numbers by name */
};

/* set NULL = no definitions. -ENOMEM is the only failure. */
int sig_defs_make(const Podward__V1__SignatureSet *set, struct problems *problems,
	struct pw_arena *arena, struct sig_defs **ret) PW_MUST_CHECK;
/* Reads a condition with these definitions; the tree's macros are resolved. err as sig_parse. */
int sig_defs_read(struct sig_defs *d, struct pw_slice condition, struct sig_text *ret,
	struct pw_err *err) PW_MUST_CHECK;
