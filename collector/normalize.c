/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/normalize.h"
#include "podward/v1/event.pb-c.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/base/num.h"

static int append_parts(struct pw_buf *out, struct pw_slice path)
{
	struct pw_slice part = {0};

	while (pw_slice_cut(&path, '/', &part)) {
		if (part.len == 0 || pw_slice_eq_str(part, "."))
			continue;
		if (pw_slice_eq_str(part, "..")) {
			ptrdiff_t slash = pw_slice_rfind_byte(pw_buf_slice(out), '/');

			out->len = slash > 0 ? (size_t)slash : 0;
			continue;
		}
		(void)pw_buf_add_byte(out, '/');
		(void)pw_buf_add_slice(out, part);
	}
	return pw_buf_error(out);
}

/* /proc/<own_pid> at the front of what is there -> /proc/self */
static int own_proc(struct pw_buf *out, uint32_t own_pid)
{
	static const struct pw_slice proc = {(const uint8_t *)"/proc/", 6};
	struct pw_slice path = pw_buf_slice(out);
	struct pw_slice rest = {0};
	struct pw_slice part = {0};
	uint64_t pid = 0;
	size_t end = 0;

	if (own_pid == 0 || !pw_slice_starts(path, proc))
		return 0;
	rest = pw_slice_sub(path, proc.len, path.len);
	if (!pw_slice_cut(&rest, '/', &part) || pw_num_u64(part, UINT32_MAX, &pid) < 0 ||
		pid != own_pid)
		return 0;
	end = proc.len + part.len;
	/* "self" may be longer than the number: make room at the end, then move the tail. */
	while (part.len + (out->len - end) < 4 + (path.len - end)) {
		if (pw_buf_add_byte(out, 0) < 0)
			return pw_buf_error(out);
	}
	memmove(out->data + proc.len + 4, out->data + end, path.len - end);
	memcpy(out->data + proc.len, "self", 4);
	out->len = proc.len + 4 + (path.len - end);
	return 0;
}

int normalize_path(struct pw_slice path, struct pw_slice base, uint32_t own_pid, struct pw_buf *out)
{
	bool absolute = path.len > 0 && path.ptr[0] == '/';
	int r = 0;

	pw_buf_clear(out);
	if (path.len == 0)
		return 0;
	if (!absolute && (base.len == 0 || base.ptr[0] != '/'))
		return pw_buf_add_slice(out, path);
	if (!absolute)
		r = append_parts(out, base);
	if (r == 0)
		r = append_parts(out, path);
	if (r < 0)
		return r;
	if (out->len == 0)
		return pw_buf_add_byte(out, '/');
	return own_proc(out, own_pid);
}

uint32_t normalize_access(uint32_t open_flags, uint32_t mode)
{
	uint32_t access = PODWARD__V1__FILE_ACCESS__FILE_ACCESS_NONE;
	uint32_t how = open_flags & O_ACCMODE;

	if (S_ISDIR(mode) || (open_flags & O_DIRECTORY))
		access |= PODWARD__V1__FILE_ACCESS__FILE_ACCESS_DIRECTORY;
	if (open_flags & O_PATH)
		return access | PODWARD__V1__FILE_ACCESS__FILE_ACCESS_PATH_ONLY;
	if (how != O_WRONLY)
		access |= PODWARD__V1__FILE_ACCESS__FILE_ACCESS_READ;
	if (how != O_RDONLY)
		access |= PODWARD__V1__FILE_ACCESS__FILE_ACCESS_WRITE;
	if (open_flags & O_CREAT)
		access |= PODWARD__V1__FILE_ACCESS__FILE_ACCESS_CREATE;
	if (open_flags & O_TRUNC)
		access |= PODWARD__V1__FILE_ACCESS__FILE_ACCESS_TRUNCATE;
	return access;
}

static int unix_name(const struct abi_address *a, struct pw_slice path, struct pw_buf *out)
{
	if (path.len == 0)
		return 0;
	if (!(a->flags & ABI_ADDR_ABSTRACT))
		return normalize_path(path, (struct pw_slice){0}, 0, out);
	(void)pw_buf_add_byte(out, '@');
	return pw_buf_add_slice(out, path);
}

int normalize_address(const struct abi_address *a, struct pw_slice path, struct pw_buf *out,
	struct normalize_address *ret)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	char text[INET6_ADDRSTRLEN];
	bool is_mapped = a->family == AF_INET6 && memcmp(a->addr, mapped, sizeof(mapped)) == 0;
	const uint8_t *addr = is_mapped ? a->addr + sizeof(mapped) : a->addr;

	pw_buf_clear(out);
	*ret = (struct normalize_address){
		.family = is_mapped ? AF_INET : a->family,
		.port = a->port,
		.protocol = (uint8_t)(a->protocol & 0xff),
	};
	if (a->family == AF_UNIX) {
		ret->port = 0;
		return unix_name(a, path, out);
	}
	if (ret->family != AF_INET && ret->family != AF_INET6)
		return 0;
	if (!inet_ntop(ret->family, addr, text, sizeof(text)))
		return 0;
	return pw_buf_add_str(out, text);
}
