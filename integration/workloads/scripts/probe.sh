#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A server that is asked by a probe; the probe is a process that the host starts inside (podman exec).
# shellcheck source=/dev/null
. /w/common.sh
setup() {
	mkdir -p /srv
	echo ok >/srv/health
	python3 -m http.server -d /srv -b 127.0.0.1 8000 >/dev/null 2>&1 &
	sleep 1
}
work() { get 8000 /health; }
drift() { cp /bin/true /srv/true; }
run_phases 1
