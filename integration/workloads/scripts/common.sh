# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by every workload. A workload has setup, work (one round of what it always does) and drift
# (something that it never did). The phase is what the host wrote into /ctl/phase.

phase() {
	local p=learn
	read -r p </ctl/phase || true
	echo "$p"
}

# One HTTP request without a client program of its own.
get() { # PORT PATH
	{
		exec 9<>"/dev/tcp/127.0.0.1/$1" || return 1
		printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&9
		while read -r _ <&9; do :; done
		exec 9>&-
	} 2>/dev/null
}

run_phases() { # pause between rounds in seconds
	local drifted=no now
	setup
	while :; do
		now=$(phase)
		[[ $now != stop ]] || exit 0
		if [[ $now == drift && $drifted == no ]]; then
			drifted=yes
			drift
		fi
		work
		sleep "$1"
	done
}
