/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/config_text.h"

#include "common/base/clock.h"
#include "common/base/slice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void config_env_name(const char *name, char out[CONFIG_NAME_SIZE])
{
	(void)snprintf(out, CONFIG_NAME_SIZE, "PODWARD_%s", name);
	for (char *c = out; *c; c++) {
		if (*c == '-')
			*c = '_';
		else if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
	}
}

static void show_size(uint64_t bytes, char *out, size_t size)
{
	static const char units[] = {'G', 'M', 'k'};

	for (unsigned i = 0; i < sizeof(units); i++) {
		unsigned shift = 30 - 10 * i;

		if (!bytes || bytes & ((1ull << shift) - 1))
			continue;
		(void)snprintf(out, size, "%" PRIu64 "%c", bytes >> shift, units[i]);
		return;
	}
	(void)snprintf(out, size, "%" PRIu64, bytes);
}

static void show_number(const struct pw_setting *s, uint64_t value, char *out, size_t size)
{
	if (s->type == PW_SETTING_DURATION)
		pw_duration_format(value, out, size);
	else if (s->type == PW_SETTING_SIZE)
		show_size(value, out, size);
	else
		(void)snprintf(out, size, "%" PRIu64, value);
}

/* "from 1 to 10", "at least 1", "at most 10" or nothing */
static void show_range(const struct pw_setting *s, char *out, size_t size)
{
	char min[40], max[40];

	show_number(s, s->min, min, sizeof(min));
	show_number(s, s->max, max, sizeof(max));
	out[0] = '\0';
	if (s->min && s->max)
		(void)snprintf(out, size, "from %s to %s", min, max);
	else if (s->min)
		(void)snprintf(out, size, "at least %s", min);
	else if (s->max)
		(void)snprintf(out, size, "at most %s", max);
}

static void show_choices(const char *choices, char *out, size_t size)
{
	struct pw_slice rest = pw_slice_str(choices), choice;
	size_t used = 0;

	out[0] = '\0';
	while (pw_slice_cut(&rest, '|', &choice) && used < size) {
		int wrote = snprintf(
			out + used, size - used, "%s%.*s", used ? ", " : "", PW_SLICE_ARG(choice));

		used += wrote > 0 ? (size_t)wrote : 0;
	}
}

void config_takes(const struct pw_setting *s, char out[CONFIG_TAKES_SIZE])
{
	static const char *const kinds[] = {
		[PW_SETTING_TEXT] = "text",
		[PW_SETTING_BOOL] = "true or false",
		[PW_SETTING_U64] = "a whole number",
		[PW_SETTING_SIZE] = "a size such as 4096, 64k, 32M or 1G",
		[PW_SETTING_DURATION] = "a duration such as 500ms, 90s, 15m, 24h or 7d",
	};
	char part[150];

	if (s->type == PW_SETTING_CHOICE) {
		show_choices(s->choices, part, sizeof(part));
		(void)snprintf(out, CONFIG_TAKES_SIZE, "one of %s", part);
		return;
	}
	show_range(s, part, sizeof(part));
	(void)snprintf(out, CONFIG_TAKES_SIZE, "%s%s%s", kinds[s->type], part[0] ? ", " : "", part);
}

static const char *value_name(const struct pw_setting *s)
{
	static const char *const names[] = {
		[PW_SETTING_TEXT] = "TEXT",
		[PW_SETTING_BOOL] = "BOOL",
		[PW_SETTING_U64] = "NUMBER",
		[PW_SETTING_SIZE] = "SIZE",
		[PW_SETTING_DURATION] = "DURATION",
		[PW_SETTING_CHOICE] = "WORD",
	};

	return s->value_name ? s->value_name : names[s->type];
}

void config_help(const struct pw_config_spec *spec, FILE *out)
{
	(void)fprintf(
		out, "%s\n\nUsage: %s [--setting=value ...]\n\n", spec->purpose, spec->program);
	for (size_t i = 0; i < spec->count; i++) {
		const struct pw_setting *s = &spec->settings[i];
		char takes[CONFIG_TAKES_SIZE], env[CONFIG_NAME_SIZE];

		config_takes(s, takes);
		config_env_name(s->name, env);
		(void)fprintf(out, "  --%s=%s\n      %s\n      Takes %s.%s%s%s\n", s->name,
			value_name(s), s->help, takes, s->default_text ? " Default: " : "",
			s->default_text && s->default_text[0] ? s->default_text
			: s->default_text                     ? "empty"
							      : "",
			s->default_text ? "." : "");
		(void)fprintf(out, "      Environment: %s\n", env);
	}
	(void)fprintf(out,
		"  --help\n      Shows this page.\n"
		"  --version\n      Shows name and version.\n"
		"  --print-settings-doc\n      Prints the settings as a Markdown table.\n"
		"\nThe command line wins over the environment.\n");
}

/* Text inside a table cell: a bar would end it. */
static void print_cell(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			(void)fputc('\\', out);
		(void)fputc(*text, out);
	}
}

void pw_config_doc(const struct pw_config_spec *spec, FILE *out)
{
	(void)fprintf(
		out, "| Flag | Environment | Takes | Default | Meaning |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < spec->count; i++) {
		const struct pw_setting *s = &spec->settings[i];
		char takes[CONFIG_TAKES_SIZE], env[CONFIG_NAME_SIZE];
		bool shown = s->default_text && s->default_text[0];

		config_takes(s, takes);
		config_env_name(s->name, env);
		(void)fprintf(out, "| `--%s` | `%s` | ", s->name, env);
		print_cell(out, takes);
		(void)fprintf(out, " | %s", shown ? "`" : "");
		print_cell(out, shown ? s->default_text : "none");
		(void)fprintf(out, "%s | ", shown ? "`" : "");
		print_cell(out, s->help);
		(void)fprintf(out, " |\n");
	}
}
