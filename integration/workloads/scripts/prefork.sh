#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A pre-fork server whose workers come and go.
# shellcheck source=/dev/null
. /w/common.sh
setup() {
	mkdir -p /app
	cat >/app/app.py <<-'APP'
		import os
		import subprocess

		def app(environ, start_response):
		    if environ["PATH_INFO"] == "/run":
		        subprocess.run(["/usr/bin/id"], stdout=subprocess.DEVNULL)
		    start_response("200 OK", [("Content-Type", "text/plain")])
		    return [str(os.getpid()).encode()]
	APP
	(cd /app && exec gunicorn -w 3 --max-requests 7 -b 127.0.0.1:8000 --log-file /tmp/gunicorn.log app:app) &
	sleep 3
}
work() {
	for _ in 1 2 3 4; do get 8000 /; done
}
drift() { get 8000 /run; }
run_phases 1
