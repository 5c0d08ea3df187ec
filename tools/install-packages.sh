#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the packages of tools/packages.txt that are missing.
#   tools/install-packages.sh [--list] [GROUP…]      groups: build runtime image test; default all
set -euo pipefail

list_file="$(dirname "$(readlink -f "$0")")/packages.txt"
policy=/usr/sbin/policy-rc.d
made_policy=

die() {
	echo "install-packages: $*" >&2
	exit 1
}

# GROUP… -> lines "package cmd" of these groups
wanted() {
	local group package rest cmd groups=" $* "
	while read -r group package rest; do
		[[ -z $group || $group == \#* ]] && continue
		[[ $groups == *" $group "* ]] || continue
		cmd=
		[[ $rest == cmd=* ]] && cmd=${rest#cmd=} && cmd=${cmd%% *}
		echo "$package $cmd"
	done <"$list_file"
}

is_present() { # PACKAGE CMD
	[[ -n $2 ]] && command -v "$2" >/dev/null && return 0
	[[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

missing() {
	local package cmd
	wanted "$@" | while read -r package cmd; do
		is_present "$package" "$cmd" || echo "$package"
	done
}

check_machine() {
	command -v apt-get >/dev/null ||
		die "no apt-get here: install these yourself (Debian 12 names): $*"
	[[ $EUID -eq 0 ]] || die "not root; run as root: apt-get install --no-install-recommends $*"
	local id version
	# shellcheck disable=SC1091
	id=$(. /etc/os-release && echo "${ID:-}")
	# shellcheck disable=SC1091
	version=$(. /etc/os-release && echo "${VERSION_ID:-}")
	[[ $id == debian && $version == 12 ]] ||
		echo "install-packages: warning: made for Debian 12, this is '$id $version'" >&2
}

# Some packages (prometheus, podman) bring a service; nobody asked for it to run.
forbid_service_starts() {
	[[ -e $policy ]] && return
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	made_policy=1
}

cleanup() {
	[[ -z $made_policy ]] || rm -f "$policy"
}

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -q "$@" </dev/null
}

main() {
	local groups=() show_only='' packages
	while [[ $# -gt 0 ]]; do
		case $1 in
		--list) show_only=1 ;;
		build | runtime | image | test) groups+=("$1") ;;
		*) die "unknown argument '$1': takes --list and the groups build, runtime, image, test" ;;
		esac
		shift
	done
	[[ ${#groups[@]} -gt 0 ]] || groups=(build runtime image test)
	mapfile -t packages < <(missing "${groups[@]}")
	if [[ -n $show_only ]]; then
		[[ ${#packages[@]} -eq 0 ]] || printf '%s\n' "${packages[@]}"
		return
	fi
	if [[ ${#packages[@]} -eq 0 ]]; then
		echo "packages (${groups[*]}): all present"
		return
	fi
	check_machine "${packages[@]}"
	echo "packages (${groups[*]}): installing ${#packages[@]}: ${packages[*]}"
	trap cleanup EXIT
	forbid_service_starts
	apt-get update -q -o DPkg::Lock::Timeout=300 </dev/null || die "apt-get update failed, see above"
	apt_install "${packages[@]}" || die "apt-get install failed, see above"
	mapfile -t packages < <(missing "${groups[@]}")
	[[ ${#packages[@]} -eq 0 ]] || die "still missing after the install: ${packages[*]}"
	echo "packages: done"
}
main "$@"
