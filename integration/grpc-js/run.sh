#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: run.sh SERVER    runs client.js against a server program that prints its port and ends with
# its input. Without node or the packages (npm ci --ignore-scripts, in this folder): SKIP, exit 77.
set -eu
server=$1
here=$(cd "$(dirname "$0")" && pwd)
command -v node >/dev/null || { echo "SKIP: no node"; exit 77; }
[ -d "$here/node_modules/@grpc/grpc-js" ] || { echo "SKIP: run npm ci in $here first"; exit 77; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkfifo "$scratch/input"
"$server" <"$scratch/input" >"$scratch/port" &
exec 3>"$scratch/input"	# the server ends when this descriptor closes, however we end
tries=0
until [ -s "$scratch/port" ]; do
	tries=$((tries + 1))
	[ "$tries" -lt 300 ] || { echo "FAIL: the server does not start"; exit 1; }
	sleep 0.1
done
target="127.0.0.1:$(cat "$scratch/port")"
node "$here/client.js" "$target" 3>&-
exec 3>&-
wait
# A client that cannot fail proves nothing: the server is gone now.
if node "$here/client.js" --only check "$target" >"$scratch/out"; then
	echo "FAIL: client.js passes without a server"
	exit 1
fi
grep -q '^FAIL check: ' "$scratch/out" || { echo "FAIL: client.js fails without saying so"; exit 1; }
echo "ok gone server is noticed"
