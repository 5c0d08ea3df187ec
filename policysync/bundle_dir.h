/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The target of bundles where there is no API server: a folder "objects" below the bundle's folder,
 * one file for each object. A bundle is written to a folder of its own first and put in place by
 * one rename, so a kill leaves the old one or the new one, never a mixture. What is in it is read
 * by policy_dir as what policies lie upon, in place of the embedded defaults. Thread: the bundle's.
 */
#include "policysync/bundle_apply.h"

struct bundle_dir;

/* dir is made when it is not there. changed(ctx) after each apply, on the bundle's thread. */
int bundle_dir_new(const char *dir, void (*changed)(void *ctx), void *ctx, struct bundle_dir **ret,
	struct pw_err *err) PW_MUST_CHECK;
void bundle_dir_free(struct bundle_dir *d);
struct bundle_target bundle_dir_target(struct bundle_dir *d);
/* What the dry run does, for every target: each blob must be one valid document of the kind and
 * name that the manifest says, all of them together one valid set. */
int bundle_check_objects(
	const struct bundle *b, const struct bundle_caps *caps, struct pw_err *err) PW_MUST_CHECK;
