# SPDX-License-Identifier: Apache-2.0
"""A real API server on loopback for tests: etcd and kube-apiserver in a private folder.

Everything an ApiServer makes is ended by close(). Programs that are missing give a reason to skip.
"""
import base64
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import urllib.parse

from rig import ROOT, RigError, Service, free_port, wait_until

BUILD = os.path.join(ROOT, "integration/kube/build-server.sh")
CRDS = os.path.join(ROOT, "charts/podward/files/crds")


def programs(*wanted):
    """(folder of the programs, None) or (None, reason); kube-apiserver when nothing is named."""
    for tool in ("etcd", "etcdctl", "kubectl", "openssl"):
        if not shutil.which(tool):
            return None, f"{tool} is not installed (tools/install-packages.sh test)"
    done = subprocess.run([BUILD, *wanted], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        return done.stdout.strip(), None
    words = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
    return None, "no kube-apiserver: " + words[0].removeprefix("SKIP: ")


def why_no_kube():
    return programs()[1]


class CertificateFolder:
    """Where an authority and what it signed are."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, name):
        return os.path.join(self.folder, name)


class Certificates(CertificateFolder):
    """An authority and what it signed, made by openssl."""

    def __init__(self, folder):
        super().__init__(folder)
        self.run("req", "-x509", *self.new_key("ca"), "-out", self.path("ca.crt"), "-subj", "/CN=test", "-days", "30")
        self.sign("server", "/CN=kube-apiserver", "DNS:localhost,IP:127.0.0.1")
        self.sign("admin", "/O=system:masters/CN=admin")
        self.run("genrsa", "-out", self.path("sa.key"), "2048")
        self.run("rsa", "-in", self.path("sa.key"), "-pubout", "-out", self.path("sa.pub"))

    @staticmethod
    def run(*words):
        subprocess.run(["openssl", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def new_key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path(name + ".key"))

    def sign(self, name, subject, names=""):
        self.run("req", *self.new_key(name), "-out", self.path(name + ".csr"), "-subj", subject)
        with open(self.path(name + ".ext"), "w", encoding="utf-8") as f:
            f.write("basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n")
            f.write(f"subjectAltName={names}\n" if names else "")
        self.run("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path("ca.crt"), "-CAkey",
                 self.path("ca.key"), "-CAcreateserial", "-out", self.path(name + ".crt"), "-days", "30",
                 "-extfile", self.path(name + ".ext"))


def write_kubeconfig(path, url, certificates, user):
    """user: members of the user as YAML text."""
    with open(certificates.path("ca.crt"), "rb") as f:
        authority = base64.b64encode(f.read()).decode()
    with open(path, "w", encoding="utf-8") as f:
        f.write("apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                f"clusters: [{{name: k, cluster: {{server: '{url}', certificate-authority-data: {authority}}}}}]\n"
                f"users: [{{name: u, user: {{{user}}}}}]\n"
                "contexts: [{name: c, context: {cluster: k, user: u, namespace: podward}}]\n")
    return path


class Refused(RigError):
    """The server's answer to a request that it refused; status and the Status object."""

    def __init__(self, status, text):
        super().__init__(f"HTTP {status}: {text[:600]}")
        self.status, self.text = status, text


class Requests:
    """Requests of the test itself, with the administrator's certificate, on one connection."""

    def __init__(self, port, certificates):
        context = ssl.create_default_context(cafile=certificates.path("ca.crt"))
        context.load_cert_chain(certificates.path("admin.crt"), certificates.path("admin.key"))
        self.make = lambda: http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
        self.connection = None

    def call(self, method, path, body=None, content="application/json"):
        data = json.dumps(body, ensure_ascii=False).encode() if body is not None else None
        for last in (False, True):
            try:
                self.connection = self.connection or self.make()
                self.connection.request(method, path, data, {"Content-Type": content})
                answer = self.connection.getresponse()
                text = answer.read().decode()
                break
            except (OSError, http.client.HTTPException):
                self.connection = None
                if last:
                    raise
        if answer.status >= 300:
            raise Refused(answer.status, text)
        return json.loads(text) if text.startswith("{") else text

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body):
        return self.call("POST", path, body)

    def merge(self, path, body):
        return self.call("PATCH", path, body, "application/merge-patch+json")

    def apply(self, path, body, manager="test"):
        query = urllib.parse.urlencode({"fieldManager": manager, "force": "true"})
        return self.call("PATCH", f"{path}?{query}", body, "application/apply-patch+yaml")

    def delete(self, path):
        return self.call("DELETE", path)


class ApiServer:
    """etcd and kube-apiserver; stop, start, kill and compact at will, the data stays."""

    name = "real"

    def __init__(self):
        binaries, reason = programs()
        if reason:
            raise RigError(reason)
        self.folder = tempfile.mkdtemp(prefix="podward-kube-")
        self.certificates = Certificates(self.folder)
        self.port, self.etcd_port, self.peer_port = free_port(), free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.etcd = Service("etcd", self.etcd_command(), self.folder)
        self.server = Service("kube-apiserver", self.server_command(binaries), self.folder)
        self.kubeconfig = write_kubeconfig(
            os.path.join(self.folder, "admin.kubeconfig"), self.url, self.certificates,
            f"client-certificate: '{self.certificates.path('admin.crt')}', "
            f"client-key: '{self.certificates.path('admin.key')}'")
        self.requests = Requests(self.port, self.certificates)

    def etcd_command(self):
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.peer_port}"
        return [shutil.which("etcd"), "--data-dir", os.path.join(self.folder, "etcd"), "--listen-client-urls", client,
                "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", f"default={peer}", "--log-level", "warn", "--unsafe-no-fsync"]

    def server_command(self, binaries):
        path = self.certificates.path
        return [os.path.join(binaries, "kube-apiserver"), "--insecure-port=0",
                f"--etcd-servers=http://127.0.0.1:{self.etcd_port}", "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", f"--secure-port={self.port}",
                f"--tls-cert-file={path('server.crt')}", f"--tls-private-key-file={path('server.key')}",
                f"--client-ca-file={path('ca.crt')}", f"--service-account-key-file={path('sa.pub')}",
                f"--service-account-signing-key-file={path('sa.key')}",
                "--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/24",
                "--authorization-mode=Node,RBAC", "--disable-admission-plugins=ServiceAccount",
                f"--cert-dir={self.folder}", "--max-requests-inflight=1000"]

    def start(self):
        if not self.etcd.is_running():
            self.etcd.start()
        self.server.start()
        self.wait_ready()

    def wait_ready(self):
        def is_ready():
            if not self.server.is_running():
                raise RigError(f"kube-apiserver ended: {self.server.last_words()}")
            try:
                return self.requests.get("/readyz") == "ok"
            except (OSError, Refused, http.client.HTTPException):
                return False

        wait_until(is_ready, 120, "kube-apiserver to be ready", 0.2)

    def kill(self):
        self.server.end(signal.SIGKILL)

    def restart(self):
        self.kill()
        self.start()

    def compact(self):
        """Everything but the newest revision is forgotten by the store."""
        etcdctl = ["etcdctl", "--endpoints", f"http://127.0.0.1:{self.etcd_port}"]
        environment = {**os.environ, "ETCDCTL_API": "3"}
        status = subprocess.run([*etcdctl, "endpoint", "status", "-w", "json"], env=environment, check=True,
                                stdout=subprocess.PIPE).stdout
        revision = json.loads(status)[0]["Status"]["header"]["revision"]
        subprocess.run([*etcdctl, "compact", str(revision)], env=environment, check=True, stdout=subprocess.DEVNULL)

    def kubectl(self, *words, text=None, fails=False):
        """Standard output; with fails the words of the refusal."""
        home = os.path.join(self.folder, "home")
        done = subprocess.run(["kubectl", "--kubeconfig", self.kubeconfig, *words], input=text, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=120,
                              env={**os.environ, "HOME": home, "KUBECTL_HEADERS": ""})
        if (done.returncode != 0) != fails:
            raise RigError(f"kubectl {' '.join(words)}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done.stderr if fails else done.stdout

    def install_crds(self):
        self.kubectl("apply", "-f", CRDS)
        self.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", CRDS)

    def rss_kib(self):
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as f:
            return int(next(line for line in f if line.startswith("VmRSS")).split()[1])

    def close(self):
        self.server.end(signal.SIGKILL)
        self.etcd.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.close()
