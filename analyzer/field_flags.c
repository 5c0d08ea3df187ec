/* SPDX-License-Identifier: Apache-2.0 */
/* Names of flag bits and of enumerated arguments, as rule texts write them. */
#include "analyzer/field_get.h"

#include "common/wire/batch.h"
#include "podward/v1/event.pb-c.h"

#include <stdio.h>

/* Source: include/uapi/linux/capability.h. */
static const struct field_name caps[] = {
	{0, "CAP_CHOWN"},
	{1, "CAP_DAC_OVERRIDE"},
	{2, "CAP_DAC_READ_SEARCH"},
	{3, "CAP_FOWNER"},
	{4, "CAP_FSETID"},
	{5, "CAP_KILL"},
	{6, "CAP_SETGID"},
	{7, "CAP_SETUID"},
	{8, "CAP_SETPCAP"},
	{9, "CAP_LINUX_IMMUTABLE"},
	{10, "CAP_NET_BIND_SERVICE"},
	{11, "CAP_NET_BROADCAST"},
	{12, "CAP_NET_ADMIN"},
	{13, "CAP_NET_RAW"},
	{14, "CAP_IPC_LOCK"},
	{15, "CAP_IPC_OWNER"},
	{16, "CAP_SYS_MODULE"},
	{17, "CAP_SYS_RAWIO"},
	{18, "CAP_SYS_CHROOT"},
	{19, "CAP_SYS_PTRACE"},
	{20, "CAP_SYS_PACCT"},
	{21, "CAP_SYS_ADMIN"},
	{22, "CAP_SYS_BOOT"},
	{23, "CAP_SYS_NICE"},
	{24, "CAP_SYS_RESOURCE"},
	{25, "CAP_SYS_TIME"},
	{26, "CAP_SYS_TTY_CONFIG"},
	{27, "CAP_MKNOD"},
	{28, "CAP_LEASE"},
	{29, "CAP_AUDIT_WRITE"},
	{30, "CAP_AUDIT_CONTROL"},
	{31, "CAP_SETFCAP"},
	{32, "CAP_MAC_OVERRIDE"},
	{33, "CAP_MAC_ADMIN"},
	{34, "CAP_SYSLOG"},
	{35, "CAP_WAKE_ALARM"},
	{36, "CAP_BLOCK_SUSPEND"},
	{37, "CAP_AUDIT_READ"},
	{38, "CAP_PERFMON"},
	{39, "CAP_BPF"},
	{40, "CAP_CHECKPOINT_RESTORE"},
	{0, NULL},
};

/* Source: include/uapi/linux/sched.h. */
static const struct field_name clone_flags[] = {
	{0x00000100, "CLONE_VM"},
	{0x00000200, "CLONE_FS"},
	{0x00000400, "CLONE_FILES"},
	{0x00000800, "CLONE_SIGHAND"},
	{0x00010000, "CLONE_THREAD"},
	{0x00000080, "CLONE_NEWTIME"},
	{0x00020000, "CLONE_NEWNS"},
	{0x02000000, "CLONE_NEWCGROUP"},
	{0x04000000, "CLONE_NEWUTS"},
	{0x08000000, "CLONE_NEWIPC"},
	{0x10000000, "CLONE_NEWUSER"},
	{0x20000000, "CLONE_NEWPID"},
	{0x40000000, "CLONE_NEWNET"},
	{0, NULL},
};

/* Source: include/uapi/linux/stat.h. */
static const struct field_name mode_bits[] = {
	{0400, "S_IRUSR"},
	{0200, "S_IWUSR"},
	{0100, "S_IXUSR"},
	{040, "S_IRGRP"},
	{020, "S_IWGRP"},
	{010, "S_IXGRP"},
	{04, "S_IROTH"},
	{02, "S_IWOTH"},
	{01, "S_IXOTH"},
	{04000, "S_ISUID"},
	{02000, "S_ISGID"},
	{01000, "S_ISVTX"},
	{0, NULL},
};

/* Source: include/uapi/linux/ptrace.h. */
static const struct field_name ptrace_requests[] = {
	{0, "PTRACE_TRACEME"},
	{1, "PTRACE_PEEKTEXT"},
	{2, "PTRACE_PEEKDATA"},
	{3, "PTRACE_PEEKUSR"},
	{4, "PTRACE_POKETEXT"},
	{5, "PTRACE_POKEDATA"},
	{6, "PTRACE_POKEUSR"},
	{7, "PTRACE_CONT"},
	{8, "PTRACE_KILL"},
	{9, "PTRACE_SINGLESTEP"},
	{12, "PTRACE_GETREGS"},
	{13, "PTRACE_SETREGS"},
	{14, "PTRACE_GETFPREGS"},
	{15, "PTRACE_SETFPREGS"},
	{16, "PTRACE_ATTACH"},
	{17, "PTRACE_DETACH"},
	{24, "PTRACE_SYSCALL"},
	{0x4200, "PTRACE_SETOPTIONS"},
	{0x4204, "PTRACE_GETREGSET"},
	{0x4205, "PTRACE_SETREGSET"},
	{0x4206, "PTRACE_SEIZE"},
	{0x4207, "PTRACE_INTERRUPT"},
	{0, NULL},
};

/* Source: enum bpf_cmd of include/uapi/linux/bpf.h. */
static const struct field_name bpf_commands[] = {
	{0, "BPF_MAP_CREATE"},
	{1, "BPF_MAP_LOOKUP_ELEM"},
	{2, "BPF_MAP_UPDATE_ELEM"},
	{3, "BPF_MAP_DELETE_ELEM"},
	{4, "BPF_MAP_GET_NEXT_KEY"},
	{5, "BPF_PROG_LOAD"},
	{6, "BPF_OBJ_PIN"},
	{7, "BPF_OBJ_GET"},
	{8, "BPF_PROG_ATTACH"},
	{9, "BPF_PROG_DETACH"},
	{10, "BPF_PROG_TEST_RUN"},
	{17, "BPF_RAW_TRACEPOINT_OPEN"},
	{18, "BPF_BTF_LOAD"},
	{28, "BPF_LINK_CREATE"},
	{0, NULL},
};

/* Source: bits/socket.h. */
static const struct field_name domains[] = {
	{1, "AF_UNIX"},
	{2, "AF_INET"},
	{10, "AF_INET6"},
	{15, "AF_KEY"},
	{16, "AF_NETLINK"},
	{17, "AF_PACKET"},
	{29, "AF_CAN"},
	{30, "AF_TIPC"},
	{31, "AF_BLUETOOTH"},
	{38, "AF_ALG"},
	{40, "AF_VSOCK"},
	{44, "AF_XDP"},
	{0, NULL},
};

#define ACCESS(x) PODWARD__V1__FILE_ACCESS__FILE_ACCESS_##x
static const struct field_name open_bits[] = {
	{ACCESS(CREATE), "O_CREAT"},
	{ACCESS(TRUNCATE), "O_TRUNC"},
	{ACCESS(DIRECTORY), "O_DIRECTORY"},
	{ACCESS(PATH_ONLY), "O_PATH"},
	{0, NULL},
};

/* Source: include/uapi/linux/mount.h. */
static const struct field_name mount_flags[] = {
	{1, "MS_RDONLY"},
	{2, "MS_NOSUID"},
	{4, "MS_NODEV"},
	{8, "MS_NOEXEC"},
	{32, "MS_REMOUNT"},
	{4096, "MS_BIND"},
	{8192, "MS_MOVE"},
	{16384, "MS_REC"},
	{1 << 18, "MS_PRIVATE"},
	{1 << 20, "MS_SHARED"},
	{0, NULL},
};

static const struct field_name *const tables[] = {
	[FIELD_CAPS] = caps,
	[FIELD_CLONE] = clone_flags,
	[FIELD_MODE] = mode_bits,
	[FIELD_PTRACE] = ptrace_requests,
	[FIELD_BPF] = bpf_commands,
	[FIELD_DOMAIN] = domains,
	[FIELD_OPEN] = open_bits,
	[FIELD_MOUNT] = mount_flags,
};

static void add_word(struct field_build *b, const char *separator, const char *word)
{
	if (b->c->used > b->from)
		field_add(b, pw_slice_str(separator));
	field_add(b, pw_slice_str(word));
}

struct pw_slice field_flags(struct field_ctx *c, enum field_names which, uint64_t bits)
{
	bool is_caps = which == FIELD_CAPS;
	struct field_build b = field_build(c);
	char rest[24];

	for (const struct field_name *n = tables[which]; n->name; n++) {
		uint64_t bit = is_caps ? 1ull << n->value : n->value;

		if (!(bits & bit))
			continue;
		add_word(&b, is_caps ? " " : "|", n->name);
		bits &= ~bit;
	}
	if (bits && !is_caps && which != FIELD_OPEN) {
		(void)snprintf(rest, sizeof(rest), "0x%llx", (unsigned long long)bits);
		add_word(&b, "|", rest);
	}
	return field_built(&b);
}

struct pw_slice field_name_of(struct field_ctx *c, enum field_names which, uint64_t value)
{
	for (const struct field_name *n = tables[which]; n->name; n++)
		if (n->value == value)
			return pw_slice_str(n->name);
	return field_decimal(c, (int64_t)value);
}
