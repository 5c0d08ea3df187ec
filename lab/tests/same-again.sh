#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# same-again.sh RULES ANALYZER RECORDING FILE…: two runs give the same alerts, by either name
set -euo pipefail
rules=$1 analyzer=$2 recording=$3
shift 3
one=$("$rules" test "$recording" "$@")
two=$("$analyzer" --replay "$recording" --rules "$@")
[[ $one == "$two" ]] || { echo "the two runs differ"; exit 1; }
grep -q "creds.shadow" <<<"$one" || { echo "no alert for /etc/shadow in: $one"; exit 1; }
