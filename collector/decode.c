/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/decode.h"

#define TIME_MAX_NS     (1ull << 62) /* far beyond any uptime; keeps sums from overflowing */
#define CGROUP_PATH_MAX ABI_PATH_MAX

/* One record while it is read: errors stick, the first wins. */
struct reader {
	const uint8_t *bytes;
	size_t len;
	size_t fixed; /* size of the kind's struct: spans lie behind it */
	enum decode_result result;
};

const char *decode_result_name(enum decode_result result)
{
	static const char *const names[DECODE_RESULT_COUNT] = {
#define DECODE_NAME(suffix, label) [DECODE_##suffix] = (label),
		DECODE_RESULTS(DECODE_NAME)
#undef DECODE_NAME
	};

	return (unsigned)result < DECODE_RESULT_COUNT ? names[result] : "unknown";
}

static void refuse(struct reader *r, enum decode_result why)
{
	if (r->result == DECODE_OK)
		r->result = why;
}

/* Copies the fixed part of a kind. False: nothing was copied. */
static bool read_fixed(struct reader *r, void *out, size_t size)
{
	if (r->len < size) {
		refuse(r, DECODE_SHORT);
		return false;
	}
	memcpy(out, r->bytes, size);
	r->fixed = size;
	return true;
}

static struct pw_slice read_span(struct reader *r, struct abi_span span, size_t limit)
{
	if (span.len == 0)
		return (struct pw_slice){0};
	if (span.off < r->fixed || span.off > r->len || span.len > r->len - span.off) {
		refuse(r, DECODE_SPAN);
		return (struct pw_slice){0};
	}
	if (span.len > limit) {
		refuse(r, DECODE_TOO_LONG);
		return (struct pw_slice){0};
	}
	return pw_slice_of(r->bytes + span.off, span.len);
}

static struct pw_slice read_path(struct reader *r, struct abi_span span)
{
	struct pw_slice path = read_span(r, span, ABI_PATH_MAX);

	if (pw_slice_find_byte(path, 0) >= 0)
		refuse(r, DECODE_TEXT);
	return path;
}

/* The name lies in the record: `offset` is that of the array in the fixed part. */
static struct pw_slice read_comm(const struct reader *r, size_t offset)
{
	const uint8_t *comm = r->bytes + offset;
	size_t len = 0;

	while (len < ABI_COMM_SIZE && comm[len] != 0)
		len++;
	return pw_slice_of(comm, len);
}

static void read_exec(struct reader *r, struct event *e)
{
	struct abi_exec a;

	if (!read_fixed(r, &a, sizeof(a)))
		return;
	e->comm = read_comm(r, offsetof(struct abi_exec, comm));
	e->exec = (struct event_exec){
		.parent = a.parent,
		.inode = a.inode,
		.caps_effective = a.caps_effective,
		.caps_permitted = a.caps_permitted,
		.caps_inheritable = a.caps_inheritable,
		.dev_major = a.dev_major,
		.dev_minor = a.dev_minor,
		.euid = a.euid,
		.egid = a.egid,
		.session = a.session,
		.tty = a.tty,
		.mnt_ns = a.mnt_ns,
		.pid_ns = a.pid_ns,
		.pid_in_ns = a.pid_in_ns,
		.exec_flags = a.exec_flags,
		.exe_flags = a.exe_flags,
		.cwd_flags = a.cwd_flags,
		.exe = read_path(r, a.exe),
		.filename = read_path(r, a.filename),
		.args = read_span(r, a.args, ABI_ARGS_MAX),
		.cwd = read_path(r, a.cwd),
		.env = read_span(r, a.env, ABI_ENV_MAX),
	};
	if (a.parent.start_boot_ns > TIME_MAX_NS)
		refuse(r, DECODE_FIELD);
}

static void read_fork(struct reader *r, struct event *e)
{
	struct abi_fork a;

	if (!read_fixed(r, &a, sizeof(a)))
		return;
	e->comm = read_comm(r, offsetof(struct abi_fork, comm));
	e->fork = (struct event_fork){.parent = a.parent, .pid_in_ns = a.pid_in_ns};
	if (a.parent.start_boot_ns > TIME_MAX_NS)
		refuse(r, DECODE_FIELD);
}

static void read_exit(struct reader *r, struct event *e)
{
	struct abi_exit a;

	if (!read_fixed(r, &a, sizeof(a)))
		return;
	e->comm = read_comm(r, offsetof(struct abi_exit, comm));
	e->exit = (struct event_exit){.status = a.status};
}

static void read_open(struct reader *r, struct event *e)
{
	struct abi_open a;

	if (!read_fixed(r, &a, sizeof(a)))
		return;
	e->comm = read_comm(r, offsetof(struct abi_open, comm));
	e->open = (struct event_open){
		.inode = a.inode,
		.ret = a.ret,
		.dirfd = a.dirfd,
		.open_flags = a.open_flags,
		.mode = a.mode,
		.dev_major = a.dev_major,
		.dev_minor = a.dev_minor,
		.path_flags = a.path_flags,
		.path = read_path(r, a.path),
	};
	e->syscall = a.call;
	e->known = a.known;
}

/* Abstract socket names may hold NUL. */
static struct pw_slice read_name(
	struct reader *r, const struct abi_address *address, struct abi_span span)
{
	return address->flags & ABI_ADDR_ABSTRACT ? read_span(r, span, ABI_PATH_MAX)
						  : read_path(r, span);
}

static void read_connect(struct reader *r, struct event *e)
{
	struct abi_connect a;

	if (!read_fixed(r, &a, sizeof(a)))
		return;
	e->comm = read_comm(r, offsetof(struct abi_connect, comm));
	e->connect = (struct event_connect){
		.ret = a.ret,
		.fd = a.fd,
		.address = a.address,
		.path = read_name(r, &a.address, a.path),
	};
	e->syscall = a.call;
	e->known = a.known;
}

static void read_call(struct reader *r, struct event *e)
{
	struct abi_call a;

	if (!read_fixed(r, &a, sizeof(a)))
		return;
	e->comm = read_comm(r, offsetof(struct abi_call, comm));
	e->call = (struct event_call){
		.num = {a.num[0], a.num[1], a.num[2]},
		.target = a.target,
		.target_pid = a.target_pid,
		.ret = a.ret,
		.resolved = a.resolved != 0,
		.base_flags = a.base_flags,
		.path_flags = a.path_flags,
		.base2_flags = a.base2_flags,
		.path2_flags = a.path2_flags,
		.mode = a.mode,
		.address = a.address,
		.base = read_path(r, a.base),
		.path = read_name(r, &a.address, a.path),
		.base2 = read_path(r, a.base2),
		.path2 = read_path(r, a.path2),
		.text = read_path(r, a.text),
		.data = read_span(r, a.data, ABI_DATA_MAX),
	};
	e->syscall = a.call;
	e->known = a.known;
	if (a.target.start_boot_ns > TIME_MAX_NS)
		refuse(r, DECODE_FIELD);
}

static void read_cgroup(struct reader *r, struct event *e)
{
	struct abi_cgroup a;

	if (!read_fixed(r, &a, sizeof(a)))
		return;
	e->cgroup_dir = (struct event_cgroup){
		.id = a.id,
		.parent_id = a.parent_id,
		.level = a.level,
		.scope_flags = a.scope_flags,
		.path = read_span(r, a.path, CGROUP_PATH_MAX),
	};
	if (pw_slice_find_byte(e->cgroup_dir.path, 0) >= 0)
		refuse(r, DECODE_TEXT);
	if (e->cgroup_dir.path.len > 0 && e->cgroup_dir.path.ptr[0] != '/')
		refuse(r, DECODE_TEXT);
	if (a.id == 0)
		refuse(r, DECODE_FIELD);
}

static void read_kind(struct reader *r, enum event_type type, struct event *e)
{
	if (event_is_call(type)) {
		read_call(r, e);
		return;
	}
	switch (type) {
	case EVENT_EXEC:
		read_exec(r, e);
		return;
	case EVENT_FORK:
		read_fork(r, e);
		return;
	case EVENT_EXIT:
		read_exit(r, e);
		return;
	case EVENT_OPEN:
		read_open(r, e);
		return;
	case EVENT_CONNECT:
		read_connect(r, e);
		return;
	case EVENT_CGROUP_MKDIR:
	case EVENT_CGROUP_RMDIR:
		read_cgroup(r, e);
		return;
	default:
		refuse(r, DECODE_KIND);
	}
}

static void check_header(struct reader *r, const struct abi_header *h)
{
	bool about_process = h->kind != ABI_KIND_CGROUP_MKDIR && h->kind != ABI_KIND_CGROUP_RMDIR;

	if (about_process && h->tgid == 0)
		refuse(r, DECODE_FIELD);
	if (h->boot_ns == 0 || h->boot_ns > TIME_MAX_NS || h->start_boot_ns > TIME_MAX_NS)
		refuse(r, DECODE_FIELD);
}

enum decode_result decode(const void *record, size_t len, struct event *ret)
{
	struct reader r = {.bytes = record, .len = len, .result = DECODE_OK};
	struct abi_header h;
	struct event e;

	if (len > ABI_RECORD_MAX || !read_fixed(&r, &h, sizeof(h)) || h.size != len)
		return DECODE_SHORT;
	if (h.kind == ABI_KIND_NONE || h.kind >= ABI_KIND_COUNT)
		return DECODE_KIND;
	check_header(&r, &h);
	e = (struct event){
		.type = (enum event_type)h.kind,
		.flags = h.flags,
		.time = {h.boot_ns},
		.start = {h.start_boot_ns},
		.cgroup = h.cgroup_id,
		.pid = h.tgid,
		.tid = h.tid,
		.ppid = h.ppid,
		.uid = h.uid,
		.gid = h.gid,
		.group = h.group,
	};
	read_kind(&r, e.type, &e);
	if (e.syscall >= PW_SYSCALL_MAX)
		refuse(&r, DECODE_FIELD);
	if (r.result == DECODE_OK)
		*ret = e;
	return r.result;
}
