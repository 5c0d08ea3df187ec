/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Keeps somebody told about all objects of one kind: lists, watches from there, and when the watch
 * is lost goes on where it was, or lists again and says what vanished meanwhile. Nobody is told the
 * same version twice; no answer is held as a whole. Faults it lives with: connections that break or
 * fall silent anywhere, 410 as status or in the stream, 429, half events, expired tokens, a server
 * that is away. resourceVersions are opaque: only compared for equality.
 * Thread: its own, which runs all callbacks. Ceilings: limit objects (more are passed over and
 * counted), those of splitter.h.
 */
#include "common/kube/client.h"

enum pw_reflector_count {
	PW_REFLECTOR_EVENTS,   /* objects told */
	PW_REFLECTOR_LISTS,    /* lists begun */
	PW_REFLECTOR_WATCHES,  /* watches begun */
	PW_REFLECTOR_FAILURES, /* requests that failed */
	PW_REFLECTOR_EXPIRED,  /* 410 */
	PW_REFLECTOR_REFUSED,  /* objects past a ceiling or without a name */
	PW_REFLECTOR_COUNTS
};

struct pw_reflector_settings {
	const char *name; /* "pods": of the thread and in the log */
	const char *path; /* "/api/v1/pods" */
	bool metadata_only;
	bool list_first; /* never a list in form of a watch */
	size_t limit;
	uint32_t page;            /* objects in one part of a list; 0 = 500 */
	uint32_t backoff_base_ms; /* 0 = 800 */
	uint32_t watch_s;         /* 0 = 300 to 600 by chance */
	struct pw_kube_settings kube;
	/* New or changed. */
	void (*on_object)(void *ctx, const struct pw_json *object);
	/* key "namespace/name" or "name". */
	void (*on_gone)(void *ctx, const char *key, const char *uid);
	/* Everything was told once; after each list. */
	void (*on_synced)(void *ctx, size_t count);
	void (*on_count)(void *ctx, enum pw_reflector_count what, uint64_t n); /* NULL = none */
	void *ctx;
};

struct pw_reflector;

/* Texts are borrowed until pw_reflector_stop. */
int pw_reflector_start(const struct pw_reflector_settings *settings, struct pw_reflector **ret,
	struct pw_err *err) PW_MUST_CHECK;
void pw_reflector_stop(struct pw_reflector *f); /* joins and frees; NULL is fine */
