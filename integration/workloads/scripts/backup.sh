#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Backups by rsync and tar into folders named by time.
# shellcheck source=/dev/null
. /w/common.sh
setup() {
	mkdir -p /data /backup
	for i in 1 2 3 4 5; do echo "$i" >"/data/file$i"; done
}
work() {
	local now
	now=$(date +%Y-%m-%dT%H-%M-%S)
	date >"/data/file$((RANDOM % 5 + 1))"
	rsync -a --link-dest=/backup/latest /data/ "/backup/$now/" 2>/dev/null
	ln -sfn "$now" /backup/latest
	tar -czf "/backup/full-$now.tgz" -C /data .
	find /backup -maxdepth 1 -name 'full-*' ! -newermt '-20 seconds' -delete
}
drift() {
	rsync -a /etc/ssl/ /backup/loot/
}
run_phases 3
