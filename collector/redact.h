/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Arguments and environment without what looks like a secret: the name stays, the value becomes
 * "***" and eight digits of a keyed hash, so that equal values can be seen to be equal and nothing
 * else. Covers name=value, --name value, "name: value" and JSON pairs for names that speak of
 * passwords, tokens and keys; Bearer and Basic credentials; passwords in URLs; well-known key
 * shapes (AWS, GitHub, GitLab, Slack, JWT …); private key blocks. It errs towards hiding. Of the
 * environment only the variables of a list leave the node, and of these only the few that name code
 * to be loaded with their values. Rules and list: redact_rules.h. Thread: any; nothing changes
 * after start. Ceiling: the buffer's.
 */
#include "collector/redact_rules.h"
#include "common/base/buf.h"

/* args: arguments with NUL between or behind them. Appends the same with NUL between them. */
int redact_args(const struct redact_rules *rules, struct pw_slice args, struct pw_buf *out);
/* env: NAME=VALUE with NUL between or behind them. Appends those of the list, with NUL between. */
int redact_env(const struct redact_rules *rules, struct pw_slice env, struct pw_buf *out);
