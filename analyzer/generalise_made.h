/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which names the group makes itself, as opposed to those of its image: what it created, renamed or
 * linked. Those that it also took away again (removed, renamed) are temporary. A number in a made
 * name is of its making: containers that count alike, by their own process ids say, give alike
 * names, so that two of them share one says nothing.
 * Thread: the shard that owns the group. Ceiling: the rows of the baseline.
 */
#include "analyzer/baseline.h"

struct generalise_made;

int generalise_made_new(const struct baseline *b, struct generalise_made **ret) PW_MUST_CHECK;
void generalise_made_free(struct generalise_made *m); /* NULL is fine */
bool generalise_made_is(const struct generalise_made *m, struct pw_slice path);
bool generalise_made_is_temporary(const struct generalise_made *m, struct pw_slice path);
