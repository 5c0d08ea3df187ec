/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/server_core.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/escape.h"
#include "common/base/slice.h"
#include "common/rpc/security.h"

/*
 * gRPC says only that binding failed (and logs why, in its own form). These helpers bind the same
 * address once more to learn the reason.
 */

static int unix_address(const char *path, struct sockaddr_un *ret)
{
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path, path, len);
	return 0;
}

/* gRPC removes an existing socket file without asking: somebody may be listening on it. */
static bool unix_is_in_use(const char *path)
{
	struct sockaddr_un address;
	bool is_in_use;
	int fd;

	if (unix_address(path, &address) < 0)
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	is_in_use =
		connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN;
	(void)close(fd);
	return is_in_use;
}

static int try_bind(int family, const struct sockaddr *address, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, r = 0;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, address, len) < 0)
		r = -errno;
	(void)close(fd);
	return r;
}

static int why_not_unix(const char *path)
{
	struct sockaddr_un address;
	int r = unix_address(path, &address);

	if (r < 0)
		return r;
	r = try_bind(AF_UNIX, (struct sockaddr *)&address, sizeof(address));
	if (r == 0)
		(void)unlink(path);
	return r;
}

/* Splits "host:port" or "[v6]:port"; false when it is neither. */
static bool split_host_port(const char *text, char *host, char *port, size_t size)
{
	struct pw_slice s = pw_slice_str(text), h, p;
	ptrdiff_t colon = pw_slice_rfind_byte(s, ':');

	if (colon <= 0)
		return false;
	h = pw_slice_sub(s, 0, (size_t)colon);
	p = pw_slice_sub(s, (size_t)colon + 1, s.len);
	if (h.len >= 2 && h.ptr[0] == '[' && h.ptr[h.len - 1] == ']')
		h = pw_slice_sub(h, 1, h.len - 1);
	if (h.len == 0 || h.len >= size || p.len == 0 || p.len >= size)
		return false;
	memcpy(host, h.ptr, h.len);
	host[h.len] = '\0';
	memcpy(port, p.ptr, p.len);
	port[p.len] = '\0';
	return true;
}

static int why_not_tcp(const char *text)
{
	struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	char host[256], port[256];
	int r = 0;

	if (!split_host_port(text, host, port, sizeof(host)) ||
		getaddrinfo(host, port, &hints, &list) != 0)
		return -EINVAL;
	for (struct addrinfo *a = list; a && r == 0; a = a->ai_next)
		r = try_bind(a->ai_family, a->ai_addr, a->ai_addrlen);
	freeaddrinfo(list);
	return r;
}

static int why_not(const char *address)
{
	int r = -EADDRINUSE; /* the only reason that we know of for an abstract name */

	if (strncmp(address, "unix:", 5) == 0)
		r = why_not_unix(address + 5);
	else if (!pw_address_is_unix(address))
		r = why_not_tcp(address);
	return r < 0 ? r : -EADDRNOTAVAIL;
}

static int listen_failed(const char *address, int r, struct pw_err *err)
{
	char text[160];

	(void)pw_escape_to(pw_slice_str(address), text, sizeof(text));
	if (r == -EINVAL)
		return pw_err_set(
			err, r, "cannot listen on %s: neither host:port nor unix:/path", text);
	return pw_err_set(err, r, "cannot listen on %s: %s", text, pw_err_text(r));
}

static grpc_server_credentials *credentials_for(struct pw_server *s, size_t i, const char *address)
{
	if (!s->tls || pw_address_is_unix(address))
		return pw_credentials_plain_server();
	s->ports[i].tls = s->tls;
	return pw_credentials_tls_server(&s->ports[i]);
}

static int listen_one(struct pw_server *s, size_t i, const char *address, struct pw_err *err)
{
	grpc_server_credentials *credentials;
	char host[256], port[256];
	int bound;

	if (!pw_address_is_unix(address) && !split_host_port(address, host, port, sizeof(host)))
		return listen_failed(address, -EINVAL, err);
	if (strncmp(address, "unix:", 5) == 0 && unix_is_in_use(address + 5))
		return listen_failed(address, -EADDRINUSE, err);
	credentials = credentials_for(s, i, address);
	bound = grpc_server_add_http2_port(s->core, address, credentials);
	grpc_server_credentials_release(credentials);
	if (bound == 0)
		return listen_failed(address, why_not(address), err);
	if (!pw_address_is_unix(address) && atomic_load(&s->port) == 0)
		atomic_store(&s->port, (uint16_t)bound);
	return 0;
}

int pw_server_listen(
	struct pw_server *s, const char *const *addresses, size_t count, struct pw_err *err)
{
	if (count == 0)
		return pw_err_set(err, -EINVAL, "no address to listen on");
	s->ports = pw_alloc0(count, sizeof(*s->ports));
	if (!s->ports)
		return pw_err_set(err, -ENOMEM, "listener: out of memory");
	for (size_t i = 0; i < count; i++) {
		int r = listen_one(s, i, addresses[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}
