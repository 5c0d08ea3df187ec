/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How many connections one address holds, for accept_guard.c: libgrpc has no such limit, and a
 * connection costs descriptors and memory before its handshake has proved anything. Closing is not
 * told to us; when an address reaches the limit its connections are looked at again.
 * Thread: under the guard's lock. Ceilings: PW_PEER_CONNECTIONS an address, descriptors below
 * PW_PEER_FDS. Unix sockets are not counted: their folder says who may connect.
 */
#include <stdbool.h>

#define PW_PEER_CONNECTIONS 256
#define PW_PEER_FDS         16384

/* Takes the connection in; false = its address holds too many already, close it. */
bool pw_accept_peers_admit(int fd);
