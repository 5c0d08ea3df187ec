/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests with the real kernel side: one probe, one cgroup v2 directory in its scope, children
 * that run a function inside it, and the records that came. Fails the cmocka test on trouble.
 * Thread: the test's. Ceiling: RIG_RECORDS records between two rig_clear.
 */
#include "collector/probe.h"
#include "common/base/slice.h"
#include <sys/types.h>

#define RIG_RECORDS 8192
#define RIG_GROUP   77u /* `group` of the scope entry */

struct rig {
	struct source *source;
	const struct kmaps *maps;
	char root[256];   /* where cgroup v2 is mounted */
	char cgroup[384]; /* directory of the test's cgroup */
	char dir[64];     /* scratch directory, removed at the end */
	uint64_t cgroup_id;
	struct abi_header *records[RIG_RECORDS];
	size_t count;
};

/* Prints "SKIP: reason" and exits with 77 when this machine cannot run the kernel side. */
void rig_require(void);
/* What ${PODWARD_TEST_LEVEL} says: a or b; b without. Tests run at both (docs/kernels.md). */
enum probe_level rig_level(void);
void rig_open(struct rig *r, const struct probe_options *options);
void rig_close(struct rig *r);
/* Makes a cgroup directory; returns its id. */
uint64_t rig_mkdir(const char *path);
/* Forks; the child enters the cgroup directory, runs fn and exits with its value. Waits, drains. */
pid_t rig_run_in(
	struct rig *r, const char *cgroup, int (*fn)(void *ctx), void *ctx, int *ret_status);
/* In the test's cgroup; the child must exit with 0. */
pid_t rig_run(struct rig *r, int (*fn)(void *ctx), void *ctx);
/* The same without waiting; end it by rig_wait, which drains and returns the wait status. */
pid_t rig_start(struct rig *r, int (*fn)(void *ctx), void *ctx);
int rig_wait(struct rig *r, pid_t pid);
/* While it runs, every record goes to see at once and is not kept. Returns the wait status. */
int rig_watch(struct rig *r, pid_t pid, source_record_fn see, void *ctx);
void rig_drain(struct rig *r);
void rig_clear(struct rig *r); /* forgets the records so far */
/* n-th record (0 = first) of a kind from a process; NULL when there is none. pid 0 = any. */
const void *rig_nth(const struct rig *r, uint32_t kind, pid_t pid, size_t n);
size_t rig_count(const struct rig *r, uint32_t kind, pid_t pid);
/* Bytes of a span; fails the test when it does not lie within the record. */
struct pw_slice rig_span(const void *record, struct abi_span span);
/* First record of a kind whose `path` (as given), or else `base`, ends with this; NULL = none. */
const struct abi_call *rig_find_call(
	const struct rig *r, uint32_t kind, pid_t pid, const char *end);
/* First open record of a process with this path, or NULL. */
const struct abi_open *rig_find_open(const struct rig *r, pid_t pid, const char *path);
/* First exec record of a process with this executable, or NULL. */
const struct abi_exec *rig_find_exec(const struct rig *r, pid_t pid, const char *exe);
/* Sets out of path = dir + "/" + name. */
char *rig_path(const struct rig *r, const char *name, char *out, size_t size);
struct abi_counters rig_counters(const struct rig *r);
