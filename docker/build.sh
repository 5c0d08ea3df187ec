#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the images with buildah from what git knows of the working tree.
#   docker/build.sh [OUTDIR]      default build/images: an OCI archive and an SPDX document per image
# Tags: localhost/podward-NAME:VERSION. BASE names the image of the build stage; without one it is
# Debian 12, pulled when that is possible and else made with debootstrap. PROGRAMS names a folder of programs
# that this Debian 12 built already (build/release/bin): the images then hold these, in seconds.
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "$0")")")
cd "$root"
out=${1:-build/images}
version=$(cat VERSION)
base=${BASE:-}
programs=${PROGRAMS:-}
services=(collector analyzer policysync)

die() {
	echo "docker/build.sh: $*" >&2
	exit 1
}

has_image() {
	buildah inspect --type image "$1" >/dev/null 2>&1
}

make_base() { # from Debian's packages, with this machine's sources
	local folder mirror container
	folder=$(mktemp -d)
	mirror=$({ cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null || true; } |
		sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\(http[^ ]*\) .*/\2/p' | sed -n 1p)
	[[ -n $mirror ]] || die "no source of packages in /etc/apt to make the base from"
	command -v debootstrap >/dev/null || die "needs debootstrap, or BASE=IMAGE"
	debootstrap --variant=minbase bookworm "$folder" "$mirror" >"$out/debootstrap.log" ||
		die "debootstrap failed, see $out/debootstrap.log"
	rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/*
	container=$(buildah from scratch)
	buildah add --quiet "$container" "$folder" / >/dev/null
	buildah commit --quiet --rm "$container" localhost/podward-build-base:bookworm >/dev/null
	rm -rf "$folder"
}

choose_base() {
	[[ -z $base ]] || return 0
	base=localhost/podward-build-base:bookworm
	has_image "$base" && return
	if timeout 60 buildah pull --quiet debian:bookworm-slim >/dev/null 2>&1; then
		base=debian:bookworm-slim
	else
		echo "no image can be pulled: making the base with debootstrap"
		make_base
	fi
}

make_context() { # what git knows, nothing else
	context=$(mktemp -d)
	trap 'rm -rf "$context"' EXIT
	if [[ -n $programs ]]; then
		mkdir -p "$context/build/release/bin"
		cp -a --parents docker tools/install-packages.sh tools/packages.txt "$context/"
		cp "${services[@]/#/$programs/podward-}" "$context/build/release/bin/"
	else
		context_of_git
	fi
	find "$context" -exec touch --no-dereference --date=@0 {} +
}

context_of_git() {
	git ls-files -z --cached --others --exclude-standard |
		tar --create --null --no-recursion --files-from=- --ignore-failed-read 2>/dev/null |
		tar --extract --directory "$context"
}

build() { # SERVICE
	buildah bud --layers --isolation=chroot --network=host --timestamp 0 --pull-never \
		--build-arg BASE="$base" --build-arg VERSION="$version" \
		--file "docker/$1.Dockerfile" --tag "localhost/podward-$1:$version" \
		"$context" >"$out/$1.log" 2>&1 ||
		{ tail -n 20 "$out/$1.log" >&2 && die "podward-$1 cannot be built, see $out/$1.log"; }
}

save() { # SERVICE
	rm -f "$out/podward-$1.tar"
	buildah push --quiet "localhost/podward-$1:$version" "oci-archive:$out/podward-$1.tar:$version" \
		>/dev/null
	docker/sbom.py "$out/podward-$1.tar" "podward-$1" "$version" >"$out/podward-$1.spdx.json"
}

main() {
	local service
	command -v buildah >/dev/null || die "needs buildah"
	mkdir -p "$out"
	choose_base
	make_context
	printf '%-12s %12s %12s  %s\n' image compressed packages digest
	for service in "${services[@]}"; do
		build "$service"
		save "$service"
		printf '%-12s %8.1f MiB %12s  %s\n' "$service" \
			"$(stat --format=%s "$out/podward-$service.tar" | awk '{print $1 / 1048576}')" \
			"$(grep -c '"SPDXID": "SPDXRef-Package-' "$out/podward-$service.spdx.json")" \
			"$(buildah inspect --type image --format '{{.FromImageDigest}}' "localhost/podward-$service:$version")"
	done
}
main
