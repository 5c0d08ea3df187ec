/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Every map of the kernel side, once. Each program file includes this; the definitions are weak, so
 * that `bpftool gen object` merges them into one set. Sizes below are defaults: probe.c sets ring
 * and scope from its options before loading. Thread: kernel context of any CPU.
 */
#include "collector/bpf/vmlinux_min.h"
#include "collector/bpf/abi.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* Records on their way to user space. Ceiling: its size; a full ring refuses and counts. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} records SEC(".maps") __attribute__((weak));

/* cgroup id -> struct abi_scope. Ceiling: its size; a new cgroup that does not fit counts MAP_FULL.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, uint64_t);
	__type(value, struct abi_scope);
} scope SEC(".maps") __attribute__((weak));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct abi_settings);
} settings SEC(".maps") __attribute__((weak));

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct abi_counters);
} counters SEC(".maps") __attribute__((weak));

/* What to do with each system call number (SYSCALLS_*); filled by probe.c from calls.c. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SYSCALLS_COUNT);
	__type(key, uint32_t);
	__type(value, struct abi_syscall);
} syscalls SEC(".maps") __attribute__((weak));

/* Handlers of monitored system calls, by enum abi_handler; filled by probe.c. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, HANDLER_COUNT);
	__type(key, uint32_t);
	__type(value, uint32_t);
} handlers SEC(".maps") __attribute__((weak));

/* Behaviours that were reported: direct-mapped by mark, a newer one replaces an older one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, KNOWN_PLACES);
	__type(key, uint32_t);
	__type(value, struct abi_known_place);
} known SEC(".maps") __attribute__((weak));

/* cgroup id -> what was dropped there. Ceiling: further cgroups count for the node only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, uint64_t);
	__type(value, struct abi_lost);
} lost SEC(".maps") __attribute__((weak));

/* cgroup id -> what it used. Ceiling: the least recently used goes, then its uses are first again.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, uint64_t);
	__type(value, struct abi_used);
} used SEC(".maps") __attribute__((weak));

/*
 * Copies of those, direct-mapped by cgroup, so that a call that was used before costs no hash
 * lookup; also remembers who is not in scope. tag 0 = empty.
 */
struct used_cache {
	uint64_t tag; /* cgroup id mixed with the epoch */
	uint64_t calls[8];
};
#define USED_CACHE_PLACES 512u

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, USED_CACHE_PLACES);
	__type(key, uint32_t);
	__type(value, struct used_cache);
} used_copies SEC(".maps") __attribute__((weak));

/* How often a container's own program began: copies of an older count are void. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, uint32_t);
} used_epoch SEC(".maps") __attribute__((weak));

/* The same for exec, by enum exec_stage. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, EXEC_STAGES);
	__type(key, uint32_t);
	__type(value, uint32_t);
} exec_stages SEC(".maps") __attribute__((weak));

/*
 * What a security hook saw of the system call that the current task is in, until the call's end
 * makes a record of it (note.h). Paths end where their slot ends.
 */
#define NOTE_PATHS   2u
#define NOTE_SLOT    ABI_PATH_MAX
#define NOTE_TEXT    256u /* also what a path's writer wants behind the last slot */
#define NOTE_ADDRESS 128u

struct note_path {
	uint32_t off, len; /* in struct note_text; len 0 = none */
	uint32_t flags;    /* ABI_PATH_* */
	uint32_t name_len;
};

struct note {
	uint64_t mark;
	uint64_t object; /* address of the socket: only compared */
	uint64_t inode;
	uint64_t num;
	struct abi_process target;
	uint32_t kind, handler; /* whose end takes it */
	uint32_t mode, dev, open_flags;
	uint32_t text_len, address_len;
	uint32_t reserved;
	struct note_path path[NOTE_PATHS];
	uint8_t address[NOTE_ADDRESS];
};

struct note_text {
	char paths[NOTE_PATHS * NOTE_SLOT];
	char text[NOTE_TEXT];
	char names[NOTE_PATHS][NOTE_TEXT];
};

/* By thread id. Ceiling: threads inside a call at once; further ones are told without a note. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, uint32_t);
	__type(value, struct note);
} notes SEC(".maps") __attribute__((weak));

/* Only for what was not told before. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, uint32_t);
	__type(value, struct note_text);
} note_texts SEC(".maps") __attribute__((weak));

/* Runs of the security hooks for the collector itself: shows at start that they are called. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, uint64_t);
} canary SEC(".maps") __attribute__((weak));

const char LICENSE[] SEC("license") __attribute__((weak)) = "Dual BSD/GPL";
