/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Settings of podward-policysync. Thread: main; immutable after start. */
#include "common/base/config.h"
#include "common/rpc/security.h"
#include "policysync/bundle.h"
#include "policysync/nodes.h"
#include "policysync/outputs.h"

struct settings {
	const char *listen, *state_dir, *policies, *analyzers, *runtime_socket;
	const char *webhook_url, *webhook_header_file, *webhook_ca_file, *metrics_listen;
	const char *outputs, *cluster;
	const char *kubeconfig, *replica;
	const char *export_profile, *import_profile;
	struct pw_security security;
	struct bundle_settings bundle;
	bool scope_systemd, kube, kube_events;
	uint64_t stdout_form, color, webhook_format; /* indexes of choices */
	uint64_t spool_size, spool_age_ns, profile_write_ns, analyzer_away_ns;
	uint64_t log_level, log_format;
};

enum { SETTINGS_STDOUT_OFF, SETTINGS_STDOUT_COMPACT, SETTINGS_STDOUT_JSON };

extern const struct pw_config_spec settings_spec;

#define SETTINGS_ADDRESSES 8
struct settings_addresses {
	char text[1024];
	const char *items[SETTINGS_ADDRESSES];
	size_t count;
};

/*
 * Splits --listen and refuses an address that needs certificates which are not given.
 */
int settings_addresses(
	const struct settings *s, struct settings_addresses *ret, struct pw_err *err) PW_MUST_CHECK;

/* The outputs of the command line and of --outputs, without stdout. */
int settings_outputs(
	const struct settings *s, struct output_list *ret, struct pw_err *err) PW_MUST_CHECK;
/* --kube and what goes with it. */
int settings_check_kube(const struct settings *s, struct pw_err *err) PW_MUST_CHECK;
