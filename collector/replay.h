/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The source that reads a .pwrec file (pwrec.h) as fast as it is asked to. A foreign, damaged or
 * cut file is an error that names the file and the offset; records before the damage are delivered.
 * Thread: the owner's. Ceiling: one buffer of 128 KiB whatever the file's size.
 */
#include "collector/source.h"

int replay_open(const char *path, struct source **ret, struct pw_err *err);
