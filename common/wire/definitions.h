/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of the decoder: checks the definitions of one message (strings, containers, processes) and
 * adds them to the tables, with a journal. After a refusal the caller undoes the journal.
 * Thread: the stream's. Ceilings: limits.
 */
#include "common/wire/tables.h"

struct pw_definitions {
	struct pw_tables *tables;
	const struct pw_decoder_limits *limits;
	struct pw_journal journal;
	struct pw_err *err;
};

/* -EINVAL, -E2BIG or -ENOMEM, and err says which field. */
int pw_definitions_add(struct pw_definitions *d, const Podward__V1__EventBatch *msg) PW_MUST_CHECK;
/* "field[i]member: unknown ref 17"; returns -EINVAL. */
int pw_refuse_unknown(
	struct pw_err *err, const char *field, size_t i, const char *member, uint32_t ref);
