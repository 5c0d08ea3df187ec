/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Paths, addresses and open flags into the form that is compared, learned and shown.
 * Writes into a buffer of the caller that is used again for every event: no allocation once it
 * has grown. Redaction of arguments: redact.h.
 * Thread: any; no state.
 */
#include "collector/event.h"

/*
 * Absolute paths: `//`, `/./`, `/../` and a trailing slash go, and /proc/<pid>/ of the process
 * itself becomes /proc/self/ (pid: as seen in its own pid namespace; 0 = leave alone).
 * A relative path is put behind base when base is absolute, else it stays relative. The buffer is
 * emptied first. Empty path: empty result. 0, -ENOMEM or -E2BIG as from pw_buf.
 */
int normalize_path(
	struct pw_slice path, struct pw_slice base, uint32_t own_pid, struct pw_buf *out);
/* O_* of the build's architecture and i_mode -> FileAccess bits of event.proto. */
uint32_t normalize_access(uint32_t open_flags, uint32_t mode);

struct normalize_address {
	uint16_t family; /* AF_INET for IPv4 addresses inside IPv6 too */
	uint16_t port;
	uint8_t protocol;
};
/* "10.0.0.1", "2001:db8::1", "/run/x.sock", "@abstract"; empty for an unnamed peer. Empties out
 * first. */
int normalize_address(const struct abi_address *a, struct pw_slice path, struct pw_buf *out,
	struct normalize_address *ret);
