/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/tests/records.h"

#include <arpa/inet.h>
#include <string.h>

static struct abi_header header_of(uint16_t kind, const struct records_actor *a)
{
	return (struct abi_header){
		.kind = kind,
		.boot_ns = a->time,
		.cgroup_id = a->cgroup,
		.start_boot_ns = a->start,
		.tgid = a->pid,
		.tid = a->pid,
		.ppid = a->ppid,
		.uid = a->uid,
		.gid = a->gid,
	};
}

static void set_comm(char comm[ABI_COMM_SIZE], const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len >= ABI_COMM_SIZE)
		len = ABI_COMM_SIZE - 1;
	if (len > 0)
		memcpy(comm, text, len);
}

static void begin(struct records *r, const void *fixed, size_t size)
{
	memset(r->bytes, 0, sizeof(r->bytes));
	memcpy(r->bytes, fixed, size);
	r->len = size;
}

/* Puts bytes behind what is there; span_at is the offset of the span that names them. */
static void put(struct records *r, size_t span_at, const void *bytes, size_t len)
{
	struct abi_span span = {.off = (uint32_t)r->len, .len = (uint32_t)len};

	memcpy(r->bytes + span_at, &span, sizeof(span));
	if (len > 0)
		memcpy(r->bytes + r->len, bytes, len);
	r->len += len;
}

static void end(struct records *r)
{
	uint32_t size = 0;

	r->len = (r->len + 7) / 8 * 8;
	size = (uint32_t)r->len;
	memcpy(r->bytes, &size, sizeof(size));
}

static void exec_record(struct records *r, const struct records_actor *a, const char *exe,
	struct pw_slice args, struct pw_slice env, uint64_t parent_start)
{
	struct abi_exec x = {.header = header_of(ABI_KIND_EXEC, a)};

	x.parent.tgid = a->ppid;
	x.parent.start_boot_ns = parent_start;
	x.inode = 7;
	x.dev_major = 8;
	x.mnt_ns = a->mnt_ns;
	x.pid_ns = a->pid_ns;
	x.pid_in_ns = a->pid_in_ns;
	set_comm(x.comm, a->comm);
	begin(r, &x, sizeof(x));
	put(r, offsetof(struct abi_exec, exe), exe, strlen(exe));
	put(r, offsetof(struct abi_exec, args), args.ptr, args.len);
	put(r, offsetof(struct abi_exec, cwd), "/work", 5);
	if (env.len > 0)
		put(r, offsetof(struct abi_exec, env), env.ptr, env.len);
	end(r);
}

void records_exec(struct records *r, const struct records_actor *a, const char *exe,
	struct pw_slice args, uint64_t parent_start)
{
	exec_record(r, a, exe, args, (struct pw_slice){0}, parent_start);
}

void records_exec_env(struct records *r, const struct records_actor *a, const char *exe,
	struct pw_slice args, struct pw_slice env)
{
	exec_record(r, a, exe, args, env, 0);
}

void records_fork(struct records *r, const struct records_actor *a, uint64_t parent_start)
{
	struct abi_fork x = {.header = header_of(ABI_KIND_FORK, a)};

	x.parent.tgid = a->ppid;
	x.parent.start_boot_ns = parent_start;
	x.pid_in_ns = a->pid_in_ns;
	set_comm(x.comm, a->comm);
	begin(r, &x, sizeof(x));
	end(r);
}

void records_exit(struct records *r, const struct records_actor *a, uint32_t status)
{
	struct abi_exit x = {.header = header_of(ABI_KIND_EXIT, a)};

	x.status = status;
	set_comm(x.comm, a->comm);
	begin(r, &x, sizeof(x));
	end(r);
}

void records_open(struct records *r, const struct records_actor *a, const char *path,
	uint32_t open_flags, int32_t ret)
{
	struct abi_open x = {.header = header_of(ABI_KIND_OPEN, a)};

	x.open_flags = open_flags;
	x.ret = ret;
	x.dirfd = -100;
	x.path_flags = ret < 0 ? ABI_PATH_USER : 0;
	set_comm(x.comm, a->comm);
	begin(r, &x, sizeof(x));
	put(r, offsetof(struct abi_open, path), path, strlen(path));
	end(r);
}

void records_connect4(struct records *r, const struct records_actor *a, const char *address,
	uint16_t port, int32_t ret)
{
	struct abi_connect x = {.header = header_of(ABI_KIND_CONNECT, a)};

	x.address.family = AF_INET;
	x.address.sock_type = 1;
	x.address.protocol = IPPROTO_TCP;
	x.address.port = port;
	x.ret = ret;
	(void)inet_pton(AF_INET, address, x.address.addr);
	set_comm(x.comm, a->comm);
	begin(r, &x, sizeof(x));
	end(r);
}

void records_call(struct records *r, const struct records_actor *a, uint16_t kind,
	const struct records_call *call)
{
	const struct {
		const char *text;
		size_t at;
	} texts[] = {
		{call->base, offsetof(struct abi_call, base)},
		{call->path, offsetof(struct abi_call, path)},
		{call->base2, offsetof(struct abi_call, base2)},
		{call->path2, offsetof(struct abi_call, path2)},
		{call->text, offsetof(struct abi_call, text)},
	};
	struct abi_call x = {
		.header = header_of(kind, a),
		.num = {call->num[0], call->num[1], call->num[2]},
		.target = call->target,
		.target_pid = call->target_pid,
		.ret = call->ret,
		.call = call->syscall,
		.mode = call->mode,
		.address = call->address,
		.known = call->known,
	};

	x.header.flags = call->flags;
	set_comm(x.comm, a->comm);
	begin(r, &x, sizeof(x));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].text)
			put(r, texts[i].at, texts[i].text, strlen(texts[i].text));
	put(r, offsetof(struct abi_call, data), call->data.ptr, call->data.len);
	end(r);
}

static void records_cgroup(
	struct records *r, uint16_t kind, const struct abi_cgroup *from, const char *path)
{
	struct abi_cgroup x = *from;

	x.header.kind = kind;
	x.header.tgid = 1;
	begin(r, &x, sizeof(x));
	put(r, offsetof(struct abi_cgroup, path), path, strlen(path));
	end(r);
}

void records_mkdir(
	struct records *r, uint64_t time, uint64_t id, uint64_t parent_id, const char *path)
{
	struct abi_cgroup x = {.header.boot_ns = time, .id = id, .parent_id = parent_id};

	records_cgroup(r, ABI_KIND_CGROUP_MKDIR, &x, path);
}

void records_rmdir(struct records *r, uint64_t time, uint64_t id, const char *path)
{
	struct abi_cgroup x = {.header.boot_ns = time, .id = id};

	records_cgroup(r, ABI_KIND_CGROUP_RMDIR, &x, path);
}
