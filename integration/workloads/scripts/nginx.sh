#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A web server: requests, log rotation, reloads, all within seconds: the clock of learning is short too.
# shellcheck source=/dev/null
. /w/common.sh
round=0
setup() {
	mkdir -p /srv/www /srv/other
	echo hello >/srv/www/index.html
	echo other >/srv/other/new.html
	cat >/tmp/nginx.conf <<-CONF
		worker_processes 2;
		pid /run/nginx.pid;
		error_log /var/log/nginx/error.log;
		events {}
		http {
			access_log /var/log/nginx/access.log;
			server { listen 8080; root /srv/www; }
		}
	CONF
	nginx -c /tmp/nginx.conf
}
work() {
	round=$((round + 1))
	get 8080 /
	get 8080 /missing
	if [[ $((round % 7)) == 0 ]]; then
		mv /var/log/nginx/access.log "/var/log/nginx/access.log.$(date +%s)"
		nginx -c /tmp/nginx.conf -s reopen
		find /var/log/nginx -name 'access.log.*' ! -newermt '-20 seconds' -delete
	fi
	[[ $((round % 11)) != 0 ]] || nginx -c /tmp/nginx.conf -s reload
}
drift() {
	sed -i 's|root /srv/www|root /srv/other|' /tmp/nginx.conf
	nginx -c /tmp/nginx.conf -s reload
	sleep 1
	get 8080 /new.html
}
run_phases 1
