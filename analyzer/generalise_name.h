/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Names of one folder -> the template component that stands for all of them: common beginning,
 * class of the middle, common end. The middle is widened to whole numbers and words, so that
 * "2024-01-01" and "2024-01-02" do not give "2024-01-0<digits>". Thread: any.
 */
#include "analyzer/template.h"

#define GENERALISE_NAME_BYTES 320u

/* A form by which names are put together: beginning letters and the ending after the last dot. */
uint64_t generalise_form(struct pw_slice name);
/* Digits, dates, or eight and more hexadecimal digits somewhere: varies by its look alone. */
bool generalise_looks_varied(struct pw_slice name);
/* 0 and a text in out, or -E2BIG when names are too long or hold a class name themselves. */
int generalise_name(const struct pw_slice *names, size_t count, uint8_t out[GENERALISE_NAME_BYTES],
	size_t *ret_len);
/* One name alone: its number or date is what varies. -ENOENT when there is none, or it
 * is part of a word. */
int generalise_one(struct pw_slice name, uint8_t out[GENERALISE_NAME_BYTES], size_t *ret_len);
