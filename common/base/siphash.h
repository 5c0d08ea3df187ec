/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * SipHash-2-4: a hash that tells nothing about its input to who does not have the key. For values
 * that must stay comparable and must not be read, such as secrets. Not for tables: hash.h is
 * faster. Source: Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012. Thread: any.
 */
#include "common/base/slice.h"

#define PW_SIPHASH_KEY 16u

uint64_t pw_siphash(struct pw_slice s, const uint8_t key[PW_SIPHASH_KEY]);
