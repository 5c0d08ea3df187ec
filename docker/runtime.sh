#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Inside the build stage: lays out what one program needs at run time, and nothing else.
#   docker/runtime.sh OUTDIR PROGRAM…
# OUTDIR gets the programs in /usr/bin, the shared objects that the linker names with the loader, the
# authorities' certificates, users, an SPDX list of the packages these files came from, and their
# licences. Modification times are SOURCE_DATE_EPOCH (default 0), so that two runs give the same bytes.
set -eu

out=$1
shift
epoch=${SOURCE_DATE_EPOCH:-0}
list=$(mktemp)
trap 'rm -f "$list"' EXIT

# Path of a file as its package knows it: /lib is /usr/lib since usrmerge.
package_of() {
	for path in "$1" "/usr$1" "${1#/usr}"; do
		dpkg-query --search "$path" 2>/dev/null | sed -n 's/: .*//p' | head -n 1 | grep . && return
	done
	echo "runtime.sh: no package owns $1" >&2
	exit 1
}

copy() { # FILE: to the same place below $out, links resolved
	mkdir -p "$out$(dirname "$1")"
	cp -L "$1" "$out$1"
}

mkdir -p "$out/usr/bin" "$out/etc/ssl/certs" "$out/usr/share/doc/podward" "$out/usr/share/podward"
for program in "$@"; do
	install -m 755 "$program" "$out/usr/bin/"
	strip "$out/usr/bin/$(basename "$program")"
	ldd "$program" | sed -n 's,^[^/]*\(/[^ ]*\) (0x.*,\1,p'
done | sort -u >"$list"
while read -r object; do
	copy "$object"
done <"$list"
# Names are resolved by libc's own modules, which no program names.
for module in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do
	path=$(ldconfig -p | sed -n "s,.*$module .*=> ,,p" | head -n 1)
	[ -z "$path" ] || grep -qx "$path" "$list" || { copy "$path" && echo "$path" >>"$list"; }
done
copy /etc/ssl/certs/ca-certificates.crt
echo 'hosts: files dns' >"$out/etc/nsswitch.conf"
printf 'root:x:0:0:root:/:/sbin/nologin\npodward:x:65532:65532:podward:/:/sbin/nologin\n' >"$out/etc/passwd"
printf 'root:x:0:\npodward:x:65532:\n' >"$out/etc/group"

packages=$({ while read -r object; do package_of "$object"; done <"$list"; echo ca-certificates; } |
	sed 's/:.*//' | sort -u)
for package in $packages; do
	cp -L "/usr/share/doc/$package/copyright" "$out/usr/share/doc/podward/copyright.$package"
	dpkg-query --show --showformat '${binary:Package}\t${Version}\t${source:Package}\n' "$package"
done >"$out/usr/share/podward/packages.tsv"
find "$out" -exec touch --no-dereference --date="@$epoch" {} +
