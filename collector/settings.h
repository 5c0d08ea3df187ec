/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Settings of podward-collector: one row each in settings.c; rules that need more than one row in
 * settings_check. Thread: main, at start; immutable afterwards.
 */
#include "common/base/config.h"
#include "common/rpc/security.h"

struct settings {
	const char *node;
	const char *policysync;
	const char *analyzer;
	struct pw_security security;
	const char *metrics_listen;
	uint64_t print; /* enum print_form */
	bool all;
	const char *record;
	uint64_t record_limit;
	const char *replay;
	const char *cgroup_root;
	const char *redact_rules;
	const char *redact_key;
	bool systemd_units;
	uint64_t fold_window_ns;
	uint64_t backlog_bytes;
	const char *state_dir; /* NULL or "" = nothing on disk */
	uint64_t ring_bytes;
	uint64_t processes;
	uint64_t behaviours;
	uint64_t stop_grace_ns;
	const char *print_containers;
	const char *print_kinds;
	const char *print_processes;
	bool self_test;
	uint64_t hook_level; /* enum probe_level */
	uint64_t probe;      /* enum print_form */
	uint64_t sandbox;    /* enum privileges_sandbox */
	uint64_t log_level;
	uint64_t log_format;
};

extern const struct pw_config_spec settings_spec;

/* What fits together and what may be asked for; err names the flag. */
int settings_check(const struct settings *s, struct pw_err *err) PW_MUST_CHECK;
