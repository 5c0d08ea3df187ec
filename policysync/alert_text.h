/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Alerts as text of other systems: a Slack message ({"text": …} with its own mark-up, also taken by
 * Mattermost and Rocket.Chat) and CEF for old SIEMs behind syslog. Foreign bytes are escaped in
 * both. Thread: any.
 */
#include "policysync/alert_json.h"

int alert_slack(struct pw_buf *out, const Podward__V1__Alert *alert, const struct alert_seen *seen,
	const char *cluster);
int alert_cef(struct pw_buf *out, const Podward__V1__Alert *alert, const struct alert_seen *seen,
	const char *cluster);
