/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/probe_hooks.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/slice.h"
#include "podward_hooks.skel.h"

#define MODULES_PATH "/sys/kernel/security/lsm"
#define NAME_SIZE    64
#define KIND(name)   ABI_KIND_BIT(ABI_KIND_##name)

enum form { FORM_LSM, FORM_FENTRY, FORMS };

static const struct {
	const char *program,
		*target; /* beginnings of names: its program's, the function's below it */
} forms[FORMS] = {
	[FORM_LSM] = {"lsm_", "bpf_lsm_"},
	[FORM_FENTRY] = {"fentry_", "security_"},
};

#define HOOK_CANARY 0 /* row of the hook on opens */

/* name: of the programs without their prefix; hook and function: of LSM and of fentry. */
static const struct hook {
	const char *name, *hook, *function;
	uint64_t kinds;
} hooks[] = {
	{"file_open", "file_open", "file_open", KIND(OPEN) | KIND(OPEN_BY_HANDLE)},
	{"path_chmod", "path_chmod", "path_chmod", KIND(CHMOD)},
	{"path_chown", "path_chown", "path_chown", KIND(CHOWN)},
	{"path_truncate", "path_truncate", "path_truncate", KIND(TRUNCATE)},
	{"path_chroot", "path_chroot", "path_chroot", KIND(CHROOT)},
	{"path_unlink", "path_unlink", "path_unlink", KIND(REMOVE)},
	{"path_rmdir", "path_rmdir", "path_rmdir", KIND(REMOVE)},
	{"path_mkdir", "path_mkdir", "path_mkdir", KIND(MKDIR)},
	{"path_mknod", "path_mknod", "path_mknod", KIND(MKNOD)},
	{"path_symlink", "path_symlink", "path_symlink", KIND(SYMLINK)},
	{"path_link", "path_link", "path_link", KIND(LINK)},
	{"path_rename", "path_rename", "path_rename", KIND(RENAME)},
	{"bprm_check", "bprm_check_security", "bprm_check", KIND(EXEC_REFUSED)},
	{"kernel_read_file", "kernel_read_file", "kernel_read_file", KIND(MODULE)},
	{"sb_mount", "sb_mount", "sb_mount", KIND(MOUNT)},
	{"move_mount", "move_mount", "move_mount", KIND(MOUNT)},
	{"sb_umount", "sb_umount", "sb_umount", KIND(UMOUNT)},
	{"sb_pivotroot", "sb_pivotroot", "sb_pivotroot", KIND(PIVOT_ROOT)},
};
#define HOOKS PW_COUNT(hooks)

struct attached {
	struct bpf_program *program;
	struct bpf_link *link; /* NULL = not attached */
};

struct probe_hooks {
	struct bpf_object *base;
	struct btf *btf;
	struct bpf_object *objects[1 + FORMS + (size_t)FORMS * HOOKS];
	size_t object_count;
	struct attached attached[HOOKS];
	int canary_fd;
	bool may_lsm;
};

/* A choice: bit n of want[form] = the n-th hook in this form. */
struct choice {
	uint32_t want[FORMS];
};
_Static_assert(HOOKS <= 32, "hooks are bits of a u32");

static void program_name(size_t hook, enum form form, char out[NAME_SIZE])
{
	(void)snprintf(out, NAME_SIZE, "%s%s", forms[form].program, hooks[hook].name);
}

static bool has_target(const struct btf *btf, size_t hook, enum form form)
{
	char name[NAME_SIZE];
	const char *of = form == FORM_LSM ? hooks[hook].hook : hooks[hook].function;

	(void)snprintf(name, sizeof(name), "%s%s", forms[form].target, of);
	return btf && btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}

bool probe_hooks_fits(const char *program)
{
	struct btf *btf = NULL;
	bool result = true;

	for (size_t i = 0; i < HOOKS; i++) {
		for (enum form form = 0; form < FORMS; form++) {
			char name[NAME_SIZE];

			program_name(i, form, name);
			if (strcmp(name, program) != 0)
				continue;
			btf = btf__load_vmlinux_btf();
			result = has_target(btf, i, form);
			btf__free(btf);
			return result;
		}
	}
	return result;
}

const void *probe_hooks_elf(size_t *ret_len)
{
	return podward_hooks__elf_bytes(ret_len);
}

/* Where the list cannot be read, the canary tells. */
static bool lsm_may_be_called(void)
{
	char text[256];
	struct pw_slice rest, each = {0};
	int fd = open(MODULES_PATH, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (fd >= 0)
		(void)close(fd);
	if (n <= 0)
		return true;
	if (text[n - 1] == '\n')
		n--;
	rest = pw_slice_of(text, (size_t)n);
	while (pw_slice_cut(&rest, ',', &each))
		if (pw_slice_eq_str(each, "bpf"))
			return true;
	return false;
}

/* --- load --- */

static int share_maps(const struct probe_hooks *h, struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		int fd = bpf_object__find_map_fd_by_name(h->base, bpf_map__name(map));
		int r = 0;

		if (fd >= 0 && !bpf_map__is_internal(map))
			r = bpf_map__reuse_fd(map, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_chosen(const struct choice *c, const char *program)
{
	for (size_t i = 0; i < HOOKS; i++) {
		for (enum form form = 0; form < FORMS; form++) {
			char name[NAME_SIZE];

			program_name(i, form, name);
			if (strcmp(name, program) == 0)
				return c->want[form] & 1u << i;
		}
	}
	return false;
}

/* One object with the chosen programs; the kernel takes all of them or none. */
static int load(struct probe_hooks *h, const struct choice *c, struct bpf_object **ret)
{
	struct bpf_object_open_opts options = {
		.sz = sizeof(options), .object_name = "podward_hooks"};
	struct bpf_object *object;
	struct bpf_program *p;
	const void *elf;
	size_t len = 0;
	int r;

	elf = probe_hooks_elf(&len);
	object = bpf_object__open_mem(elf, len, &options);
	if (!object)
		return -errno;
	bpf_object__for_each_program(p, object)(void)
		bpf_program__set_autoload(p, is_chosen(c, bpf_program__name(p)));
	r = share_maps(h, object);
	if (r == 0)
		r = bpf_object__load(object);
	if (r < 0) {
		bpf_object__close(object);
		return r;
	}
	h->objects[h->object_count++] = object;
	*ret = object;
	return 0;
}

/* --- attach --- */

static bool attach_one(
	struct probe_hooks *h, struct bpf_object *object, size_t hook, enum form form)
{
	struct attached *a = &h->attached[hook];
	char name[NAME_SIZE];

	program_name(hook, form, name);
	a->program = bpf_object__find_program_by_name(object, name);
	a->link = a->program ? bpf_program__attach(a->program) : NULL;
	if (!a->link)
		pw_log_debug(
			"probe", "security hook %s does not attach: %s", name, pw_err_text(-errno));
	return a->link != NULL;
}

/* Those of a form that are not attached yet and that this kernel has. */
static uint32_t missing(const struct probe_hooks *h, enum form form)
{
	uint32_t found = 0;

	for (size_t i = 0; i < HOOKS; i++)
		if (!h->attached[i].link && has_target(h->btf, i, form))
			found |= 1u << i;
	return found;
}

static void attach_chosen(
	struct probe_hooks *h, struct bpf_object *object, uint32_t which, enum form form)
{
	for (size_t i = 0; i < HOOKS; i++)
		if (which & 1u << i)
			(void)attach_one(h, object, i, form);
}

/* These of a form at once; when the kernel refuses that, each alone. */
static void attach_hooks(struct probe_hooks *h, uint32_t which, enum form form)
{
	struct choice all = {0}, one = {0};
	struct bpf_object *object = NULL;

	all.want[form] = which;
	if (which && load(h, &all, &object) == 0) {
		attach_chosen(h, object, which, form);
		return;
	}
	for (size_t i = 0; i < HOOKS; i++) {
		one.want[form] = which & 1u << i;
		if (one.want[form] && load(h, &one, &object) == 0)
			(void)attach_one(h, object, i, form);
	}
}

static void detach_all(struct probe_hooks *h)
{
	for (size_t i = 0; i < HOOKS; i++) {
		(void)bpf_link__destroy(h->attached[i].link);
		h->attached[i] = (struct attached){0};
	}
}

/* Whether the hook on opens runs when this process opens something. */
static bool canary_sings(const struct probe_hooks *h)
{
	uint32_t zero = 0;
	uint64_t before = 0, after = 0;
	int fd;

	(void)bpf_map_lookup_elem(h->canary_fd, &zero, &before);
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		(void)close(fd);
	(void)bpf_map_lookup_elem(h->canary_fd, &zero, &after);
	return fd < 0 || after != before;
}

/* The hook on opens goes first: where it does not attach or is not called, no other will. */
static void attach_form(struct probe_hooks *h, enum form form)
{
	if (!h->attached[HOOK_CANARY].link) {
		attach_hooks(h, missing(h, form) & 1u << HOOK_CANARY, form);
		if (!h->attached[HOOK_CANARY].link)
			return;
		if (!canary_sings(h)) {
			pw_log_warn("probe",
				"programs on %s* attach here and are never called (is bpf in "
				"lsm=?): not used",
				forms[form].target);
			detach_all(h);
			return;
		}
	}
	attach_hooks(h, missing(h, form), form);
}

static void attach_all(struct probe_hooks *h)
{
	unsigned count = 0;

	if (lsm_may_be_called())
		attach_form(h, FORM_LSM);
	attach_form(h, FORM_FENTRY);
	for (size_t i = 0; i < HOOKS; i++)
		count += h->attached[i].link != NULL;
	pw_log_info("probe", "security hooks: %u of %zu attached", count, HOOKS);
}

/* --- life --- */

int probe_hooks_open(struct bpf_object *base, enum probe_level level, struct probe_hooks **ret,
	struct pw_err *err)
{
	struct probe_hooks *h = pw_alloc0(1, sizeof(*h));

	if (!h)
		return pw_err_set(err, -ENOMEM, "probe: out of memory");
	h->base = base;
	h->canary_fd = bpf_object__find_map_fd_by_name(base, "canary");
	h->btf = btf__load_vmlinux_btf();
	attach_all(h);
	if (level == PROBE_LEVEL_A && !h->attached[HOOK_CANARY].link) {
		probe_hooks_close(h);
		return pw_err_set(err, -EOPNOTSUPP,
			"hook level a: security hooks work here neither as LSM nor as fentry "
			"programs (see --probe)");
	}
	*ret = h;
	return 0;
}

void probe_hooks_close(struct probe_hooks *h)
{
	if (!h)
		return;
	detach_all(h);
	for (size_t i = 0; i < h->object_count; i++)
		bpf_object__close(h->objects[i]);
	btf__free(h->btf);
	free(h);
}

uint64_t probe_hooks_kinds(const struct probe_hooks *h)
{
	uint64_t kinds = 0;

	for (size_t i = 0; h && i < HOOKS; i++)
		if (h->attached[i].link)
			kinds |= hooks[i].kinds;
	return kinds;
}

int probe_hooks_each(
	const struct probe_hooks *h, int (*fn)(void *ctx, const struct probe_hook *hook), void *ctx)
{
	for (size_t i = 0; h && i < HOOKS; i++) {
		const struct attached *a = &h->attached[i];
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);
		struct probe_hook hook = {.attached = true};
		int r = 0;

		if (!a->link)
			continue;
		r = bpf_obj_get_info_by_fd(bpf_program__fd(a->program), &info, &len);
		if (r < 0)
			return r;
		hook.program = bpf_program__name(a->program);
		hook.hook = bpf_program__section_name(a->program);
		hook.recursion_misses = info.recursion_misses;
		r = fn(ctx, &hook);
		if (r)
			return r;
	}
	return 0;
}
