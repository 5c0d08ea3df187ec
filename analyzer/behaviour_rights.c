/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/behaviour_rights.h"

#include <linux/capability.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define DIM(x) PODWARD__V1__DIMENSION__DIMENSION_##x

/* By number. Source: include/uapi/linux/capability.h. */
static const char *const capabilities[] = {"chown", "dac_override", "dac_read_search", "fowner",
	"fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable", "net_bind_service",
	"net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio",
	"sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write",
	"audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm",
	"block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore"};

/* Name, and what of the event belongs to the behaviour. */
enum with { WITH_NOTHING, WITH_AUX, WITH_ARG, WITH_OBJECT, WITH_FILE };
static const struct {
	const char *name;
	enum with with;
} words[PW_EVENT_KINDS] = {
	[PW_EVENT_CHROOT] = {"chroot", WITH_FILE},
	[PW_EVENT_PTRACE] = {"ptrace", WITH_AUX},
	[PW_EVENT_PROCESS_VM] = {"process_vm", WITH_AUX},
	[PW_EVENT_SETID] = {"setid", WITH_AUX},
	[PW_EVENT_CAPSET] = {"capset", WITH_ARG},
	[PW_EVENT_UMOUNT] = {"umount", WITH_FILE},
	[PW_EVENT_PIVOT_ROOT] = {"pivot_root", WITH_NOTHING},
	[PW_EVENT_SETNS] = {"setns", WITH_AUX},
	[PW_EVENT_UNSHARE] = {"unshare", WITH_ARG},
	[PW_EVENT_CLONE_NS] = {"clone", WITH_ARG},
	[PW_EVENT_OPEN_BY_HANDLE] = {"open_by_handle", WITH_FILE},
	[PW_EVENT_MODULE] = {"module", WITH_OBJECT},
	[PW_EVENT_BPF] = {"bpf", WITH_AUX},
	[PW_EVENT_PERF] = {"perf_event", WITH_AUX},
	[PW_EVENT_USERFAULTFD] = {"userfaultfd", WITH_NOTHING},
	[PW_EVENT_KEYCTL] = {"keyctl", WITH_AUX},
	[PW_EVENT_IO_URING] = {"io_uring", WITH_AUX},
	[PW_EVENT_MEMFD] = {"memfd", WITH_OBJECT},
	[PW_EVENT_MEMORY_EXEC] = {"writable and executable memory", WITH_FILE},
	[PW_EVENT_KILL] = {"signal outside", WITH_AUX},
	[PW_EVENT_TIME] = {"clock set", WITH_AUX},
	[PW_EVENT_HOSTNAME] = {"hostname set", WITH_NOTHING},
};

static void add_words(const struct pw_event *e, struct pw_slice actor, struct behaviour_set *set)
{
	char *out = (char *)set->object_text[2];
	int len = snprintf(out, 64, "%s", words[e->kind].name);
	struct pw_slice more = {NULL, 0};

	switch (words[e->kind].with) {
	case WITH_AUX:
		len += snprintf(out + len, 24, " %u", e->aux);
		break;
	case WITH_ARG:
		len += snprintf(out + len, 24, " 0x%llx", (unsigned long long)e->arg);
		break;
	case WITH_OBJECT:
		more = behaviour_name(e->object, set->object_text[1]);
		break;
	case WITH_FILE:
		more = behaviour_path(e->object, set->object_text[1]);
		break;
	default:
		break;
	}
	more = pw_slice_sub(more, 0, BEHAVIOUR_TEXT_BYTES - 64);
	if (more.len > 0) {
		out[len++] = ' ';
		memcpy(out + len, more.ptr, more.len);
	}
	behaviour_add(set, DIM(PRIVILEGE), actor, pw_slice_of(out, (size_t)len + more.len));
}

/* "mount <filesystem type> <where>" */
static void add_mount(const struct pw_event *e, struct pw_slice actor, struct behaviour_set *set)
{
	struct pw_slice rest = e->object2, source = {NULL, 0}, where;
	char *out = (char *)set->object_text[2];
	int len;

	(void)pw_slice_cut(&rest, 0, &source);
	where = behaviour_path(e->object, set->object_text[1]);
	where = pw_slice_sub(where, 0, BEHAVIOUR_TEXT_BYTES - 96);
	rest = pw_slice_sub(rest, 0, 32);
	len = snprintf(out, 96, "mount %.*s ", PW_SLICE_ARG(rest));
	if (where.len > 0)
		memcpy(out + len, where.ptr, where.len);
	behaviour_add(set, DIM(PRIVILEGE), actor, pw_slice_of(out, (size_t)len + where.len));
}

/* Only options that change what a process may do; names of threads and the like are no privilege.
 */
static bool is_grave_option(uint32_t option)
{
	return option == PR_SET_DUMPABLE || option == PR_SET_KEEPCAPS || option == PR_SET_SECCOMP ||
	       option == PR_CAPBSET_DROP || option == PR_SET_SECUREBITS || option == PR_SET_MM ||
	       option == PR_SET_PTRACER || option == PR_CAP_AMBIENT;
}

static void add_option(const struct pw_event *e, struct pw_slice actor, struct behaviour_set *set)
{
	char *out = (char *)set->object_text[2];
	int len;

	if (!is_grave_option(e->aux))
		return;
	len = snprintf(out, 64, "prctl %u %llu", e->aux, (unsigned long long)e->arg);
	behaviour_add(set, DIM(PRIVILEGE), actor, pw_slice_of(out, (size_t)len));
}

static void add_socket(const struct pw_event *e, struct pw_slice actor, struct behaviour_set *set)
{
	char *out = (char *)set->object_text[2];
	int len = snprintf(out, 64, "socket domain %u type %u protocol %llu", e->aux & 0xffff,
		e->aux >> 16 & 0xff, (unsigned long long)e->arg);

	behaviour_add(set, DIM(PRIVILEGE), actor, pw_slice_of(out, (size_t)len));
}

static void add_number(const struct pw_event *e, struct behaviour_set *set)
{
	char *out = (char *)set->object_text[2];
	struct pw_slice none = {NULL, 0};
	int len;

	if (e->kind == PW_EVENT_SYSCALL)
		len = snprintf(out, 32, "%u", e->aux);
	else if (e->aux < sizeof(capabilities) / sizeof(capabilities[0]))
		len = snprintf(out, 64, "cap_%s", capabilities[e->aux]);
	else
		len = snprintf(out, 64, "cap_%u", e->aux);
	behaviour_add(set, e->kind == PW_EVENT_SYSCALL ? DIM(SYSCALL) : DIM(CAPABILITY), none,
		pw_slice_of(out, (size_t)len));
}

static void add_device(const struct pw_event *e, struct pw_slice actor, struct behaviour_set *set)
{
	char *out = (char *)set->object_text[2];
	uint32_t type = e->aux & S_IFMT;
	int len;

	if (type != S_IFCHR && type != S_IFBLK)
		return;
	len = snprintf(out, 64, "mknod %c %u:%u", type == S_IFCHR ? 'c' : 'b',
		(uint32_t)(e->arg >> 32), (uint32_t)e->arg);
	behaviour_add(set, DIM(PRIVILEGE), actor, pw_slice_of(out, (size_t)len));
}

/* A standard stream that becomes a socket: how a shell is given away. */
static void add_stdio(const struct pw_event *e, struct pw_slice actor, struct behaviour_set *set)
{
	if (e->arg == PODWARD__V1__STDIO_TYPE__STDIO_TYPE_SOCKET)
		behaviour_add(
			set, DIM(PRIVILEGE), actor, PW_SLICE_LIT("standard stream to socket"));
}

void behaviour_rights(const struct pw_event *e, struct pw_slice actor, struct behaviour_set *set)
{
	switch (e->kind) {
	case PW_EVENT_SYSCALL:
	case PW_EVENT_CAPABILITY:
		add_number(e, set);
		return;
	case PW_EVENT_MOUNT:
		add_mount(e, actor, set);
		return;
	case PW_EVENT_PRCTL:
		add_option(e, actor, set);
		return;
	case PW_EVENT_SOCKET:
		add_socket(e, actor, set);
		return;
	case PW_EVENT_MKNOD:
		add_device(e, actor, set);
		return;
	case PW_EVENT_STDIO:
		add_stdio(e, actor, set);
		return;
	default:
		if (e->kind < PW_EVENT_KINDS && words[e->kind].name)
			add_words(e, actor, set);
	}
}
