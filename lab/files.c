/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/files.h"

#include <errno.h>
#include <stdio.h>

int lab_file_read(const char *path, struct pw_buf *out, struct pw_err *err)
{
	FILE *f = fopen(path, "re");
	char part[16384];
	size_t got;
	int r = 0;

	if (!f)
		return pw_err_set(err, -errno, "%s: %s", path, pw_err_text(errno));
	while (r == 0 && (got = fread(part, 1, sizeof(part), f)) > 0)
		r = pw_buf_add(out, part, got);
	if (r == 0 && ferror(f))
		r = -EIO;
	(void)fclose(f);
	return r < 0 ? pw_err_set(err, r, "%s: %s", path, pw_err_text(r)) : 0;
}
