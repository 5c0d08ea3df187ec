#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A job that runs for two seconds and writes a report of its own name. The host starts it again and again.
# shellcheck source=/dev/null
. /w/common.sh
name=$(printf '%04x%04x' "$RANDOM" "$RANDOM")
mkdir -p /out
date >"/out/report-$name.csv"
sort /etc/services >"/out/report-$name.sorted"
sleep 1
gzip "/out/report-$name.csv"
if [[ $(phase) == drift ]]; then
	sha256sum /etc/hostname >/out/sum
fi
