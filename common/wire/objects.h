/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of the decoder: the reference-counted things that decoded batches point to. Immutable once
 * made; hold and put from any thread. hold/put of processes and containers are in decode.h.
 * Strings are objects of their own, so that a process held for long keeps its few strings and not
 * its stream's whole dictionary, and so that a string named by many processes exists once.
 */
#include "common/wire/decode.h"
#include "common/base/u64map.h"

struct pw_dict_string {
	_Atomic uint32_t refs;
	uint32_t len;
	uint8_t bytes[]; /* NUL behind */
};

/* All strings of one epoch. The map belongs to the decoder's thread, or to the last holder. */
struct pw_dictionary {
	_Atomic uint32_t refs;
	struct pw_u64map *strings; /* id -> struct pw_dict_string */
	struct pw_dict_string *
		*quick; /* the same for ids below quick_len: an interner's are dense */
	uint32_t quick_len, limit;
	size_t bytes; /* of strings and of containers' texts */
};

struct pw_process_links {
	struct pw_process *parent;
	struct pw_container *container;
	struct pw_dict_string *strings[PW_PROCESS_STRINGS]; /* exe, args, cwd, comm, env, script */
};

int pw_dict_string_new(struct pw_slice bytes, struct pw_dict_string **ret) PW_MUST_CHECK;
void pw_dict_string_put(struct pw_dict_string *s); /* NULL is fine */
static inline struct pw_slice pw_dict_string_slice(const struct pw_dict_string *s)
{
	return s ? (struct pw_slice){s->bytes, s->len} : (struct pw_slice){0};
}

int pw_dictionary_new(uint32_t limit, struct pw_dictionary **ret) PW_MUST_CHECK;
/* -ENOSPC at the limit, -ENOMEM. The dictionary takes the caller's reference on success. */
int pw_dictionary_add(struct pw_dictionary *d, uint32_t id, struct pw_dict_string *s) PW_MUST_CHECK;
void pw_dictionary_remove(struct pw_dictionary *d, uint32_t id);
static inline struct pw_dict_string *pw_dictionary_find(const struct pw_dictionary *d, uint32_t id)
{
	const uint64_t *value = NULL;

	if (id < d->quick_len)
		return d->quick[id];
	value = id > d->limit ? pw_u64map_find(d->strings, id) : NULL;
	return value ? (struct pw_dict_string *)(uintptr_t)*value : NULL;
}
struct pw_dictionary *pw_dictionary_hold(struct pw_dictionary *d);
void pw_dictionary_put(struct pw_dictionary *d); /* NULL is fine */

/* Copies the texts. */
int pw_container_new(const struct pw_container_def *def, struct pw_container **ret) PW_MUST_CHECK;
/* Holds what links names. The parent may have at most PW_PROCESS_ANCESTORS - 1 ancestors. */
int pw_process_new(const struct pw_process_def *def, const struct pw_process_links *links,
	struct pw_process **ret) PW_MUST_CHECK;
/* A copy that keeps the nearest `kept` ancestors (copies as well). */
int pw_process_new_cut(
	const struct pw_process *p, uint32_t kept, struct pw_process **ret) PW_MUST_CHECK;
