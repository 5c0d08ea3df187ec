/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * The records that cross the ring buffer, for both sides: clang -target bpf writes, user space
 * reads.
 *
 * A record is one fixed struct (below, by kind) and a tail. Everything variable lies in the tail
 * and is named by a struct abi_span in the fixed part: offset from the first byte of the record,
 * and length in bytes, without NUL. A span of length 0 is absent (its offset means nothing). Spans
 * do not overlap but may have gaps between them. The reader checks every span against header.size.
 *
 * Rules: little changes inside a version; fields are only ever appended to a kind's fixed part, and
 * then ABI_VERSION rises. Numbers are in host order unless they say otherwise. Bytes of strings are
 * what the kernel had: any byte but NUL (args and abstract socket names may hold NUL).
 * Thread: none (types only). Ceiling: ABI_RECORD_MAX bytes for one record.
 */
#include <stdint.h>

#define ABI_VERSION    2
#define ABI_RECORD_MAX 40960u /* largest record */
#define ABI_PATH_MAX   4096u  /* longest path kept; longer ones lose their front */
#define ABI_ARGS_MAX   16384u /* longest argument block kept; longer ones lose their end */
#define ABI_ENV_MAX    8192u  /* longest environment block kept; longer ones lose their end */
#define ABI_DATA_MAX   512u   /* longest payload of a datagram kept */
#define ABI_COMM_SIZE  16u    /* with its NUL */

enum abi_kind {
	ABI_KIND_NONE = 0,
	ABI_KIND_EXEC = 1,         /* struct abi_exec: a new image runs */
	ABI_KIND_FORK = 2,         /* struct abi_fork: a new process (not: a new thread) */
	ABI_KIND_EXIT = 3,         /* struct abi_exit: the last thread of a process is gone */
	ABI_KIND_OPEN = 4,         /* struct abi_open */
	ABI_KIND_CONNECT = 5,      /* struct abi_connect */
	ABI_KIND_CGROUP_MKDIR = 6, /* struct abi_cgroup: cgroup v2 only; also outside the scope */
	ABI_KIND_CGROUP_RMDIR = 7, /* struct abi_cgroup */
	/* All further ones: struct abi_call, whose comment says what each puts where. */
	ABI_KIND_REMOVE = 8,
	ABI_KIND_RENAME = 9,
	ABI_KIND_LINK = 10,
	ABI_KIND_SYMLINK = 11,
	ABI_KIND_MKDIR = 12,
	ABI_KIND_MKNOD = 13,
	ABI_KIND_CHMOD = 14,
	ABI_KIND_CHOWN = 15,
	ABI_KIND_SETXATTR = 16,
	ABI_KIND_TRUNCATE = 17,
	ABI_KIND_UTIMES = 18,
	ABI_KIND_CHDIR = 19,
	ABI_KIND_CHROOT = 20,
	ABI_KIND_BIND = 21,
	ABI_KIND_LISTEN = 22,
	ABI_KIND_ACCEPT = 23,
	ABI_KIND_SEND = 24,
	ABI_KIND_SOCKET = 25,
	ABI_KIND_DNS = 26,
	ABI_KIND_STDIO = 27,
	ABI_KIND_PTRACE = 28,
	ABI_KIND_PROCESS_VM = 29,
	ABI_KIND_SETID = 30,
	ABI_KIND_CAPSET = 31,
	ABI_KIND_PRCTL = 32,
	ABI_KIND_CAPABILITY = 33,
	ABI_KIND_MOUNT = 34,
	ABI_KIND_UMOUNT = 35,
	ABI_KIND_PIVOT_ROOT = 36,
	ABI_KIND_SETNS = 37,
	ABI_KIND_UNSHARE = 38,
	ABI_KIND_CLONE_NS = 39,
	ABI_KIND_OPEN_BY_HANDLE = 40,
	ABI_KIND_MODULE = 41,
	ABI_KIND_BPF = 42,
	ABI_KIND_PERF = 43,
	ABI_KIND_USERFAULTFD = 44,
	ABI_KIND_KEYCTL = 45,
	ABI_KIND_IO_URING = 46,
	ABI_KIND_MEMFD = 47,
	ABI_KIND_MEMORY_EXEC = 48,
	ABI_KIND_KILL = 49,
	ABI_KIND_TIME = 50,
	ABI_KIND_HOSTNAME = 51,
	ABI_KIND_SYSCALL = 52,
	ABI_KIND_EXEC_REFUSED = 53, /* execve that failed: the old image goes on */
	ABI_KIND_COUNT = 54,
};
#define ABI_KIND_SLOTS 64u /* of counters by kind: a power of two is cheap to prove */
_Static_assert(ABI_KIND_COUNT <= ABI_KIND_SLOTS, "kinds are bits of a u64");
#define ABI_KIND_BIT(kind) (1ull << (kind))

/* Why the kernel side did not submit a record that it had seen. Index of the drop counters. */
enum abi_drop {
	ABI_DROP_RING_FULL = 0, /* bpf_ringbuf_reserve refused */
	ABI_DROP_MAP_FULL =
		1,         /* a new cgroup did not fit into the scope map; counted for kind NONE */
	ABI_DROP_READ = 2, /* kernel memory could not be read, there is nothing to say */
	ABI_DROP_COUNT = 3,
};

/* Where a bounded read failed although the record went out: counters only. Index of read_failures.
 */
enum abi_read_site {
	ABI_READ_TASK = 0,      /* a field of the task */
	ABI_READ_DENTRY = 1,    /* path walk: dentry or mount */
	ABI_READ_NAME = 2,      /* path walk: bytes of a name */
	ABI_READ_ARGS = 3,      /* argument block of a new image */
	ABI_READ_USER_PATH = 4, /* path argument of a failed open */
	ABI_READ_SOCKET = 5,    /* socket behind a descriptor */
	ABI_READ_USER_ADDR = 6, /* address argument of connect */
	ABI_READ_FILE = 7,      /* struct file behind a descriptor (closed meanwhile) */
	ABI_READ_ENV = 8,       /* environment block of a new image */
	ABI_READ_USER_DATA = 9, /* other arguments in user memory */
	ABI_READ_NOTE = 10,     /* no room for what a security hook saw */
	ABI_READ_SITES = 11,
};

struct abi_span {
	uint32_t off; /* from the start of the record */
	uint32_t len; /* bytes; 0 = absent */
};
_Static_assert(sizeof(struct abi_span) == 8, "abi_span");

/* A process by (tgid, start): unique for one boot. start_boot_ns 0 = unknown. */
struct abi_process {
	uint64_t start_boot_ns; /* CLOCK_BOOTTIME start of the group leader */
	uint32_t tgid;          /* in the initial pid namespace */
	uint32_t reserved;      /* 0 */
};
_Static_assert(sizeof(struct abi_process) == 16, "abi_process");

/* header.flags */
#define ABI_FLAG_PENDING   0x0001u /* scope entry of the cgroup is still pending */
#define ABI_FLAG_WATCH_ALL 0x0002u /* cgroup not in the scope: came by the setting "watch all" */
#define ABI_FLAG_COMPAT    0x0004u /* 32-bit system call (int 0x80, ia32) */
#define ABI_FLAG_PARTIAL   0x0008u /* a read failed: some fields are 0 or absent */
#define ABI_FLAG_IO_URING  0x0010u /* came through io_uring, there was no system call for it */

/*
 * First part of each record. It describes the acting process: for FORK the child, for EXEC the
 * process with its new image, for CGROUP_* who made or removed the directory.
 */
struct abi_header {
	uint32_t size;      /* bytes of the whole record with its tail, multiple of 8 */
	uint16_t kind;      /* enum abi_kind */
	uint16_t flags;     /* ABI_FLAG_* */
	uint64_t boot_ns;   /* CLOCK_BOOTTIME when it was seen */
	uint64_t cgroup_id; /* cgroup v2 id (inode number of the directory) of the acting task */
	uint64_t start_boot_ns; /* CLOCK_BOOTTIME start of the group leader, as in abi_process */
	uint32_t tgid;          /* process id, initial pid namespace */
	uint32_t tid;           /* thread id, initial pid namespace */
	uint32_t ppid;          /* tgid of the parent at this moment */
	uint32_t uid;           /* real uid, initial user namespace */
	uint32_t gid;           /* real gid */
	uint32_t group;         /* `group` of the scope entry, as user space set it; 0 = none */
};
_Static_assert(sizeof(struct abi_header) == 56, "abi_header");

/*
 * For kinds that the kernel side folds (known.h): the mark of this behaviour, the place where its
 * repeats are counted, and what was counted there for the behaviour that had the place before.
 */
struct abi_known {
	uint64_t mark; /* 0 = not folded */
	uint64_t evicted_mark;
	uint32_t evicted_count;
	uint32_t place;
};
_Static_assert(sizeof(struct abi_known) == 24, "abi_known");

/* Circumstances of a path (fields *_flags that say "ABI_PATH_*"). */
#define ABI_PATH_TRUNCATED                                                                      \
	0x01u                   /* longer than kept: the front is missing (user paths: the end) \
				 */
#define ABI_PATH_USER     0x02u /* string from user memory, unresolved, may be relative */
#define ABI_PATH_DELETED  0x04u /* the object has no name left in its directory, or no link */
#define ABI_PATH_DETACHED 0x08u /* no mounted place: memfd, pipe, anonymous inode, lazy unmount */
#define ABI_PATH_OUTSIDE \
	0x10u /* not below the process's root: absolute from the mount tree's root */
#define ABI_PATH_FAILED 0x20u /* a read failed on the way: bytes are the known end of the path */

/* abi_exec.exec_flags */
#define ABI_EXEC_UPPER          0x0001u /* executable lies in overlayfs's writable layer */
#define ABI_EXEC_MEMFD          0x0002u /* executable is a memfd or other unlinked shared memory */
#define ABI_EXEC_DELETED        0x0004u /* executable has no link left (nlink 0) */
#define ABI_EXEC_ARGS_TRUNCATED 0x0008u /* argument block was longer than ABI_ARGS_MAX */
#define ABI_EXEC_STDIN_SOCKET   0x0010u /* fd 0 is a socket */
#define ABI_EXEC_STDOUT_SOCKET  0x0020u /* fd 1 is a socket */
#define ABI_EXEC_STDIN_PIPE     0x0040u /* fd 0 is a pipe */
#define ABI_EXEC_STDOUT_PIPE    0x0080u /* fd 1 is a pipe */
#define ABI_EXEC_SCRIPT         0x0100u /* `filename` is a script, exe its interpreter */
#define ABI_EXEC_BY_FD          0x0200u /* execveat: filename is /dev/fd/N or /dev/fd/N/rest */
#define ABI_EXEC_STDERR_SOCKET  0x0400u /* fd 2 is a socket */
#define ABI_EXEC_ENV_TRUNCATED                                            \
	0x0800u /* environment was longer than ABI_ENV_MAX, or unreadable \
		 */

struct abi_exec {
	struct abi_header header;
	struct abi_process parent; /* real parent; tgid equals header.ppid */
	uint64_t inode;            /* of the executable */
	uint64_t caps_effective;   /* bit n = capability n */
	uint32_t dev_major;        /* device of the executable's filesystem */
	uint32_t dev_minor;
	uint32_t euid; /* effective, initial user namespace */
	uint32_t egid;
	uint32_t session; /* session leader's pid, initial pid namespace; 0 = unknown */
	uint32_t tty;     /* controlling terminal major << 20 | minor; 0 = none */
	uint32_t mnt_ns;  /* inode number of the mount namespace; tells runc init from its container
			   */
	uint32_t pid_ns;  /* inode number of the pid namespace */
	uint32_t pid_in_ns;       /* tgid in its own pid namespace; 1 = the container's init */
	uint32_t exec_flags;      /* ABI_EXEC_* */
	uint32_t exe_flags;       /* ABI_PATH_* of exe */
	uint32_t cwd_flags;       /* ABI_PATH_* of cwd */
	char comm[ABI_COMM_SIZE]; /* NUL-terminated */
	struct abi_span exe; /* resolved path of the opened executable, below the process's root */
	struct abi_span filename; /* as given to execve: the script for scripts; may be relative */
	struct abi_span
		args; /* argv, each argument followed by NUL (the last one too unless truncated) */
	struct abi_span cwd; /* resolved working directory */
	uint64_t caps_permitted;
	uint64_t caps_inheritable;
	struct abi_span env; /* NAME=VALUE, each followed by NUL; whole: user space picks from it */
};
_Static_assert(sizeof(struct abi_exec) == 208, "abi_exec");

struct abi_fork {
	struct abi_header header;  /* of the child */
	struct abi_process parent; /* the new process's parent (real_parent) */
	uint32_t pid_in_ns;        /* tgid in its own pid namespace */
	uint32_t reserved;         /* 0 */
	char comm[ABI_COMM_SIZE];
};
_Static_assert(sizeof(struct abi_fork) == 96, "abi_fork");

/* Two threads that end at the same instant can both report the end of their process: take the
 * first. */
struct abi_exit {
	struct abi_header header;
	uint32_t status; /* as from wait(2): low 7 bits signal, 0x80 core, bits 8..15 exit code */
	uint32_t reserved;
	char comm[ABI_COMM_SIZE];
};
_Static_assert(sizeof(struct abi_exit) == 80, "abi_exit");

/*
 * open, openat, openat2, creat. ret >= 0: path, inode and access come from the opened file. ret < 0
 * (only -EPERM and -EACCES are reported): path is the caller's string, path_flags has
 * ABI_PATH_USER, dirfd says what it is relative to and cwd/dir is not resolved.
 */
struct abi_open {
	struct abi_header header;
	uint64_t inode;      /* 0 for failed opens */
	int32_t ret;         /* descriptor or -errno */
	uint32_t open_flags; /* O_* (x86-64/asm-generic values): file->f_flags and the call's
				O_CREAT|O_TRUNC|O_EXCL */
	uint32_t mode;       /* i_mode of the object with its type bits; 0 for failed opens */
	uint32_t dev_major;
	uint32_t dev_minor;
	int32_t dirfd;       /* as given; AT_FDCWD (-100) for open and creat */
	uint32_t path_flags; /* ABI_PATH_* */
	uint16_t call;       /* x86-64 system call number + 1; 0 = none */
	uint16_t reserved;
	char comm[ABI_COMM_SIZE];
	struct abi_span path;
	struct abi_known known;
};
_Static_assert(sizeof(struct abi_open) == 144, "abi_open");

/* abi_address.flags */
#define ABI_ADDR_USER \
	0x01u /* address from user memory (the call failed or the socket has no peer) */
#define ABI_ADDR_ABSTRACT  0x02u /* AF_UNIX: path is an abstract name, without its leading NUL */
#define ABI_ADDR_TRUNCATED 0x04u /* unix path longer than kept */
#define ABI_ADDR_RESOLVED  0x08u /* AF_UNIX: path walked from the bound socket's dentry */
#define ABI_ADDR_UNNAMED   0x10u /* AF_UNIX peer without a name */

/* A socket and the address that the call is about. family 0 = there is no address. */
struct abi_address {
	uint16_t family;     /* AF_* of the address */
	uint16_t sock_type;  /* SOCK_STREAM, SOCK_DGRAM … */
	uint16_t protocol;   /* IPPROTO_TCP, IPPROTO_UDP …; 0 for AF_UNIX */
	uint16_t port;       /* of addr, host order */
	uint16_t local_port; /* host order, 0 = unknown */
	uint16_t flags;      /* ABI_ADDR_* */
	uint32_t path_flags; /* ABI_PATH_* when ABI_ADDR_RESOLVED */
	uint8_t addr[16];    /* AF_INET first 4 bytes, network order; rest 0 */
	uint8_t local[16];   /* local address the same way, all 0 = unknown */
};
_Static_assert(sizeof(struct abi_address) == 48, "abi_address");

/* connect(2) on AF_INET, AF_INET6, AF_UNIX; any l4 protocol; any ret. */
struct abi_connect {
	struct abi_header header;
	int32_t ret; /* 0, -EINPROGRESS (non-blocking, address known) or another -errno */
	int32_t fd;
	struct abi_address address; /* of the peer */
	char comm[ABI_COMM_SIZE];
	struct abi_span path; /* AF_UNIX only */
	uint16_t call;        /* x86-64 system call number + 1; 0 = none */
	uint16_t reserved[3];
	struct abi_known known;
};
_Static_assert(sizeof(struct abi_connect) == 168, "abi_connect");

/*
 * Every other event. What it says, by kind; aN = N-th argument of the call, from 1 on, as given.
 * Paths: `path` as the caller wrote it, relative to `base`, which is resolved from the kernel's
 * objects; without path, base is the object itself.
 *
 * REMOVE path; num0 flags (unlinkat)      RENAME path old, path2 new; num0 flags
 * LINK path2 new, path existing; num0     SYMLINK path link, text target
 * MKDIR path; num0 mode                   MKNOD path; num0 mode, num1 device
 * CHMOD path; num0 mode                   CHOWN path; num0 uid, num1 gid
 * SETXATTR path, text name                TRUNCATE path; num0 length
 * UTIMES, CHDIR, CHROOT path              BIND, LISTEN local address; num0 backlog
 * ACCEPT, SEND address of the peer        SOCKET num0 domain, num1 type, num2 protocol
 * DNS address of the server, data: payload, num0 1 = answer
 * STDIO num0 old fd, ret new fd; address, or base and mode
 * PTRACE num0 request, target             PROCESS_VM target
 * SETID num0 euid, num1 egid (after)      CAPSET num0 effective set (after)
 * PRCTL num0 option, num1 argument        CAPABILITY num0 number
 * MOUNT path2 target, path source, text filesystem type; num0 flags
 * UMOUNT path; num0 flags                 PIVOT_ROOT path new root, path2 old one's place
 * SETNS num0 type                         UNSHARE, CLONE_NS num0 flags
 * OPEN_BY_HANDLE base; num0 flags         MODULE text name or base
 * BPF num0 command, num1 first 8 bytes of its attributes: low half = type
 * PERF num0 low half = type, num1 config  USERFAULTFD num0 flags
 * KEYCTL num0 operation                   IO_URING num0 low half = flags or operation
 * MEMFD text name; num0 flags             MEMORY_EXEC num0 protection; base
 * KILL num0 signal, target                TIME num0 clock
 * HOSTNAME text name; num0 its length     SYSCALL only `call`
 * EXEC_REFUSED path
 */
struct abi_call {
	struct abi_header header;
	uint64_t num[3];
	struct abi_process target; /* tgid 0 = unknown here; then target_pid may help */
	int32_t target_pid;        /* as the caller named it, in its own pid namespace; 0 = none */
	int32_t ret;
	uint16_t call;     /* x86-64 system call number + 1; 0 = none */
	uint16_t resolved; /* 1: path and path2 are last names below bases that the kernel resolved
			    */
	uint32_t base_flags;  /* ABI_PATH_* of base */
	uint32_t path_flags;  /* ABI_PATH_* of path: TRUNCATED, FAILED */
	uint32_t base2_flags; /* and of the second pair */
	uint32_t path2_flags;
	uint32_t mode; /* i_mode of a descriptor's object, 0 = unknown */
	struct abi_address address;
	char comm[ABI_COMM_SIZE];
	struct abi_span base, path, base2, path2;
	struct abi_span text; /* another string argument */
	struct abi_span data; /* payload: any bytes */
	struct abi_known known;
};
_Static_assert(sizeof(struct abi_call) == 264, "abi_call");

struct abi_cgroup {
	struct abi_header header; /* of who made or removed it */
	uint64_t id;              /* of the cgroup: inode number of its directory */
	uint64_t parent_id;
	uint32_t level;       /* depth below the root, root = 0 */
	uint32_t scope_flags; /* SCOPE_* now in the map for it (mkdir) or before (rmdir) */
	struct abi_span path; /* from the root of the v2 hierarchy, begins with '/' */
};
_Static_assert(sizeof(struct abi_cgroup) == 88, "abi_cgroup");

/* --- maps that both sides touch --- */

/* Programs that handle finished system calls; index of the handlers map. */
enum abi_handler {
	HANDLER_NONE = 0,
	HANDLER_OPEN = 1,
	HANDLER_CONNECT = 2,
	HANDLER_PLAIN = 3, /* numbers, one string */
	HANDLER_PATH = 4,  /* one path, or the object of a descriptor; one string */
	HANDLER_PATHS = 5, /* two paths, one string */
	HANDLER_PATHS_LARGE = 6,
	HANDLER_SOCKET = 7, /* address of a socket */
	HANDLER_SEND = 8,   /* datagrams; DNS payload */
	HANDLER_SEND_MANY = 9,
	HANDLER_STDIO = 10,
	HANDLER_SOCKETCALL = 11, /* never called: stands for another entry of the table */
	HANDLER_NOTED_OPEN = 12, /* a security hook saw what was opened */
	HANDLER_NOTED_PATH = 13, /* … what the paths lead to */
	HANDLER_COUNT = 14,
};

/* abi_syscall.flags */
#define SYSCALL_REFUSED     0x0001u /* report -EPERM, -EACCES, -EROFS */
#define SYSCALL_ERRORS      0x0002u /* report every error but "try again" */
#define SYSCALL_DONE        0x0004u /* report results >= 0 */
#define SYSCALL_STDIO       0x0008u /* only results 0, 1, 2 */
#define SYSCALL_CHILD       0x0010u /* result 0 is the child's: not reported */
#define SYSCALL_FD_RESULT   0x0020u /* the object is that of the resulting descriptor */
#define SYSCALL_PWD_AFTER   0x0040u /* done: the object is the working directory */
#define SYSCALL_ROOT_AFTER  0x0080u /* done: the object is the root directory */
#define SYSCALL_FD_OPTIONAL 0x0100u /* no such descriptor is no failure */
#define SYSCALL_IN_MEMORY   0x0200u /* arguments are six u32 behind the second argument */
#define SYSCALL_FIRST_USE   0x0400u /* its first use by a container is an event */
#define SYSCALL_MSGHDR      0x0800u /* address and data are in a struct msghdr */
#define SYSCALL_RECEIVES    0x1000u /* data comes in */
#define SYSCALL_NOTED       0x2000u /* a security hook may have left a note about it */

/* abi_syscall.filter_mode: what argument filter_arg must be */
enum abi_filter { FILTER_NONE, FILTER_ANY_BIT, FILTER_ALL_BITS, FILTER_IN_SET };

/* In num[]: the u64 in user memory that the argument points to, or the one 8 bytes behind. */
#define SYSCALL_ARG_DEREF  0x10u
#define SYSCALL_ARG_DEREF8 0x20u

/*
 * What to do with one system call number; value of the syscalls map, filled by user space
 * (calls.c) and changeable while running: that is how calls are switched on and off.
 * Arguments are counted from 1; 0 = none.
 */
struct abi_syscall {
	uint64_t filter;
	uint8_t handler; /* enum abi_handler */
	uint8_t kind;    /* enum abi_kind */
	uint8_t filter_mode, filter_arg;
	uint16_t number; /* on x86-64 */
	uint16_t flags;  /* SYSCALL_* */
	uint8_t num[3];
	uint8_t target, dirfd, path, dirfd2, path2, text;
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct abi_syscall) == 32, "abi_syscall");

/* Index of the syscalls map: numbers of the native ABI, of the 32-bit one, x32's own, socketcall's.
 */
#define SYSCALLS_NATIVE     0u
#define SYSCALLS_COMPAT     512u
#define SYSCALLS_X32        1024u /* numbers 512..575 with the x32 bit */
#define SYSCALLS_SOCKETCALL 1088u
#define SYSCALLS_COUNT      1120u

/* Programs that build an exec record; index of the exec_stages map. */
enum exec_stage {
	EXEC_STAGE_SMALL = 0,
	EXEC_STAGE_MEDIUM = 1,
	EXEC_STAGE_LARGE = 2,
	EXEC_STAGES = 3,
};

/* struct abi_scope.flags */
#define SCOPE_PENDING   0x01u /* new cgroup, identity not known yet: captured as if in scope */
#define SCOPE_IGNORE    0x02u /* known and not wanted: children are made ignored too */
#define SCOPE_INHERITED 0x04u /* the kernel side copied it from the parent at mkdir */

/* Value of the scope map; key is the cgroup id (u64). No entry = out of scope. */
struct abi_scope {
	uint32_t group; /* number user space chose, echoed in header.group; 0 = none */
	uint32_t flags; /* SCOPE_* */
	uint32_t
		epoch; /* raised by renames and mounts: the same object may have another path now */
	uint32_t reserved;
};
_Static_assert(sizeof(struct abi_scope) == 16, "abi_scope");

/* abi_settings.flags */
#define SETTING_WATCH_ALL  0x01u /* report cgroups outside the scope too (not SCOPE_IGNORE ones) */
#define SETTING_NO_PENDING 0x02u /* do not put new cgroups into the scope */
#define SETTING_NOTES      0x04u /* security hooks are attached and leave notes */

/* Single value of the settings map; may be changed while running. */
struct abi_settings {
	uint32_t flags;        /* SETTING_* */
	uint32_t self_tgid;    /* the collector itself: never reported */
	uint32_t wakeup_bytes; /* fill level of the ring that wakes the reader before its timer */
	uint32_t epoch;        /* raised: every behaviour is new again */
	uint32_t scope_epoch;  /* raised: a cgroup that existed came into the scope */
	uint32_t reserved;
	uint64_t kind_mask;  /* bit n = report kind n */
	uint64_t every_mask; /* bit n = report every occurrence of kind n: do not fold */
	uint64_t key;        /* random: marks cannot be made to collide on purpose */
};
_Static_assert(sizeof(struct abi_settings) == 48, "abi_settings");

/*
 * Single per-CPU value of the counters map. For each kind k, once nothing runs,
 * seen[k] == folded[k] + filtered[k] + submitted[k] + sum of dropped[k][*].
 */
struct abi_counters {
	uint64_t seen[ABI_KIND_SLOTS];
	uint64_t submitted[ABI_KIND_SLOTS];
	uint64_t folded[ABI_KIND_SLOTS];   /* known already: counted in the known map */
	uint64_t filtered[ABI_KIND_SLOTS]; /* turned out not to be of interest */
	uint64_t dropped[ABI_KIND_SLOTS][ABI_DROP_COUNT];
	uint64_t read_failures[ABI_READ_SITES];
};
_Static_assert(
	sizeof(struct abi_counters) == 8 * (ABI_KIND_SLOTS * (4 + ABI_DROP_COUNT) + ABI_READ_SITES),
	"abi_counters");

/* Value of the lost map, by cgroup id: what was dropped there, by reason. */
struct abi_lost {
	uint64_t count[ABI_DROP_COUNT];
};

/* Element of the known map. */
struct abi_known_place {
	uint64_t mark;
	uint64_t count; /* repeats not told yet */
};
#define KNOWN_PLACES 65536u /* power of two */

/* Which system calls and capabilities a cgroup has used; value of the used map. */
struct abi_used {
	uint64_t calls[8]; /* bit = x86-64 number, below 512 */
	uint64_t caps;     /* bit n = capability n, had */
	uint64_t caps_refused;
};
