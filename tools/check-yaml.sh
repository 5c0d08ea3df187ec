#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/check-yaml.sh [ROOT]     yamllint over our YAML; files of bad input for tests are left out
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
root=${1:-$(dirname "$here")}
command -v yamllint >/dev/null || {
	echo "check-yaml: SKIP: yamllint is not installed (tools/install-packages.sh test)"
	exit 77
}
cd "$root"
files=()
while IFS= read -r -d '' file; do
	case $file in
	*/corpus/* | */bad/* | */invalid/* | */templates/* | *node_modules/*) ;;
	*.yaml | *.yml) [[ -f $file ]] && files+=("$file") ;;
	esac
done < <(git -c safe.directory='*' ls-files -z --cached --others --exclude-standard 2>/dev/null ||
	find . -type f -print0)
[[ ${#files[@]} -gt 0 ]] || { echo "check-yaml: no YAML under $root" && exit 0; }
yamllint -s -c "$here/yamllint.yaml" "${files[@]}"
echo "check-yaml: ${#files[@]} files are clean"
