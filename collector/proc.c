/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/proc.h"

#include "collector/redact.h"
#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/base/u64map.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>
#include <utlist.h>

#define FLAG(name) ((uint32_t)PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_##name)
/* What a fork hands on to the child. */
#define FORK_FLAGS                                                                          \
	(FLAG(UPPER_LAYER) | FLAG(MEMFD) | FLAG(DELETED) | FLAG(NOT_FROM_INIT) |            \
		FLAG(ARGS_TRUNCATED) | FLAG(STDIN_SOCKET) | FLAG(STDOUT_SOCKET) |           \
		FLAG(STDERR_SOCKET) | FLAG(STDIN_PIPE) | FLAG(STDOUT_PIPE) | FLAG(SCRIPT) | \
		FLAG(BY_FD) | FLAG(PARTIAL))
/* What an exec in place keeps. */
#define EXEC_FLAGS      (FLAG(INIT) | FLAG(NOT_FROM_INIT))
#define START_TOLERANCE (10 * PW_NS_PER_MS) /* /proc has the start in clock ticks */
/* Source: include/linux/proc_ns.h, PROC_PID_INIT_INO: fixed in every kernel. */
#define FIRST_PID_NS     0xEFFFFFFCu
#define ARGS_LIMIT_BYTES (64u * 1024)
#define FIND_STEPS       4096u

struct procs {
	struct procs_settings settings;
	struct images *images;
	struct pw_u64map *by_pid;
	struct proc *list; /* proc::prev, next; least recently heard of first */
	uint32_t count;
	bool gaps;
	struct proc_stats stats;
	struct pw_buf args;
};

static void procs_freep(struct procs **t)
{
	procs_free(*t);
}

int procs_new(const struct procs_settings *settings, struct images *images, struct procs **ret)
{
	pw_cleanup(procs_freep) struct procs *t = pw_alloc0(1, sizeof(*t));
	int r = 0;

	if (!t)
		return -ENOMEM;
	t->settings = *settings;
	if (!t->settings.redact)
		t->settings.redact = redact_rules_built_in();
	t->images = images;
	pw_buf_init(&t->args, ARGS_LIMIT_BYTES);
	r = pw_u64map_new(settings->limit, &t->by_pid);
	if (r < 0)
		return r;
	*ret = PW_TAKE(t);
	return 0;
}

static void forget(struct procs *t, struct proc *p)
{
	(void)pw_u64map_remove(t->by_pid, p->pid, NULL);
	DL_DELETE(t->list, p);
	t->count--;
	image_put(t->images, p->image);
	free(p);
}

void procs_free(struct procs *t)
{
	if (!t)
		return;
	while (t->list)
		forget(t, t->list);
	pw_u64map_free(t->by_pid);
	pw_buf_done(&t->args);
	free(t);
}

struct proc *procs_find(const struct procs *t, uint32_t pid)
{
	const uint64_t *value = pw_u64map_find(t->by_pid, pid);

	return value ? (struct proc *)(uintptr_t)*value : NULL;
}

static bool same_start(struct pw_boot a, struct pw_boot b)
{
	uint64_t apart = a.ns > b.ns ? a.ns - b.ns : b.ns - a.ns;

	return a.ns == 0 || b.ns == 0 || apart <= START_TOLERANCE;
}

static struct proc *find_same(const struct procs *t, uint32_t pid, struct pw_boot start)
{
	struct proc *p = procs_find(t, pid);

	return p && same_start(p->start, start) ? p : NULL;
}

struct proc *procs_find_start(const struct procs *t, uint32_t pid, uint64_t start_ns)
{
	return find_same(t, pid, (struct pw_boot){start_ns});
}

struct proc *procs_find_in_ns(const struct procs *t, const struct container *c, uint32_t pid)
{
	struct proc *p = t->list ? t->list->prev : NULL; /* utlist: the tail */

	for (uint32_t i = 0; p && i < FIND_STEPS && i < t->count; i++, p = p->prev)
		if (p->image->container == c && p->image->pid_in_ns == pid)
			return p;
	return NULL;
}

static void touch(struct procs *t, struct proc *p)
{
	if (t->list->prev == p) /* utlist: the head's prev is the tail */
		return;
	DL_DELETE(t->list, p);
	DL_APPEND(t->list, p);
}

/* Takes the image over, also on failure. */
static int enter(struct procs *t, struct image *image, struct proc **ret)
{
	struct proc *p = NULL;

	if (t->count >= t->settings.limit) {
		forget(t, t->list);
		t->stats.evicted++;
	}
	p = pw_alloc0(1, sizeof(*p));
	if (!p || pw_u64map_put(t->by_pid, image->pid, (uintptr_t)p) < 0) {
		free(p);
		image_put(t->images, image);
		return -ENOMEM;
	}
	p->image = image;
	p->pid = image->pid;
	p->start = image->start;
	DL_APPEND(t->list, p);
	t->count++;
	*ret = p;
	return 0;
}

/* The image of a process of the same container that is no setup process, or NULL. */
static struct image *parent_image(
	const struct procs *t, uint32_t pid, struct pw_boot start, const struct container *c)
{
	struct proc *parent = pid ? find_same(t, pid, start) : NULL;

	if (!parent || parent->image->container != c || parent->setup)
		return NULL;
	return parent->image;
}

/* A process that has no parent in its container: its first one, or one that came in later. */
static uint32_t origin_flags(struct procs *t, struct container *c, uint32_t pid_in_ns, bool known)
{
	if (!c)
		return 0;
	if (!c->has_init || (pid_in_ns == 1 && !c->is_unit)) {
		c->has_init = true;
		return FLAG(INIT);
	}
	return t->gaps && !known ? FLAG(PARTIAL) : FLAG(NOT_FROM_INIT);
}

static int program_of(struct procs *t, const struct program_facts *facts, struct program **ret)
{
	struct program_facts f = *facts;
	struct pw_slice all = {0};
	size_t args_len = 0;
	int r = 0;

	pw_buf_clear(&t->args);
	f.args_hash = pw_hash64(facts->args, 0);
	r = redact_args(t->settings.redact, facts->args, &t->args);
	args_len = t->args.len;
	if (r == 0)
		r = redact_env(t->settings.redact, facts->env, &t->args);
	if (r == -ENOMEM)
		return r;
	all = pw_buf_slice(&t->args);
	f.args = pw_slice_sub(all, 0, args_len);
	f.env = pw_slice_sub(all, args_len, all.len);
	if (f.env.len > 0)
		f.args_hash = pw_hash_mix(f.args_hash, pw_hash64(f.env, 0));
	return program_new(&f, ret);
}

static uint32_t exec_program_flags(const struct event_exec *x)
{
	uint32_t flags = 0;

	flags |= x->exec_flags & ABI_EXEC_UPPER ? FLAG(UPPER_LAYER) : 0;
	flags |= x->exec_flags & ABI_EXEC_MEMFD ? FLAG(MEMFD) : 0;
	flags |= x->exec_flags & ABI_EXEC_DELETED ? FLAG(DELETED) : 0;
	return flags;
}

static uint32_t exec_flags(const struct event *e)
{
	static const struct {
		uint32_t abi, flag;
	} rows[] = {
		{ABI_EXEC_ARGS_TRUNCATED, FLAG(ARGS_TRUNCATED)},
		{ABI_EXEC_STDIN_SOCKET, FLAG(STDIN_SOCKET)},
		{ABI_EXEC_STDOUT_SOCKET, FLAG(STDOUT_SOCKET)},
		{ABI_EXEC_STDERR_SOCKET, FLAG(STDERR_SOCKET)},
		{ABI_EXEC_STDIN_PIPE, FLAG(STDIN_PIPE)},
		{ABI_EXEC_STDOUT_PIPE, FLAG(STDOUT_PIPE)},
		{ABI_EXEC_SCRIPT, FLAG(SCRIPT)},
		{ABI_EXEC_BY_FD, FLAG(BY_FD)},
	};
	uint32_t flags = exec_program_flags(&e->exec);

	for (size_t i = 0; i < PW_COUNT(rows); i++)
		flags |= e->exec.exec_flags & rows[i].abi ? rows[i].flag : 0;
	flags |= e->flags & ABI_FLAG_PARTIAL ? FLAG(PARTIAL) : 0;
	return flags;
}

static void image_replace(struct procs *t, struct proc *p, struct image *image)
{
	struct image *old = p->image;

	p->image = image;
	image_put(t->images, old);
}

/* The same program under another container or user: a new image, nothing else changes. */
static int move(struct procs *t, struct proc *p, const struct event *e, struct container *c)
{
	const struct image *old = p->image;
	bool elsewhere = old->container != c;
	struct image_facts f = {
		.parent = elsewhere ? NULL : old->parent,
		.container = c,
		.program = old->program,
		.pid = old->pid,
		.ppid = e->ppid,
		.uid = e->uid,
		.gid = e->gid,
		.flags = elsewhere ? 0 : old->flags,
		.tty = old->tty,
		.session = old->session,
		.pid_in_ns = old->pid_in_ns,
		.euid = old->euid,
		.egid = old->egid,
		.caps_effective = old->caps_effective,
		.caps_permitted = old->caps_permitted,
		.caps_inheritable = old->caps_inheritable,
		.start = old->start,
	};
	struct image *image = NULL;
	int r = image_new(t->images, &f, &image);

	if (r < 0)
		return r;
	if (elsewhere)
		p->setup = c != NULL;
	image_replace(t, p, image);
	return 0;
}

/* Facts of the event itself for a process that nothing else is known about. */
static int image_bare(struct procs *t, const struct event *e, struct container *c,
	const struct proc_facts *facts, struct image **ret)
{
	struct program_facts bare = {.comm = e->comm};
	struct pw_boot unknown = {0};
	struct image_facts f = {
		.parent = parent_image(t, e->ppid, unknown, c),
		.container = c,
		.pid = e->pid,
		.ppid = e->ppid,
		.uid = e->uid,
		.gid = e->gid,
		.tty = facts ? facts->tty : 0,
		.session = facts ? facts->session : 0,
		.pid_in_ns = facts ? facts->pid_in_ns : 0,
		.euid = e->uid,
		.egid = e->gid,
		.start = e->start,
		.flags = facts ? facts->program.flags : FLAG(PARTIAL),
	};
	int r = program_of(t, facts ? &facts->program : &bare, &f.program);

	if (r < 0)
		return r;
	if (f.parent)
		f.flags |= f.parent->flags & FLAG(NOT_FROM_INIT);
	r = image_new(t->images, &f, ret);
	program_put(f.program);
	return r;
}

/* An event of a process never heard of: asks /proc, else keeps what the event says. */
static int note_unknown(
	struct procs *t, const struct event *e, struct container *c, struct proc **ret)
{
	struct proc_facts facts = {0};
	bool known = t->settings.lookup &&
		     t->settings.lookup(t->settings.lookup_ctx, e->pid, &facts) == 0 &&
		     same_start(facts.start, e->start);
	struct image *image = NULL;
	int r = image_bare(t, e, c, known ? &facts : NULL, &image);

	if (r < 0)
		return r;
	t->stats.unknown++;
	r = enter(t, image, ret);
	if (r < 0)
		return r;
	(*ret)->setup = c && !image->parent && (!t->gaps || (known && facts.setup));
	return 0;
}

static int note_fork(struct procs *t, const struct event *e, struct container *c, struct proc **ret)
{
	struct pw_boot parent_start = {e->fork.parent.start_boot_ns};
	struct proc *parent = find_same(t, e->fork.parent.tgid, parent_start);
	bool inside = parent && parent->image->container == c;
	struct image *image = NULL;
	struct image_facts f;
	bool setup = false;
	int r = 0;

	if (!parent)
		return note_unknown(t, e, c, ret);
	setup = c && (!inside || parent->setup);
	f = (struct image_facts){
		.parent = inside && !parent->setup ? parent->image : NULL,
		.container = c,
		.program = parent->image->program,
		.pid = e->pid,
		.ppid = e->ppid,
		.uid = e->uid,
		.gid = e->gid,
		.flags = inside ? parent->image->flags & FORK_FLAGS : 0,
		.tty = parent->image->tty,
		.session = parent->image->session,
		.euid = parent->image->euid,
		.egid = parent->image->egid,
		.caps_effective = parent->image->caps_effective,
		.caps_permitted = parent->image->caps_permitted,
		.caps_inheritable = parent->image->caps_inheritable,
		.pid_in_ns = e->fork.pid_in_ns,
		.start = e->start,
	};
	r = image_new(t->images, &f, &image);
	if (r == 0)
		r = enter(t, image, ret);
	if (r == 0)
		(*ret)->setup = setup;
	return r;
}

/* Still the runtime's: came in from outside and runs in the host's mount namespace. */
static bool exec_is_setup(const struct procs *t, const struct event *e, const struct container *c,
	const struct proc *p, const struct image *parent)
{
	bool may_be = c && !c->is_unit && !parent && (!p || p->setup);

	if (!may_be)
		return false;
	if (t->settings.host_mnt_ns == 0)
		return e->exec.pid_ns == FIRST_PID_NS;
	return e->exec.mnt_ns == t->settings.host_mnt_ns;
}

static int image_of_exec(
	struct procs *t, const struct event *e, const struct image_facts *f, struct image **ret)
{
	const struct event_exec *x = &e->exec;
	struct image_facts facts = *f;
	struct program_facts program = {
		.exe = x->exe,
		.args = x->args,
		.cwd = x->cwd,
		.comm = e->comm,
		.env = x->env,
		.script = x->exec_flags & ABI_EXEC_SCRIPT ? x->filename : (struct pw_slice){0},
		.inode = x->inode,
		.dev_major = x->dev_major,
		.dev_minor = x->dev_minor,
		.flags = exec_program_flags(x),
	};
	int r = program_of(t, &program, &facts.program);

	if (r < 0)
		return r;
	facts.flags |= exec_flags(e);
	facts.pid = e->pid;
	facts.ppid = e->ppid;
	facts.uid = e->uid;
	facts.gid = e->gid;
	facts.tty = x->tty;
	facts.session = x->session;
	facts.pid_in_ns = x->pid_in_ns;
	facts.euid = x->euid;
	facts.egid = x->egid;
	facts.caps_effective = x->caps_effective;
	facts.caps_permitted = x->caps_permitted;
	facts.caps_inheritable = x->caps_inheritable;
	facts.start = e->start;
	r = image_new(t->images, &facts, ret);
	program_put(facts.program);
	return r;
}

/* The parent of the new image, see "Lineage" in the header. */
static struct image *exec_parent(
	struct procs *t, const struct event *e, const struct container *c, const struct proc *p)
{
	struct pw_boot start = {e->exec.parent.start_boot_ns};
	bool same = p && p->image->container == c && !p->setup;

	if (same && p->image->parent)
		return p->image->parent;
	if (same)
		return p->image;
	return parent_image(t, e->exec.parent.tgid, start, c);
}

static int note_exec(struct procs *t, const struct event *e, struct container *c, struct proc **ret)
{
	struct proc *p = *ret;
	struct image *parent = exec_parent(t, e, c, p);
	bool same = p && p->image->container == c && !p->setup;
	bool setup = exec_is_setup(t, e, c, p, parent);
	struct image_facts f = {.parent = parent, .container = c};
	struct image *image = NULL;
	int r = 0;

	if (same)
		f.flags = p->image->flags & EXEC_FLAGS;
	else if (parent)
		f.flags = parent->flags & FLAG(NOT_FROM_INIT);
	else if (!setup)
		f.flags = origin_flags(t, c, e->exec.pid_in_ns, p != NULL);
	r = image_of_exec(t, e, &f, &image);
	if (r < 0)
		return r;
	if (p) {
		image_replace(t, p, image);
		touch(t, p);
	} else {
		r = enter(t, image, &p);
	}
	if (r < 0)
		return r;
	p->setup = setup;
	*ret = p;
	return 0;
}

static int note_known(struct procs *t, const struct event *e, struct container *c, struct proc *p)
{
	const struct image *i = p->image;

	touch(t, p);
	if (i->container == c && i->uid == e->uid && i->gid == e->gid)
		return 0;
	return move(t, p, e, c);
}

int procs_note(struct procs *t, const struct event *e, struct container *c, struct proc **ret)
{
	struct proc *p = procs_find(t, e->pid);
	int r = 0;

	if (p && !same_start(p->start, e->start)) {
		forget(t, p); /* the number is used again, the end of the first was not seen */
		t->stats.restarted++;
		p = NULL;
	}
	if (!p && e->type == EVENT_EXIT)
		return -ESRCH;
	if (e->type == EVENT_EXEC)
		r = note_exec(t, e, c, &p);
	else if (p)
		r = note_known(t, e, c, p);
	else if (e->type == EVENT_FORK)
		r = note_fork(t, e, c, &p);
	else
		r = note_unknown(t, e, c, &p);
	if (r < 0) {
		t->stats.refused++;
		return r;
	}
	if (p->start.ns == 0)
		p->start = e->start;
	*ret = p;
	return 0;
}

int procs_add_running(struct procs *t, const struct proc_facts *facts, struct container *c)
{
	struct pw_boot unknown = {0};
	struct image_facts f = {
		.parent = parent_image(t, facts->ppid, unknown, c),
		.container = c,
		.pid = facts->pid,
		.ppid = facts->ppid,
		.uid = facts->uid,
		.gid = facts->gid,
		.tty = facts->tty,
		.session = facts->session,
		.pid_in_ns = facts->pid_in_ns,
		.euid = facts->uid,
		.egid = facts->gid,
		.start = facts->start,
		.flags = facts->program.flags | FLAG(PRE_RUNNING),
	};
	struct image *image = NULL;
	struct proc *p = procs_find(t, facts->pid);
	int r = 0;

	if (p)
		return 0;
	if (f.parent)
		f.flags |= f.parent->flags & FLAG(NOT_FROM_INIT);
	else
		f.flags |= origin_flags(t, c, facts->pid_in_ns, true);
	r = program_of(t, &facts->program, &f.program);
	if (r < 0)
		return r;
	r = image_new(t->images, &f, &image);
	program_put(f.program);
	if (r == 0)
		r = enter(t, image, &p);
	if (r == 0)
		p->pre_running = true;
	return r;
}

void procs_exit(struct procs *t, struct proc *p)
{
	forget(t, p);
}

void procs_leave(struct procs *t, const struct container *c)
{
	struct proc *p = NULL;
	struct proc *next = NULL;

	DL_FOREACH_SAFE (t->list, p, next)
		if (p->image->container == c)
			forget(t, p);
}

void procs_note_gap(struct procs *t)
{
	t->gaps = true;
}

uint32_t procs_count(const struct procs *t)
{
	return t->count;
}

void procs_get_stats(const struct procs *t, struct proc_stats *ret)
{
	*ret = t->stats;
}
