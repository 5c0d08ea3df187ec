/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The standalone source of policies: every *.yaml and *.yml in one folder, in order of their names,
 * laid over a base (the objects of a bundle, another folder that is taken whole or not at all) and
 * that over the embedded defaults. A document that is refused leaves the previous version of its
 * object in force; a file that cannot be read or parsed leaves all of its objects in force. What
 * was refused is kept as a list of problems. A folder that went away keeps the old state. Thread:
 * the owner's; reads files, so not the rpc loop. Ceilings: 1,024 files, 1 MiB each, 4,096 objects
 * in all.
 */
#include "policysync/policy_set.h"

struct policy_dir;

/* path NULL = only the defaults. The defaults are parsed at once; the folder by policy_dir_load. */
int policy_dir_new(const char *path, struct policy_dir **ret, struct pw_err *err) PW_MUST_CHECK;
void policy_dir_free(struct policy_dir *d);
/* Reads the folder again. -errno with err only when the folder itself cannot be read: old state
 * kept. */
int policy_dir_load(struct policy_dir *d, struct pw_err *err) PW_MUST_CHECK;
/* Reads the base; nothing there = no base. What has a problem leaves the old base in force. */
int policy_dir_load_base(struct policy_dir *d, const char *path, struct pw_err *err) PW_MUST_CHECK;
/* Merged set of what is in force. */
int policy_dir_make_set(const struct policy_dir *d, uint64_t serial, struct policy_set **ret,
	struct pw_err *err) PW_MUST_CHECK;
const struct policy_problem *policy_dir_problems(const struct policy_dir *d, size_t *ret_count);
/* The embedded default number index, NULL past the last one. */
const struct crd_object *policy_dir_default(const struct policy_dir *d, size_t index);
