/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * --probe: what this machine gives. Facts of the kernel, then each kernel program: does it verify,
 * does it attach, and if not, why; then which level of watching that makes. Changes nothing and
 * watches nothing.
 * Level B is the tracepoints, which must work; level A the security hooks, which see more where the
 * kernel has them.
 * Thread: main, before anything else is started.
 */
#include "collector/print.h"
#include "collector/probe_try.h"

enum survey_level { SURVEY_LEVEL_A, SURVEY_LEVEL_B, SURVEY_LEVELS };

/* Of "tp_btf/sys_exit", "lsm/file_open" … */
enum survey_level survey_level_of(const char *hook);
/* Whether it would do its work; why: a sentence for a person, "" when it would. */
bool survey_works(const struct probe_try *t, const char *security_modules, char *why, size_t size);
/* Appends the report. *ret_usable: level B is complete. */
int survey_report(enum print_form form, struct pw_buf *out, bool *ret_usable,
	struct pw_err *err) PW_MUST_CHECK;
/* Writes it to standard output. 0, or -EOPNOTSUPP with words when level B is not complete. */
int survey_run(enum print_form form, struct pw_err *err) PW_MUST_CHECK;
