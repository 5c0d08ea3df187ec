/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/config.h"

#include "common/base/clock.h"
#include "common/base/config_text.h"
#include "common/base/escape.h"
#include "common/base/num.h"

#include <errno.h>
#include <string.h>

#define SETTINGS_MAX 64
#define VALUE_MAX    4096

struct pw_config {
	char *texts[SETTINGS_MAX]; /* by row of the table; NULL = default or no text */
};

struct value {
	uint64_t number;
	const char *text;
};

static int parse_bool(const char *text, uint64_t *ret)
{
	static const struct {
		const char *text;
		uint64_t value;
	} words[] = {{"true", 1}, {"false", 0}, {"1", 1}, {"0", 0}, {"yes", 1}, {"no", 0}};

	for (size_t i = 0; i < PW_COUNT(words); i++) {
		if (strcmp(text, words[i].text) == 0) {
			*ret = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_choice(const char *choices, const char *text, uint64_t *ret)
{
	struct pw_slice rest = pw_slice_str(choices), choice;

	for (uint64_t i = 0; pw_slice_cut(&rest, '|', &choice); i++) {
		if (pw_slice_eq_str(choice, text)) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_number(const struct pw_setting *s, const char *text, uint64_t *ret)
{
	struct pw_slice slice = pw_slice_str(text);
	uint64_t value;
	int r;

	if (s->type == PW_SETTING_DURATION)
		r = pw_duration_parse(text, &value);
	else if (s->type == PW_SETTING_SIZE)
		r = pw_num_size(slice, UINT64_MAX, &value);
	else
		r = pw_num_u64(slice, UINT64_MAX, &value);
	if (r < 0)
		return r;
	if (value < s->min || (s->max && value > s->max))
		return -ERANGE;
	*ret = value;
	return 0;
}

static int parse_value(const struct pw_setting *s, const char *text, struct value *ret)
{
	switch (s->type) {
	case PW_SETTING_TEXT:
		ret->text = text;
		return 0;
	case PW_SETTING_BOOL:
		return parse_bool(text, &ret->number);
	case PW_SETTING_CHOICE:
		return parse_choice(s->choices, text, &ret->number);
	case PW_SETTING_U64:
	case PW_SETTING_SIZE:
	case PW_SETTING_DURATION:
		return parse_number(s, text, &ret->number);
	}
	return -EINVAL;
}

static int take_value(const struct pw_setting *s, const char *name, const char *text,
	struct value *ret, struct pw_err *err)
{
	char shown[80], takes[CONFIG_TAKES_SIZE];
	int r;

	if (strlen(text) > VALUE_MAX)
		return pw_err_set(err, -E2BIG, "%s: value longer than %d bytes", name, VALUE_MAX);
	r = parse_value(s, text, ret);
	if (r == 0)
		return 0;
	config_takes(s, takes);
	(void)pw_escape_to(pw_slice_str(text), shown, sizeof(shown));
	return pw_err_set(err, r, "%s: \"%s\" %s: takes %s", name, shown,
		r == -ERANGE ? "is out of range" : "is not understood", takes);
}

static int find_setting(const struct pw_config_spec *spec, struct pw_slice name)
{
	for (size_t i = 0; i < spec->count; i++)
		if (pw_slice_eq_str(name, spec->settings[i].name))
			return (int)i;
	return -ENOENT;
}

static bool print_builtin(const struct pw_config_spec *spec, const char *arg)
{
	if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
		config_help(spec, stdout);
	else if (strcmp(arg, "--version") == 0)
		(void)printf("%s %s\n", spec->program, PODWARD_VERSION);
	else if (strcmp(arg, "--print-settings-doc") == 0)
		pw_config_doc(spec, stdout);
	else
		return false;
	(void)fflush(stdout);
	return true;
}

/* What a flag without value means; NULL when it needs one. */
static const char *bare_meaning(const struct pw_setting *s)
{
	uint64_t index;

	if (s->type == PW_SETTING_BOOL)
		return "true";
	if (s->type == PW_SETTING_CHOICE && s->value_name &&
		parse_choice(s->choices, s->value_name, &index) == 0)
		return s->value_name;
	return NULL;
}

/* One flag at argv[i]: its row and value. Returns how many arguments it took. */
static int take_flag(const struct pw_config_spec *spec, char **argv, int i, const char **texts,
	struct pw_err *err)
{
	struct pw_slice rest = pw_slice_str(argv[i] + 2), name;
	const char *equals = strchr(argv[i], '=');
	char shown[80];
	int row;

	(void)pw_slice_cut(&rest, '=', &name);
	row = find_setting(spec, name);
	if (row < 0)
		return pw_err_set(err, -EINVAL, "unknown flag \"--%s\" (--help lists all)",
			pw_escape_to(name, shown, sizeof(shown)));
	if (equals) {
		texts[row] = equals + 1;
		return 1;
	}
	texts[row] = bare_meaning(&spec->settings[row]);
	if (texts[row])
		return 1;
	if (!argv[i + 1])
		return pw_err_set(err, -EINVAL, "--%s: value is missing", spec->settings[row].name);
	texts[row] = argv[i + 1];
	return 2;
}

static int read_flags(const struct pw_config_spec *spec, int argc, char **argv, const char **texts,
	struct pw_err *err)
{
	char shown[80];

	for (int i = 1; i < argc;) {
		int r;

		if (print_builtin(spec, argv[i]))
			return PW_CONFIG_EXIT;
		if (strncmp(argv[i], "--", 2) != 0)
			return pw_err_set(err, -EINVAL,
				"stray argument \"%s\" (--help lists all flags)",
				pw_escape_to(pw_slice_str(argv[i]), shown, sizeof(shown)));
		r = take_flag(spec, argv, i, texts, err);
		if (r < 0)
			return r;
		i += r;
	}
	return PW_CONFIG_RUN;
}

/* The value of one row, from the strongest source that has one. */
static int settle(const struct pw_setting *s, const char *flag_text, struct value *ret,
	bool *ret_foreign, struct pw_err *err)
{
	char name[CONFIG_NAME_SIZE];
	const char *from_env;

	*ret_foreign = true;
	if (flag_text) {
		(void)snprintf(name, sizeof(name), "--%s", s->name);
		return take_value(s, name, flag_text, ret, err);
	}
	config_env_name(s->name, name);
	from_env = getenv(name);
	if (from_env)
		return take_value(s, name, from_env, ret, err);
	*ret_foreign = false;
	if (s->default_text)
		pw_assert(parse_value(s, s->default_text, ret) == 0);
	return 0;
}

static void store(const struct pw_setting *s, const struct value *v, void *settings)
{
	char *field = (char *)settings + s->offset;
	bool flag = v->number != 0;

	switch (s->type) {
	case PW_SETTING_TEXT:
		memcpy(field, &v->text, sizeof(v->text));
		return;
	case PW_SETTING_BOOL:
		memcpy(field, &flag, sizeof(flag));
		return;
	case PW_SETTING_U64:
	case PW_SETTING_SIZE:
	case PW_SETTING_DURATION:
	case PW_SETTING_CHOICE:
		memcpy(field, &v->number, sizeof(v->number));
		return;
	}
}

static void free_config(struct pw_config **c)
{
	pw_config_free(*c);
}

int pw_config_load(const struct pw_config_spec *spec, int argc, char **argv, void *settings,
	struct pw_config **ret, struct pw_err *err)
{
	pw_cleanup(free_config) struct pw_config *c = pw_alloc0(1, sizeof(*c));
	const char *texts[SETTINGS_MAX] = {NULL};
	struct value values[SETTINGS_MAX] = {{0}};
	int r;

	pw_assert(spec->count <= SETTINGS_MAX);
	if (!c)
		return pw_err_set(err, -ENOMEM, "settings: out of memory");
	r = read_flags(spec, argc, argv, texts, err);
	if (r != PW_CONFIG_RUN)
		return r;
	for (size_t i = 0; i < spec->count; i++) {
		bool foreign;

		r = settle(&spec->settings[i], texts[i], &values[i], &foreign, err);
		if (r < 0)
			return r;
		if (!foreign || spec->settings[i].type != PW_SETTING_TEXT)
			continue;
		c->texts[i] = pw_strdup(values[i].text);
		if (!c->texts[i])
			return pw_err_set(err, -ENOMEM, "settings: out of memory");
		values[i].text = c->texts[i];
	}
	for (size_t i = 0; i < spec->count; i++)
		store(&spec->settings[i], &values[i], settings);
	*ret = PW_TAKE(c);
	return PW_CONFIG_RUN;
}

void pw_config_free(struct pw_config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SETTINGS_MAX; i++)
		free(c->texts[i]);
	free(c);
}
