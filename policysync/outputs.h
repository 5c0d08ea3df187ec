/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which outputs there are: a list of specs, read from a YAML or JSON file ("outputs:", one item
 * each) and from the command line, and the making of a struct output from a spec. A file is taken
 * whole or refused with the field named. Thread: main, before others start. Ceilings: OUTPUTS_MAX
 * outputs, a file of 256 KiB.
 */
#include "common/web/json.h"
#include "policysync/alert_format.h"

#define OUTPUTS_MAX 12

enum output_type {
	OUTPUT_WEBHOOK,
	OUTPUT_BACKEND,
	OUTPUT_ALERTMANAGER,
	OUTPUT_OTLP,
	OUTPUT_SYSLOG,
	OUTPUT_TYPES
};

struct output_spec {
	char name[64];
	enum output_type type;
	char url[1024]; /* of syslog: udp://, tcp:// or tls://HOST:PORT */
	char header_file[512], hmac_file[512], ca_file[512], cert_file[512], key_file[512];
	enum alert_format format;
	enum alert_framing framing;
	bool gzip;
	uint32_t batch, per_minute;
	unsigned facility;
	uint64_t active_ns, refresh_ns, timeout_ns; /* 0 = the output's own */
	struct output_filter filter;
};

struct output_list {
	struct output_spec items[OUTPUTS_MAX];
	size_t count;
};

/* Adds to the list; on failure the list is as it was. */
int outputs_read(
	struct output_list *list, const struct pw_json *root, struct pw_err *err) PW_MUST_CHECK;
int outputs_read_file(struct output_list *list, const char *path, struct pw_err *err) PW_MUST_CHECK;
int outputs_make(const struct output_spec *spec, const char *cluster, const char spool_id[33],
	struct output *ret, struct pw_err *err) PW_MUST_CHECK;
