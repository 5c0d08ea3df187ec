/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Custom resources (apiVersion podward.dev/v1alpha1) -> messages of policy.proto. A document is
 * taken or refused as a whole; the refusal names object and field. An accepted object is kept in
 * its packed form, which is at once its copy, its wire form and what the revision hash covers.
 * Thread: any. Ceilings: 16 MiB of arena and 512 KiB packed for one document.
 */
#include "common/base/buf.h"
#include "common/web/json.h"
#include "podward/v1/policy.pb-c.h"

#define CRD_API_VERSION "podward.dev/v1alpha1"
#define CRD_PACKED_MAX  ((size_t)512 << 10)

enum crd_kind {
	CRD_RUNTIME_POLICY,
	CRD_CLUSTER_RUNTIME_POLICY,
	CRD_RUNTIME_EXCLUSION,
	CRD_CLUSTER_RUNTIME_EXCLUSION,
	CRD_SIGNATURE_SET,
	CRD_KINDS
};

/* Immutable, one allocation. */
struct crd_object {
	enum crd_kind kind;
	const char *key;        /* "RuntimePolicy/<namespace>/<name>", "SignatureSet/<name>" */
	struct pw_slice packed; /* Policy, Exclusion or SignatureSet by kind */
};

const char *crd_kind_name(enum crd_kind kind);
int crd_parse(const struct pw_json *doc, struct crd_object **ret, struct pw_err *err) PW_MUST_CHECK;
struct crd_object *crd_dup(const struct crd_object *o) PW_MUST_CHECK; /* NULL when out of memory */
void crd_object_free(struct crd_object *o);                           /* NULL is fine */
static inline void crd_object_freep(struct crd_object **o)
{
	crd_object_free(*o);
}
/* The key of a document that need not be valid; "" when it does not say who it is. */
#define CRD_KEY_MAX 384
void crd_identify(const struct pw_json *doc, char out[CRD_KEY_MAX]);
