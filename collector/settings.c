/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/settings.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define S(field) offsetof(struct settings, field)
#define MS       1000000ull
#define SECOND   (1000 * MS)

static const struct pw_setting table[] = {
	{"node", PW_SETTING_TEXT, S(node), NULL, 0, 0, NULL, "NAME",
		"Name of this node; default: the host's name"},
	{"policysync", PW_SETTING_TEXT, S(policysync), NULL, 0, 0, NULL, "ADDRESS",
		"Where pod groups, the scope and the analyzers' addresses come from; without it "
		"pod "
		"groups are derived from the cgroups"},
	{"analyzer", PW_SETTING_TEXT, S(analyzer), NULL, 0, 0, NULL, "ADDRESS",
		"Where events go; overrides what policysync says"},
	PW_SECURITY_SETTINGS(S(security)),
	{"metrics-listen", PW_SETTING_TEXT, S(metrics_listen), NULL, 0, 0, NULL, "ADDRESS",
		"Where metrics and health are served over HTTP; default 127.0.0.1:9401 when events "
		"are sent, else none"},
	{"print", PW_SETTING_CHOICE, S(print), "off", 0, 0, "off|compact|json", "compact",
		"Shows events on standard output; needs no server"},
	{"print-containers", PW_SETTING_TEXT, S(print_containers), NULL, 0, 0, NULL, "LIST",
		"With --print: only these containers; beginnings of ids, globs over names and pod "
		"groups, or host"},
	{"print-kinds", PW_SETTING_TEXT, S(print_kinds), NULL, 0, 0, NULL, "LIST",
		"With --print: only these kinds of events, such as exec,connect"},
	{"print-processes", PW_SETTING_TEXT, S(print_processes), NULL, 0, 0, NULL, "LIST",
		"With --print: only these processes; pids, or globs over executable and name"},
	{"all", PW_SETTING_BOOL, S(all), "false", 0, 0, NULL, NULL,
		"With --print: also processes outside of containers"},
	{"record", PW_SETTING_TEXT, S(record), NULL, 0, 0, NULL, "FILE",
		"Writes what the kernel reports into a new file"},
	{"record-limit", PW_SETTING_SIZE, S(record_limit), "256M", 4096, 0, NULL, "SIZE",
		"Ceiling of that file"},
	{"replay", PW_SETTING_TEXT, S(replay), NULL, 0, 0, NULL, "FILE",
		"Reads records from a file instead of the kernel and ends with it"},
	{"hook-level", PW_SETTING_CHOICE, S(hook_level), "auto", 0, 0, "auto|a|b", "LEVEL",
		"Where the truth about paths and addresses comes from: tracepoints (b), security "
		"hooks as well (a), or as well where they work (docs/kernels.md)"},
	{"probe", PW_SETTING_CHOICE, S(probe), "off", 0, 0, "off|compact|json", "compact",
		"Tells which kernel programs work on this machine, and why others do not, and "
		"ends"},
	{"self-test", PW_SETTING_BOOL, S(self_test), "false", 0, 0, NULL, NULL,
		"Makes one harmless event of each kind, tells whether it came, and ends"},
	{"cgroup-root", PW_SETTING_TEXT, S(cgroup_root), NULL, 0, 0, NULL, "PATH",
		"Mount point of the cgroup v2 hierarchy, or of all with that as unified below it; "
		"default: found in /proc/self/mountinfo"},
	{"redact-rules", PW_SETTING_TEXT, S(redact_rules), NULL, 0, 0, NULL, "FILE",
		"Rules on what counts as a secret in arguments and environment, in addition to the "
		"built-in ones (docs/operations.md)"},
	{"redact-key", PW_SETTING_TEXT, S(redact_key), NULL, 0, 0, NULL, "FILE",
		"Key of 16 bytes for the hashes that stand for secrets, so that nodes and restarts "
		"give the same; default: random at start"},
	{"systemd-units", PW_SETTING_BOOL, S(systemd_units), "false", 0, 0, NULL, NULL,
		"Watches systemd services like containers; policysync's word is stronger"},
	{"fold-window", PW_SETTING_DURATION, S(fold_window_ns), "10s", 100 * MS, 3600 * SECOND,
		NULL, "DURATION",
		"How long repeats of a known behaviour are counted before they are told"},
	{"backlog-size", PW_SETTING_SIZE, S(backlog_bytes), "32M", 1 << 20, 1ull << 34, NULL,
		"SIZE", "Memory for batches that the analyzer has not made durable"},
	{"state-dir", PW_SETTING_TEXT, S(state_dir), NULL, 0, 0, NULL, "DIR",
		"Folder for a file with those batches, so that they outlive a kill; not used with "
		"--replay; default: in memory only"},
	{"ring-size", PW_SETTING_SIZE, S(ring_bytes), "4M", 64 << 10, 64 << 20, NULL, "SIZE",
		"Ring buffer between kernel and collector, a power of two"},
	{"processes", PW_SETTING_U64, S(processes), "65536", 64, 1 << 22, NULL, "COUNT",
		"Processes that are remembered at most"},
	{"behaviours", PW_SETTING_U64, S(behaviours), "131072", 64, 1 << 24, NULL, "COUNT",
		"Known behaviours that are remembered at most"},
	{"stop-grace", PW_SETTING_DURATION, S(stop_grace_ns), "3s", 0, 300 * SECOND, NULL,
		"DURATION", "How long the end waits for the analyzer to take what is left"},
	{"sandbox", PW_SETTING_CHOICE, S(sandbox), "on", 0, 0, "on|log|off", "MODE",
		"What a system call that the collector does not need does once it runs: ends it "
		"(on) or is written to the kernel's log (log)"},
	{"log-level", PW_SETTING_CHOICE, S(log_level), "info", 0, 0, "error|warn|info|debug",
		"LEVEL", "Least important level that is logged"},
	{"log-format", PW_SETTING_CHOICE, S(log_format), "logfmt", 0, 0, "logfmt|json", "FORMAT",
		"Form of the log lines"},
};

const struct pw_config_spec settings_spec = {
	.program = "podward-collector",
	.purpose = "Sees what containers do through eBPF and tells the analyzer.",
	.settings = table,
	.count = PW_COUNT(table),
};

static bool is_power_of_two(uint64_t n)
{
	return n > 0 && (n & (n - 1)) == 0;
}

int settings_check(const struct settings *s, struct pw_err *err)
{
	int r = 0;

	if (!s->policysync && !s->analyzer && !s->print && !s->record)
		return pw_err_set(err, -EINVAL,
			"nothing to do: give --policysync or --analyzer to send events, --print to "
			"show them or --record to keep them");
	if (s->all && !s->print)
		return pw_err_set(err, -EINVAL, "--all: only together with --print");
	if ((s->print_containers || s->print_kinds || s->print_processes) && !s->print)
		return pw_err_set(err, -EINVAL, "--print-…: only together with --print");
	if (s->record && s->replay)
		return pw_err_set(err, -EINVAL, "--record: not together with --replay");
	if (s->node && (s->node[0] == '\0' || strlen(s->node) > 253))
		return pw_err_set(err, -EINVAL, "--node: expected 1 to 253 bytes");
	if (!is_power_of_two(s->ring_bytes))
		return pw_err_set(err, -EINVAL, "--ring-size: expected a power of two");
	r = pw_security_check(&s->security, err);
	if (r == 0 && s->policysync)
		r = pw_security_check_address(&s->security, "policysync", s->policysync, err);
	if (r == 0 && s->analyzer)
		r = pw_security_check_address(&s->security, "analyzer", s->analyzer, err);
	return r;
}
