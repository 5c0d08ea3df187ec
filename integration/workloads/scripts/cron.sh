#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cron with a job a minute, and logrotate by hand in between.
# shellcheck source=/dev/null
. /w/common.sh
setup() {
	echo '* * * * * root /bin/sh -c "date >> /var/log/job.log"' >/etc/cron.d/job
	printf '/var/log/app.log {\n rotate 3\n dateext\n dateformat -%%Y%%m%%d-%%s\n compress\n missingok\n}\n' >/etc/logrotate.d/app
	chmod 644 /etc/cron.d/job /etc/logrotate.d/app
	cron
}
work() {
	date >>/var/log/app.log
	logrotate -f /etc/logrotate.d/app
}
drift() {
	echo '* * * * * root /usr/bin/id > /tmp/id' >/etc/cron.d/evil
}
run_phases 4
