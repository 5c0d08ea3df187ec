/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "collector/probe_hooks.h"
#include "collector/probe_optional.h"
#include "collector/ring.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/random.h"
#include "podward_bpf.skel.h"

#define PROBE_BTF_PATH      "/sys/kernel/btf/vmlinux"
#define PROBE_LOCKDOWN_PATH "/sys/kernel/security/lockdown"
#define PROBE_BOOT_ID_PATH  "/proc/sys/kernel/random/boot_id"
#define PROBE_RING_BYTES    (4u << 20)
#define PROBE_RING_MIN      (64u << 10)
#define PROBE_RING_MAX      (64u << 20)
#define PROBE_SCOPE_ENTRIES 16384u
#define PROBE_KNOWN_BYTES   (KNOWN_PLACES * sizeof(struct abi_known_place))
#define PROBE_ALL_KINDS     (ABI_KIND_BIT(ABI_KIND_COUNT) - 1)

/* Programs that only run by tail call, and their place in which map. */
static const struct {
	const char *program, *map;
	uint32_t index;
} probe_handlers[] = {
	{"file_open_exit", "handlers", HANDLER_OPEN},
	{"net_connect_exit", "handlers", HANDLER_CONNECT},
	{"plain_exit", "handlers", HANDLER_PLAIN},
	{"path_exit", "handlers", HANDLER_PATH},
	{"paths_exit", "handlers", HANDLER_PATHS},
	{"paths_large_exit", "handlers", HANDLER_PATHS_LARGE},
	{"socket_exit", "handlers", HANDLER_SOCKET},
	{"send_exit", "handlers", HANDLER_SEND},
	{"send_many_exit", "handlers", HANDLER_SEND_MANY},
	{"stdio_exit", "handlers", HANDLER_STDIO},
	{"noted_open_exit", "handlers", HANDLER_NOTED_OPEN},
	{"noted_path_exit", "handlers", HANDLER_NOTED_PATH},
	{"exec_small", "exec_stages", EXEC_STAGE_SMALL},
	{"exec_medium", "exec_stages", EXEC_STAGE_MEDIUM},
	{"exec_large", "exec_stages", EXEC_STAGE_LARGE},
};

struct probe {
	struct source source;
	struct podward_bpf *skeleton;
	struct probe_hooks *hooks; /* NULL = level b */
	struct ring *ring;
	struct kmaps maps;
	char boot_id[37];
};

static const struct probe *probe_of(const struct source *s)
{
	return (const struct probe *)(const void *)s;
}

/* --- what the machine offers --- */

static ssize_t probe_read_text(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, out, size - 1);
	(void)close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n;
}

int probe_facts_read(struct probe_facts *ret, struct pw_err *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	struct probe_facts facts = {0};
	struct utsname name;
	char text[128];

	if (uname(&name) < 0 ||
		sscanf(name.release, "%u.%u", &facts.kernel_major, &facts.kernel_minor) != 2)
		return pw_err_set(err, -EINVAL, "kernel release is not of the form major.minor");
	if (syscall(SYS_capget, &header, data) < 0) {
		int code = -errno;

		return pw_err_set(err, code, "capget: %s", pw_err_text(code));
	}
	facts.caps_effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	facts.has_btf = access(PROBE_BTF_PATH, R_OK) == 0;
	facts.lockdown_confidentiality =
		probe_read_text(PROBE_LOCKDOWN_PATH, text, sizeof(text)) > 0 &&
		strstr(text, "[confidentiality]") != NULL;
	*ret = facts;
	return 0;
}

int probe_facts_check(const struct probe_facts *facts, struct pw_err *err)
{
	const uint64_t admin = 1ull << CAP_SYS_ADMIN;
	uint64_t caps = facts->caps_effective;

	if (facts->kernel_major < 5 || (facts->kernel_major == 5 && facts->kernel_minor < 10))
		return pw_err_set(err, -EOPNOTSUPP,
			"kernel %u.%u is too old: 5.10 or newer is needed", facts->kernel_major,
			facts->kernel_minor);
	if (!facts->has_btf)
		return pw_err_set(err, -EOPNOTSUPP,
			"no kernel type information: %s is missing or not readable (the kernel "
			"needs "
			"CONFIG_DEBUG_INFO_BTF, a container needs /sys)",
			PROBE_BTF_PATH);
	if (!(caps & (admin | 1ull << CAP_BPF)))
		return pw_err_set(
			err, -EPERM, "capability CAP_BPF is missing: run as root or add it");
	if (!(caps & (admin | 1ull << CAP_PERFMON)))
		return pw_err_set(
			err, -EPERM, "capability CAP_PERFMON is missing: run as root or add it");
	if (facts->lockdown_confidentiality)
		return pw_err_set(err, -EPERM,
			"kernel lockdown is \"confidentiality\": it forbids reading process memory "
			"from BPF; boot with lockdown=integrity");
	return 0;
}

/* --- libbpf --- */

static int PW_PRINTF(2, 0)
	probe_log(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[512];
	int n = vsnprintf(line, sizeof(line), format, args);

	(void)level;
	while (n > 0 && n < (int)sizeof(line) && line[n - 1] == '\n')
		line[--n] = '\0';
	pw_log_debug("probe", "libbpf: %s", line);
	return 0;
}

static int probe_sizes(struct probe *p, const struct probe_options *options, struct pw_err *err)
{
	uint32_t ring = options->ring_bytes ? options->ring_bytes : PROBE_RING_BYTES;
	uint32_t scope = options->scope_entries ? options->scope_entries : PROBE_SCOPE_ENTRIES;
	int r;

	if (ring < PROBE_RING_MIN || ring > PROBE_RING_MAX || (ring & (ring - 1)))
		return pw_err_set(err, -EINVAL,
			"ring size %u is not a power of two from 64 KiB to 64 MiB", ring);
	r = bpf_map__set_max_entries(p->skeleton->maps.records, ring);
	if (r == 0)
		r = bpf_map__set_max_entries(p->skeleton->maps.scope, scope);
	if (r < 0)
		return pw_err_set(err, r, "sizes of the kernel maps: %s", pw_err_text(r));
	p->maps.scope_entries = scope;
	return 0;
}

static int probe_map_known(struct probe *p, struct pw_err *err)
{
	void *at = mmap(NULL, PROBE_KNOWN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		bpf_map__fd(p->skeleton->maps.known), 0);
	int code = -errno;

	if (at == MAP_FAILED)
		return pw_err_set(err, code, "map of known behaviours: %s", pw_err_text(code));
	p->maps.known = at;
	return 0;
}

static int probe_load(struct probe *p, struct pw_err *err)
{
	int r = podward_bpf__load(p->skeleton);

	if (r == -EPERM)
		return pw_err_set(err, r,
			"kernel refused the BPF programs (EPERM): before 5.11 raise RLIMIT_MEMLOCK "
			"or "
			"add CAP_SYS_RESOURCE; else look at seccomp and LSM rules for bpf(2)");
	if (r == -ENOMEM)
		return pw_err_set(err, r, "no memory for the BPF maps: lower the ring size");
	if (r < 0)
		return pw_err_set(err, r,
			"kernel refused the BPF programs: %s (see log level debug)",
			pw_err_text(r));
	p->maps.scope_fd = bpf_map__fd(p->skeleton->maps.scope);
	p->maps.settings_fd = bpf_map__fd(p->skeleton->maps.settings);
	p->maps.counters_fd = bpf_map__fd(p->skeleton->maps.counters);
	p->maps.syscalls_fd = bpf_map__fd(p->skeleton->maps.syscalls);
	p->maps.lost_fd = bpf_map__fd(p->skeleton->maps.lost);
	return probe_map_known(p, err);
}

static int probe_settings(struct probe *p, const struct probe_options *options, struct pw_err *err)
{
	uint32_t ring = bpf_map__max_entries(p->skeleton->maps.records);
	struct abi_settings settings = {
		.flags = options->setting_flags,
		.self_tgid = (uint32_t)getpid(),
		.wakeup_bytes = ring / 4,
		.key = pw_random_u64(),
	};
	int r = kmaps_settings_set(&p->maps, &settings);

	return r < 0 ? pw_err_set(err, r, "settings map: %s", pw_err_text(r)) : 0;
}

/* The plan says which calls have notes. */
static int probe_add_hooks(struct probe *p, const struct probe_options *options, struct pw_err *err)
{
	struct abi_settings settings;
	int r = 0;

	if (options->level == PROBE_LEVEL_B)
		return 0;
	r = probe_hooks_open(p->skeleton->obj, options->level, &p->hooks, err);
	if (r == 0)
		r = kmaps_settings_get(&p->maps, &settings);
	if (r < 0)
		return pw_err_set(err, r, "security hooks: %s", pw_err_text(r));
	p->maps.noted_kinds = probe_hooks_kinds(p->hooks);
	if (p->maps.noted_kinds)
		settings.flags |= SETTING_NOTES;
	return kmaps_settings_set(&p->maps, &settings);
}

static int probe_plan(struct probe *p, const struct probe_options *options, struct pw_err *err)
{
	uint64_t kinds = options->kind_mask ? options->kind_mask : PROBE_ALL_KINDS;

	return kmaps_plan_set(&p->maps, kinds, options->every_mask, !options->no_first_use, err);
}

static struct bpf_program *probe_find(const struct probe *p, const char *name)
{
	return bpf_object__find_program_by_name(p->skeleton->obj, name);
}

static void probe_no_autoattach(struct probe *p)
{
	for (size_t i = 0; i < PW_COUNT(probe_handlers); i++)
		bpf_program__set_autoattach(probe_find(p, probe_handlers[i].program), false);
}

static int probe_fill_handlers(struct probe *p, struct pw_err *err)
{
	for (size_t i = 0; i < PW_COUNT(probe_handlers); i++) {
		int map = bpf_object__find_map_fd_by_name(p->skeleton->obj, probe_handlers[i].map);
		int fd = bpf_program__fd(probe_find(p, probe_handlers[i].program));
		int r = bpf_map_update_elem(map, &probe_handlers[i].index, &fd, BPF_ANY);

		if (r < 0)
			return pw_err_set(err, r, "kernel program %s: %s",
				probe_handlers[i].program, pw_err_text(r));
	}
	return 0;
}

/* --- source --- */

static int probe_fd(const struct source *s)
{
	return ring_fd(probe_of(s)->ring);
}

static int probe_consume(
	struct source *s, unsigned max_records, source_record_fn fn, void *ctx, struct pw_err *err)
{
	return ring_consume(probe_of(s)->ring, max_records, fn, ctx, err);
}

int probe_each_hook(
	const struct source *s, int (*fn)(void *ctx, const struct probe_hook *hook), void *ctx)
{
	const struct probe *p = probe_of(s);
	struct bpf_program *program;

	bpf_object__for_each_program(program, p->skeleton->obj)
	{
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);
		struct probe_hook hook = {
			.program = bpf_program__name(program),
			.hook = bpf_program__section_name(program),
			.attached = bpf_program__autoattach(program),
		};
		int r = 0;

		if (!bpf_program__autoload(program))
			continue; /* has no place in this kernel */
		r = bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len);
		if (r < 0)
			return r;
		hook.recursion_misses = info.recursion_misses;
		r = fn(ctx, &hook);
		if (r)
			return r;
	}
	return probe_hooks_each(p->hooks, fn, ctx);
}

static int probe_add_misses(void *ctx, const struct probe_hook *hook)
{
	*(uint64_t *)ctx += hook->recursion_misses;
	return 0;
}

static int probe_stats(struct source *s, struct source_stats *ret)
{
	const struct probe *p = probe_of(s);
	struct source_stats stats = {
		.delivered = ring_delivered(p->ring),
		.delivered_bytes = ring_delivered_bytes(p->ring),
		.refused = ring_refused(p->ring),
	};
	int r = kmaps_counters(&p->maps, &stats.kernel);

	if (r == 0)
		r = probe_each_hook(s, probe_add_misses, &stats.recursion_misses);
	if (r == 0)
		*ret = stats;
	return r;
}

static void probe_info(const struct source *s, struct source_info *ret)
{
	*ret = (struct source_info){
		.name = "kernel",
		.live = true,
		.abi_version = ABI_VERSION,
		.boot_to_wall_ns = pw_boot_to_wall_offset(),
	};
	memcpy(ret->boot_id, probe_of(s)->boot_id, sizeof(ret->boot_id));
}

static void probe_close(struct source *s)
{
	struct probe *p = (struct probe *)(void *)s;

	probe_hooks_close(p->hooks);
	ring_close(p->ring);
	if (p->maps.known)
		(void)munmap(p->maps.known, PROBE_KNOWN_BYTES);
	podward_bpf__destroy(p->skeleton);
	free(p);
}

static const struct source_ops probe_ops = {
	.name = "kernel",
	.fd = probe_fd,
	.consume = probe_consume,
	.stats = probe_stats,
	.info = probe_info,
	.close = probe_close,
};

static int probe_start(struct probe *p, const struct probe_options *options, struct pw_err *err)
{
	int r;

	p->skeleton = podward_bpf__open();
	if (!p->skeleton) {
		r = -errno;
		return pw_err_set(err, r, "BPF object: %s", pw_err_text(r));
	}
	probe_no_autoattach(p);
	probe_optional_apply(p->skeleton->obj);
	r = probe_sizes(p, options, err);
	if (r == 0)
		r = probe_load(p, err);
	if (r == 0)
		r = probe_settings(p, options, err);
	if (r == 0)
		r = probe_add_hooks(p, options, err);
	if (r == 0)
		r = probe_plan(p, options, err);
	if (r == 0)
		r = probe_fill_handlers(p, err);
	if (r == 0)
		r = ring_open(bpf_map__fd(p->skeleton->maps.records), &p->ring, err);
	if (r < 0)
		return r;
	r = podward_bpf__attach(p->skeleton);
	if (r < 0)
		return pw_err_set(err, r, "attach to kernel tracepoints: %s", pw_err_text(r));
	return 0;
}

int probe_open(const struct probe_options *options, struct source **ret, struct pw_err *err)
{
	struct probe_facts facts;
	struct probe *p;
	int r = probe_facts_read(&facts, err);

	if (r == 0)
		r = probe_facts_check(&facts, err);
	if (r < 0)
		return r;
	p = pw_alloc0(1, sizeof(*p));
	if (!p)
		return pw_err_set(err, -ENOMEM, "probe: out of memory");
	(void)libbpf_set_print(probe_log);
	p->source.ops = &probe_ops;
	if (probe_read_text(PROBE_BOOT_ID_PATH, p->boot_id, sizeof(p->boot_id)) != 36)
		p->boot_id[0] = '\0';
	r = probe_start(p, options, err);
	if (r < 0) {
		probe_close(&p->source);
		return r;
	}
	*ret = &p->source;
	return 0;
}

const struct kmaps *probe_maps(const struct source *s)
{
	pw_assert(s->ops == &probe_ops);
	return &probe_of(s)->maps;
}
