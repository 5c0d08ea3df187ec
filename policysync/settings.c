// SPDX-License-Identifier: Apache-2.0
#include "policysync/settings.h"
#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/slice.h"
#include <errno.h>
#include <stdio.h>

#define FIELD(f) offsetof(struct settings, f)
#define MIB      ((uint64_t)1 << 20)
#define DAY_NS   (24ull * 3600 * PW_NS_PER_S)

static const struct pw_setting table[] = {
	{"listen", PW_SETTING_TEXT, FIELD(listen), "unix:/run/podward/policysync.sock", 0, 0, NULL,
		"ADDRESS,…", "Where analyzers and collectors connect: unix:/path or host:port"},
	PW_SECURITY_SETTINGS(FIELD(security)),
	PW_SECURITY_SERVER_SETTINGS(FIELD(security)),
	{"state-dir", PW_SETTING_TEXT, FIELD(state_dir), "/var/lib/podward", 0, 0, NULL, "DIR",
		"Folder of the spool and the learned profiles"},
	{"export-profile", PW_SETTING_TEXT, FIELD(export_profile), NULL, 0, 0, NULL, "GROUP",
		"Writes the learned profile of this pod group to standard output as YAML and ends; "
		"not while policysync runs on the folder"},
	{"import-profile", PW_SETTING_TEXT, FIELD(import_profile), NULL, 0, 0, NULL, "FILE",
		"Takes a profile from such a file in place of what is known of its group and ends"},
	{"policies", PW_SETTING_TEXT, FIELD(policies), NULL, 0, 0, NULL, "DIR",
		"Folder with policies, exclusions and signature sets (*.yaml, *.yml); without it "
		"the"
		" embedded defaults count"},
	{"kube", PW_SETTING_BOOL, FIELD(kube), "false", 0, 0, NULL, NULL,
		"In a cluster: policies and pods come from the API server"},
	{"kubeconfig", PW_SETTING_TEXT, FIELD(kubeconfig), NULL, 0, 0, NULL, "FILE",
		"With --kube: how to reach the API server; without it as the pod's service "
		"account"},
	{"replica", PW_SETTING_TEXT, FIELD(replica), NULL, 0, 0, NULL, "NAME",
		"With --kube: this replica's name in the Lease; without it the host name"},
	{"kube-events", PW_SETTING_BOOL, FIELD(kube_events), "true", 0, 0, NULL, NULL,
		"With --kube: alerts of severity High and above as Events of their pods"},
	{"profile-write", PW_SETTING_DURATION, FIELD(profile_write_ns), "60s", PW_NS_PER_S,
		3600 * PW_NS_PER_S, NULL, "DURATION",
		"With --kube: how soon what was learned is in its RuntimeProfile; ten times later "
		"while it goes on changing"},
	{"analyzers", PW_SETTING_TEXT, FIELD(analyzers), NULL, 0, 0, NULL, "NAME=ADDRESS,…",
		"Analyzers that collectors send to"},
	{"analyzer-away", PW_SETTING_DURATION, FIELD(analyzer_away_ns), "5s", PW_NS_PER_S,
		300 * PW_NS_PER_S, NULL, "DURATION",
		"Analyzers that share the pod groups: one that is silent for so long loses its "
		"share to the others"},
	{"runtime-socket", PW_SETTING_TEXT, FIELD(runtime_socket), NULL, 0, 0, NULL, "PATH,…",
		"Unix sockets of docker-compatible runtimes that name the containers"},
	{"scope-systemd", PW_SETTING_BOOL, FIELD(scope_systemd), "false", 0, 0, NULL, NULL,
		"Watch systemd services as containers too"},
	{"stdout", PW_SETTING_CHOICE, FIELD(stdout_form), "compact", 0, 0, "off|compact|json", NULL,
		"Alerts on standard output"},
	{"color", PW_SETTING_CHOICE, FIELD(color), "auto", 0, 0, "auto|always|never", NULL,
		"Colours of compact alerts; auto obeys NO_COLOR"},
	{"webhook-url", PW_SETTING_TEXT, FIELD(webhook_url), NULL, 0, 0, NULL, "URL",
		"Alerts as HTTP POST to this address"},
	{"webhook-header-file", PW_SETTING_TEXT, FIELD(webhook_header_file), NULL, 0, 0, NULL,
		"FILE", "Lines \"Name: value\" sent with each POST, read again each time"},
	{"webhook-ca-file", PW_SETTING_TEXT, FIELD(webhook_ca_file), NULL, 0, 0, NULL, "FILE",
		"Certificates that the webhook's server is checked with instead of the system's"},
	{"webhook-format", PW_SETTING_CHOICE, FIELD(webhook_format), "ocsf", 0, 0,
		"ocsf|podward|falco|ecs|cloudevents|slack|elasticsearch", NULL,
		"Form of the alerts in a POST"},
	{"outputs", PW_SETTING_TEXT, FIELD(outputs), NULL, 0, 0, NULL, "FILE",
		"YAML file with further outputs: webhook, backend, alertmanager, otlp, syslog"},
	{"cluster", PW_SETTING_TEXT, FIELD(cluster), "default", 0, 0, NULL, "NAME",
		"Name of this cluster in what is delivered"},
	BUNDLE_SETTINGS(FIELD(bundle)),
	{"spool-size", PW_SETTING_SIZE, FIELD(spool_size), "256M", MIB, 1024 * 1024 * MIB, NULL,
		"SIZE",
		"Bytes of alerts kept; past it delivered ones go first, then the lowest severity"},
	{"spool-age", PW_SETTING_DURATION, FIELD(spool_age_ns), "7d", 60 * PW_NS_PER_S,
		3650 * DAY_NS, NULL, "DURATION", "How long alerts are kept"},
	{"metrics-listen", PW_SETTING_TEXT, FIELD(metrics_listen), "127.0.0.1:9403", 0, 0, NULL,
		"ADDRESS", "Where /metrics, /livez, /readyz and the JSON pages are; off = nowhere"},
	{"log-level", PW_SETTING_CHOICE, FIELD(log_level), "info", 0, 0, "error|warn|info|debug",
		NULL, "Least important log lines that are written"},
	{"log-format", PW_SETTING_CHOICE, FIELD(log_format), "logfmt", 0, 0, "logfmt|json", NULL,
		"Form of log lines on standard error"},
};

const struct pw_config_spec settings_spec = {
	.program = "podward-policysync",
	.purpose = "Gives policies to analyzers, keeps what they find, and delivers it.",
	.settings = table,
	.count = PW_COUNT(table),
};

int settings_addresses(const struct settings *s, struct settings_addresses *ret, struct pw_err *err)
{
	struct pw_slice rest = pw_slice_str(s->listen), part;
	size_t used = 0;
	int r = pw_security_check(&s->security, err);

	ret->count = 0;
	while (r == 0 && pw_slice_cut(&rest, ',', &part)) {
		part = pw_slice_trim(part);
		if (part.len == 0)
			continue;
		if (ret->count == SETTINGS_ADDRESSES || used + part.len + 1 > sizeof(ret->text))
			return pw_err_set(err, -E2BIG, "--listen: too many addresses");
		memcpy(ret->text + used, part.ptr, part.len);
		ret->text[used + part.len] = '\0';
		ret->items[ret->count++] = ret->text + used;
		r = pw_security_check_address(&s->security, "listen", ret->text + used, err);
		used += part.len + 1;
	}
	if (r == 0 && ret->count == 0)
		return pw_err_set(err, -EINVAL, "--listen: no address given");
	return r;
}

/* What the command line says is one output of the same kind as those of the file. */
static int add_webhook(const struct settings *s, struct output_list *ret, struct pw_err *err)
{
	struct output_spec *o = &ret->items[ret->count++];
	const struct {
		const char *from;
		char *to;
		size_t size;
	} rows[] = {
		{s->webhook_url, o->url, sizeof(o->url)},
		{s->webhook_header_file, o->header_file, sizeof(o->header_file)},
		{s->webhook_ca_file, o->ca_file, sizeof(o->ca_file)},
	};

	*o = (struct output_spec){
		.name = "webhook", .format = (enum alert_format)s->webhook_format, .batch = 100};
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		const char *from = rows[i].from ? rows[i].from : "";

		if (snprintf(rows[i].to, rows[i].size, "%s", from) >= (int)rows[i].size)
			return pw_err_set(err, -E2BIG, "--webhook-…: longer than %zu bytes",
				rows[i].size - 1);
	}
	return 0;
}

/* It becomes a header of requests. */
static bool is_printable(struct pw_slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
			return false;
	return pw_utf8_valid(text);
}

int settings_outputs(const struct settings *s, struct output_list *ret, struct pw_err *err)
{
	struct pw_slice cluster = pw_slice_str(s->cluster);
	int r = 0;

	ret->count = 0;
	if (cluster.len == 0 || cluster.len > 100 || !is_printable(cluster))
		return pw_err_set(
			err, -EINVAL, "--cluster: expected 1 to 100 bytes of printable UTF-8");
	if (s->webhook_url)
		r = add_webhook(s, ret, err);
	return r == 0 && s->outputs ? outputs_read_file(ret, s->outputs, err) : r;
}

int settings_check_kube(const struct settings *s, struct pw_err *err)
{
	const struct {
		const char *name;
		bool given;
	} not_with[] = {{"policies", s->policies != NULL},
		{"runtime-socket", s->runtime_socket != NULL}},
	  only_with[] = {{"kubeconfig", s->kubeconfig != NULL}, {"replica", s->replica != NULL}};

	for (size_t i = 0; s->kube && i < PW_COUNT(not_with); i++)
		if (not_with[i].given)
			return pw_err_set(err, -EINVAL,
				"--%s: not with --kube, where the API server says it",
				not_with[i].name);
	for (size_t i = 0; !s->kube && i < PW_COUNT(only_with); i++)
		if (only_with[i].given)
			return pw_err_set(
				err, -EINVAL, "--%s: only with --kube", only_with[i].name);
	return 0;
}
