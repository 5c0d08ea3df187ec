/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Settings: one table row each; command line, environment, --help, the settings page in docs and
 * the range checks all follow from it. Order: default < environment < command line. Immutable after
 * start. Thread: main, before others start. Ceiling: 64 settings, values of 4,096 bytes.
 */
#include "common/base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum pw_setting_type {
	PW_SETTING_TEXT,     /* const char * (default or heap, owned by the config) */
	PW_SETTING_BOOL,     /* bool; a flag without value means true */
	PW_SETTING_U64,      /* uint64_t */
	PW_SETTING_SIZE,     /* uint64_t bytes; accepts k, M, G */
	PW_SETTING_DURATION, /* uint64_t ns; accepts ms, s, m, h, d */
	PW_SETTING_CHOICE,   /* uint64_t index into choices "a|b|c"; when value_name is one of them,
				the bare flag means that one and a value needs "=" */
};

struct pw_setting {
	const char *name; /* "metrics-listen" -> --metrics-listen, PODWARD_METRICS_LISTEN */
	enum pw_setting_type type;
	size_t offset;            /* of the field in the settings struct */
	const char *default_text; /* parsed like a value from outside; NULL = zero/NULL */
	uint64_t min, max;        /* for numbers, sizes, durations (ns); max 0 = no limit */
	const char *choices;      /* for PW_SETTING_CHOICE */
	const char *value_name;   /* shown in --help: "ADDRESS" */
	const char *help;         /* one sentence */
};

struct pw_config_spec {
	const char *program; /* "podward-collector" */
	const char *purpose; /* first line of --help */
	const struct pw_setting *settings;
	size_t count;
};

struct pw_config; /* owns the text values; freed after the settings struct is no longer used */

enum pw_config_action {
	PW_CONFIG_RUN = 0,
	PW_CONFIG_EXIT = 1
}; /* EXIT: --help or --version was printed */

/*
 * Fills *settings (zeroed by the caller). Returns PW_CONFIG_RUN, PW_CONFIG_EXIT, or a negative
 * errno with err naming the flag or variable and what it takes: unknown flag, missing value, wrong
 * type, out of range, stray argument. --help, --version and --print-settings-doc are built in.
 */
int pw_config_load(const struct pw_config_spec *spec, int argc, char **argv, void *settings,
	struct pw_config **ret, struct pw_err *err) PW_MUST_CHECK;
void pw_config_free(struct pw_config *c);
/* Markdown table of all settings, for docs/settings.md. */
void pw_config_doc(const struct pw_config_spec *spec, FILE *out);
