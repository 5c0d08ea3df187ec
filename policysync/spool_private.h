/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What spool.c and spool_output.c share. Thread: the store's. */
#include "policysync/store.h"

struct spool;

struct store *spool_store(struct spool *s);
