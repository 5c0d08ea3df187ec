#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# falco-sized.sh RULES FOLDER: the made set of Falco's size loads without a refusal
set -euo pipefail
python3 "$(dirname "$0")/../make-falco-sized.py" >"$2/falco-sized.yaml"
"$1" lint "$2/falco-sized.yaml" | tee /dev/stderr | grep -q "^93 rules run, 0 refused"
