/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Log lines on standard error, logfmt or JSON. errno is preserved. One line is one write(2).
 * Error: someone must act. Warn: degraded, says what happens next. Info: life events. Debug:
 * anything. Foreign bytes go through pw_escape (escape.h) first; whatever an attacker can trigger
 * uses pw_log_limited. Lines are counted by level (pw_log_count) for podward_*_log_messages_total.
 * Thread: any. The level and format are set once at start.
 */
#include "common/base/alloc.h"
#include <stdint.h>

enum pw_log_level { PW_LOG_ERROR, PW_LOG_WARN, PW_LOG_INFO, PW_LOG_DEBUG, PW_LOG_LEVELS };
enum pw_log_format { PW_LOG_LOGFMT, PW_LOG_JSON };

void pw_log_setup(enum pw_log_level level, enum pw_log_format format, const char *program);
/* "error", "warn", "info", "debug" -> level; -EINVAL otherwise. */
int pw_log_level_parse(const char *text, enum pw_log_level *ret);
uint64_t pw_log_count(enum pw_log_level level);

void pw_log_line(enum pw_log_level level, const char *module, const char *format, ...)
	PW_PRINTF(3, 4);
#define pw_log_error(module, ...) pw_log_line(PW_LOG_ERROR, module, __VA_ARGS__)
#define pw_log_warn(module, ...)  pw_log_line(PW_LOG_WARN, module, __VA_ARGS__)
#define pw_log_info(module, ...)  pw_log_line(PW_LOG_INFO, module, __VA_ARGS__)
#define pw_log_debug(module, ...) pw_log_line(PW_LOG_DEBUG, module, __VA_ARGS__)

/* At most `burst` lines a minute for one call site; what was kept back is told in the next line. */
struct pw_log_limit {
	_Atomic uint64_t minute;
	_Atomic uint32_t in_minute;
	_Atomic uint32_t kept_back;
};
int pw_log_may(struct pw_log_limit *limit, uint32_t burst, uint32_t *ret_kept_back);
void pw_log_line_limited(struct pw_log_limit *limit, uint32_t burst, enum pw_log_level level,
	const char *module, const char *format, ...) PW_PRINTF(5, 6);
#define pw_log_limited(level, burst, module, ...)                                   \
	do {                                                                        \
		static struct pw_log_limit pw_limit_;                               \
		pw_log_line_limited(&pw_limit_, burst, level, module, __VA_ARGS__); \
	} while (0)
