/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/occur.h"

#include "collector/dns.h"
#include "collector/normalize.h"
#include "common/base/hash.h"
#include "podward/v1/event.pb-c.h"

#include <linux/prctl.h>
#include <sys/stat.h>

#define EVENT_FLAG(name) ((uint8_t)PODWARD__V1__EVENT_FLAG__EVENT_FLAG_##name)
#define STDIO(name)      ((uint64_t)PODWARD__V1__STDIO_TYPE__STDIO_TYPE_##name)
#define AT_FDCWD         (-100)

/* x86-64 numbers, as in struct event. */
enum { NR_INIT_MODULE = 175, NR_DELETE_MODULE = 176, NR_FINIT_MODULE = 313, NR_SECCOMP = 317 };
enum { NR_RMDIR = 84, NR_PROCESS_VM_READV = 310, NR_IO_URING_SETUP = 425 };
enum { NR_SETGID = 106, NR_SETREGID = 114, NR_SETRESGID = 119 };

#define AT_REMOVEDIR 0x200u

static const struct pw_slice nothing;

static bool is_call(const struct event *e, unsigned number)
{
	return e->syscall == number + 1;
}

static uint8_t path_flags(uint32_t abi_flags)
{
	uint8_t flags = 0;

	if (abi_flags & ABI_PATH_USER)
		flags |= EVENT_FLAG(USER_PATH);
	if (abi_flags & (ABI_PATH_TRUNCATED | ABI_PATH_FAILED))
		flags |= EVENT_FLAG(TRUNCATED);
	return flags;
}

static void occur_exec(struct occur *x, const struct event *e, struct occurrence *o)
{
	const struct image *parent = o->image->parent;

	(void)normalize_path(e->exec.exe, nothing, 0, &x->object);
	o->flags |= path_flags(e->exec.exe_flags);
	o->extra =
		pw_hash_mix(parent ? parent->program->identity : 0, o->image->program->args_hash);
}

static void occur_open(struct occur *x, const struct event *e, struct occurrence *o)
{
	const struct event_open *open = &e->open;
	bool from_cwd = (open->path_flags & ABI_PATH_USER) && open->dirfd == AT_FDCWD;
	struct pw_slice base = from_cwd ? o->image->program->cwd : nothing;

	(void)normalize_path(open->path, base, o->image->pid_in_ns, &x->object);
	o->flags |= path_flags(open->path_flags);
	o->aux = normalize_access(open->open_flags, open->mode);
	o->ret = open->ret;
}

static void occur_address(struct occur *x, const struct abi_address *address, struct pw_slice path,
	struct occurrence *o)
{
	struct normalize_address shown;

	(void)normalize_address(address, path, &x->object, &shown);
	if (address->flags & ABI_ADDR_TRUNCATED)
		o->flags |= EVENT_FLAG(TRUNCATED);
	if (address->flags & ABI_ADDR_RESOLVED)
		o->flags |= path_flags(address->path_flags);
	o->aux = PW_CONNECT_AUX(shown.port, shown.protocol, shown.family & 0xff);
}

/* --- calls --- */

/* One of the two paths of a call. */
struct call_path {
	struct pw_slice base, path;
	uint32_t base_flags, path_flags;
};

static struct call_path first_path(const struct event_call *c)
{
	return (struct call_path){c->base, c->path, c->base_flags, c->path_flags};
}

static struct call_path second_path(const struct event_call *c)
{
	return (struct call_path){c->base2, c->path2, c->base2_flags, c->path2_flags};
}

static void put_path(
	const struct event_call *c, struct call_path p, struct occurrence *o, struct pw_buf *out)
{
	uint32_t words = c->resolved ? 0 : ABI_PATH_USER;

	if (p.path.len == 0) {
		(void)normalize_path(p.base, nothing, o->image->pid_in_ns, out);
		o->flags |= path_flags(p.base_flags);
		return;
	}
	(void)normalize_path(p.path, p.base, o->image->pid_in_ns, out);
	o->flags |= path_flags(p.path_flags | p.base_flags | words);
}

/* False: not one of these. */
static bool call_two_paths(struct occur *x, const struct event *e, struct occurrence *o)
{
	const struct event_call *c = &e->call;
	struct call_path first = first_path(c), second = second_path(c);

	switch (e->type) {
	case EVENT_LINK:
		put_path(c, second, o, &x->object);
		put_path(c, first, o, &x->object2);
		return true;
	case EVENT_RENAME:
	case EVENT_PIVOT_ROOT:
		put_path(c, first, o, &x->object);
		put_path(c, second, o, &x->object2);
		o->aux = (uint32_t)c->num[0];
		return true;
	case EVENT_MOUNT: /* the source is a name as often as a path: as it was given */
		put_path(c, second, o, &x->object);
		(void)pw_buf_add_slice(&x->object2, c->path);
		(void)pw_buf_add_byte(&x->object2, 0);
		(void)pw_buf_add_slice(&x->object2, c->text);
		o->arg = c->num[0];
		return true;
	default:
		return false;
	}
}

/* The numbers of calls with one path. */
static bool call_one_path(struct occur *x, const struct event *e, struct occurrence *o)
{
	const struct event_call *c = &e->call;
	uint32_t low = (uint32_t)c->num[0];

	switch (e->type) {
	case EVENT_REMOVE:
		o->aux = is_call(e, NR_RMDIR) || low & AT_REMOVEDIR;
		break;
	case EVENT_MKDIR:
	case EVENT_CHMOD:
	case EVENT_UMOUNT:
		o->aux = low;
		break;
	case EVENT_MKNOD: /* as mknod has it: minor's low 8 bits, major's 12, minor's rest */
		o->aux = low;
		o->arg = (c->num[1] >> 8 & 0xfff) << 32 | (c->num[1] & 0xff) |
			 (c->num[1] >> 12 & 0xfff00);
		break;
	case EVENT_CHOWN:
		o->aux = low;
		o->arg = (uint32_t)c->num[1];
		break;
	case EVENT_TRUNCATE:
		o->arg = c->num[0];
		break;
	case EVENT_OPEN_BY_HANDLE:
		o->aux = normalize_access(low, c->mode);
		break;
	case EVENT_MEMORY_EXEC:
		o->aux = low;
		break;
	case EVENT_SYMLINK:
	case EVENT_SETXATTR:
		(void)pw_buf_add_slice(&x->object2, c->text);
		break;
	case EVENT_UTIMES:
	case EVENT_CHDIR:
	case EVENT_CHROOT:
	case EVENT_EXEC_REFUSED:
		break;
	default:
		return false;
	}
	put_path(c, first_path(c), o, &x->object);
	return true;
}

static uint64_t stdio_type(const struct event_call *c)
{
	if (S_ISSOCK(c->mode))
		return STDIO(SOCKET);
	if (S_ISFIFO(c->mode))
		return STDIO(PIPE);
	if (S_ISREG(c->mode))
		return STDIO(FILE);
	if (S_ISCHR(c->mode) && (pw_slice_starts(c->base, PW_SLICE_LIT("/dev/pts/")) ||
					pw_slice_starts(c->base, PW_SLICE_LIT("/dev/tty")) ||
					pw_slice_eq_str(c->base, "/dev/console")))
		return STDIO(TTY);
	return STDIO(OTHER);
}

static bool call_socket(struct occur *x, const struct event *e, struct occurrence *o)
{
	const struct event_call *c = &e->call;
	struct pw_slice path = c->path.len > 0 ? c->path : c->base;

	switch (e->type) {
	case EVENT_BIND:
	case EVENT_SEND:
		occur_address(x, &c->address, path, o);
		return true;
	case EVENT_LISTEN:
		occur_address(x, &c->address, path, o);
		o->arg = (uint32_t)c->num[0];
		return true;
	case EVENT_ACCEPT:
		occur_address(x, &c->address, path, o);
		o->arg = c->address.local_port;
		return true;
	case EVENT_STDIO:
		if (c->address.family != 0)
			occur_address(x, &c->address, path, o);
		else
			put_path(c, first_path(c), o, &x->object);
		o->aux = (uint32_t)c->ret | (uint32_t)c->num[0] << 16;
		o->arg = stdio_type(c);
		return true;
	case EVENT_SOCKET:
		o->aux = (uint32_t)c->num[0] | ((uint32_t)c->num[1] & 0xf) << 16;
		o->arg = (uint32_t)c->num[2];
		return true;
	case EVENT_DNS:
		dns_describe(c->data, &x->object, &x->object2, &o->aux);
		return true;
	default:
		return false;
	}
}

static bool is_of_group(const struct event *e)
{
	return is_call(e, NR_SETGID) || is_call(e, NR_SETREGID) || is_call(e, NR_SETRESGID);
}

static bool call_process(struct occur *x, const struct event *e, struct occurrence *o)
{
	const struct event_call *c = &e->call;

	o->aux = (uint32_t)c->num[0];
	switch (e->type) {
	case EVENT_PTRACE:
	case EVENT_KILL:
	case EVENT_CAPABILITY:
	case EVENT_SETNS:
		return true;
	case EVENT_PROCESS_VM:
		o->aux = is_call(e, NR_PROCESS_VM_READV) ? 1 : 2;
		return true;
	case EVENT_SETID:
		o->aux = (uint32_t)(is_of_group(e) ? c->num[1] : c->num[0]);
		o->arg = is_of_group(e) ? o->image->egid : o->image->euid;
		o->extra = e->syscall;
		return true;
	case EVENT_CAPSET:
	case EVENT_UNSHARE:
	case EVENT_CLONE_NS:
		o->aux = 0;
		o->arg = c->num[0];
		return true;
	case EVENT_PRCTL:
		o->arg = is_call(e, NR_SECCOMP) ? c->num[0] : c->num[1];
		if (is_call(e, NR_SECCOMP))
			o->aux = PR_SET_SECCOMP;
		if (o->aux == PR_SET_NAME) { /* the argument is an address: no two are the same */
			(void)pw_buf_add_slice(&x->object, e->comm);
			o->arg = 0;
		}
		return true;
	default:
		return false;
	}
}

static void call_kernel(struct occur *x, const struct event *e, struct occurrence *o)
{
	const struct event_call *c = &e->call;
	uint32_t low = (uint32_t)c->num[0];

	o->aux = low;
	switch (e->type) {
	case EVENT_MODULE:
		o->aux = is_call(e, NR_FINIT_MODULE) ? 2 : is_call(e, NR_DELETE_MODULE) ? 3 : 1;
		if (c->text.len > 0)
			(void)pw_buf_add_slice(&x->object, c->text);
		else
			put_path(c, first_path(c), o, &x->object);
		break;
	case EVENT_BPF:
		o->arg = (uint32_t)c->num[1];
		break;
	case EVENT_PERF:
		o->arg = c->num[1];
		break;
	case EVENT_USERFAULTFD:
		o->aux = 0;
		o->arg = low;
		break;
	case EVENT_IO_URING:
		o->aux = is_call(e, NR_IO_URING_SETUP) ? 1 : 2;
		o->arg = low;
		break;
	case EVENT_MEMFD:
		(void)pw_buf_add_slice(&x->object, c->text);
		break;
	case EVENT_HOSTNAME: /* has no NUL of its own */
		(void)pw_buf_add_slice(&x->object, pw_slice_sub(c->text, 0, c->num[0]));
		o->aux = 0;
		break;
	case EVENT_SYSCALL:
		o->aux = e->syscall > 0 ? e->syscall - 1u : 0;
		break;
	default: /* time, keyctl: the number alone */
		break;
	}
}

static void occur_call(struct occur *x, const struct event *e, struct occurrence *o)
{
	o->ret = e->call.ret;
	if (call_one_path(x, e, o) || call_two_paths(x, e, o) || call_socket(x, e, o) ||
		call_process(x, e, o))
		return;
	call_kernel(x, e, o);
}

void occur_fill(struct occur *x, const struct event *e, struct occurrence *o)
{
	pw_buf_clear(&x->object);
	pw_buf_clear(&x->object2);
	o->time = e->time;
	o->count = 1;
	o->kind = (uint8_t)event_wire_kind(e->type);
	o->syscall = e->syscall;
	o->known = e->known;
	if (e->flags & ABI_FLAG_COMPAT)
		o->flags |= EVENT_FLAG(COMPAT);
	if (e->flags & ABI_FLAG_IO_URING)
		o->flags |= EVENT_FLAG(IO_URING);
	if (e->type == EVENT_EXEC) {
		occur_exec(x, e, o);
	} else if (e->type == EVENT_OPEN) {
		occur_open(x, e, o);
	} else if (e->type == EVENT_CONNECT) {
		occur_address(x, &e->connect.address, e->connect.path, o);
		o->ret = e->connect.ret;
	} else if (e->type == EVENT_EXIT) {
		o->ret = (int32_t)e->exit.status;
	} else if (event_is_call(e->type)) {
		occur_call(x, e, o);
	}
	o->object = pw_buf_slice(&x->object);
	o->object2 = pw_buf_slice(&x->object2);
}
