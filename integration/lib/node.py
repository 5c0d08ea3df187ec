# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes of one node on this machine, in a network and mount namespace of its own.

etcd, kube-apiserver, kube-controller-manager, kube-scheduler, containerd, kubelet, kube-proxy, and names of
services. One per machine. It stays after the command that made it; down() ends what up() started, by
process id, and everything inside the node's own cgroup. Nothing else on the machine is touched.
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import time

from daemons import Daemons, start_time
from kube import Certificates, programs, write_kubeconfig
from rig import ROOT, RigError, wait_until

STATE = os.path.join(ROOT, "build", "cluster")
RUN = "/run/podward-cluster"  # sockets: their paths must be short
CGROUP = "podward-cluster"
NAME, ADDRESS, SERVICES, PODS = "node0", "10.10.0.2", "10.96.0.0/24", "10.244.0.0/24"
SOCKET = RUN + "/containerd.sock"
MANIFESTS = os.path.join(STATE, "manifests")  # of static pods
BUILT = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
INSTALLED = ("etcd", "kubectl", "openssl", "containerd", "ctr", "runc", "busybox", "ip", "iptables", "conntrack",
             "nsenter", "unshare")
PAUSE = "localhost/podward-test:1"
# kubelet wants these machine-wide: it gets plain files in the node's mount namespace instead.
SYSCTLS = {"vm/overcommit_memory": 1, "vm/panic_on_oom": 0, "kernel/panic": 10, "kernel/panic_on_oops": 1,
           "kernel/keys/root_maxkeys": 1000000, "kernel/keys/root_maxbytes": 25000000}
USERS = {"controller-manager": "/CN=system:kube-controller-manager", "scheduler": "/CN=system:kube-scheduler",
         "kubelet": f"/O=system:nodes/CN=system:node:{NAME}", "proxy": "/CN=system:kube-proxy",
         "kubelet-client": "/O=system:masters/CN=kube-apiserver-kubelet-client"}
SERVER_NAMES = "".join(f"DNS:kubernetes{end}," for end in ("", ".default", ".default.svc", ".default.svc.cluster.local"))

# What service accounts of the product asked for, and whether they might.
AUDIT_LOG = os.path.join(STATE, "log", "audit.log")
AUDIT = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived", "ResponseStarted"],
         "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts:podward"]}, {"level": "None"}]}

CNI = {"cniVersion": "0.4.0", "name": "podward", "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True,
     "ipam": {"type": "host-local", "dataDir": RUN + "/ipam", "ranges": [[{"subnet": PODS}]],
              "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": True}}]}

CONTAINERD = f"""\
version = 2
root = "{STATE}/containerd"
state = "{RUN}/containerd"
oom_score = 0
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_hugetlb_controller = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{STATE}/cni"
"""


def why_not():
    """A reason why there can be no node here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    for tool in INSTALLED:
        if not shutil.which(tool):
            return f"{tool} is not installed (tools/install-packages.sh runtime test)"
    if not os.path.exists("/usr/lib/cni/bridge"):
        return "containernetworking-plugins is not installed (tools/install-packages.sh runtime)"
    if not os.path.isdir("/sys/fs/cgroup/cpu"):
        return "kubelet 1.20 needs the cgroup v1 hierarchies"
    return programs(*BUILT)[1]


def hierarchies():
    """Folders of the machine's cgroup hierarchies, each once."""
    return sorted({os.path.realpath(path) for path in glob.glob("/sys/fs/cgroup/*/") if os.path.isdir(path)})


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


class Node:
    """The node of this machine, running or not."""

    def __init__(self):
        self.daemons = Daemons(STATE)
        self.keys = os.path.join(STATE, "keys")
        self.admin = os.path.join(self.keys, "admin.kubeconfig")

    def inside(self, *argv):
        """The command, entered into the node's namespaces."""
        holder = self.daemons.pid("holder")
        if not holder:
            raise RigError("the cluster is not up: ./dev cluster up")
        return ["nsenter", "-t", str(holder), "-n", "-m", "--wd=" + os.getcwd(), "--", *argv]

    def run(self, *argv, seconds=60, check=True, text=None):
        done = subprocess.run(self.inside(*argv), input=text, text=True, capture_output=True, timeout=seconds,
                              check=False)
        if check and done.returncode != 0:
            raise RigError(f"{' '.join(argv[:6])}: exit {done.returncode}: {done.stdout[-800:]}{done.stderr[-800:]}")
        return done.stdout

    def kubectl(self, *words, **more):
        return self.run("kubectl", "--kubeconfig", self.admin, *words, **more)

    def start(self, name, *argv):
        self.daemons.start(name, self.inside(*argv))

    def wait(self, name, condition, seconds, what):
        def met():
            if not self.daemons.pid(name):
                raise RigError(f"{name} ended: {self.daemons.last_words(name)}")
            return condition()

        try:
            wait_until(met, seconds, what)
        except RigError as error:
            raise RigError(f"{error}; {name}: {self.daemons.last_words(name)}") from None

    def answers(self, *argv):
        return subprocess.run(self.inside(*argv), capture_output=True, check=False, timeout=20).returncode == 0

    def is_up(self):
        return self.daemons.pid("kubelet") is not None

    def up(self, tell=print):
        started = time.monotonic()
        if self.daemons.names():
            self.down()
        binaries, reason = programs(*BUILT)
        if reason:
            raise RigError(reason)
        for step, what in ((self.make_namespace, "namespaces"), (self.make_keys, "certificates"),
                           (lambda: self.start_control_plane(binaries), "API server"),
                           (self.start_containerd, "containerd"), (lambda: self.start_kubelet(binaries), "node is Ready")):
            step()
            tell(f"  {time.monotonic() - started:5.1f} s  {what}", flush=True)

    def make_namespace(self):
        shutil.rmtree(os.path.join(STATE, "log"), ignore_errors=True)
        shutil.rmtree(RUN, ignore_errors=True)
        os.makedirs(RUN, mode=0o700)
        self.daemons.start("holder", ["unshare", "-n", "-m", "--propagation", "private", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink(f"/proc/{self.daemons.pid('holder')}/ns/net") != own, 10, "namespaces")
        self.run("ip", "link", "set", "lo", "up")
        # Not every kernel has dummy links; kubelet wants an address on a link and a default route.
        self.run("ip", "link", "add", NAME, "type", "veth", "peer", "name", NAME + "p")
        self.run("ip", "address", "add", ADDRESS + "/24", "dev", NAME)
        self.run("ip", "link", "set", NAME, "up")
        self.run("ip", "link", "set", NAME + "p", "up")
        self.run("ip", "route", "add", "default", "dev", NAME)
        self.run("mount", "--make-rshared", "/")
        for name, value in SYSCTLS.items():
            path = os.path.join(STATE, "sysctl", name.replace("/", "_"))
            write(path, f"{value}\n")
            self.run("mount", "--bind", path, "/proc/sys/" + name)
        for folder in hierarchies():
            self.make_cgroup(os.path.join(folder, CGROUP))

    @staticmethod
    def make_cgroup(path):
        os.makedirs(path, exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):  # empty at first, and then nothing may run in it
            above = os.path.join(os.path.dirname(path), name)
            if os.path.exists(above):
                with open(above, encoding="ascii") as f:
                    write(os.path.join(path, name), f.read())

    def make_keys(self):
        shutil.rmtree(self.keys, ignore_errors=True)
        os.makedirs(self.keys, mode=0o700)
        made = Certificates(self.keys)
        made.sign("server", "/CN=kube-apiserver",
                  f"{SERVER_NAMES}DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:{ADDRESS}")
        for user, subject in USERS.items():
            made.sign(user, subject, f"DNS:{NAME},IP:{ADDRESS}" if user == "kubelet" else "")
        for user in ("admin", *USERS):
            write_kubeconfig(self.key(user + ".kubeconfig"), "https://127.0.0.1:6443", made,
                             f"client-certificate: '{made.path(user + '.crt')}', client-key: '{made.path(user + '.key')}'")
            os.chmod(self.key(user + ".kubeconfig"), 0o600)

    def key(self, name):
        return os.path.join(self.keys, name)

    def start_control_plane(self, binaries):
        etcd = "http://127.0.0.1:2379"
        self.start("etcd", "etcd", "--data-dir", STATE + "/etcd", "--listen-client-urls", etcd,
                   "--advertise-client-urls", etcd, "--listen-peer-urls", "http://127.0.0.1:2380", "--log-level", "warn",
                   "--unsafe-no-fsync")
        self.start_server(binaries)
        leaves = ["--bind-address=127.0.0.1", "--port=0", "--leader-elect=false"]
        for name in ("controller-manager", "scheduler"):
            access = self.key(name + ".kubeconfig")
            own = [f"--service-account-private-key-file={self.key('sa.key')}", f"--root-ca-file={self.key('ca.crt')}",
                   "--use-service-account-credentials=true"] if name == "controller-manager" else []
            self.start(name, f"{binaries}/kube-{name}", *leaves, f"--kubeconfig={access}",
                       f"--authentication-kubeconfig={access}", f"--authorization-kubeconfig={access}", *own)

    def start_server(self, binaries=None):
        """Also for tests that killed it."""
        binaries = binaries or programs(*BUILT)[0]
        write(STATE + "/audit.json", json.dumps(AUDIT))
        self.start("apiserver", binaries + "/kube-apiserver", "--insecure-port=0", "--etcd-servers=http://127.0.0.1:2379",
                   "--bind-address=0.0.0.0", f"--advertise-address={ADDRESS}", "--secure-port=6443",
                   f"--tls-cert-file={self.key('server.crt')}", f"--tls-private-key-file={self.key('server.key')}",
                   f"--client-ca-file={self.key('ca.crt')}",
                   f"--kubelet-client-certificate={self.key('kubelet-client.crt')}",
                   f"--kubelet-client-key={self.key('kubelet-client.key')}",
                   f"--service-account-key-file={self.key('sa.pub')}",
                   f"--service-account-signing-key-file={self.key('sa.key')}",
                   "--service-account-issuer=https://kubernetes.default.svc", f"--service-cluster-ip-range={SERVICES}",
                   "--authorization-mode=Node,RBAC", "--allow-privileged=true",
                   "--kubelet-preferred-address-types=InternalIP", f"--cert-dir={self.keys}",
                   f"--audit-policy-file={STATE}/audit.json", f"--audit-log-path={AUDIT_LOG}")
        self.wait("apiserver", lambda: self.answers("kubectl", "--kubeconfig", self.admin, "get", "--raw", "/readyz"),
                  120, "the API server to be ready")

    def start_containerd(self):
        write(STATE + "/cni/10-podward.conflist", json.dumps(CNI))
        write(STATE + "/containerd.toml", CONTAINERD)
        self.start("containerd", "containerd", "-c", STATE + "/containerd.toml")
        self.wait("containerd", lambda: self.answers("ctr", "-a", SOCKET, "version"), 60, "containerd to answer")

    def start_kubelet(self, binaries):
        settings = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                               "x509": {"clientCAFile": self.key("ca.crt")}},
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": self.key("kubelet.crt"), "tlsPrivateKeyFile": self.key("kubelet.key"),
            "address": ADDRESS, "clusterDomain": "cluster.local", "clusterDNS": [ADDRESS],
            "cgroupDriver": "cgroupfs", "cgroupRoot": "/" + CGROUP, "cgroupsPerQOS": True,
            "enforceNodeAllocatable": ["pods"], "failSwapOn": False, "resolvConf": "", "oomScoreAdj": 0,
            "staticPodPath": MANIFESTS, "fileCheckFrequency": "2s",
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100, "syncFrequency": "10s", "nodeStatusUpdateFrequency": "5s"}
        os.makedirs(MANIFESTS, exist_ok=True)
        write(STATE + "/kubelet.json", json.dumps(settings))
        self.start("kubelet", binaries + "/kubelet", f"--config={STATE}/kubelet.json",
                   f"--kubeconfig={self.key('kubelet.kubeconfig')}", f"--root-dir={STATE}/kubelet",
                   f"--hostname-override={NAME}", f"--node-ip={ADDRESS}", "--container-runtime=remote",
                   f"--container-runtime-endpoint=unix://{SOCKET}")
        self.start("proxy", binaries + "/kube-proxy", f"--kubeconfig={self.key('proxy.kubeconfig')}",
                   f"--hostname-override={NAME}", f"--cluster-cidr={PODS}", "--proxy-mode=iptables",
                   "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0",
                   "--conntrack-tcp-timeout-close-wait=0", f"--bind-address={ADDRESS}")
        self.start("dns", os.path.join(ROOT, "integration/cluster/dns.py"), ADDRESS, self.keys)
        self.wait("kubelet", self.is_ready, 120, "the node to be Ready")

    def is_ready(self):
        path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        return self.kubectl("get", "node", NAME, "-o", path, check=False) == "True"

    def load(self, archive):
        """Puts an image archive into containerd, under the names that it carries."""
        self.run("ctr", "-a", SOCKET, "-n", "k8s.io", "image", "import", archive, seconds=120)

    def down(self):
        for name in ("kubelet", "proxy", "dns", "controller-manager", "scheduler"):
            self.daemons.stop(name)
        self.end_all(self.processes_of_pods)
        self.daemons.stop("containerd")
        self.end_all(self.shims)
        for name in ("apiserver", "etcd"):
            self.daemons.stop(name, signal.SIGKILL)
        for name in self.daemons.names():  # the holder, and what tests started beside the node
            self.daemons.stop(name, signal.SIGKILL)
        self.remove_cgroups()
        for path in [RUN] + [os.path.join(STATE, n) for n in ("containerd", "kubelet", "etcd", "cni", "keys", "pids", "manifests")]:
            shutil.rmtree(path, ignore_errors=True)

    @staticmethod
    def processes_of_pods():
        """Those in the node's own cgroups."""
        pids = set()
        for folder in hierarchies():
            for path in glob.glob(os.path.join(folder, CGROUP, "**", "cgroup.procs"), recursive=True):
                try:
                    with open(path, encoding="ascii") as f:
                        pids.update(int(line) for line in f)
                except OSError:
                    continue
        return pids

    @staticmethod
    def shims():
        """containerd's helpers: they carry the address of the node's own containerd."""
        pids = set()
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"containerd-shim-runc-v2") and SOCKET.encode() in words:
                pids.add(int(path.split("/")[2]))
        return pids

    @staticmethod
    def end_all(find):
        def none_left():
            left = [pid for pid in find() if pid > 0 and start_time(pid) is not None]
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return not left

        wait_until(none_left, 20, "the node's processes to end")

    @staticmethod
    def remove_cgroups():
        for folder in hierarchies():
            for path, _, _ in os.walk(os.path.join(folder, CGROUP), topdown=False):
                try:
                    os.rmdir(path)
                except OSError:
                    pass
