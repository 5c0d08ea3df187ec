/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What has to be written to the API server so that the objects of a bundle are there and those of
 * the last one that it does not name are gone: steps, each with what undoes it. Objects of users
 * are in no step. Thread: any, blocking. Ceilings: BUNDLE_PLAN_STEPS steps, BUNDLE_PLAN_BYTES of
 * what was there before.
 */
#include "policysync/bundle_apply.h"
#include "policysync/bundle_owned.h"
#include "policysync/crd_json.h"

#define BUNDLE_PLAN_STEPS 2048
#define BUNDLE_PLAN_BYTES ((size_t)16 << 20)

struct bundle_step {
	struct bundle_owned owned; /* of a put: as it is afterwards */
	char path[700];
	struct pw_buf wanted; /* body of an apply; empty = delete it */
	struct pw_buf before; /* body of the apply that undoes; empty = was not there */
};

struct bundle_plan {
	struct bundle_step *steps;
	size_t count, cap, bytes;
	size_t users; /* objects that the bundle names and users own */
	char users_first[CRD_KEY_MAX];
};

void bundle_plan_done(struct bundle_plan *p);
int bundle_plan_make(struct pw_kube *k, const struct bundle *b, struct bundle_plan *ret,
	struct pw_err *err) PW_MUST_CHECK;
/* Asks the server whether it would take every object. -EINVAL with its words. */
int bundle_plan_try(struct pw_kube *k, struct bundle_plan *p, struct pw_err *err) PW_MUST_CHECK;
/* All of it, or (as far as the server lets us) nothing. may = false ends it: -ECANCELED. */
int bundle_plan_run(struct pw_kube *k, struct bundle_plan *p, bool (*may)(void *ctx), void *ctx,
	struct pw_err *err) PW_MUST_CHECK;
