#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/check-shell.sh [ROOT]     shellcheck over every shell script
set -euo pipefail
root=${1:-$(dirname "$(dirname "$(readlink -f "$0")")")}
command -v shellcheck >/dev/null || {
	echo "check-shell: SKIP: shellcheck is not installed (tools/install-packages.sh test)"
	exit 77
}
cd "$root"
files=()
while IFS= read -r -d '' file; do
	[[ -f $file ]] || continue
	case $file in
	*.sh) files+=("$file") ;;
	*.*) ;;
	*) head -c 64 "$file" | head -n 1 | grep -aqE '^#!.*\b(ba)?sh\b' && files+=("$file") ;;
	esac
done < <(git -c safe.directory='*' ls-files -z --cached --others --exclude-standard 2>/dev/null ||
	find . -type f -print0)
[[ ${#files[@]} -gt 0 ]] || { echo "check-shell: no script under $root" && exit 1; }
shellcheck -x "${files[@]}"
echo "check-shell: ${#files[@]} scripts are clean"
