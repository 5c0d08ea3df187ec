#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/check-spelling.sh [ROOT]     codespell over text and code
set -euo pipefail
root=${1:-$(dirname "$(dirname "$(readlink -f "$0")")")}
command -v codespell >/dev/null || {
	echo "check-spelling: SKIP: codespell is not installed (tools/install-packages.sh test)"
	exit 77
}
# words that are right here: crate names, identifiers, short forms in C
known=gost,chage,doas,ser,nd,fo,te,ot,inout,creat,ded,ba,parm,filp,hist,uint,trys,acn,datas,cas,crate,afile,inforce,nin
cd "$root"
files=()
while IFS= read -r -d '' file; do
	case $file in
	*/corpus/* | LICENSE | *.pwrec | *.json | *.png | *.bin) ;;
	*) [[ -f $file ]] && files+=("$file") ;;
	esac
done < <(git -c safe.directory='*' ls-files -z --cached --others --exclude-standard 2>/dev/null ||
	find . -type f -print0)
codespell -L "$known" "${files[@]}"
echo "check-spelling: ${#files[@]} files read"
