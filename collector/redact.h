/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Arguments without what looks like a secret: the value becomes "***", its name stays. Covers
 * name=value, --name value, "name: value" and JSON pairs for names that speak of passwords, tokens
 * and keys; Bearer and Basic credentials; passwords in URLs; well-known key shapes (AWS, GitHub,
 * GitLab, Slack, JWT); private key blocks. It errs towards hiding.
 * Thread: any; no state.
 */
#include "common/base/buf.h"

/* args: arguments with NUL between or behind them. Appends the same with NUL between them. */
int redact_args(struct pw_slice args, struct pw_buf *out);
