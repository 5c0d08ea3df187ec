/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/keep.h"

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/wire/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE    "backlog"
#define FILE_NAME "backlog"
#define NEW_NAME  "backlog.new"
#define LOCK_NAME "backlog.lock"
#define RETRY_NS  (5 * PW_NS_PER_S)

struct frame {
	uint32_t len, type;
	uint64_t body_hash;
	uint64_t head_hash; /* of the above */
};

struct keep {
	int dir_fd, lock_fd;
	int fd;     /* the file; -1 = none */
	int new_fd; /* between begin and commit, else -1 */
	uint64_t bytes, new_bytes, bytes_max;
	bool works;
	struct pw_mono failed;
	struct pw_encoder *encoder;
	struct pw_arena *arena;
	struct pw_buf scratch;
	struct keep_stats stats;
};

static const char *const error_names[KEEP_ERROR_COUNT] = {
#define KEEP_NAME(suffix, label) [KEEP_ERROR_##suffix] = label,
	KEEP_ERRORS(KEEP_NAME)
#undef KEEP_NAME
};

const char *keep_error_name(enum keep_error error)
{
	return error_names[error];
}

void keep_count(struct keep *k, enum keep_error error, uint64_t n)
{
	k->stats.errors[error] += n;
}

void keep_get_stats(const struct keep *k, struct keep_stats *ret)
{
	*ret = k->stats;
	ret->bytes = k->bytes;
}

bool keep_works(const struct keep *k)
{
	return k->works;
}

bool keep_may_retry(const struct keep *k)
{
	return !k->works && pw_mono_now().ns - k->failed.ns >= RETRY_NS;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* --- writing --- */

static uint64_t head_hash(const struct frame *f)
{
	return pw_hash64(pw_slice_of(f, offsetof(struct frame, head_hash)), 0);
}

/* Nothing is left that a later start could take for the present state. */
static void give_up(struct keep *k, enum keep_error error, int code)
{
	keep_count(k, error, 1);
	pw_log_limited(PW_LOG_WARN, 2, MODULE,
		"the backlog's file cannot be written: %s; batches are in memory only until it can",
		pw_err_text(code));
	if (k->new_fd >= 0)
		(void)unlinkat(k->dir_fd, NEW_NAME, 0);
	close_fd(&k->new_fd);
	if (k->fd >= 0 && ftruncate(k->fd, 0) < 0 && unlinkat(k->dir_fd, FILE_NAME, 0) < 0 &&
		errno != ENOENT)
		pw_log_error(MODULE,
			"the backlog's file is out of date and cannot be removed; remove it before "
			"the next start: %s",
			pw_err_text(errno));
	close_fd(&k->fd);
	k->bytes = 0;
	k->works = false;
	k->failed = pw_mono_now();
}

static int write_all(int fd, struct pw_slice s)
{
	while (s.len > 0) {
		ssize_t n = write(fd, s.ptr, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		s = pw_slice_sub(s, (size_t)n, s.len);
	}
	return 0;
}

static bool is_writing(const struct keep *k)
{
	return k->new_fd >= 0 || k->works;
}

/* The scratch holds room for the frame and the body. */
static void write_record(struct keep *k, enum keep_type type)
{
	struct pw_slice all = pw_buf_slice(&k->scratch);
	struct pw_slice body = pw_slice_sub(all, sizeof(struct frame), all.len);
	struct frame f = {
		.len = (uint32_t)body.len,
		.type = (uint32_t)type,
		.body_hash = pw_hash64(body, 0),
	};
	int r = 0;

	f.head_hash = head_hash(&f);
	memcpy(k->scratch.data, &f, sizeof(f));
	r = write_all(k->new_fd >= 0 ? k->new_fd : k->fd, all);
	if (r < 0)
		give_up(k, KEEP_ERROR_WRITE, r);
	else if (k->new_fd >= 0)
		k->new_bytes += all.len;
	else
		k->bytes += all.len;
}

void keep_add(struct keep *k, enum keep_type type, const void *body, size_t len)
{
	if (!is_writing(k))
		return;
	pw_buf_clear(&k->scratch);
	(void)pw_buf_extend(&k->scratch, sizeof(struct frame));
	if (pw_buf_add(&k->scratch, body, len) < 0)
		give_up(k, KEEP_ERROR_ENCODE, pw_buf_error(&k->scratch));
	else
		write_record(k, type);
}

void keep_add_batch(
	struct keep *k, enum keep_type type, uint64_t word, const struct pw_batch *batch)
{
	int r = 0;

	if (!is_writing(k))
		return;
	pw_buf_clear(&k->scratch);
	(void)pw_buf_extend(&k->scratch, sizeof(struct frame));
	r = pw_buf_add(&k->scratch, &word, sizeof(word));
	if (r == 0)
		r = keep_batch_encode(k->encoder, k->arena, batch, &k->scratch);
	if (r < 0)
		give_up(k, KEEP_ERROR_ENCODE, r);
	else
		write_record(k, type);
}

void keep_begin(struct keep *k)
{
	close_fd(&k->new_fd);
	k->new_bytes = 0;
	k->new_fd = openat(k->dir_fd, NEW_NAME,
		O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (k->new_fd < 0)
		give_up(k, KEEP_ERROR_WRITE, -errno);
}

void keep_commit(struct keep *k)
{
	if (k->new_fd < 0)
		return; /* has been given up */
	if (renameat(k->dir_fd, NEW_NAME, k->dir_fd, FILE_NAME) < 0) {
		give_up(k, KEEP_ERROR_WRITE, -errno);
		return;
	}
	close_fd(&k->fd);
	k->fd = k->new_fd;
	k->new_fd = -1;
	k->bytes = k->new_bytes;
	k->works = true;
}

void keep_empty(struct keep *k)
{
	if (!k->works)
		return;
	if (ftruncate(k->fd, 0) < 0)
		give_up(k, KEEP_ERROR_WRITE, -errno);
	else
		k->bytes = 0;
}

/* --- reading --- */

static int read_at(int fd, void *to, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (uint8_t *)to + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}

/* Into the scratch. -ENODATA = torn, -EBADMSG, -ENOMEM. */
static int read_record(struct keep *k, uint64_t offset, struct frame *f)
{
	uint64_t left = k->bytes - offset;
	void *body = NULL;

	if (left < sizeof(*f))
		return -ENODATA;
	if (read_at(k->fd, f, sizeof(*f), offset) < 0 || f->head_hash != head_hash(f))
		return -EBADMSG;
	if (f->len > KEEP_RECORD_MAX || f->type < KEEP_HEAD || f->type >= KEEP_TYPES)
		return -EBADMSG;
	if (f->len > left - sizeof(*f))
		return -ENODATA;
	pw_buf_clear(&k->scratch);
	body = pw_buf_extend(&k->scratch, f->len);
	if (!body && f->len > 0)
		return -ENOMEM;
	if (f->len > 0 && read_at(k->fd, body, f->len, offset + sizeof(*f)) < 0)
		return -EBADMSG;
	return pw_hash64(pw_buf_slice(&k->scratch), 0) == f->body_hash ? 0 : -EBADMSG;
}

static int cut(struct keep *k, uint64_t offset, int why)
{
	enum keep_error error = why == -ENODATA ? KEEP_ERROR_TORN : KEEP_ERROR_DAMAGED;

	keep_count(k, error, 1);
	pw_log_warn(MODULE, "the backlog's file is %s: the last %llu of %llu bytes are left out",
		why == -ENODATA ? "unfinished" : "damaged", (unsigned long long)(k->bytes - offset),
		(unsigned long long)k->bytes);
	if (why != -ENODATA)
		return 1;
	if (ftruncate(k->fd, (off_t)offset) < 0)
		give_up(k, KEEP_ERROR_WRITE, -errno);
	else
		k->bytes = offset;
	return 0;
}

int keep_read(
	struct keep *k, int (*fn)(void *ctx, enum keep_type type, struct pw_slice body), void *ctx)
{
	uint64_t offset = 0;

	while (k->works && offset < k->bytes) {
		struct frame f = {0};
		int r = offset < k->bytes_max ? read_record(k, offset, &f) : -EBADMSG;

		if (r == 0)
			r = fn(ctx, (enum keep_type)f.type, pw_buf_slice(&k->scratch));
		if (r == -EBADMSG || r == -ENODATA)
			return cut(k, offset, r);
		if (r < 0)
			return r;
		offset += sizeof(f) + f.len;
	}
	return 0;
}

int keep_decode(struct keep *k, struct pw_slice body, uint64_t *ret_word, struct pw_batch **ret)
{
	if (body.len < sizeof(*ret_word))
		return -EBADMSG;
	memcpy(ret_word, body.ptr, sizeof(*ret_word));
	return keep_batch_decode(k->arena, pw_slice_sub(body, sizeof(*ret_word), body.len), ret);
}

int keep_unseal(struct keep *k, const struct pw_batch *b, struct pw_batch **ret)
{
	struct pw_batch shown = *b;
	int r = 0;

	shown.seq = 0;
	pw_buf_clear(&k->scratch);
	r = keep_batch_encode(k->encoder, k->arena, &shown, &k->scratch);
	return r < 0 ? r : keep_batch_decode(k->arena, pw_buf_slice(&k->scratch), ret);
}

/* --- opening --- */

static int open_folder(struct keep *k, const char *dir, struct pw_err *err)
{
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return pw_err_set(err, -errno, "%s: %s", dir, pw_err_text(errno));
	k->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->dir_fd < 0)
		return pw_err_set(err, -errno, "%s: %s", dir, pw_err_text(errno));
	k->lock_fd = openat(k->dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (k->lock_fd < 0)
		return pw_err_set(
			err, -errno, "%s: cannot create the lock: %s", dir, pw_err_text(errno));
	if (flock(k->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return pw_err_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
			"%s: another collector uses this folder", dir);
	return 0;
}

static int open_file(struct keep *k, const char *dir, struct pw_err *err)
{
	struct stat st;

	(void)unlinkat(k->dir_fd, NEW_NAME, 0);
	/* O_NONBLOCK: a pipe of that name must not hold us up. */
	k->fd = openat(k->dir_fd, FILE_NAME,
		O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (k->fd < 0 || fstat(k->fd, &st) < 0)
		return pw_err_set(err, -errno, "%s/%s: %s", dir, FILE_NAME, pw_err_text(errno));
	if (!S_ISREG(st.st_mode))
		return pw_err_set(err, -EINVAL, "%s/%s: not a regular file", dir, FILE_NAME);
	k->bytes = (uint64_t)st.st_size;
	k->works = true;
	return 0;
}

static void keep_closep(struct keep **k)
{
	keep_close(*k);
}

int keep_open(const char *dir, uint64_t bytes_max, struct keep **ret, struct pw_err *err)
{
	pw_cleanup(keep_closep) struct keep *k = pw_alloc0(1, sizeof(*k));
	int r = 0;

	if (!k)
		return pw_err_set(err, -ENOMEM, "out of memory");
	k->dir_fd = k->lock_fd = k->fd = k->new_fd = -1;
	k->bytes_max = bytes_max;
	pw_buf_init(&k->scratch, sizeof(struct frame) + KEEP_RECORD_MAX);
	if (pw_encoder_new(&k->encoder) < 0 || keep_batch_arena(&k->arena) < 0)
		return pw_err_set(err, -ENOMEM, "out of memory");
	r = open_folder(k, dir, err);
	if (r == 0)
		r = open_file(k, dir, err);
	if (r < 0)
		return r;
	*ret = PW_TAKE(k);
	return 0;
}

void keep_close(struct keep *k)
{
	if (!k)
		return;
	close_fd(&k->new_fd);
	close_fd(&k->fd);
	close_fd(&k->lock_fd);
	close_fd(&k->dir_fd);
	pw_encoder_free(k->encoder);
	pw_arena_free(k->arena);
	pw_buf_done(&k->scratch);
	free(k);
}
