#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A foreign gRPC client (@grpc/grpc-js) against a running analyzer."""
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
from cases import Skip, check, main  # noqa: E402
from rig import ROOT, Rig, free_port  # noqa: E402

FOLDER = os.path.join(ROOT, "integration", "grpc-js")


def needs():
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            return f"{tool} is not installed (tools/install-packages.sh test)"
    return None


def install():
    """npm's own client, from the lock file; a machine without a package registry skips with its words."""
    if os.path.isdir(os.path.join(FOLDER, "node_modules", "@grpc", "grpc-js")):
        return
    try:
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=FOLDER,
                              capture_output=True, text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        raise Skip("npm ci took longer than 180 s") from None
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or ["no output"])[0]
        raise Skip(f"npm cannot install @grpc/grpc-js here: {words}")


def health_stream_and_unknown_method_answer_a_foreign_client(options):
    install()
    address = f"127.0.0.1:{free_port()}"
    with Rig(options.bin, extra={"analyzer": ["--listen", address, "--insecure"]}) as rig:
        rig.start("policysync", "analyzer")
        code, text = client(address)
        check(code == 0, f"client.js: exit {code}: {text}")


def client(*arguments):
    """Exit code and words of client.js."""
    done = subprocess.run(["node", os.path.join(FOLDER, "client.js"), *arguments], capture_output=True, text=True,
                          timeout=90, check=False, cwd=FOLDER)
    print(done.stdout, end="")
    return done.returncode, (done.stdout + done.stderr)[-500:]


def the_same_over_mutual_tls_and_not_without_a_certificate(options):
    if certs.why_not():
        raise Skip(certs.why_not())
    install()
    with Rig(options.bin, tls=True) as rig:
        rig.start("policysync", "analyzer")
        rig.certs.issue("collector/grpc-js", "collector/other")
        tls = ["--tls", rig.certs.folder, "--server", "analyzer-0.analyzer.podward.svc"]
        address = rig.address("analyzer")
        code, text = client(*tls, "--own", "collector-grpc-js", address)
        check(code == 0, f"client.js over TLS: exit {code}: {text}")
        code, text = client(*tls, "--only", "check", address)
        check(code == 1 and "FAIL check" in text, f"without a certificate: exit {code}: {text}")
        code, text = client(*tls, "--own", "collector-other", "--only", "stream", address)
        check(code == 1 and "PERMISSION_DENIED" in text, f"of another node: exit {code}: {text}")


NEWER_SCHEMA = """
const { load, clientFor, deadline } = require('./load');
const grpc = require('@grpc/grpc-js');
const service = load('podward/v1/collect.proto').podward.v1.CollectService;
const call = clientFor(service, process.argv[1]).Stream({ deadline: deadline(10000) });
call.on('data', () => { console.log('answered'); process.exit(1); });
call.on('error', (e) => { console.log(grpc.status[e.code], e.details); process.exit(0); });
call.write({ hello: { schema: 99, node: Buffer.from('n'), boot_id: Buffer.alloc(16, 1),
  instance: Buffer.alloc(16, 2), first_seq: 0, next_seq: 1 } });
"""


def a_peer_with_an_unknown_schema_is_refused_with_the_reason(options):
    install()
    address = f"127.0.0.1:{free_port()}"
    with Rig(options.bin, extra={"analyzer": ["--listen", address, "--insecure"]}) as rig:
        rig.start("policysync", "analyzer")
        done = subprocess.run(["node", "-e", NEWER_SCHEMA, address], capture_output=True, text=True,
                              timeout=60, check=False, cwd=FOLDER)
        check("FAILED_PRECONDITION" in done.stdout and "schema" in done.stdout,
              f"got {done.stdout.strip()} {done.stderr[-300:]}")
        check(rig.services["analyzer"].is_running(), "analyzer ended")


if __name__ == "__main__":
    main(__doc__, [a_peer_with_an_unknown_schema_is_refused_with_the_reason,
                   health_stream_and_unknown_method_answer_a_foreign_client,
                   the_same_over_mutual_tls_and_not_without_a_certificate], needs)
