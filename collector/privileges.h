/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the process may still do: capabilities before anything is opened, system calls once all is
 * running. It starts as root or as anybody who was given the capabilities; afterwards it holds
 * exactly those of privileges_wanted and cannot get more (no_new_privs, no exec).
 * What it does not do: change user, namespaces or the root file system; the one who starts it can.
 * Thread: main; drop before the first other thread starts (capabilities belong to a thread), the
 * filter reaches all that exist and those that follow.
 */
#include "common/base/err.h"
#include <stdbool.h>
#include <stdint.h>

enum privileges_sandbox { PRIVILEGES_SANDBOX_ON, PRIVILEGES_SANDBOX_LOG, PRIVILEGES_SANDBOX_OFF };

/*
 * Bit n = capability n. live: kernel programs are loaded. permitted: what the process has; out of
 * it CAP_SYS_ADMIN stands in when CAP_BPF or CAP_PERFMON is not there.
 */
uint64_t privileges_wanted(
	bool live, unsigned kernel_major, unsigned kernel_minor, uint64_t permitted);
/* Gives up every capability that is not wanted, in all sets, and the way to new ones. */
int privileges_drop(bool live, struct pw_err *err) PW_MUST_CHECK;
/*
 * From here on a system call that is not on the list ends the process with SIGSYS (ON) or is
 * written to the kernel's log (LOG). No program is executed, no kernel program loaded, no process
 * traced or signalled any more.
 */
int privileges_sandbox(enum privileges_sandbox how, struct pw_err *err) PW_MUST_CHECK;
