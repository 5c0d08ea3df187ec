/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which name an address was the answer for, by container: filled from DNS answers, asked by
 * fd.sip.name. A later answer for the address, or for one with the same slot, replaces the older.
 * Thread: one shard. Ceiling: FIELD_DNS_SLOTS answers of FIELD_DNS_NAME bytes; longer names are not
 * kept.
 */
#include "common/wire/decode.h"

#define FIELD_DNS_SLOTS 1024u
#define FIELD_DNS_NAME  238u

struct field_dns_slot {
	uint64_t key; /* 0 = free */
	uint8_t len;
	uint8_t name[FIELD_DNS_NAME + 1];
};

struct field_dns {
	struct field_dns_slot slots[FIELD_DNS_SLOTS];
};

/* Takes the answers out of a DNS event; other events do nothing. */
void field_dns_learn(struct field_dns *d, const struct pw_event *e);
/* The name whose answer the event's address was; false when none is known. */
bool field_dns_find(const struct field_dns *d, const struct pw_event *e, struct pw_slice address,
	struct pw_slice *ret);
