// SPDX-License-Identifier: Apache-2.0
/*
 * What the client suite drives: the Kubernetes client as a program that says what it is told, one
 * line each, so that a test can compare it with the server.
 *   kube-mirror ACCESS watch PATH [metadata] [list-first]   put/gone/synced/count lines until stdin
 * ends kube-mirror ACCESS lease NAME IDENTITY                  leads/idle lines until stdin ends
 *   kube-mirror ACCESS apply|merge PATH                     body on stdin; "ok VERSION" or "no
 * ERRNO: words" ACCESS is a kubeconfig, or in-cluster:FOLDER.
 */
#include "common/base/log.h"
#include "common/kube/lease.h"
#include "common/kube/reflector.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void say(const char *word, struct pw_slice a, struct pw_slice b, struct pw_slice c)
{
	(void)printf(
		"%s %.*s %.*s %.*s\n", word, PW_SLICE_ARG(a), PW_SLICE_ARG(b), PW_SLICE_ARG(c));
	(void)fflush(stdout);
}

static void on_object(void *ctx, const struct pw_json *object)
{
	const struct pw_json *meta = pw_json_get(object, "metadata");
	struct pw_slice namespace = pw_json_text(pw_json_get(meta, "namespace"));
	struct pw_slice name = pw_json_text(pw_json_get(meta, "name"));
	char key[512];

	(void)ctx;
	(void)snprintf(key, sizeof(key), "%.*s%s%.*s", PW_SLICE_ARG(namespace),
		namespace.len > 0 ? "/" : "", PW_SLICE_ARG(name));
	say("put", pw_slice_str(key), pw_json_text(pw_json_get(meta, "resourceVersion")),
		pw_json_text(pw_json_get(meta, "uid")));
}

static void on_gone(void *ctx, const char *key, const char *uid)
{
	(void)ctx;
	say("gone", pw_slice_str(key), PW_SLICE_LIT("-"), pw_slice_str(uid));
}

static void on_synced(void *ctx, size_t count)
{
	char text[32];

	(void)ctx;
	(void)snprintf(text, sizeof(text), "%zu", count);
	say("synced", pw_slice_str(text), PW_SLICE_LIT("-"), PW_SLICE_LIT("-"));
}

static void on_count(void *ctx, enum pw_reflector_count what, uint64_t n)
{
	static const char *const names[PW_REFLECTOR_COUNTS] = {
		"events", "lists", "watches", "failures", "expired", "refused"};

	(void)ctx, (void)n;
	if (what != PW_REFLECTOR_EVENTS)
		say("count", pw_slice_str(names[what]), PW_SLICE_LIT("-"), PW_SLICE_LIT("-"));
}

static void on_lease(void *ctx, bool leads)
{
	(void)ctx;
	say(leads ? "leads" : "idle", PW_SLICE_LIT("-"), PW_SLICE_LIT("-"), PW_SLICE_LIT("-"));
}

static int failed(const char *what, const struct pw_err *err)
{
	(void)fprintf(stderr, "kube-mirror: %s: %s\n", what, err->msg);
	return 1;
}

static void wait_for_the_end(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static bool has_word(char **words, const char *word)
{
	for (; *words; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

static int run_watch(const struct pw_kube_settings *kube, char **words)
{
	const struct pw_reflector_settings s = {
		.name = "mirror",
		.path = words[0],
		.metadata_only = has_word(words, "metadata"),
		.list_first = has_word(words, "list-first"),
		.limit = 100000,
		.page = 50,
		.backoff_base_ms = 20,
		.kube = *kube,
		.on_object = on_object,
		.on_gone = on_gone,
		.on_synced = on_synced,
		.on_count = on_count,
	};
	struct pw_reflector *f = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (pw_reflector_start(&s, &f, &err) < 0)
		return failed("watch", &err);
	wait_for_the_end();
	pw_reflector_stop(f);
	return 0;
}

static int run_lease(const struct pw_kube_settings *kube, char **words)
{
	const struct pw_lease_settings s = {.name = words[0],
		.identity = words[1],
		.duration_ms = 3000,
		.renew_ms = 2000,
		.retry_ms = 400,
		.kube = *kube,
		.on_change = on_lease};
	struct pw_lease *l = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (!words[1])
		return 2;
	if (pw_lease_start(&s, &l, &err) < 0)
		return failed("lease", &err);
	wait_for_the_end();
	pw_lease_stop(l);
	return 0;
}

static int run_write(const struct pw_kube_settings *kube, const char *verb, const char *path)
{
	struct pw_kube *k = NULL;
	struct pw_json *object = NULL;
	struct pw_err err = PW_ERR_INIT;
	pw_auto_buf body;
	char chunk[4096];
	ssize_t n;
	int r = pw_kube_new(kube, &k, &err);

	pw_buf_init(&body, 8 << 20);
	if (r < 0)
		return failed(verb, &err);
	while ((n = read(STDIN_FILENO, chunk, sizeof(chunk))) > 0)
		(void)pw_buf_add(&body, chunk, (size_t)n);
	r = strcmp(verb, "apply") == 0 ? pw_kube_apply(k, path, pw_buf_slice(&body), &object, &err)
				       : pw_kube_merge(k, path, pw_buf_slice(&body), &object, &err);
	if (r == 0)
		say("ok",
			pw_json_text(
				pw_json_get(pw_json_get(object, "metadata"), "resourceVersion")),
			PW_SLICE_LIT("-"), PW_SLICE_LIT("-"));
	else
		(void)printf("no %d: %s\n", -r, err.msg);
	pw_json_free(object);
	pw_kube_free(k);
	return 0;
}

int main(int argc, char **argv)
{
	static const char in_cluster[] = "in-cluster:";
	struct pw_kube_settings kube = {.kubeconfig = NULL};

	pw_log_setup(PW_LOG_DEBUG, PW_LOG_LOGFMT, "kube-mirror");
	if (argc < 4)
		return 2;
	if (strncmp(argv[1], in_cluster, sizeof(in_cluster) - 1) == 0)
		kube.folder = argv[1] + sizeof(in_cluster) - 1;
	else
		kube.kubeconfig = argv[1];
	if (strcmp(argv[2], "watch") == 0)
		return run_watch(&kube, argv + 3);
	if (strcmp(argv[2], "lease") == 0)
		return run_lease(&kube, argv + 3);
	return run_write(&kube, argv[2], argv[3]);
}
