/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Bundles of a backend as one part of the program: its settings, where its objects go (a folder
 * below the state folder, or the API server), the thread that keeps it current. Without
 * --backend-url there is only bundle zero, which the program brought along. Thread: main starts and
 * stops it.
 */
#include "common/base/config.h"
#include "policysync/bundle_kube.h"
#include "policysync/bundle_sync.h"
#include "policysync/metrics.h"

struct bundle_settings {
	const char *url, *channel, *keys, *header_file, *ca_file, *cert_file, *key_file;
	const char *allowed_kinds;
	uint64_t threshold, max_prune, max_action; /* max_action: index of audit|alert */
	uint64_t poll_ns, wait_ns, timeout_ns;
};

/* Rows for a table of settings; at = offset of the struct bundle_settings. */
#define BUNDLE_SETTING(name, type, at, field, ...)                                      \
	{                                                                               \
		name, type, (at) + offsetof(struct bundle_settings, field), __VA_ARGS__ \
	}
/* clang-format off */
#define BUNDLE_SETTINGS(at)                                                                        \
	BUNDLE_SETTING("backend-url", PW_SETTING_TEXT, at, url, NULL, 0, 0, NULL, "URL",           \
		"Backend that publishes signed bundles of policies; alerts go there by --outputs"),\
	BUNDLE_SETTING("backend-channel", PW_SETTING_TEXT, at, channel, "stable", 0, 0, NULL,      \
		"NAME", "Which of the backend's bundles"),                                         \
	BUNDLE_SETTING("backend-keys", PW_SETTING_TEXT, at, keys, NULL, 0, 0, NULL, "FILE",        \
		"Public Ed25519 keys (PEM) that bundles must be signed with"),                     \
	BUNDLE_SETTING("backend-threshold", PW_SETTING_U64, at, threshold, "1", 1, 8, NULL, "N",   \
		"How many different keys must have signed"),                                       \
	BUNDLE_SETTING("backend-header-file", PW_SETTING_TEXT, at, header_file, NULL, 0, 0, NULL,  \
		"FILE", "Lines \"Name: value\" sent with each request, read again each time"),     \
	BUNDLE_SETTING("backend-ca-file", PW_SETTING_TEXT, at, ca_file, NULL, 0, 0, NULL, "FILE",  \
		"Certificates that the backend is checked with instead of the system's"),          \
	BUNDLE_SETTING("backend-cert-file", PW_SETTING_TEXT, at, cert_file, NULL, 0, 0, NULL,      \
		"FILE", "Our own certificate towards the backend"),                                \
	BUNDLE_SETTING("backend-key-file", PW_SETTING_TEXT, at, key_file, NULL, 0, 0, NULL,        \
		"FILE", "The key of that certificate"),                                            \
	BUNDLE_SETTING("backend-allowed-kinds", PW_SETTING_TEXT, at, allowed_kinds, NULL, 0, 0,    \
		NULL, "KIND,…", "Kinds of objects that a bundle may hold; all without it"),        \
	BUNDLE_SETTING("backend-max-action", PW_SETTING_CHOICE, at, max_action, "alert", 0, 0,     \
		"audit|alert", NULL, "The most that policies of a bundle may do"),                 \
	BUNDLE_SETTING("backend-max-prune", PW_SETTING_U64, at, max_prune, "50", 0, 100, NULL,     \
		"PERCENT", "Share of its objects that a bundle may take away at once"),            \
	BUNDLE_SETTING("backend-poll", PW_SETTING_DURATION, at, poll_ns, "60s", PW_NS_PER_S,       \
		86400 * PW_NS_PER_S, NULL, "DURATION",                                             \
		"How often to ask when the backend does not hold the answer back"),                \
	BUNDLE_SETTING("backend-wait", PW_SETTING_DURATION, at, wait_ns, "50s", 0,                 \
		300 * PW_NS_PER_S, NULL, "DURATION", "How long the backend may hold it back"),     \
	BUNDLE_SETTING("backend-timeout", PW_SETTING_DURATION, at, timeout_ns, "60s", PW_NS_PER_S, \
		600 * PW_NS_PER_S, NULL, "DURATION", "How long a request may take beyond that")
/* clang-format on */

struct bundle_config {
	const struct bundle_settings *settings;
	const char *state_dir, *cluster;
	struct pw_metrics *metrics; /* NULL = none */
	void (*changed)(void *ctx); /* another bundle is in force; the bundle's thread */
	void *ctx;
	/* In a cluster: objects go to the API server. NULL = to the folder. */
	const struct bundle_kube_settings *kube;
	void (*on_told)(
		void *ctx, const struct bundle_told *told); /* the bundle's thread; or NULL */
	void *told_ctx;
};

struct bundle_part;

/* *ret stays NULL without a URL. */
int bundle_start(const struct bundle_config *config, struct bundle_part **ret,
	struct pw_err *err) PW_MUST_CHECK;
void bundle_stop(struct bundle_part *b); /* NULL is fine */
/* Where the objects of a bundle are, for policy_dir; there need be nothing. */
int bundle_objects_path(
	const char *state_dir, char *out, size_t size, struct pw_err *err) PW_MUST_CHECK;
