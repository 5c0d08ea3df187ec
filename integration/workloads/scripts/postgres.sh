#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A database with checkpoints, vacuum and dumps. Its own clocks are as short as that of learning.
# shellcheck source=/dev/null
. /w/common.sh
bin=/usr/lib/postgresql/15/bin
round=0
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
setup() {
	mkdir -p /data /backup /run/postgresql
	chown postgres:postgres /data /backup /run/postgresql
	as $bin/initdb -D /data -A trust >/dev/null
	as $bin/pg_ctl -D /data -w -l /data/log -o "-c fsync=off -c autovacuum_naptime=3s" start >/dev/null
	as $bin/psql -q -d postgres -c "create table t(n serial primary key, v text)"
}
work() {
	round=$((round + 1))
	as $bin/psql -q -d postgres -c "insert into t(v) select md5(random()::text) from generate_series(1,200)"
	[[ $((round % 3)) != 0 ]] || as $bin/psql -q -d postgres -c checkpoint
	[[ $((round % 5)) != 0 ]] || as $bin/psql -q -d postgres -c "vacuum analyze t"
	[[ $((round % 6)) != 0 ]] || as $bin/pg_dump -d postgres -f "/backup/dump-$(date +%s).sql"
}
drift() {
	as $bin/psql -q -d postgres -c "copy (select 1) to program 'cat > /tmp/out'"
}
run_phases 2
