#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The images, built by docker/build.sh: small, without a shell, run as who they should, the same bytes twice."""
import json
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "integration", "lib"))
from cases import Skip, check, check_equal, main  # noqa: E402
from containers import FALLBACK_GLOBAL, FALLBACK_RUN  # noqa: E402

OUT = os.path.join(ROOT, "build", "images")
# image, user, ceiling of the compressed archive in MiB
IMAGES = [("collector", "0:0", 25), ("analyzer", "65532:65532", 40), ("policysync", "65532:65532", 40)]
with open(os.path.join(ROOT, "VERSION"), encoding="utf-8") as version_file:
    VERSION = version_file.read().strip()
built = []


def needs():
    if os.geteuid() != 0:
        return "not root"
    for tool in ("buildah", "podman", "debootstrap"):
        if not shutil.which(tool):
            return f"no {tool}"
    return None


def build():
    done = subprocess.run([os.path.join(ROOT, "docker", "build.sh"), OUT], capture_output=True, text=True,
                          timeout=1500, check=False)
    check_equal(done.returncode, 0, f"docker/build.sh: {done.stdout[-500:]}{done.stderr[-1500:]}")
    print(done.stdout, end="", flush=True)


def digest(name):
    done = subprocess.run(["buildah", "inspect", "--type", "image", "--format", "{{.FromImageDigest}}",
                           f"localhost/podward-{name}:{VERSION}"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def images_build(_options):
    build()
    built.append({name: digest(name) for name, _, _ in IMAGES})


def archives_are_small(_options):
    for name, _, ceiling in IMAGES:
        size = os.path.getsize(os.path.join(OUT, f"podward-{name}.tar")) / (1 << 20)
        check(size <= ceiling, f"{name}: {size:.1f} MiB, at most {ceiling}")


def the_same_tree_gives_the_same_image(_options):
    if not built:
        raise Skip("nothing was built")
    for name, _, _ in IMAGES:  # the last stages anew, from the cached programs
        subprocess.run(["buildah", "rmi", "--force", f"localhost/podward-{name}:{VERSION}"],
                       capture_output=True, check=True)
    build()
    check_equal({name: digest(name) for name, _, _ in IMAGES}, built[0], "digests")


def run_image(name, *arguments, flags=()):
    argv = ["podman", *FALLBACK_GLOBAL, "run", *FALLBACK_RUN, "--rm", "--network=none", "--read-only",
            *flags, f"localhost/podward-{name}:{VERSION}", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def programs_run_on_a_read_only_root_without_rights(_options):
    for name, _, _ in IMAGES:
        done = run_image(name, "--version", flags=("--cap-drop=ALL",))
        check_equal(done.returncode, 0, f"{name}: {done.stderr[-300:]}")
        check_equal(done.stdout.strip(), f"podward-{name} {VERSION}", name)


def there_is_no_shell_inside(_options):
    for name, _, _ in IMAGES:
        for shell in ("/bin/sh", "/usr/bin/sh", "/bin/bash", "/usr/bin/busybox"):
            done = run_image(name, flags=("--entrypoint", shell))
            check(done.returncode in (126, 127), f"{name}: {shell} gave exit {done.returncode}")


def users_and_labels_are_set(_options):
    for name, user, _ in IMAGES:
        done = subprocess.run(["buildah", "inspect", "--type", "image", f"localhost/podward-{name}:{VERSION}"],
                              capture_output=True, text=True, check=True)
        config = json.loads(done.stdout)["OCIv1"]["config"]
        check_equal(config["User"], user, f"{name} user")
        check_equal(config["Entrypoint"], [f"/usr/bin/podward-{name}"], f"{name} entry point")
        check_equal(config["Labels"]["org.opencontainers.image.version"], VERSION, f"{name} label")


def bills_of_materials_name_what_is_inside(_options):
    for name, _, _ in IMAGES:
        with open(os.path.join(OUT, f"podward-{name}.spdx.json"), encoding="utf-8") as f:
            document = json.load(f)
        check_equal(document["spdxVersion"], "SPDX-2.3", name)
        packages = {p["name"]: p for p in document["packages"]}
        for wanted in (f"podward-{name}", "libc6", "libgrpc29", "libprotobuf-c1"):
            check(wanted in packages, f"{name}: {wanted} is missing in {sorted(packages)}")
        check(re.match(r"\d", packages["libc6"]["versionInfo"]), f"{name}: {packages['libc6']}")
        check_equal(len(document["relationships"]), len(packages) - 1, f"{name} relationships")


if __name__ == "__main__":
    main(__doc__, [images_build, archives_are_small, programs_run_on_a_read_only_root_without_rights,
                   there_is_no_shell_inside, users_and_labels_are_set, bills_of_materials_name_what_is_inside,
                   the_same_tree_gives_the_same_image], needs)
