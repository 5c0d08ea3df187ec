/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One check against the type of its source: is the operator allowed, are the values of that type,
 * how is it evaluated and what does it cost. Part of sig_atom.c. Thread: the compiling one.
 */
#include "analyzer/sig_atom.h"

/* t has source, right, op and values; fills in the rest. Errors as sig_lex_fail. */
int sig_check_make(struct sig_atom *t, size_t pos, struct sig_lex *l) PW_MUST_CHECK;
/* Cost, scope and event kinds. */
void sig_check_rate(struct sig_atom *t);
/* The comparison of a number, for atoms that are. */
bool sig_check_number(const struct sig_atom *t, int64_t number);
