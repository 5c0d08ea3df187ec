#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# same-again.sh RULES ANALYZER RECORDING SET [PART…]: two runs give the same alerts, by either name.
# PARTs are further rules of the set, appended as in policysync/embed.cmake.
set -euo pipefail
rules=$1 analyzer=$2 recording=$3
shift 3
pack=$(mktemp)
trap 'rm -f "$pack"' EXIT
cat "$1" >"$pack"
shift
for part; do sed '1,/^  rules:$/d' "$part" >>"$pack"; done
one=$("$rules" test "$recording" "$pack")
two=$("$analyzer" --replay "$recording" --rules "$pack")
[[ $one == "$two" ]] || { echo "the two runs differ"; exit 1; }
grep -q "creds.shadow" <<<"$one" || { echo "no alert for /etc/shadow in: $one"; exit 1; }
