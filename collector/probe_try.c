/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/probe_try.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "collector/probe_hooks.h"
#include "collector/probe_optional.h"
#include "podward_bpf.skel.h"

#define VERIFIER_LOG   (8u << 20) /* kernels before 6.4 refuse a program whose log does not fit */
#define LOG_STATISTICS 4u
#define LOG_REASONS    1u
#define RING_BYTES     65536u
#define WHY_SIZE       240

struct attempt {
	struct bpf_object *object;
	struct bpf_program *program;
	struct probe_try result;
	char *log;
	char why[WHY_SIZE];
};

static char said[WHY_SIZE]; /* what libbpf warned of last */

static int PW_PRINTF(2, 0)
	note_warning(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN)
		(void)vsnprintf(said, sizeof(said), format, args);
	return 0;
}

/* The last line that holds more than blanks and is no statistics. */
static void copy_last_line(const char *text, char *out, size_t size)
{
	const char *end = text + strlen(text);

	while (end > text) {
		const char *start = end;

		while (start > text && start[-1] != '\n')
			start--;
		if (end - start > 1 && strncmp(start, "processed ", 10) != 0 &&
			strncmp(start, "-- ", 3) != 0 && !strstr(start, "-- END PROG")) {
			(void)snprintf(out, size, "%.*s", (int)(end - start), start);
			return;
		}
		end = start > text ? start - 1 : text;
	}
}

static const void *tracepoints_elf(size_t *ret_len)
{
	return podward_bpf__elf_bytes(ret_len);
}

/* One of the objects; *n becomes the number of the program among those behind it. */
static int attempt_open_object(
	struct attempt *a, const void *(*elf)(size_t *ret_len), size_t *n, uint32_t log_level)
{
	struct bpf_object_open_opts options = {.sz = sizeof(options), .object_name = "podward_try"};
	struct bpf_program *each;
	struct bpf_map *map;
	const void *bytes;
	size_t len = 0;

	bytes = elf(&len);
	a->object = bpf_object__open_mem(bytes, len, &options);
	if (!a->object)
		return -errno;
	map = bpf_object__find_map_by_name(a->object, "records");
	if (map)
		(void)bpf_map__set_max_entries(map, RING_BYTES);
	bpf_object__for_each_program(each, a->object)
	{
		(void)bpf_program__set_autoload(each, *n == 0);
		if ((*n)-- == 0)
			a->program = each;
	}
	if (!a->program) {
		bpf_object__close(a->object);
		a->object = NULL;
		return -ENOENT;
	}
	a->log[0] = '\0';
	(void)bpf_program__set_log_buf(a->program, a->log, VERIFIER_LOG);
	(void)bpf_program__set_log_level(a->program, log_level);
	return 0;
}

/* A fresh object in which only the n-th program of all is loaded; -ENOENT behind the last. */
static int attempt_open(struct attempt *a, size_t n, uint32_t log_level)
{
	int r;

	a->program = NULL;
	r = attempt_open_object(a, tracepoints_elf, &n, log_level);
	if (r == -ENOENT)
		r = attempt_open_object(a, probe_hooks_elf, &n, log_level);
	return r;
}

static void attempt_close(struct attempt *a)
{
	bpf_object__close(a->object);
	a->object = NULL;
}

/* What the kernel refused is asked a second time for its reasons, which cost a long log. */
static void note_refusal(struct attempt *a, size_t n)
{
	attempt_close(a);
	if (attempt_open(a, n, LOG_REASONS) == 0 && bpf_object__load(a->object) < 0)
		copy_last_line(a->log, a->why, sizeof(a->why));
	if (!a->why[0])
		copy_last_line(said, a->why, sizeof(a->why));
}

static void try_attach(struct attempt *a)
{
	struct bpf_link *link = bpf_program__attach(a->program);

	if (link) {
		(void)bpf_link__destroy(link);
		return;
	}
	a->result.attach_error = -errno;
	copy_last_line(said, a->why, sizeof(a->why));
}

/* 1 = there is no n-th program. */
static int attempt_run(struct attempt *a, size_t n)
{
	const char *count;
	int r = attempt_open(a, n, LOG_STATISTICS);

	if (r < 0)
		return r == -ENOENT ? 1 : r;
	said[0] = a->why[0] = '\0';
	a->result = (struct probe_try){
		.load_error = bpf_object__load(a->object),
		.why = a->why,
	};
	if (a->result.load_error == 0) {
		count = strstr(a->log, "processed ");
		if (count)
			(void)sscanf(count, "processed %u", &a->result.verified);
		try_attach(a);
	} else {
		note_refusal(a, n);
	}
	if (!a->program)
		return -EIO;
	a->result.program = bpf_program__name(a->program);
	a->result.hook = bpf_program__section_name(a->program);
	return 0;
}

int probe_try_each(int (*fn)(void *ctx, const struct probe_try *t), void *ctx, struct pw_err *err)
{
	pw_auto_free char *log = pw_alloc0(1, VERIFIER_LOG);
	libbpf_print_fn_t before;
	struct attempt a = {.log = log};
	bool last = false;
	int r = 0;

	if (!log)
		return pw_err_set(err, -ENOMEM, "probe: out of memory");
	before = libbpf_set_print(note_warning);
	for (size_t n = 0; r == 0; n++) {
		r = attempt_run(&a, n);
		if (r < 0)
			(void)pw_err_set(err, r, "BPF object: %s", pw_err_text(r));
		last = r > 0;
		/* What this kernel has no place for is not missing here. */
		if (r == 0 && probe_optional_fits(a.result.program) &&
			probe_hooks_fits(a.result.program))
			r = fn(ctx, &a.result);
		attempt_close(&a);
	}
	(void)libbpf_set_print(before);
	return last ? 0 : r;
}
