/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/rpc/cert.h"
#include "common/rpc/tls_core.h"

#define FILES    3
#define LOOK_NS  PW_NS_PER_S
#define AGAIN_NS (5 * PW_NS_PER_S) /* a refused set may have become valid with time */

struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

struct file {
	char *text; /* NUL-terminated: gRPC takes strings */
	size_t len;
	struct stamp stamp;
};

struct pw_tls {
	char *paths[FILES]; /* authorities, certificate, key */
	char *domain;
	bool is_shared;
	pthread_mutex_t lock; /* of everything below */
	struct pw_tls_bundle *current;
	struct stamp seen[FILES]; /* of the last set that was read, adopted or not */
	struct pw_mono looked, refused_at;
	uint64_t adopted, refused;
	bool is_refused; /* the set that was seen */
	bool is_eager;
};

static struct stamp stamp_of(const struct stat *st)
{
	return (struct stamp){st->st_dev, st->st_ino, st->st_size, st->st_mtim};
}

static bool stamp_eq(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static void text_free(char *text, size_t len)
{
	if (text)
		explicit_bzero(text, len); /* one of them is a key */
	free(text);
}

static void file_done(struct file *f)
{
	text_free(f->text, f->len);
	f->text = NULL;
}

static int read_all(int fd, struct file *f)
{
	size_t got = 0;

	while (got < f->len) {
		ssize_t n = read(fd, f->text + got, f->len - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EAGAIN; /* it shrinks while we read */
		got += (size_t)n;
	}
	return 0;
}

static int file_read_fd(int fd, struct file *f)
{
	struct stat before, after;
	int r;

	if (fstat(fd, &before) < 0)
		return -errno;
	if (!S_ISREG(before.st_mode))
		return -EINVAL;
	if (before.st_size > PW_CERT_TEXT_MAX)
		return -EFBIG;
	f->stamp = stamp_of(&before);
	f->len = (size_t)before.st_size;
	f->text = pw_alloc0(f->len + 1, 1);
	if (!f->text)
		return -ENOMEM;
	r = read_all(fd, f);
	if (r < 0)
		return r;
	if (fstat(fd, &after) < 0)
		return -errno;
	before = after;
	return stamp_eq(&f->stamp, &(struct stamp){before.st_dev, before.st_ino, before.st_size,
					   before.st_mtim})
		       ? 0
		       : -EAGAIN; /* somebody is writing it */
}

static int file_read(const char *path, struct file *f, struct pw_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0)
		return pw_err_set(err, -errno, "%s: %s", path, pw_err_text(errno));
	r = file_read_fd(fd, f);
	(void)close(fd);
	if (r < 0)
		file_done(f);
	return r < 0 ? pw_err_set(err, r, "%s: %s", path, pw_err_text(r)) : 0;
}

void pw_tls_put(struct pw_tls_bundle *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) > 1)
		return;
	text_free(b->ca, b->ca ? strlen(b->ca) : 0);
	text_free(b->cert, b->cert ? strlen(b->cert) : 0);
	text_free(b->key, b->key ? strlen(b->key) : 0);
	free(b);
}

/* The words of the check name the role of the file, the reader wants its path. */
static int wrap_path(const struct pw_tls *t, int r, struct pw_err *err)
{
	static const char *const words[FILES] = {"CA:", "certificate:", "key:"};

	for (size_t i = 0; err && i < FILES; i++)
		if (strncmp(err->msg, words[i], strlen(words[i])) == 0)
			return pw_err_wrap(err, r, "%s", t->paths[i]);
	return r;
}

static int bundle_make(const struct pw_tls *t, struct file files[FILES], struct pw_tls_bundle **ret,
	struct pw_err *err)
{
	struct pw_cert_texts texts = {pw_slice_of(files[0].text, files[0].len),
		pw_slice_of(files[1].text, files[1].len), pw_slice_of(files[2].text, files[2].len)};
	struct pw_cert_facts facts;
	struct pw_tls_bundle *b;
	int r = pw_cert_check(&texts, t->domain, &facts, err);

	if (r < 0)
		return wrap_path(t, r, err);
	b = pw_alloc0(1, sizeof(*b));
	if (!b)
		return pw_err_set(err, -ENOMEM, "out of memory");
	atomic_init(&b->refs, 1);
	b->version = t->current ? t->current->version + 1 : 1;
	b->ca = PW_TAKE(files[0].text);
	b->cert = PW_TAKE(files[1].text);
	b->key = PW_TAKE(files[2].text);
	b->identity = facts.identity;
	b->expires_s = facts.not_after.ns / (int64_t)PW_NS_PER_S;
	b->warn_s = b->expires_s -
		    (facts.not_after.ns - facts.not_before.ns) / (int64_t)(10 * PW_NS_PER_S);
	*ret = b;
	return 0;
}

static void tell(const struct pw_tls *t, const char *what)
{
	char who[300], until[PW_WALL_TEXT_SIZE];

	pw_wall_format((struct pw_wall){t->current->expires_s * (int64_t)PW_NS_PER_S}, until);
	pw_log_info("tls", "%s: we are %s of %s until %s", what,
		pw_identity_text(&t->current->identity, who, sizeof(who)), t->domain, until);
}

/* Certificates may live for an hour or for a year: renewal is late in the last tenth of that. */
static void warn_of_expiry(const struct pw_tls *t)
{
	int64_t now_s = pw_wall_now().ns / (int64_t)PW_NS_PER_S;

	if (now_s >= t->current->warn_s)
		pw_log_limited(PW_LOG_WARN, 1, "tls", "the certificate %s %s", t->paths[1],
			now_s >= t->current->expires_s ? "has expired: nobody will talk to us"
						       : "is about to expire and was not renewed");
}

/* Under the lock, or before anybody else knows t. */
static int load(struct pw_tls *t, struct pw_err *err)
{
	struct file files[FILES] = {{0}};
	struct pw_tls_bundle *b = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < FILES; i++) {
		r = file_read(t->paths[i], &files[i], err);
		t->seen[i] = files[i].stamp;
	}
	if (r == 0)
		r = bundle_make(t, files, &b, err);
	for (size_t i = 0; i < FILES; i++)
		file_done(&files[i]);
	if (r < 0)
		return r;
	pw_tls_put(t->current);
	t->current = b;
	return 0;
}

static bool is_changed(const struct pw_tls *t)
{
	struct stat st;

	for (size_t i = 0; i < FILES; i++) {
		struct stamp now = {0};

		if (stat(t->paths[i], &st) == 0)
			now = stamp_of(&st);
		if (!stamp_eq(&now, &t->seen[i]))
			return true;
	}
	return false;
}

static void look(struct pw_tls *t)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_mono now = pw_mono_now();

	if (!t->is_eager && now.ns - t->looked.ns < LOOK_NS)
		return;
	t->looked = now;
	warn_of_expiry(t);
	if (!is_changed(t) && !(t->is_refused && now.ns - t->refused_at.ns >= AGAIN_NS))
		return;
	t->is_refused = load(t, &err) < 0;
	if (!t->is_refused) {
		t->adopted++;
		tell(t, "new certificates");
		return;
	}
	t->refused_at = now;
	t->refused++;
	pw_log_limited(PW_LOG_WARN, 6, "tls",
		"new certificates are not used, the ones before stay: %s", err.msg);
}

struct pw_tls_bundle *pw_tls_get(struct pw_tls *t)
{
	struct pw_tls_bundle *b;

	(void)pthread_mutex_lock(&t->lock);
	look(t);
	b = t->current;
	(void)atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	(void)pthread_mutex_unlock(&t->lock);
	return b;
}

void pw_tls_set_eager(struct pw_tls *t)
{
	(void)pthread_mutex_lock(&t->lock);
	t->is_eager = true;
	(void)pthread_mutex_unlock(&t->lock);
}

void pw_tls_get_stats(struct pw_tls *t, struct pw_tls_stats *ret)
{
	(void)pthread_mutex_lock(&t->lock);
	look(t); /* whoever watches the figures must see a bad file before the next connection */
	*ret = (struct pw_tls_stats){t->adopted, t->refused, t->current->expires_s};
	(void)pthread_mutex_unlock(&t->lock);
}

bool pw_tls_is_shared(const struct pw_tls *t)
{
	return t->is_shared;
}

const char *pw_tls_domain(const struct pw_tls *t)
{
	return t->domain;
}

static int tls_build(struct pw_tls *t, const struct pw_tls_files *files, struct pw_err *err)
{
	const char *domain = files->domain && files->domain[0] ? files->domain : PW_TLS_DOMAIN;
	const char *const paths[FILES] = {files->ca, files->cert, files->key};

	if (!pw_identity_domain_is_valid(domain))
		return pw_err_set(
			err, -EINVAL, "trust domain: expected a name like %s", PW_TLS_DOMAIN);
	t->is_shared = files->shared;
	t->domain = pw_strdup(domain);
	for (size_t i = 0; i < FILES; i++)
		t->paths[i] = pw_strdup(paths[i]);
	if (!t->domain || !t->paths[0] || !t->paths[1] || !t->paths[2])
		return pw_err_set(err, -ENOMEM, "out of memory");
	return load(t, err);
}

int pw_tls_new(const struct pw_tls_files *files, struct pw_tls **ret, struct pw_err *err)
{
	struct pw_tls *t = pw_alloc0(1, sizeof(*t));
	int r;

	if (!t)
		return pw_err_set(err, -ENOMEM, "certificates: out of memory");
	(void)pthread_mutex_init(&t->lock, NULL);
	r = tls_build(t, files, err);
	if (r < 0) {
		pw_tls_free(t);
		return r;
	}
	t->looked = pw_mono_now();
	tell(t, "certificates");
	*ret = t;
	return 0;
}

void pw_tls_free(struct pw_tls *t)
{
	if (!t)
		return;
	pw_tls_put(t->current);
	for (size_t i = 0; i < FILES; i++)
		free(t->paths[i]);
	free(t->domain);
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}
