/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/settings.h"

#include "analyzer/shard.h"

#include <errno.h>
#include <string.h>

#define S(field) offsetof(struct settings, field)

static const struct pw_setting table[] = {
	{"name", PW_SETTING_TEXT, S(name), "analyzer-0", 0, 0, NULL, "NAME",
		"Stable name of this replica"},
	{"listen", PW_SETTING_TEXT, S(listen), "127.0.0.1:7443", 0, 0, NULL, "ADDRESSES",
		"Where collectors connect: unix:/path or host:port, several with commas between"},
	{"policysync", PW_SETTING_TEXT, S(policysync), "unix:/run/podward/policysync.sock", 0, 0,
		NULL, "ADDRESS", "Where policies come from and reports go to"},
	{"insecure", PW_SETTING_BOOL, S(insecure), "false", 0, 0, NULL, NULL,
		"Plain text; for unix sockets and loopback addresses only"},
	{"metrics-listen", PW_SETTING_TEXT, S(metrics_listen), "127.0.0.1:9402", 0, 0, NULL,
		"ADDRESS", "Where metrics, health and state pages are served over HTTP"},
	{"shards", PW_SETTING_U64, S(shards), "0", 0, SHARDS_MAX, NULL, "COUNT",
		"Threads that judge; 0 = one per processor, at most 4"},
	{"groups", PW_SETTING_U64, S(groups), "16384", 1, 1u << 20, NULL, "COUNT",
		"Pod groups that each shard keeps at most"},
	{"profile-flush", PW_SETTING_DURATION, S(profile_flush_ns), "1s", 10 * PW_NS_PER_MS,
		60 * PW_NS_PER_S, NULL, "DURATION",
		"How often learned behaviours are sent to policysync while there are new ones"},
	{"report-bytes", PW_SETTING_SIZE, S(report_bytes), "64M", 1u << 20, 1ull << 36, NULL,
		"SIZE", "Reports that wait for policysync before batches are no longer taken"},
	{"log-level", PW_SETTING_CHOICE, S(log_level), "info", 0, 0, "error|warn|info|debug",
		"LEVEL", "Least important level that is logged"},
	{"log-format", PW_SETTING_CHOICE, S(log_format), "logfmt", 0, 0, "logfmt|json", "FORMAT",
		"Form of the log lines"},
};

const struct pw_config_spec settings_spec = {
	.program = "podward-analyzer",
	.purpose = "Judges what containers do, by signatures, policies and learned profiles.",
	.settings = table,
	.count = PW_COUNT(table),
};

bool settings_is_local(const char *address)
{
	static const char *const local[] = {
		"unix:", "unix-abstract:", "127.", "[::1]", "localhost:"};

	for (size_t i = 0; i < PW_COUNT(local); i++)
		if (strncmp(address, local[i], strlen(local[i])) == 0)
			return true;
	return false;
}

static int check_address(
	const char *setting, const char *address, bool insecure, struct pw_err *err)
{
	if (address[0] == '\0' || !strchr(address, ':'))
		return pw_err_set(err, -EINVAL,
			"--%s: expected unix:/path or host:port, got \"%s\"", setting, address);
	if (!insecure)
		return pw_err_set(err, -EPERM,
			"--%s %s: this version has no TLS yet, so plain text must be asked for "
			"with "
			"--insecure (unix sockets and loopback addresses only)",
			setting, address);
	if (!settings_is_local(address))
		return pw_err_set(err, -EPERM,
			"--%s %s: --insecure is for unix sockets and loopback addresses only",
			setting, address);
	return 0;
}

int settings_check(const struct settings *s, struct settings_listen *ret_listen, struct pw_err *err)
{
	size_t len = strlen(s->listen), at = 0;
	int r = 0;

	if (len == 0 || len >= sizeof(ret_listen->text))
		return pw_err_set(err, -EINVAL, "--listen: expected 1 to 511 bytes");
	if (s->name[0] == '\0' || strlen(s->name) > 253)
		return pw_err_set(err, -EINVAL, "--name: expected 1 to 253 bytes");
	memcpy(ret_listen->text, s->listen, len + 1);
	ret_listen->count = 0;
	while (r == 0 && at <= len) {
		char *item = ret_listen->text + at;
		size_t item_len = strcspn(item, ",");

		item[item_len] = '\0';
		at += item_len + 1;
		if (ret_listen->count >= SETTINGS_LISTEN_MAX)
			return pw_err_set(err, -E2BIG, "--listen: more than %u addresses",
				SETTINGS_LISTEN_MAX);
		ret_listen->items[ret_listen->count++] = item;
		r = check_address("listen", item, s->insecure, err);
	}
	return r < 0 ? r : check_address("policysync", s->policysync, s->insecure, err);
}
