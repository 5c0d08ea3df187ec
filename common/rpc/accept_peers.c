/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/accept_peers.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/hash.h"

struct peer {
	uint64_t address; /* hash; 0 = none */
	uint16_t port;
};

/* By descriptor; one per process, like the descriptors. */
static struct peer peers[PW_PEER_FDS];
static int peers_end; /* above the highest that was used */

static struct peer peer_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage room;
	} name;
	socklen_t len = sizeof(name);
	struct peer p = {0, 0};

	memset(&name, 0, sizeof(name));
	if (getpeername(fd, &name.any, &len) < 0)
		return p;
	if (name.any.sa_family == AF_INET) {
		p.address = pw_hash64(pw_slice_of(&name.v4.sin_addr, sizeof(name.v4.sin_addr)), 4);
		p.port = name.v4.sin_port;
	} else if (name.any.sa_family == AF_INET6) {
		p.address =
			pw_hash64(pw_slice_of(&name.v6.sin6_addr, sizeof(name.v6.sin6_addr)), 6);
		p.port = name.v6.sin6_port;
	}
	return p;
}

static int count(uint64_t address)
{
	int n = 0;

	for (int fd = 0; fd < peers_end; fd++)
		n += peers[fd].address == address;
	return n;
}

/* Forgets those that are closed, or something else by now. */
static void review(uint64_t address)
{
	for (int fd = 0; fd < peers_end; fd++) {
		struct peer now;

		if (peers[fd].address != address)
			continue;
		now = peer_of(fd);
		if (now.address != address || now.port != peers[fd].port)
			peers[fd].address = 0;
	}
}

bool pw_accept_peers_admit(int fd)
{
	struct peer p = peer_of(fd);

	if (fd < PW_PEER_FDS)
		peers[fd].address = 0;
	if (p.address == 0)
		return true;
	if (fd >= PW_PEER_FDS)
		return false;
	if (count(p.address) >= PW_PEER_CONNECTIONS)
		review(p.address);
	if (count(p.address) >= PW_PEER_CONNECTIONS)
		return false;
	peers[fd] = p;
	if (fd >= peers_end)
		peers_end = fd + 1;
	return true;
}
