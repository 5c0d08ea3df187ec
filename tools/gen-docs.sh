#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/gen-docs.sh [BIN_DIR]     renews the generated parts of the docs; default build/dev/bin
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
bin=${1:-$root/build/dev/bin}
export PYTHONDONTWRITEBYTECODE=1
exec python3 - "$root" "$bin" <<'PYTHON'
import os
import sys

root, bin_dir = sys.argv[1:3]
sys.path.insert(0, os.path.join(root, "tools"))
import checklib  # noqa: E402
import gendocs  # noqa: E402

failed = 0
for page in checklib.tracked(root, ".md"):
    old = checklib.read(root, page)
    try:
        new = gendocs.refresh(old, root, bin_dir)
    except gendocs.Problem as problem:
        print(f"gen-docs: {page}: {problem}", file=sys.stderr)
        failed += 1
        continue
    if new != old:
        with open(os.path.join(root, page), "w", encoding="utf-8") as f:
            f.write(new)
        print(f"gen-docs: {page} renewed")
if failed:
    sys.exit(1)
print("gen-docs: all pages are fresh")
PYTHON
