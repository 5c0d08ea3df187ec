// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int pw_file_read(const char *what, const char *path, struct pw_buf *out, struct pw_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
	char chunk[4096];
	ssize_t n;

	if (fd < 0)
		return pw_err_set(err, -errno, "%s %s: %s", what, path, pw_err_text(errno));
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (pw_buf_add(out, chunk, (size_t)n) < 0)
			break;
	if (n < 0)
		r = pw_err_set(err, -errno, "%s %s: %s", what, path, pw_err_text(errno));
	else if (pw_buf_error(out) == -E2BIG)
		r = pw_err_set(err, -E2BIG, "%s %s: larger than %zu bytes", what, path, out->limit);
	else if (pw_buf_error(out) < 0)
		r = pw_err_set(err, pw_buf_error(out), "out of memory");
	(void)close(fd);
	return r;
}

static int write_all(int fd, struct pw_slice data)
{
	while (data.len > 0) {
		ssize_t n = write(fd, data.ptr, data.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data = pw_slice_sub(data, (size_t)n, data.len);
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* The name itself is durable only when its folder is synced. */
static int sync_folder(const char *path)
{
	struct pw_slice whole = pw_slice_str(path);
	ptrdiff_t slash = pw_slice_rfind_byte(whole, '/');
	char folder[4096];
	int fd, r;

	if (slash <= 0 || (size_t)slash >= sizeof(folder))
		return 0;
	memcpy(folder, path, (size_t)slash);
	folder[slash] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fsync(fd) < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}

int pw_file_write(const char *path, struct pw_slice data, struct pw_err *err)
{
	char part[4096];
	int fd, r;

	if (snprintf(part, sizeof(part), "%s.part", path) >= (int)sizeof(part))
		return pw_err_set(err, -ENAMETOOLONG, "%s: %s", path, pw_err_text(ENAMETOOLONG));
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return pw_err_set(err, -errno, "%s: %s", part, pw_err_text(errno));
	r = write_all(fd, data);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(part, path) < 0)
		r = -errno;
	if (r == 0)
		r = sync_folder(path);
	if (r < 0) {
		(void)unlink(part);
		return pw_err_set(err, r, "%s: %s", path, pw_err_text(r));
	}
	return 0;
}
