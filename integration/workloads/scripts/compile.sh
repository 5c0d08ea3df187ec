#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A build job with sources of changing names.
# shellcheck source=/dev/null
. /w/common.sh
setup() { mkdir -p /src /out; }
work() {
	local name="unit$RANDOM"
	printf '#include <stdio.h>\nint main(void) { puts("%s"); return 0; }\n' "$name" >"/src/$name.c"
	printf '%s: %s.c\n\tgcc -O1 -o /out/%s /src/%s.c\n' "$name" "$name" "$name" "$name" >/src/Makefile
	make -s -C /src "$name"
	rm -f "/src/$name.c" "/out/$name"
}
drift() {
	printf '#include <stdio.h>\nint main(void) { return fopen("/etc/hostname", "r") == 0; }\n' >/src/evil.c
	gcc -o /out/evil /src/evil.c
	/out/evil
}
run_phases 3
