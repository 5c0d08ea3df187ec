# SPDX-License-Identifier: Apache-2.0
"""Debian packages of other suites and architectures, by apt with a state of its own.

The machine's sources and lists stay untouched; the archive is the one that the machine itself uses.
"""
import glob
import os
import re
import subprocess
import time

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LISTS_KEPT_S = 7 * 24 * 3600


class Unavailable(Exception):
    """A package or tool cannot be had here: a reason to skip, not a failure."""


def cache_folder(name):
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(home, "podward", name)


def mirror_of_this_machine():
    """Where this machine gets Debian from: the part before "/debian" of its first such source."""
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*")) + ["/etc/apt/sources.list"]:
        try:
            with open(path, encoding="utf-8") as f:
                found = re.search(r"(https?://\S+?)/debian/?\s", f.read())
        except OSError:
            continue
        if found:
            return found.group(1)
    raise Unavailable("no Debian archive among this machine's apt sources")


def apt(state, suite, arch, *command):
    """Runs one apt command; `state` is a folder that belongs to suite and arch. Returns its output."""
    os.makedirs(os.path.join(state, "lists", "partial"), exist_ok=True)
    archive = "debian-security" if suite.endswith("-security") else "debian"
    with open(os.path.join(state, "sources.list"), "w", encoding="utf-8") as f:
        f.write(f"deb [arch={arch} signed-by={KEYRING}] {mirror_of_this_machine()}/{archive} {suite} main\n")
    options = {
        "Dir::Etc::SourceList": os.path.join(state, "sources.list"),
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": os.path.join(state, "lists"),
        "Dir::State::status": "/dev/null",
        "Dir::Cache": state,
        "APT::Architecture": arch,
        "APT::Architectures": arch,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    try:
        done = subprocess.run([command[0], "-q", *words, *command[1:]], capture_output=True, text=True,
                              cwd=state, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise Unavailable(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command)} ({suite}): {done.stderr.strip()[-200:]}")
    return done.stdout


def update(state, suite, arch):
    """Fetches the lists, unless they are fresh."""
    stamp = os.path.join(state, "updated")
    if os.path.exists(stamp) and time.time() - os.path.getmtime(stamp) < LISTS_KEPT_S:
        return
    apt(state, suite, arch, "apt-get", "update")
    with open(stamp, "w", encoding="utf-8"):
        pass
