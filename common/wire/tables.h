/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of the decoder: what one stream has been told in the present epoch, with a journal, so
 * that a refused batch can be taken back. Ids and refs are checked by decode.c before they get
 * here. Thread: the stream's. Ceilings: struct pw_decoder_limits.
 */
#include "common/wire/objects.h"

struct pw_tables {
	struct pw_dictionary *dictionary;
	struct pw_u64map *processes;  /* ref -> struct pw_process, each held */
	struct pw_u64map *containers; /* ref -> struct pw_container, each held */
};

struct pw_journal_entry {
	enum pw_journal_kind { PW_JOURNAL_STRING, PW_JOURNAL_CONTAINER, PW_JOURNAL_PROCESS } kind;
	uint32_t ref;
	struct pw_process *before; /* of a replaced process, held; else NULL = was absent */
};

/* Entries in caller's memory: capacity >= strings + containers + 2 * processes to be added. */
struct pw_journal {
	struct pw_journal_entry *entries;
	size_t count, capacity;
};

int pw_tables_init(struct pw_tables *t, const struct pw_decoder_limits *limits) PW_MUST_CHECK;
void pw_tables_done(struct pw_tables *t); /* zeroed tables are fine */

struct pw_dict_string *pw_tables_string(const struct pw_tables *t, uint32_t id);
struct pw_container *pw_tables_container(const struct pw_tables *t, uint32_t ref);
struct pw_process *pw_tables_process(const struct pw_tables *t, uint32_t ref);

/* The id or ref must not be in yet. -ENOSPC at a ceiling, -ENOMEM. */
int pw_tables_add_string(struct pw_tables *t, struct pw_journal *j, uint32_t id,
	struct pw_slice bytes) PW_MUST_CHECK;
int pw_tables_add_container(struct pw_tables *t, struct pw_journal *j,
	const struct pw_container_def *def) PW_MUST_CHECK;
/* links->parent must be the table's object of its ref; it is replaced when its chain is too long.
 */
int pw_tables_add_process(struct pw_tables *t, struct pw_journal *j,
	const struct pw_process_def *def, const struct pw_process_links *links) PW_MUST_CHECK;
void pw_tables_forget_process(struct pw_tables *t, uint32_t ref);

/* Either ends the journal: keep everything, or take everything back. */
void pw_journal_commit(struct pw_journal *j);
void pw_journal_undo(struct pw_journal *j, struct pw_tables *t);
