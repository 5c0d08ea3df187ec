#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A cache that writes snapshots.
# shellcheck source=/dev/null
. /w/common.sh
setup() {
	mkdir -p /data
	redis-server --dir /data --save 2 1 --daemonize no --logfile /data/redis.log --port 6379 &
	sleep 1
}
work() {
	redis-cli set "key:$RANDOM" "$RANDOM" >/dev/null
	redis-cli incr counter >/dev/null
	[[ $((RANDOM % 5)) != 0 ]] || redis-cli bgsave >/dev/null
}
drift() {
	redis-cli config set appendonly yes >/dev/null
	redis-cli bgrewriteaof >/dev/null
}
run_phases 1
