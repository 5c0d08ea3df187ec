#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Alerts arrive at receivers that we did not write: Alertmanager, and rsyslog over UDP, TCP and TLS.

test_receivers.py --bin DIR
"""
import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib")]
import rig  # noqa: E402

MISSING = 77
ALERTS = 40
SEVERITIES = {"info", "low", "medium", "high", "critical"}

RSYSLOG = """
global(maxMessageSize="64k" workDirectory="{folder}" net.enableDNS="off"
       defaultNetstreamDriverCAFile="{ca}" defaultNetstreamDriverCertFile="{cert}"
       defaultNetstreamDriverKeyFile="{key}")
module(load="imudp")
module(load="imtcp" maxSessions="50")
template(name="line" type="string" string="%syslogfacility-text%|%syslogseverity-text%|%hostname%|%app-name%|%msg%\\n")
ruleset(name="udp") {{ action(type="omfile" file="{folder}/udp.log" template="line") }}
ruleset(name="tcp") {{ action(type="omfile" file="{folder}/tcp.log" template="line") }}
ruleset(name="tls") {{ action(type="omfile" file="{folder}/tls.log" template="line") }}
input(type="imudp" address="127.0.0.1" port="{udp}" ruleset="udp")
input(type="imtcp" address="127.0.0.1" port="{tcp}" ruleset="tcp")
input(type="imtcp" address="127.0.0.1" port="{tls}" ruleset="tls" streamDriver.name="ossl"
      streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
"""

OUTPUTS = """outputs:
- {{name: am, type: alertmanager, url: "http://127.0.0.1:{am}", activeFor: 8s, resendEvery: 1s}}
- {{name: udp, type: syslog, url: "udp://127.0.0.1:{udp}", format: podward}}
- {{name: tcp, type: syslog, url: "tcp://127.0.0.1:{tcp}", format: ocsf, facility: 4}}
- {{name: tls, type: syslog, url: "tls://localhost:{tls}", format: podward, caFile: "{ca}",
   certFile: "{cert}", keyFile: "{key}"}}
"""


def make_certificates(folder):
    """A CA and one certificate that both sides use; a day is enough."""
    ca, ca_key = folder + "/ca.pem", folder + "/ca.key"
    cert, key = folder + "/tls.pem", folder + "/tls.key"

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
            "-subj", "/CN=test ca", "-keyout", ca_key, "-out", ca)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
            "-keyout", key, "-out", folder + "/tls.csr")
    with open(folder + "/tls.ext", "w", encoding="ascii") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", folder + "/tls.csr", "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "1",
            "-extfile", folder + "/tls.ext", "-out", cert)
    return {"ca": ca, "cert": cert, "key": key}


class Run:
    def __init__(self, arguments):
        self.bin = arguments.bin
        self.folder = tempfile.mkdtemp(prefix="podward-receivers-")
        self.names = {"folder": self.folder, **make_certificates(self.folder),
                      **{n: rig.free_port() for n in ("am", "udp", "tcp", "tls", "metrics")}}
        self.processes = []
        self.start_receivers()
        self.address = f"unix:{self.folder}/s"
        self.write("outputs.yaml", OUTPUTS)
        self.policysync = rig.Service("policysync", [
            os.path.join(self.bin, "podward-policysync"), "--insecure", "--listen", self.address, "--state-dir",
            self.folder + "/state", "--stdout", "off", "--outputs", self.folder + "/outputs.yaml", "--cluster", "test",
            "--metrics-listen", f"127.0.0.1:{self.names['metrics']}"], self.folder)
        self.policysync.start()

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write(text.format(**self.names))

    def spawn(self, *command):
        with open(os.path.join(self.folder, os.path.basename(command[0]) + ".log"), "wb") as log:
            self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def start_receivers(self):
        self.write("rsyslog.conf", RSYSLOG)
        self.write("am.yml", "route: {{receiver: nobody}}\nreceivers: [{{name: nobody}}]\n")
        self.spawn("rsyslogd", "-n", "-f", self.folder + "/rsyslog.conf", "-i", self.folder + "/rsyslog.pid")
        self.spawn("prometheus-alertmanager", f"--config.file={self.folder}/am.yml",
                   f"--storage.path={self.folder}/am", f"--web.listen-address=127.0.0.1:{self.names['am']}",
                   "--cluster.listen-address=")
        rig.wait_until(lambda: rig.fetch(self.names["am"], "/-/ready")[0] == 200, 30, "Alertmanager")

    def feed(self):
        subprocess.run([os.path.join(self.bin, "alert-feeder"), self.address, "1", str(ALERTS)], check=True,
                       timeout=60, stderr=subprocess.DEVNULL)

    def active(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.names['am']}/api/v2/alerts", timeout=5) as answer:
            return json.loads(answer.read())

    def lines(self, name):
        try:
            with open(os.path.join(self.folder, name + ".log"), encoding="utf-8") as f:
                return [line.rstrip("\n").split("|", 4) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def close(self):
        self.policysync.end()
        for process in self.processes:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def ends_at(alerts):
    return min(datetime.datetime.fromisoformat(a["endsAt"].replace("Z", "+00:00")) for a in alerts)


def check_alertmanager(run):
    """Few labels, so one alert for each severity here; told again while active; resolved by itself."""
    rig.wait_until(lambda: len(run.active()) == len(SEVERITIES), 30, "alerts in Alertmanager")
    alerts = run.active()
    labels = [a["labels"] for a in alerts]
    if {x["severity"] for x in labels} != SEVERITIES:
        raise rig.RigError(f"severities: {labels}")
    want = {"alertname": "PodwardAlert", "cluster": "test", "namespace": "shop", "workload": "Deployment/cart",
            "container": "server", "rule": "sig/default/credential.read"}
    for x in labels:
        if {k: v for k, v in x.items() if k != "severity"} != want:
            raise rig.RigError(f"labels: {x}")
    if not all(a["annotations"].get("alert_id") for a in alerts):
        raise rig.RigError("no alert_id among the annotations")
    first = ends_at(alerts)
    rig.wait_until(lambda: run.active() and ends_at(run.active()) > first + datetime.timedelta(seconds=2), 20,
                   "alerts that are told again")
    rig.wait_until(lambda: not run.active(), 60, "alerts that are not seen any more to resolve")


def check_syslog(run, name, facility, uid_of):
    rig.wait_until(lambda: len(run.lines(name)) >= ALERTS, 30, f"{ALERTS} messages over {name}")
    lines = run.lines(name)
    ids = {uid_of(json.loads(line[4])) for line in lines}
    if len(lines) != ALERTS or len(ids) != ALERTS:
        raise rig.RigError(f"{name}: {len(lines)} messages, {len(ids)} ids")
    if {line[0] for line in lines} != {facility} or {line[3] for line in lines} != {"podward"}:
        raise rig.RigError(f"{name}: {lines[0]}")
    if {line[2] for line in lines} != {"node-1"} or {line[1] for line in lines} != {"info", "notice", "warning", "err",
                                                                                    "crit"}:
        raise rig.RigError(f"{name}: {lines[0]}")


def main():
    parser = argparse.ArgumentParser(description="alerts at foreign receivers")
    parser.add_argument("--bin", required=True)
    arguments = parser.parse_args()
    for tool in ("rsyslogd", "prometheus-alertmanager", "openssl"):
        if not shutil.which(tool):
            print(f"SKIP: {tool} is not installed (tools/install-packages.sh test)")
            return MISSING
    if not any(os.path.exists(os.path.join(d, "rsyslog", "lmnsd_ossl.so"))
               for d in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib")):
        print("SKIP: rsyslog-openssl is not installed (tools/install-packages.sh test)")
        return MISSING
    run = Run(arguments)
    try:
        run.feed()
        check_syslog(run, "udp", "local0", lambda a: a["id"])
        check_syslog(run, "tcp", "auth", lambda a: a["finding_info"]["uid"])
        check_syslog(run, "tls", "local0", lambda a: a["id"])
        print(f"rsyslog: {ALERTS} messages each over UDP, TCP and TLS")
        check_alertmanager(run)
        print(f"Alertmanager: {len(SEVERITIES)} alerts, told again while active, resolved afterwards")
    except rig.RigError as error:
        print(f"FAILED: {error}\n{run.policysync.log_text()[-2000:]}")
        return 1
    finally:
        run.close()
    return 0


sys.exit(main())
