/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * ReportService.LoadProfiles: streams the stored profiles, one page in memory at a time.
 * Thread: the rpc loop's; pages are read on the keeper's. Ceiling: a page (profile_store.h) per
 * call.
 */
#include "common/rpc/server.h"
#include "policysync/keeper.h"

struct load_ctx {
	struct pw_rpc_loop *loop;
	struct keeper *keeper;
	bool held; /* what others stored is not loaded yet: analyzers ask again */
};

/* ctx is borrowed until the server stopped. */
void report_load_method(struct load_ctx *ctx, struct pw_method *out);
