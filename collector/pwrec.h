/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The .pwrec file: one header, then records, each as an 8-byte frame and the record's bytes as they
 * came from the source. Numbers are little endian. Written by record.c, read by replay.c.
 * Thread: none (types only). Ceiling: ABI_RECORD_MAX bytes for one record.
 */
#include <stdint.h>

#define PWREC_MAGIC   "PWREC\r\n\032" /* 8 bytes; text mode transfers damage it */
#define PWREC_VERSION 1u

struct pwrec_header {
	uint8_t magic[8];
	uint32_t version;        /* PWREC_VERSION */
	uint32_t abi_version;    /* ABI_VERSION of the records */
	int64_t boot_to_wall_ns; /* wall = record's boot_ns + this */
	char boot_id[40];        /* 36 characters and NUL padding, all NUL = unknown */
};
_Static_assert(sizeof(struct pwrec_header) == 64, "pwrec_header");

struct pwrec_frame {
	uint32_t len;      /* of the record; multiple of 8, equals its header.size */
	uint32_t reserved; /* 0 */
};
_Static_assert(sizeof(struct pwrec_frame) == 8, "pwrec_frame");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are written in host order");
