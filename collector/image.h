/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * struct image: what a process is between two execs, unchanging and counted. It is what a
 * ProcessDef on the wire describes. A process has one image at a time (proc.h); older ones stay as
 * long as a child, a fold or a waiting event refers to them.
 * Texts (executable, arguments, working directory) are shared between a process and its forks.
 * Thread: the pipeline's. Ceiling: that of struct images; lineage is kept for 32 generations.
 */
#include "collector/pods.h"

#define IMAGE_LINEAGE_MAX 32

/* Texts and file of an executable, shared by forks. */
struct program {
	uint32_t holds;
	struct pw_slice exe, args, cwd, comm; /* own memory; args redacted; empty = unknown */
	struct pw_slice script; /* file given to exec when exe is only its interpreter */
	uint64_t inode, dev;    /* of the executable; dev: major << 32 | minor */
	struct pw_slice env;    /* NAME=VALUE of the variables of interest, redacted, NUL between */
	uint64_t args_hash;     /* of the arguments before redaction, and of env */
	uint64_t identity;      /* hash of path, file and circumstances: "the same program" */
};

struct program_facts {
	struct pw_slice exe, args, cwd, comm, script, env; /* borrowed */
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	uint32_t flags; /* ProcessFlag bits about the file: UPPER_LAYER, MEMFD, DELETED */
	uint64_t args_hash;
};

struct image {
	uint32_t holds;
	uint32_t ref;         /* on the wire */
	uint32_t def_ref;     /* container ref that `ref` was told with; see batcher.c */
	uint64_t told_epoch;  /* last dictionary epoch in which a batch defined it; 0 = never */
	struct image *parent; /* held; NULL = unknown or outside the container */
	struct container *container; /* held; NULL = host */
	struct program *program;     /* held; never NULL */
	uint32_t pid, ppid, uid, gid, flags, tty, session, euid, egid;
	uint32_t pid_in_ns;                                        /* 0 = unknown */
	uint64_t caps_effective, caps_permitted, caps_inheritable; /* at its exec */
	struct pw_boot start;
};

/* What an image is made from; everything borrowed or held anew. */
struct image_facts {
	struct image *parent;
	struct container *container;
	struct program *program;
	uint32_t pid, ppid, uid, gid, flags, tty, session, pid_in_ns, euid, egid;
	uint64_t caps_effective, caps_permitted, caps_inheritable;
	struct pw_boot start;
};

struct images;

/* on_free is called for each image that was told to somebody, just before it goes. May be NULL. */
int images_new(uint32_t limit, struct pods *pods, struct images **ret) PW_MUST_CHECK;
void images_on_free(struct images *t, void (*fn)(void *ctx, const struct image *i), void *ctx);
void images_free(struct images *t); /* every image must have been put */
/* With one hold for the caller. -ENOSPC at the ceiling, -ENOMEM. */
int image_new(struct images *t, const struct image_facts *facts, struct image **ret) PW_MUST_CHECK;
struct image *image_hold(struct image *i);
void image_put(struct images *t, struct image *i); /* NULL is fine */
uint32_t image_next_ref(struct images *t);         /* a fresh number for the wire */
uint32_t images_count(const struct images *t);

int program_new(const struct program_facts *facts, struct program **ret) PW_MUST_CHECK;
struct program *program_hold(struct program *p);
void program_put(struct program *p); /* NULL is fine */
