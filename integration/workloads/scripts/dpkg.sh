#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Packages made, installed and removed.
# shellcheck source=/dev/null
. /w/common.sh
version=0
build() { # NAME
	rm -rf "/tmp/build-$1"
	mkdir -p "/tmp/build-$1/DEBIAN" "/tmp/build-$1/usr/share/$1"
	echo data >"/tmp/build-$1/usr/share/$1/file"
	printf 'Package: %s\nVersion: 1.%d\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n' "$1" "$version" \
		>"/tmp/build-$1/DEBIAN/control"
	dpkg-deb -b "/tmp/build-$1" "/tmp/$1.deb" >/dev/null
}
setup() { :; }
work() {
	version=$((version + 1))
	build tool
	dpkg -i /tmp/tool.deb >/dev/null 2>&1
	dpkg -r tool >/dev/null 2>&1
}
drift() {
	version=$((version + 1))
	rm -rf /tmp/build-bad
	build bad
	printf '#!/bin/sh\necho hook > /etc/profile.d/bad.sh\n' >/tmp/build-bad/DEBIAN/postinst
	chmod 755 /tmp/build-bad/DEBIAN/postinst
	dpkg-deb -b /tmp/build-bad /tmp/bad.deb >/dev/null
	dpkg -i /tmp/bad.deb >/dev/null 2>&1
}
run_phases 3
