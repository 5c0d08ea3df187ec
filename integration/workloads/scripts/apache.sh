#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Another web server, with graceful restarts.
# shellcheck source=/dev/null
. /w/common.sh
round=0
setup() {
	mkdir -p /srv/hidden
	echo hidden >/srv/hidden/file
	sed -i 's/^Listen 80$/Listen 8081/' /etc/apache2/ports.conf
	apachectl start >/dev/null 2>&1
	sleep 1
}
work() {
	round=$((round + 1))
	get 8081 /
	[[ $((round % 9)) != 0 ]] || apachectl graceful >/dev/null 2>&1
}
drift() {
	ln -s /srv/hidden /var/www/html/hidden
	get 8081 /hidden/file
}
run_phases 1
