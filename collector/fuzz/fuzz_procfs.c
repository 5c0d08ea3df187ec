/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as /proc/PID/stat and status, and as paths. */
#include "collector/normalize.h"
#include "collector/procfs.h"
#include "common/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(struct pw_slice text)
{
	struct pw_buf once;
	struct pw_buf twice;

	pw_buf_init(&once, 1 << 20);
	pw_buf_init(&twice, 1 << 20);
	if (normalize_path(text, PW_SLICE_LIT("/base"), 7, &once) == 0 &&
		normalize_path(pw_buf_slice(&once), (struct pw_slice){0}, 7, &twice) == 0)
		pw_assert(pw_slice_eq(pw_buf_slice(&once), pw_buf_slice(&twice)));
	pw_buf_done(&once);
	pw_buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_slice text = pw_slice_of(data, size);
	struct procfs_stat stat_facts;
	struct procfs_status status_facts;

	if (procfs_parse_stat(text, &stat_facts) == 0)
		pw_assert(stat_facts.comm.len <= size);
	(void)(procfs_parse_status(text, &status_facts) == 0);
	if (size <= ABI_PATH_MAX)
		check_path(text);
	return 0;
}
