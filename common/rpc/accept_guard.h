/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Keeps listeners alive when descriptors run out. gRPC 1.51 stops listening for ever after one
 * failed accept (CVE-2023-4785, before any authentication). The program therefore exports its own
 * accept4(), which closes a reserve descriptor, takes the connection, drops it and says EAGAIN.
 * It also limits how many connections one address may hold.
 * Every program that links pw_rpc has it (link options in CMakeLists.txt). Thread: any.
 */
#include <stdint.h>

/* Opens the reserve descriptor; done by pw_server_start. Harmless when repeated. */
void pw_accept_guard_arm(void);
/* Connections dropped because descriptors ran out, in this process. */
uint64_t pw_accept_guard_dropped(void);
/* Connections dropped because their address held too many: accept_peers.h. */
uint64_t pw_accept_guard_crowded(void);
/* Connections taken in this process by accept4, whatever came of them. */
uint64_t pw_accept_guard_accepted(void);
