/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which cgroups are watched and whose they are: ties the cgroup tree, the containers, their
 * assignments and the scope map of the kernel side together. The kernel captures new cgroups as
 * pending by itself; here they get their container, or are taken out again.
 * Thread: the pipeline's. Ceilings: those of cgtree, pods and assignments.
 */
#include "collector/assignments.h"
#include "collector/cgtree.h"
#include "collector/event.h"
#include "collector/procfs.h"

struct scope;

/* The kernel's scope map; NULL functions = there is none (replay, tests). */
struct scope_kernel {
	int (*set)(void *ctx, uint64_t cgroup, uint32_t group, uint32_t abi_scope_flags);
	int (*remove)(void *ctx, uint64_t cgroup);
	void *ctx;
};

struct scope_settings {
	const char *cgroup_root;  /* NULL = no filesystem */
	bool keep_all;            /* nothing is ignored in the kernel: everything is to be seen */
	struct scope_rules rules; /* until policysync says others */
	struct scope_kernel kernel;
	/* The container's group or state changed. */
	void (*on_change)(void *ctx, struct container *c);
	/* Its cgroups are gone; pods_leave follows. */
	void (*on_end)(void *ctx, struct container *c);
	void *ctx;
};

struct scope_stats {
	uint64_t unresolved;      /* cgroups of events that could not be found */
	uint64_t refused;         /* tables full */
	uint64_t kernel_failures; /* scope map not written */
	uint32_t cgroups, assignments;
};

int scope_new(
	const struct scope_settings *settings, struct pods *pods, struct scope **ret) PW_MUST_CHECK;
void scope_free(struct scope *s);
/* Reads the hierarchy; what is there is marked as running before us. Number of directories or
 * -errno. */
int scope_scan(struct scope *s, struct pw_err *err) PW_MUST_CHECK;
/* mkdir and rmdir records. */
void scope_mkdir(struct scope *s, const struct event *e, int64_t boot_to_wall_ns);
void scope_rmdir(struct scope *s, const struct event *e);
/*
 * The container of an event, NULL = not in one. An unknown cgroup is looked up through the process
 * (fs may be NULL: then not).
 */
struct container *scope_container(struct scope *s, const struct event *e, struct procfs *fs);
/* The container of a known cgroup, NULL = none or unknown. */
struct container *scope_container_of_cgroup(const struct scope *s, uint64_t cgroup);
/* The container of a running process, NULL = not in one or gone. */
struct container *scope_container_of_pid(struct scope *s, uint32_t pid, struct procfs *fs);
/* Ends what was removed a second ago or longer. */
void scope_tick(struct scope *s, struct pw_boot now);
/* Compares the tree with the filesystem, for removals that no record told. */
void scope_sweep(struct scope *s);
int scope_set_rules(struct scope *s, const struct scope_rules *rules) PW_MUST_CHECK;
struct assignments *scope_assignments(struct scope *s);
const struct scope_rules *scope_rules_of(const struct scope *s);
/* Applies rules and assignments to all containers anew, after a change of either. */
void scope_apply(struct scope *s);
void scope_get_stats(const struct scope *s, struct scope_stats *ret);
