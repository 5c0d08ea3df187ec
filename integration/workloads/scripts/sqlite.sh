#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A program with an embedded database and its journals.
# shellcheck source=/dev/null
. /w/common.sh
setup() {
	mkdir -p /db
	sqlite3 /db/main.db "pragma journal_mode=delete; create table t(n integer primary key, v text)" >/dev/null
}
work() {
	sqlite3 /db/main.db "insert into t(v) values(hex(randomblob(16))); select count(*) from t" >/dev/null
	[[ $((RANDOM % 4)) != 0 ]] || sqlite3 /db/main.db "vacuum into '/db/copy-$RANDOM.db'"
}
drift() {
	sqlite3 /db/main.db ".output /tmp/dump.sql" ".dump"
}
run_phases 1
