#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Certificates for tests and a try-out: an authority of its own, and one certificate and key for each
# program. Not for a cluster: the authority's key lies beside the rest.
set -euo pipefail

usage() {
	cat <<'HELP'
tools/make-certs.sh DIR [--domain NAME] [--days N] [ROLE[/NAME]…]

Makes DIR/ca.pem and DIR/ca.key unless they are there, and for each ROLE[/NAME] (collector/NODE,
analyzer/REPLICA, policysync) DIR/ROLE[-NAME].pem and .key. Without any: policysync,
analyzer/analyzer-0 and collector/HOSTNAME. A name in the certificate says who its holder is:
spiffe://DOMAIN/ROLE[/NAME] and, for foreign clients, [NAME.]ROLE.DOMAIN; DOMAIN podward.svc unless
--domain says otherwise.
HELP
}

die() {
	echo "make-certs: $*" >&2
	exit 2
}

domain=podward.svc days=30 dir="" identities=()
while [[ $# -gt 0 ]]; do
	case $1 in
	--help) usage && exit 0 ;;
	--domain) domain=${2:?--domain NAME} && shift ;;
	--days) days=${2:?--days N} && shift ;;
	-*) die "unknown option $1" ;;
	*) if [[ -z $dir ]]; then dir=$1; else identities+=("$1"); fi ;;
	esac
	shift
done
[[ -n $dir ]] || { usage >&2 && exit 2; }
command -v openssl >/dev/null || die "openssl is not installed"
[[ ${#identities[@]} -gt 0 ]] || identities=(policysync analyzer/analyzer-0 "collector/$(hostname)")

umask 077
mkdir -p "$dir"
new_key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
if [[ ! -s $dir/ca.pem ]]; then
	openssl req -x509 "${new_key[@]}" -keyout "$dir/ca.key" -out "$dir/ca.pem" -days "$days" \
		-subj "/CN=podward try-out" -addext basicConstraints=critical,CA:TRUE \
		-addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null || die "cannot make $dir/ca.pem"
fi
for identity in "${identities[@]}"; do
	[[ $identity =~ ^(collector|analyzer|policysync)(/[A-Za-z0-9._-]+)?$ ]] || die "'$identity' is no ROLE[/NAME]"
	base=$dir/${identity/\//-}
	# Beside, then renamed: who reloads never sees a half of it. The key first.
	IFS=/ read -r role name <<<"$identity"
	dns=${name:+$name.}$role.$domain
	openssl req "${new_key[@]}" -keyout "$base.key.part" -subj "/CN=${identity/\//-}" 2>/dev/null |
		openssl x509 -req -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days "$days" -out "$base.pem.part" \
			-extfile <(echo "subjectAltName=URI:spiffe://$domain/$identity,DNS:$dns") 2>/dev/null ||
		die "cannot make $base.pem"
	mv "$base.key.part" "$base.key"
	mv "$base.pem.part" "$base.pem"
	echo "$base.pem"
done
