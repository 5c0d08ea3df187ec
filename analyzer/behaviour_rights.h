/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Behaviours of the dimensions privilege, capability and syscall: what was asked for, in words that
 * stay the same from run to run. Attempts that were refused count as well. Thread: any.
 */
#include "analyzer/behaviour.h"

/* Adds what the event means, if it is of these dimensions; else nothing. */
void behaviour_rights(const struct pw_event *e, struct pw_slice actor, struct behaviour_set *set);
