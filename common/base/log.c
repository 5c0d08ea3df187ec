/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/log.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/escape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 2048
#define KEPT_BYTES 32 /* room for what pw_log_limited adds */

static const char *const level_names[PW_LOG_LEVELS] = {"error", "warn", "info", "debug"};

/* Set once at start, before threads. */
static enum pw_log_level log_level = PW_LOG_INFO;
static enum pw_log_format log_format = PW_LOG_LOGFMT;
static const char *log_program = "podward";
static _Atomic uint64_t log_counts[PW_LOG_LEVELS];

void pw_log_setup(enum pw_log_level level, enum pw_log_format format, const char *program)
{
	log_level = level;
	log_format = format;
	log_program = program;
}

int pw_log_level_parse(const char *text, enum pw_log_level *ret)
{
	for (int i = 0; i < PW_LOG_LEVELS; i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret = (enum pw_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

uint64_t pw_log_count(enum pw_log_level level)
{
	return level < PW_LOG_LEVELS
		       ? atomic_load_explicit(&log_counts[level], memory_order_relaxed)
		       : 0;
}

static void format_line(
	enum pw_log_level level, const char *module, const char *message, struct pw_buf *line)
{
	char when[PW_WALL_TEXT_SIZE];

	pw_wall_format(pw_wall_now(), when);
	if (log_format == PW_LOG_JSON) {
		(void)pw_buf_addf(line,
			"{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"module\":\"%s\","
			"\"msg\":",
			when, level_names[level], log_program, module);
		(void)pw_escape_json(line, pw_slice_str(message));
		(void)pw_buf_add_str(line, "}\n");
		return;
	}
	(void)pw_buf_addf(
		line, "time=%s level=%s module=%s msg=\"", when, level_names[level], module);
	(void)pw_escape(line, pw_slice_str(message), LINE_BYTES * 8);
	(void)pw_buf_add_str(line, "\"\n");
}

__attribute__((format(printf, 3, 0))) static void write_line(enum pw_log_level level,
	const char *module, const char *format, va_list args, uint32_t *kept)
{
	char message[LINE_BYTES];
	int saved = errno;
	struct pw_buf line;
	int used;

	atomic_fetch_add_explicit(&log_counts[level], 1, memory_order_relaxed);
	if (level > log_level)
		return;
	used = vsnprintf(message, sizeof(message) - KEPT_BYTES, format, args);
	if (kept) {
		size_t at = used < 0 ? 0 : (size_t)used;

		if (at > sizeof(message) - KEPT_BYTES - 1)
			at = sizeof(message) - KEPT_BYTES - 1;
		(void)snprintf(message + at, KEPT_BYTES, " (kept_back=%u)", *kept);
	}
	pw_buf_init(&line, sizeof(message) * 9); /* escaping widens a byte to at most 8 */
	format_line(level, module, message, &line);
	if (!pw_buf_error(&line) && write(STDERR_FILENO, line.data, line.len) < 0)
		atomic_fetch_add_explicit(&log_counts[PW_LOG_ERROR], 1, memory_order_relaxed);
	pw_buf_done(&line);
	errno = saved;
}

void pw_log_line(enum pw_log_level level, const char *module, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(level, module, format, args, NULL);
	va_end(args);
}

void pw_log_line_limited(struct pw_log_limit *limit, uint32_t burst, enum pw_log_level level,
	const char *module, const char *format, ...)
{
	uint32_t kept = 0;
	va_list args;

	if (!pw_log_may(limit, burst, &kept))
		return;
	va_start(args, format);
	write_line(level, module, format, args, &kept);
	va_end(args);
}

int pw_log_may(struct pw_log_limit *limit, uint32_t burst, uint32_t *ret_kept_back)
{
	uint64_t minute = pw_mono_now().ns / (60 * PW_NS_PER_S) + 1;
	uint64_t seen = atomic_load_explicit(&limit->minute, memory_order_relaxed);

	if (seen != minute && atomic_compare_exchange_strong_explicit(&limit->minute, &seen, minute,
				      memory_order_relaxed, memory_order_relaxed))
		atomic_store_explicit(&limit->in_minute, 0, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&limit->in_minute, 1, memory_order_relaxed) >= burst) {
		atomic_fetch_add_explicit(&limit->kept_back, 1, memory_order_relaxed);
		return 0;
	}
	*ret_kept_back = atomic_exchange_explicit(&limit->kept_back, 0, memory_order_relaxed);
	return 1;
}
