/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What libgrpc knows about the connections of this process: servers with their sockets, channels
 * with their calls, as the JSON of its channelz. For a page of a program's HTTP server; there is no
 * gRPC service for it.
 * Thread: any, after the first loop was started and before the last has stopped.
 * Ceiling: the buffer's.
 */
#include "common/base/buf.h"

/* Appends one object with "servers" and "channels"; errors stick in out. */
void pw_channelz(struct pw_buf *out);
/* A page for common/ops/httpd.h; ctx is not used. */
int pw_channelz_page(void *ctx, struct pw_buf *body, const char **ret_content_type);
