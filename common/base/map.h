/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * uthash for maps off the event path: hashed by XXH3, and out of memory is an ordinary error (the
 * element is then not in the map: map_has_added tells). Thread: the map owner's. No ceiling of its
 * own: callers count.
 */
#include "common/base/alloc.h"
#include "common/base/hash.h"

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(keyptr, keylen, hashv) \
	((hashv) = (unsigned)pw_hash64(pw_slice_of(keyptr, keylen), 0))
#include <uthash.h>

/* After HASH_ADD…: whether there was memory for it. */
#define map_has_added(element) ((element)->hh.tbl != NULL)
