/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The embedded default policy and signature set (YAML in policysync/defaults/, made into C by
 * embed.cmake), so that a host is protected before anybody wrote a file. Thread: any.
 */
#include "policysync/crd_json.h"

struct defaults_file {
	const char *name;
	struct pw_slice text;
};
extern const struct defaults_file defaults_files[];
extern const size_t defaults_file_count;
