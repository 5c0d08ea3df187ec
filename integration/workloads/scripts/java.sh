#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs on a JVM: key stores are made and listed.
# shellcheck source=/dev/null
. /w/common.sh
setup() { mkdir -p /keys; }
work() {
	local store="/keys/store-$RANDOM.p12"
	keytool -genkeypair -alias a -keyalg EC -dname CN=x -storepass secret1 -keystore "$store" >/dev/null 2>&1
	keytool -list -storepass secret1 -keystore "$store" >/dev/null 2>&1
	rm -f "$store"
}
drift() {
	keytool -list -cacerts -storepass changeit >/dev/null 2>&1
	keytool -exportcert -alias a -storepass secret1 -keystore /keys/none -file /keys/cert >/dev/null 2>&1
	cp /etc/hostname /keys/cert
}
run_phases 4
