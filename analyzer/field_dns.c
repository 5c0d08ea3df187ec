/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/field_dns.h"

#include "common/base/hash.h"

#define IS_ANSWER (1u << 31)

/* Answers are a container's own: what one resolves says nothing about the others. */
static uint64_t key_of(const struct pw_event *e, struct pw_slice address)
{
	const struct pw_container *c = e->process->container;
	uint64_t key = pw_hash64(address, c ? pw_hash64(c->def.id, 0) : 0);

	return key ? key : 1;
}

static void put(struct field_dns *d, uint64_t key, struct pw_slice name)
{
	struct field_dns_slot *s = &d->slots[key % FIELD_DNS_SLOTS];

	s->key = key;
	s->len = (uint8_t)name.len;
	memcpy(s->name, name.ptr, name.len);
}

void field_dns_learn(struct field_dns *d, const struct pw_event *e)
{
	struct pw_slice rest = e->object2, address;

	if (e->kind != PW_EVENT_DNS || !(e->aux & IS_ANSWER) || e->object.len == 0 ||
		e->object.len > FIELD_DNS_NAME)
		return;
	while (rest.len > 0 && pw_slice_cut(&rest, 0, &address))
		if (address.len > 0)
			put(d, key_of(e, address), e->object);
}

bool field_dns_find(const struct field_dns *d, const struct pw_event *e, struct pw_slice address,
	struct pw_slice *ret)
{
	uint64_t key = key_of(e, address);
	const struct field_dns_slot *s = &d->slots[key % FIELD_DNS_SLOTS];

	if (s->key != key)
		return false;
	*ret = pw_slice_of(s->name, s->len);
	return true;
}
