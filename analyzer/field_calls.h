/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Names of system calls and of the few events that are none: which kind of event reports each.
 * Thread: any; constant.
 */
#include "common/wire/decode.h"

#define FIELD_CALL_WORDS (PW_SYSCALL_MAX / 64)

/* A set of names: by system call number, and whole kinds for events without one. */
struct field_calls {
	uint64_t numbers[FIELD_CALL_WORDS];
	uint64_t kinds; /* kinds that one of the names is reported by */
	uint64_t whole; /* kinds all of whose names are in the set */
};

/* Adds a name; -EINVAL when there is none such. A name that is known but never reported adds
 * nothing. */
int field_calls_add(struct field_calls *c, struct pw_slice name) PW_MUST_CHECK;
void field_calls_seal(struct field_calls *c); /* computes whole */
/* An event that does not tell its system call has all names of its kind. */
bool field_calls_has(const struct field_calls *c, const struct pw_event *e);
const char *field_call_name(const struct pw_event *e); /* "openat"; "unknown" */
const char *field_kind_call(uint8_t kind);             /* the usual one of a kind */
/* Number + 1 and kind of a name, as struct pw_event has them; false when there is none. */
bool field_call_find(struct pw_slice name, uint16_t *ret_syscall, uint8_t *ret_kind);
