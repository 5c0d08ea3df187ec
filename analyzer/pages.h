/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Read-only pages on the metrics port, JSON: /v1/groups and /v1/policy. Made from published values
 * only; nothing that a shard owns is touched.
 * Thread: the HTTP thread. Ceiling: the body's, then the answer is 500.
 */
#include "analyzer/state.h"
#include "common/base/buf.h"

/* ctx is a struct state. Return the HTTP status. */
int pages_groups(void *ctx, struct pw_buf *body, const char **ret_content_type);
int pages_policy(void *ctx, struct pw_buf *body, const char **ret_content_type);
