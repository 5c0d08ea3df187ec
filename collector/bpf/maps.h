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

/* Handlers of monitored system calls, by enum syscall_class; filled by probe.c. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SYSCALL_CLASSES);
	__type(key, uint32_t);
	__type(value, uint32_t);
} handlers SEC(".maps") __attribute__((weak));

/* The same for exec, by enum exec_stage. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, EXEC_STAGES);
	__type(key, uint32_t);
	__type(value, uint32_t);
} exec_stages SEC(".maps") __attribute__((weak));

const char LICENSE[] SEC("license") __attribute__((weak)) = "Dual BSD/GPL";
