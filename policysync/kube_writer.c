// SPDX-License-Identifier: Apache-2.0
#include "policysync/kube_writer.h"
#include "common/base/log.h"
#include <errno.h>
#include <stdio.h>

struct kube_writer {
	struct pw_loop *main_loop, *loop;
	struct pw_thread *thread;
	struct pw_kube *kube;
	struct pw_metrics *metrics;
	size_t waiting; /* main's */
};

struct job {
	struct kube_writer *writer;
	enum kube_verb verb;
	char key[384], path[768];
	struct pw_buf body;
	kube_done_fn done;
	void *ctx;
	int result;
	struct pw_err err;
};

static void job_free(struct job *job)
{
	pw_buf_done(&job->body);
	free(job);
}

static void on_done(void *ctx)
{
	struct job *job = ctx;

	job->writer->waiting--;
	job->done(job->ctx, job->key, job->result, job->err.msg);
	job_free(job);
}

static void count(struct kube_writer *w, int result)
{
	if (w->metrics)
		pw_metric_add(metric(w->metrics, METRIC_KUBE_WRITES,
				      result == 0         ? "ok"
				      : result == -ESTALE ? "conflict"
							  : "failed",
				      NULL),
			1);
}

static int request(struct kube_writer *w, struct job *job)
{
	struct pw_slice body = pw_buf_slice(&job->body);

	if (job->verb == KUBE_MERGE)
		return pw_kube_merge(w->kube, job->path, body, NULL, &job->err);
	if (job->verb == KUBE_APPLY)
		return pw_kube_apply(w->kube, job->path, body, NULL, &job->err);
	if (job->verb == KUBE_APPLY_AS)
		return pw_kube_object(w->kube,
			&(struct pw_kube_call){.method = "PATCH",
				.path = job->path,
				.content_type = "application/apply-patch+yaml",
				.body = body},
			NULL, &job->err);
	return pw_kube_object(w->kube,
		&(struct pw_kube_call){.method = "POST", .path = job->path, .body = body}, NULL,
		&job->err);
}

/* The writer's thread. */
static void on_job(void *ctx)
{
	struct job *job = ctx;
	struct kube_writer *w = job->writer;

	job->result = request(w, job);
	count(w, job->result);
	/* The main loop runs or is about to end; then nobody asks for the result any more. */
	if (pw_loop_post(w->main_loop, on_done, job) < 0)
		job_free(job);
}

static void run(void *ctx)
{
	struct kube_writer *w = ctx;

	(void)pw_loop_run(w->loop, NULL);
}

int kube_writer_new(struct pw_loop *main_loop, const struct pw_kube_settings *settings,
	struct pw_metrics *metrics, struct kube_writer **ret, struct pw_err *err)
{
	struct kube_writer *w = pw_alloc0(1, sizeof(*w));
	int r;

	if (!w)
		return pw_err_set(err, -ENOMEM, "out of memory");
	w->main_loop = main_loop;
	w->metrics = metrics;
	r = pw_kube_new(settings, &w->kube, err);
	if (r == 0)
		r = pw_loop_new(&w->loop, err);
	if (r == 0) {
		r = pw_thread_start("kube-writer", run, w, &w->thread);
		if (r < 0)
			(void)pw_err_set(err, r, "thread: %s", pw_err_text(r));
	}
	if (r < 0) {
		kube_writer_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void kube_writer_free(struct kube_writer *w)
{
	if (!w)
		return;
	if (w->thread) {
		pw_kube_cancel(w->kube); /* what waits ends at once */
		pw_loop_stop(w->loop);
		pw_thread_join(w->thread);
		pw_loop_step(w->main_loop, 0); /* the results name this writer */
	}
	pw_loop_free(w->loop);
	pw_kube_free(w->kube);
	free(w);
}

static struct job *job_new(const char *key, const char *path)
{
	struct job *job = pw_alloc0(1, sizeof(*job));

	if (!job)
		return NULL;
	if (snprintf(job->key, sizeof(job->key), "%s", key) < (int)sizeof(job->key) &&
		snprintf(job->path, sizeof(job->path), "%s", path) < (int)sizeof(job->path))
		return job;
	free(job);
	return NULL;
}

int kube_writer_post_take(
	struct kube_writer *w, const struct kube_write *write, struct pw_buf *body)
{
	struct job *job = w->waiting < KUBE_WRITER_JOBS ? job_new(write->key, write->path) : NULL;
	int r;

	if (!job) {
		pw_buf_done(body);
		return -EAGAIN;
	}
	job->writer = w;
	job->verb = write->verb;
	job->body = *body;
	pw_buf_init(body, 0);
	job->done = write->done;
	job->ctx = write->ctx;
	r = pw_loop_post(w->loop, on_job, job);
	if (r < 0) {
		job_free(job);
		return -EAGAIN;
	}
	w->waiting++;
	return 0;
}
