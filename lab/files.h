/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Whole files, with a ceiling. Thread: any. */
#include "common/base/buf.h"
#include "common/base/err.h"

/* out is initialised with the ceiling. -E2BIG over it; else the errno. */
int lab_file_read(const char *path, struct pw_buf *out, struct pw_err *err) PW_MUST_CHECK;
