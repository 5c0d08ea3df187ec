/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The texts of a container definition as a list, for all who copy, compare or measure them. Thread:
 * any. */
#include "common/wire/batch.h"

#define PW_CONTAINER_TEXTS 8u

static inline void pw_container_texts(
	struct pw_container_def *def, struct pw_slice *ret[PW_CONTAINER_TEXTS])
{
	ret[0] = &def->id;
	ret[1] = &def->pod_uid;
	ret[2] = &def->pod_group;
	ret[3] = &def->pod_name;
	ret[4] = &def->name;
	ret[5] = &def->image;
	ret[6] = &def->image_digest;
	ret[7] = &def->runtime;
}

static inline size_t pw_container_text_bytes(const struct pw_container_def *def)
{
	struct pw_container_def copy = *def;
	struct pw_slice *texts[PW_CONTAINER_TEXTS];
	size_t total = 0;

	pw_container_texts(&copy, texts);
	for (size_t i = 0; i < PW_CONTAINER_TEXTS; i++)
		total += texts[i]->len;
	return total;
}
