/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the kernel side knows as told: its marks, and which behaviour and process each stands for,
 * so that the repeats it counted can be told as folds. Two generations: a rotation forgets what was
 * not announced again since the one before.
 * Thread: the pipeline's. Ceiling: marks per generation, given at creation; a full generation
 * rotates early. Repeats of a forgotten mark are known by number only.
 */
#include "collector/image.h"

struct known;

struct known_mark {
	uint64_t key;        /* of the behaviour, as seen.c has it */
	struct image *image; /* who did it */
};

int known_new(uint32_t limit, struct images *images, struct known **ret) PW_MUST_CHECK;
void known_free(struct known *k);
/* Holds the image. Out of memory: the mark is not remembered. */
void known_put(struct known *k, uint64_t mark, uint64_t key, struct image *image);
bool known_find(const struct known *k, uint64_t mark, struct known_mark *ret);
void known_rotate(struct known *k);
uint32_t known_count(const struct known *k);
