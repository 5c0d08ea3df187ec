/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A source in front of another one: passes everything on and writes it into a .pwrec file as well
 * (pwrec.h). A full disk or the ceiling ends the recording, never the flow of records: it is logged
 * once and what is missing in the file is counted.
 * Thread: the owner's. Ceiling: limit_bytes on disk, a buffer of 64 KiB.
 */
#include "collector/source.h"

/*
 * Creates path (must not exist, mode 0600) and takes inner over: it is closed with the recording.
 * On failure inner stays the caller's. limit_bytes 0 = no ceiling.
 */
int record_open(const char *path, uint64_t limit_bytes, struct source *inner, struct source **ret,
	struct pw_err *err);
uint64_t record_written(
	const struct source *s); /* records in the file, the last ones maybe buffered */
uint64_t record_missing(const struct source *s); /* records passed on but not in the file */
/* The source behind, for probe_maps; still owned by s. */
struct source *record_inner(const struct source *s);
