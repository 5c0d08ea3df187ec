/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Writes to the API server, one after the other, on a thread of its own: the main loop must not
 * wait for a server. done comes back on the main loop, whatever became of it; a job that is refused
 * or fails is not repeated here, its owner decides anew on what is true then. Threads: main for all
 * functions; the writer's own inside. Ceiling: KUBE_WRITER_JOBS jobs.
 */
#include "common/base/loop.h"
#include "common/kube/client.h"
#include "policysync/metrics.h"

#define KUBE_WRITER_JOBS 4096

struct kube_writer;

/* KUBE_APPLY_AS: an apply whose path has a query of its own. KUBE_CREATE takes the collection's
 * path and fails with -ESTALE when the object is there. */
enum kube_verb { KUBE_MERGE, KUBE_APPLY, KUBE_APPLY_AS, KUBE_CREATE };

/* result: 0 or what pw_kube_check says; words: the server's, "" when it went well. */
typedef void (*kube_done_fn)(void *ctx, const char *key, int result, const char *words);

int kube_writer_new(struct pw_loop *main_loop, const struct pw_kube_settings *settings,
	struct pw_metrics *metrics, struct kube_writer **ret, struct pw_err *err) PW_MUST_CHECK;
void kube_writer_free(struct kube_writer *w); /* joins; what waits is given up */
struct kube_write {
	enum kube_verb verb;
	const char *key, *path; /* copied */
	kube_done_fn done;
	void *ctx;
};
/* body is taken over (also on failure). -EAGAIN at the ceiling. */
int kube_writer_post_take(
	struct kube_writer *w, const struct kube_write *write, struct pw_buf *body) PW_MUST_CHECK;
