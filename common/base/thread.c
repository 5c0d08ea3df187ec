/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

struct pw_thread {
	pthread_t id;
	void (*fn)(void *ctx);
	void *ctx;
	char name[16]; /* the kernel's size. Source: pthread_setname_np(3) */
};

static void *thread_main(void *arg)
{
	struct pw_thread *t = arg;

	(void)pthread_setname_np(pthread_self(), t->name);
	t->fn(t->ctx);
	return NULL;
}

int pw_thread_start(const char *name, void (*fn)(void *ctx), void *ctx, struct pw_thread **ret)
{
	pw_auto_free struct pw_thread *t = pw_alloc0(1, sizeof(*t));
	sigset_t all, before;
	int r;

	if (!t)
		return -ENOMEM;
	t->fn = fn;
	t->ctx = ctx;
	(void)snprintf(t->name, sizeof(t->name), "%s", name);
	/* Signals belong to the main thread: others are never interrupted. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&t->id, NULL, thread_main, t);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return -r;
	*ret = PW_TAKE(t);
	return 0;
}

void pw_thread_join(struct pw_thread *t)
{
	if (!t)
		return;
	(void)pthread_join(t->id, NULL);
	free(t);
}
