/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What people read about settings: names, ranges, --help. Inside of config.c. Thread: main. */
#include "common/base/config.h"

#define CONFIG_NAME_SIZE  96
#define CONFIG_TAKES_SIZE 200

/* "metrics-listen" -> "PODWARD_METRICS_LISTEN" */
void config_env_name(const char *name, char out[CONFIG_NAME_SIZE]);
/* "a size such as 64k, 32M or 1G, from 1M to 4G" */
void config_takes(const struct pw_setting *s, char out[CONFIG_TAKES_SIZE]);
void config_help(const struct pw_config_spec *spec, FILE *out);
