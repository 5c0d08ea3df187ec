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
	{"advertise", PW_SETTING_TEXT, S(advertise), NULL, 0, 0, NULL, "ADDRESS",
		"Where collectors reach this replica; with it analyzers share the pod groups, "
		"without it every one is judged here"},
	{"drain", PW_SETTING_DURATION, S(drain_ns), "20s", 0, 300 * PW_NS_PER_S, NULL, "DURATION",
		"With --advertise: how long the end waits until other replicas have taken over"},
	{"policysync", PW_SETTING_TEXT, S(policysync), "unix:/run/podward/policysync.sock", 0, 0,
		NULL, "ADDRESS", "Where policies come from and reports go to"},
	PW_SECURITY_SETTINGS(S(security)),
	PW_SECURITY_SERVER_SETTINGS(S(security)),
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

int settings_check(const struct settings *s, struct settings_listen *ret_listen, struct pw_err *err)
{
	size_t len = strlen(s->listen), at = 0;
	int r = 0;

	if (len == 0 || len >= sizeof(ret_listen->text))
		return pw_err_set(err, -EINVAL, "--listen: expected 1 to 511 bytes");
	if (s->name[0] == '\0' || strlen(s->name) > 253)
		return pw_err_set(err, -EINVAL, "--name: expected 1 to 253 bytes");
	r = pw_security_check(&s->security, err);
	if (r == 0 && s->advertise)
		r = pw_security_check_address(&s->security, "advertise", s->advertise, err);
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
		r = pw_security_check_address(&s->security, "listen", item, err);
	}
	return r < 0 ? r
		     : pw_security_check_address(&s->security, "policysync", s->policysync, err);
}
