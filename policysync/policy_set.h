/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The policies of one moment, merged and immutable: what PolicyService sends. Objects are sorted by
 * key; the revision is a hash over their packed content, so equal content has an equal revision
 * whatever the file names or the order in them.
 * Thread: any (immutable after policy_set_new). Ceilings: POLICY_SET_OBJECTS, POLICY_SET_BYTES
 * packed (a snapshot must fit into one message); past either the whole set is refused.
 */
#include "policysync/crd_json.h"

#define POLICY_SET_OBJECTS  ((size_t)4096)
#define POLICY_SET_BYTES    ((size_t)960 << 10)
#define POLICY_SET_PROBLEMS ((size_t)64)

/* One thing that was refused; the previous version of the object stays in force. */
struct policy_problem {
	char file[256];           /* name of the file */
	char object[CRD_KEY_MAX]; /* object key, "" when the document does not say */
	char field[160];          /* "" when the whole document */
	char message[480];
};

struct policy_set;

/* objects are borrowed for the call. problems are copied (the first POLICY_SET_PROBLEMS). */
int policy_set_new(const struct crd_object *const *objects, size_t count, uint64_t serial,
	struct policy_set **ret, struct pw_err *err) PW_MUST_CHECK;
int policy_set_add_problems(struct policy_set *s, const struct policy_problem *problems,
	size_t count) PW_MUST_CHECK; /* before it is published */
void policy_set_free(struct policy_set *s);
static inline void policy_set_freep(struct policy_set **s)
{
	policy_set_free(*s);
}
const Podward__V1__PolicySnapshot *policy_set_message(const struct policy_set *s);
const char *policy_set_revision(const struct policy_set *s); /* 32 hexadecimal digits */
uint64_t policy_set_serial(const struct policy_set *s);
size_t policy_set_object_count(const struct policy_set *s);
const struct policy_problem *policy_set_problems(const struct policy_set *s, size_t *ret_count);
