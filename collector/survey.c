/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/survey.h"

#include "collector/cgtree.h"
#include "collector/probe.h"
#include "common/base/escape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MODULES_FILE "/sys/kernel/security/lsm"
#define REPORT_BYTES (1u << 20)
#define WHY_SIZE     320

struct survey {
	enum print_form form;
	struct pw_buf *out;
	char modules[256]; /* active security modules, separated by commas; "" = not readable */
	unsigned works[SURVEY_LEVELS], total[SURVEY_LEVELS];
	char hook[64];   /* the last program's name without its form */
	bool hook_works; /* in one of its forms */
};

static const char *const level_names[SURVEY_LEVELS] = {
	[SURVEY_LEVEL_A] = "A, security hooks",
	[SURVEY_LEVEL_B] = "B, tracepoints",
};

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

enum survey_level survey_level_of(const char *hook)
{
	static const char *const security[] = {"lsm", "fentry", "fexit", "fmod_ret"};

	for (size_t i = 0; i < PW_COUNT(security); i++)
		if (starts(hook, security[i]))
			return SURVEY_LEVEL_A;
	return SURVEY_LEVEL_B;
}

static bool has_module(const char *modules, const char *name)
{
	struct pw_slice rest = pw_slice_str(modules), each = {0};

	while (pw_slice_cut(&rest, ',', &each))
		if (pw_slice_eq_str(each, name))
			return true;
	return false;
}

bool survey_works(const struct probe_try *t, const char *security_modules, char *why, size_t size)
{
	int code = t->load_error ? t->load_error : t->attach_error;

	why[0] = '\0';
	if (code) {
		(void)snprintf(why, size, "%s: %s%s%s", t->load_error ? "load" : "attach",
			pw_err_text(code), t->why[0] ? ": " : "", t->why);
		return false;
	}
	/* It loads and attaches without the module, and is never called. */
	if (starts(t->hook, "lsm") && security_modules[0] && !has_module(security_modules, "bpf")) {
		(void)snprintf(why, size, "bpf is not among the active security modules (lsm=)");
		return false;
	}
	return true;
}

/* --- facts --- */

static void read_modules(struct survey *s)
{
	int fd = open(MODULES_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0)
		return;
	n = read(fd, s->modules, sizeof(s->modules) - 1);
	(void)close(fd);
	while (n > 0 && s->modules[n - 1] == '\n')
		n--;
	s->modules[n > 0 ? n : 0] = '\0';
}

static void add_text(struct survey *s, const char *name, const char *value)
{
	struct pw_slice text = pw_slice_str(value);

	if (s->form == PRINT_JSON) {
		(void)pw_buf_addf(s->out, "\"%s\":", name);
		(void)pw_escape_json(s->out, text);
		(void)pw_buf_add_byte(s->out, ',');
		return;
	}
	(void)pw_buf_addf(s->out, "%-18s", name);
	(void)pw_escape(s->out, text, WHY_SIZE);
	(void)pw_buf_add_byte(s->out, '\n');
}

static int add_facts(struct survey *s, struct pw_err *err)
{
	struct pw_err ignored = PW_ERR_INIT, missing = PW_ERR_INIT;
	struct probe_facts facts;
	struct utsname name;
	char root[4096];
	int r = probe_facts_read(&facts, err);

	if (r < 0)
		return r;
	(void)uname(&name);
	read_modules(s);
	add_text(s, "kernel", name.release);
	add_text(s, "machine", name.machine);
	add_text(s, "type_information", facts.has_btf ? "yes" : "no");
	add_text(s, "security_modules", s->modules[0] ? s->modules : "unknown");
	add_text(s, "lockdown", facts.lockdown_confidentiality ? "confidentiality" : "none");
	r = cgtree_find_root(root, sizeof(root), &ignored);
	add_text(s, "cgroup_v2", r < 0 ? "not mounted" : root);
	r = probe_facts_check(&facts, &missing);
	add_text(s, "missing", r < 0 ? missing.msg : "nothing");
	return 0;
}

/* --- programs --- */

/* A security hook counts once, whichever of its forms works; they come one behind the other. */
static void count(struct survey *s, const char *program, enum survey_level level, bool works)
{
	const char *name = strchr(program, '_');

	if (level == SURVEY_LEVEL_A && name && strcmp(name, s->hook) == 0) {
		s->works[level] += works && !s->hook_works;
		s->hook_works |= works;
		return;
	}
	s->total[level]++;
	s->works[level] += works;
	s->hook_works = works;
	(void)snprintf(s->hook, sizeof(s->hook), "%s", level == SURVEY_LEVEL_A && name ? name : "");
}

static int add_program(void *ctx, const struct probe_try *t)
{
	struct survey *s = ctx;
	char why[WHY_SIZE];
	enum survey_level level = survey_level_of(t->hook);
	bool works = survey_works(t, s->modules, why, sizeof(why));

	count(s, t->program, level, works);
	if (s->form == PRINT_JSON) {
		(void)pw_buf_addf(s->out, "%s{\"program\":\"%s\",\"hook\":\"%s\",\"works\":%s",
			s->out->data[s->out->len - 1] == '[' ? "" : ",", t->program, t->hook,
			works ? "true" : "false");
		(void)pw_buf_addf(s->out, ",\"verified\":%u,\"why\":", t->verified);
		(void)pw_escape_json(s->out, pw_slice_str(why));
		(void)pw_buf_add_byte(s->out, '}');
		return pw_buf_error(s->out);
	}
	(void)pw_buf_addf(s->out, "%-28s %-34s %-5s %9u  ", t->program, t->hook,
		works ? "works" : "no", t->verified);
	(void)pw_escape(s->out, pw_slice_str(why), WHY_SIZE);
	(void)pw_buf_add_byte(s->out, '\n');
	return pw_buf_error(s->out);
}

static const char *degree(unsigned works, unsigned total)
{
	return total == 0 ? "none" : works == total ? "complete" : works > 0 ? "partial" : "none";
}

static void add_levels(struct survey *s)
{
	for (unsigned i = 0; i < SURVEY_LEVELS; i++) {
		const char *word = degree(s->works[i], s->total[i]);

		if (s->form == PRINT_JSON)
			(void)pw_buf_addf(s->out, ",\"level_%c\":\"%s\"", "ab"[i], word);
		else
			(void)pw_buf_addf(s->out, "level %s: %s (%u of %u)\n", level_names[i], word,
				s->works[i], s->total[i]);
	}
}

int survey_report(enum print_form form, struct pw_buf *out, bool *ret_usable, struct pw_err *err)
{
	struct survey s = {.form = form, .out = out};
	int r = 0;

	if (form == PRINT_JSON)
		(void)pw_buf_add_byte(out, '{');
	r = add_facts(&s, err);
	if (r < 0)
		return r;
	(void)pw_buf_add_str(out, form == PRINT_JSON ? "\"programs\":[" : "\n");
	r = probe_try_each(add_program, &s, err);
	if (r < 0)
		return r;
	(void)pw_buf_add_str(out, form == PRINT_JSON ? "]" : "\n");
	add_levels(&s);
	if (form == PRINT_JSON)
		(void)pw_buf_add_str(out, "}\n");
	*ret_usable =
		s.total[SURVEY_LEVEL_B] > 0 && s.works[SURVEY_LEVEL_B] == s.total[SURVEY_LEVEL_B];
	r = pw_buf_error(out);
	return r < 0 ? pw_err_set(err, r, "report: %s", pw_err_text(r)) : 0;
}

int survey_run(enum print_form form, struct pw_err *err)
{
	bool usable = false;
	pw_auto_buf out;
	int r = 0;

	pw_buf_init(&out, REPORT_BYTES);
	r = survey_report(form, &out, &usable, err);
	if (r < 0)
		return r;
	if (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0)
		return pw_err_set(err, -EIO, "standard output: %s", pw_err_text(errno));
	return usable ? 0 : pw_err_set(err, -EOPNOTSUPP, "the tracepoints do not all work here");
}
