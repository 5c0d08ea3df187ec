#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What ordinary containers do all day, with the programs of the machine: none of it may raise a detection.
# Runs inside a container; programs that are not installed are named and left out.
cd /tmp || exit 1
export HOME=/tmp/home LC_ALL=C
mkdir -p "$HOME"

has() {
	command -v "$1" >/dev/null && return 0
	echo "left out: $1"
	return 1
}

start_script() { # as images' entry points do
	local f
	for f in /docker-entrypoint.d/*; do [ -e "$f" ] && bash "$f"; done
	if [ "$(id -u)" = 0 ]; then chown -R 0:0 "$HOME"; fi
	[ -z "${CONFIG:-}" ] || echo "$CONFIG" >"$HOME/config"
	env | sed -n 's/^APP_//p' | sort >"$HOME/env"
	bash -lc true
	sh -c 'exec true'
	printf 'a\nb\n' | sort | sh -c 'cat >/dev/null'
}

text_tools() {
	find /etc -maxdepth 1 -name '*.conf' -type f 2>/dev/null | head -3 | xargs -r grep -c . >/dev/null
	awk -F: '{print $1}' /etc/passwd | tee names | wc -l >/dev/null
	sed -i 's/root/ROOT/' names
	head -c 100 /dev/urandom | base64 | tail -1 >b64
	base64 -d b64 >/dev/null
	seq 1 10 | shuf | sort -n | uniq | cut -c1 | tr 0-9 a-j >/dev/null
}

file_tools() {
	mkdir -p d/e && echo x >d/e/f && cp -a d d2 && mv d2/e/f d2/g && ln -s g d2/h && ln d2/g d2/i
	chmod 0755 d2/g && chmod u+x d2/i && touch d2/i && rm -rf d2/h
	tar -cf d.tar d && tar -xf d.tar && gzip -kf d.tar && rm d.tar.gz
	mktemp -d >/dev/null && stat d >/dev/null && du -s d >/dev/null && df . >/dev/null
	dd if=/dev/zero of=blob bs=1k count=4 2>/dev/null && truncate -s 0 blob && sync blob && rm blob
	: >log.txt && echo line >>log.txt && mv log.txt log.txt.1 && : >log.txt
}

process_tools() {
	ps aux >/dev/null; top -bn1 >/dev/null; free >/dev/null; uptime >/dev/null; pgrep bash >/dev/null
	id >/dev/null; whoami >/dev/null; hostname >/dev/null; uname -a >/dev/null; getent passwd root >/dev/null
	mount >/dev/null; cat /proc/self/status /proc/meminfo /proc/1/cmdline >/dev/null
	sleep 5 & kill $!; wait $! 2>/dev/null
	timeout 1 nice true; nohup true >/dev/null 2>&1; flock lock true; date >/dev/null
	has ss && ss -ltn >/dev/null
	has ip && ip addr >/dev/null
	has su && su -s /bin/sh -c true nobody </dev/null >/dev/null 2>&1
	has ldconfig && ldconfig -p >/dev/null
	has dpkg-query && dpkg-query -l bash >/dev/null 2>&1
	true
}

python_service() {
	has python3 || return 0
	python3 -m http.server --bind 127.0.0.1 18080 >/dev/null 2>&1 &
	local server=$!
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		if has curl; then curl -fsS http://127.0.0.1:18080/ >/dev/null 2>&1 && break; fi
		sleep 0.2
	done
	kill "$server"; wait "$server" 2>/dev/null
	python3 - <<'PYTHON'
import json, multiprocessing, os, pwd, socket, sqlite3, ssl, subprocess, tempfile, threading
pwd.getpwuid(0); json.dumps(dict(os.environ)); ssl.create_default_context()
subprocess.run(["ls", "/"], stdout=subprocess.DEVNULL, check=True)
subprocess.run("true | cat", shell=True, check=True)
a, b = socket.socketpair(); a.send(b"x"); b.recv(1)
subprocess.run(["cat"], stdin=a, stdout=subprocess.DEVNULL, timeout=2) if b.close() is None else None
with tempfile.NamedTemporaryFile() as f:
    sqlite3.connect(f.name).execute("create table t(a)")
p = multiprocessing.get_context("spawn").Process(target=int); p.start(); p.join()
t = threading.Thread(target=int); t.start(); t.join()
PYTHON
}

node_service() {
	has node || return 0
	node -e 'const h=require("http"),c=require("child_process");const s=h.createServer((q,r)=>r.end("x"));
s.listen(0,"127.0.0.1",()=>h.get({port:s.address().port},r=>{r.resume();c.exec("ls /",()=>s.close())}));'
}

java_service() {
	has java || return 0
	mkdir -p j && printf '%s\n' 'public class A { public static void main(String[] a) throws Exception {' \
		'new java.net.ServerSocket(0).close(); java.nio.file.Files.readAllLines(java.nio.file.Path.of("/etc/passwd"));' \
		'new ProcessBuilder("/bin/true").start().waitFor(); } }' >j/A.java
	java -Xmx64m -XX:+UseSerialGC -version >/dev/null 2>&1
	if has javac; then java -Xmx128m -XX:+UseSerialGC j/A.java >/dev/null 2>&1; fi
	true
}

other_languages() {
	has perl && perl -MSocket -e 'print "x"; system("true"); open(F, "</etc/passwd"); 1' >/dev/null
	has git && git -c init.defaultBranch=main init -q g && git -C g -c user.name=a -c user.email=a@b commit -q --allow-empty -m x
	has openssl && openssl rand -hex 8 >/dev/null && openssl version >/dev/null
	has ssh-keygen && ssh-keygen -q -t ed25519 -N '' -f key </dev/null
	has gcc && echo 'int main(void){return 0;}' >m.c && gcc -o m m.c
	has sqlite3 && sqlite3 x.db 'create table t(a); insert into t values(1); select * from t;' >/dev/null
	true
}

start_script; text_tools; file_tools; process_tools; python_service; node_service; java_service; other_languages
/usr/bin/test -e /tmp && echo "ordinary work done"
