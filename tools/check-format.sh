#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/check-format.sh [--fix] [ROOT]     clang-format 14 decides; --fix writes
set -euo pipefail

fix=
[[ ${1:-} == --fix ]] && fix=1 && shift
root=${1:-$(dirname "$(dirname "$(readlink -f "$0")")")}
formatter=$(command -v clang-format-14) || {
	echo "check-format: SKIP: clang-format-14 is not installed (tools/install-packages.sh test)"
	exit 77
}

list() {
	git -c safe.directory='*' -C "$root" ls-files -z --cached --others --exclude-standard \
		-- '*.c' '*.h' 2>/dev/null || (cd "$root" && find . -name '*.[ch]' -print0)
}

cd "$root"
files=()
while IFS= read -r -d '' file; do
	[[ -f $file && ${file##*/} != vmlinux*.h ]] && files+=("$file")
done < <(list)
[[ ${#files[@]} -gt 0 ]] || { echo "check-format: no C files under $root" && exit 1; }
if [[ -n $fix ]]; then
	"$formatter" -i "${files[@]}"
	echo "check-format: ${#files[@]} files formatted"
	exit 0
fi
refused=$("$formatter" --dry-run -Werror "${files[@]}" 2>&1 | grep ': error:' | cut -d: -f1 | uniq -c || true)
if [[ -n $refused ]]; then
	echo "places and files:"
	echo "$refused"
	echo "check-format: refused; ./dev format mends it"
	exit 1
fi
echo "check-format: ${#files[@]} files are as clang-format 14 wants them"
