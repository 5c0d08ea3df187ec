#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds real Kubernetes server programs from Debian's own source package, once per machine.
#   integration/kube/build-server.sh [PROGRAM…]     default: kube-apiserver; prints their folder
# The result is kept in $PODWARD_CACHE (default build/cache) and found again by version; a second call
# costs nothing. Needs golang-go, golang-github-modern-go-reflect2-dev, dpkg-dev (tools/packages.txt).
# Exit 77 with SKIP when the machine cannot build it.
set -euo pipefail

readonly version=1.20.2
root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
cache=${PODWARD_CACHE:-$root/build/cache}/kube-$version
jobs=${JOBS:-$(nproc)}
work=$cache/work
tree=$work/go/src/k8s.io/kubernetes
reflect2=/usr/share/gocode/src/github.com/modern-go/reflect2

skip() {
	echo "SKIP: $*" >&2
	exit 77
}

check_tools() {
	local tool
	for tool in go dpkg-source apt-get; do
		command -v $tool >/dev/null || skip "kube-apiserver cannot be built here: no $tool"
	done
	[[ -d $reflect2 ]] || skip "kube-apiserver cannot be built here: no $reflect2"
}

# An apt of our own that knows source packages of the machine's mirror: its configuration stays as it is.
apt_of_our_own() {
	local apt=$work/apt mirror
	# shellcheck disable=SC2016
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 'Component: main' | head -n 1)
	[[ -n $mirror ]] || skip "kube-apiserver cannot be built here: apt knows no bookworm (apt-get update)"
	mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
	cat >"$apt/parts/debian.sources" <<-SOURCES
		Types: deb-src
		URIs: $mirror
		Suites: bookworm
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	SOURCES
	cat >"$apt/apt.conf" <<-CONF
		Dir::Etc::SourceList "-";
		Dir::Etc::SourceParts "$apt/parts";
		Dir::State::Lists "$apt/lists";
		Dir::Cache "$apt/cache";
		APT::Sandbox::User "root";
	CONF
	export APT_CONFIG=$apt/apt.conf
}

# apt checks signature and hashes of what it downloads.
get_source() {
	[[ -e $work/unpacked ]] && return
	apt_of_our_own
	(
		cd "$work"
		apt-get -qq update && apt-get -qq source --download-only kubernetes
	) || skip "Debian's source package kubernetes cannot be downloaded"
	unset APT_CONFIG
	rm -rf "$tree"
	mkdir -p "$(dirname "$tree")"
	dpkg-source -x "$work"/kubernetes_*.dsc "$tree" >/dev/null
	# The vendored reflect2 1.0.1 dies with newer Go at the first write of a custom resource.
	rm -rf "$tree/vendor/github.com/modern-go/reflect2"
	cp -a "$reflect2" "$tree/vendor/github.com/modern-go/reflect2"
	touch "$work/unpacked"
}

go_env() {
	export GOPATH=$work/go GO111MODULE=off GOFLAGS='' CGO_ENABLED=0 GOCACHE=$work/gocache HOME=$work
}

# Folders of vendored Kubernetes modules and of the tree itself whose types the API documents.
openapi_packages() {
	local files=()
	mapfile -t files < <(
		grep -rl --include='*.go' '+k8s:openapi-gen=' pkg cmd plugin
		grep -rl --include='*.go' '+k8s:openapi-gen=' staging/src/k8s.io |
			grep -v -e '/code-generator/' -e '/sample-apiserver/' |
			sed 's#^staging/src/#vendor/#'
	)
	printf '%s\n' "${files[@]}" | grep -v -e _test.go -e zz_generated -e _examples -e testdata |
		xargs -n1 dirname | sort -u | sed 's#^#k8s.io/kubernetes/#' | paste -sd,
}

# The only generated file that the source package does not carry.
make_openapi() {
	local generated=pkg/generated/openapi/zz_generated.openapi.go
	[[ -s $generated ]] && return
	go build -p "$jobs" -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
	"$work/openapi-gen" -i "$(openapi_packages)" -p k8s.io/kubernetes/pkg/generated/openapi \
		-O zz_generated.openapi -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt \
		-r "$work/violations" --output-base "$work/go/src"
}

build() { # PROGRAM…
	local flags="-s -w" package
	for package in k8s.io/client-go/pkg/version k8s.io/component-base/version; do
		package=k8s.io/kubernetes/vendor/$package
		flags+=" -X $package.gitVersion=v$version -X $package.gitMajor=1"
		flags+=" -X $package.gitMinor=20 -X $package.gitTreeState=clean"
	done
	mkdir -p "$cache/new"
	go build -p "$jobs" -trimpath -tags "providerless dockerless" -ldflags "$flags" \
		-o "$cache/new/" "${@/#/./cmd/}"
	mkdir -p "$cache/bin"
	mv "$cache/new"/* "$cache/bin/"
}

main() {
	[[ $# -gt 0 ]] || set -- kube-apiserver
	local program missing=()
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9
	for program; do
		[[ -x $cache/bin/$program ]] || missing+=("$program")
	done
	if [[ ${#missing[@]} -gt 0 ]]; then
		check_tools
		echo "build-server: building ${missing[*]} $version, some minutes, once" >&2
		mkdir -p "$work"
		get_source >&2
		go_env
		cd "$tree"
		make_openapi >&2
		build "${missing[@]}" >&2
	fi
	echo "$cache/bin"
}
main "$@"
