#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may know whom: refuses #includes and link lines that break the layers or the doors.

Layers: a folder may include only the folders that ROOMS gives it. Doors: a foreign library's header
may be included only by the files that DOORS names. Links: the same for target_link_libraries and the
LINK part of pw_library / pw_program in CMakeLists.txt.
"""
import fnmatch
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import checklib  # noqa: E402

PROTOS = ["podward/v1/", "grpc/health/v1/"]
COMMON = ["common/base/", "common/wire/", "common/rpc/", "common/ops/"] + PROTOS

# folder -> prefixes of quoted includes it may use (its own folder is always allowed); longest folder wins
ROOMS = {
    "common/base": [],
    "common/testing": ["common/base/"],
    "common/wire": ["common/base/"] + PROTOS,
    "common/rpc": ["common/base/", "common/wire/"] + PROTOS,
    "common/web": ["common/base/"],
    "common/ops": ["common/base/"],
    "common/kube": ["common/base/", "common/web/"],
    "collector": COMMON,
    "collector/bpf": [],
    "analyzer": COMMON,
    "policysync": COMMON + ["common/web/", "common/kube/"],
    "lab": COMMON + ["common/web/", "analyzer/", "collector/", "policysync/"],
    "integration/load": COMMON + ["collector/"],
    "cli": COMMON + ["common/web/", "common/kube/"],
}
# tests, fuzzers and benchmarks may also use these
TEST_FOLDERS = ("tests", "fuzz", "bench")
TEST_EXTRA = ["common/testing/"]

# foreign header (glob) -> files that may include it
DOORS = [
    ("uv.h", ["common/base/loop.c"]),
    ("xxhash.h", ["common/base/hash.c"]),
    ("protobuf-c/*", ["common/wire/*", "common/rpc/*"]),
    ("grpc/*", ["common/rpc/*"]),
    ("curl/*", ["common/web/http.c", "common/web/tcp.c"]),
    ("jansson.h", ["common/web/json.c"]),
    ("yaml.h", ["common/web/yaml.c"]),
    ("microhttpd.h", ["common/ops/httpd.c"]),
    ("sqlite3.h", ["policysync/spool.c", "policysync/spool_*.c", "policysync/*_store.c",
                   "policysync/store*.c"]),
    ("openssl/*", ["common/rpc/cert.c", "common/rpc/tls_floor.c", "policysync/crypto.c"]),
    ("pcre2.h", ["analyzer/regex.c"]),
    ("bpf/bpf_helpers.h", ["collector/bpf/*"]),
    ("bpf/bpf_tracing.h", ["collector/bpf/*"]),
    ("bpf/bpf_core_read.h", ["collector/bpf/*"]),
    ("bpf/bpf_endian.h", ["collector/bpf/*"]),
    ("bpf/*", ["collector/probe.c", "collector/probe_*.c", "collector/ring.c", "collector/kmaps.c"]),
    ("*.skel.h", ["collector/probe.c", "collector/probe_*.c", "collector/kmaps.c"]),
    ("cap-ng.h", ["collector/privileges.c"]),
    ("seccomp.h", ["collector/privileges.c", "collector/calls.c"]),
    ("zstd.h", ["common/base/compress.c", "analyzer/checkpoint.c"]),
    ("zlib.h", ["common/web/gzip.c"]),
    ("cmocka.h", ["*/tests/*", "common/testing/*"]),
    ("pthread.h", ["common/base/*", "common/rpc/*", "common/ops/*"]),
    ("threads.h", []),
]
# a door may also be opened by the tests beside it
DOOR_TESTS = {"openssl/*": ["common/rpc/tests/*", "policysync/tests/test_bundle.c",
                            "policysync/tests/bundle_fixture.h"],
              "zlib.h": ["common/web/tests/*"],
              "bpf/*": ["collector/tests/*", "collector/bpf/tests/*"],
              "sqlite3.h": ["policysync/tests/*"],
              "protobuf-c/*": ["common/*/tests/*", "common/*/fuzz/*"],
              "grpc/*": ["common/rpc/tests/*", "common/rpc/bench/*", "common/rpc/fuzz/*"],
              "pthread.h": ["*/tests/*", "*/bench/*"]}

# library or program target's folder -> what its link line may name
LINKS = {
    "common/base": {"ext::uv", "ext::xxhash", "ext::zstd"},
    "common/testing": {"pw_base", "ext::cmocka"},
    "common/wire": {"pw_base", "pw_protos", "ext::protobufc"},
    "common/rpc": {"pw_base", "pw_wire", "pw_protos", "ext::grpc", "ext::protobufc", "ext::crypto", "ext::ssl"},
    "common/web": {"pw_base", "ext::curl", "ext::jansson", "ext::yaml", "ext::zlib"},
    "common/ops": {"pw_base", "ext::microhttpd"},
    "common/kube": {"pw_base", "pw_web"},
    "collector": {"pw_base", "pw_wire", "pw_rpc", "pw_ops", "pw_protos", "ext::bpf", "ext::capng",
                  "ext::seccomp"},
    "analyzer": {"pw_base", "pw_wire", "pw_rpc", "pw_ops", "pw_protos", "ext::pcre2", "ext::zstd"},
    "policysync": {"pw_base", "pw_wire", "pw_rpc", "pw_ops", "pw_protos", "pw_web", "pw_kube",
                   "ext::sqlite", "ext::crypto", "ext::zstd"},
    "lab": {"analyzer_core", "policysync_core", "collector_core", "pw_web"},
    "cli": {"pw_base", "pw_wire", "pw_rpc", "pw_protos", "pw_web", "pw_kube"},
}
ALWAYS_LINKABLE = {"podward_flags", "m", "${CMAKE_DL_LIBS}"}

INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]+)[>\"]", re.M)
COMMAND = re.compile(r"\b(pw_library|pw_program|target_link_libraries)\s*\(([^()]*)\)", re.S)


def room_of(name):
    """Longest folder of ROOMS that holds the file, or None."""
    fits = [r for r in ROOMS if name.startswith(r + "/")]
    return max(fits, key=len) if fits else None


def is_test(name):
    return any(part in TEST_FOLDERS for part in name.split("/")[:-1])


def check_layer(report, where, name, header):
    room = room_of(name)
    if room is None:
        return
    allowed = ROOMS[room] + [room + "/"] + (TEST_EXTRA if is_test(name) else [])
    if room == "collector":
        allowed = allowed + ["collector/bpf/abi.h"]
    if room_of(header) not in (None, room) or header.startswith(tuple(PROTOS)) or "/" in header:
        if not header.startswith(tuple(allowed)) and not is_foreign(header):
            report.add(where, f"layer: {room} must not know \"{header}\"")


def is_foreign(header):
    return any(fnmatch.fnmatchcase(header, glob) for glob, _ in DOORS)


def check_door(report, where, name, header):
    for glob, files in DOORS:
        if not fnmatch.fnmatchcase(header, glob):
            continue
        keepers = files + DOOR_TESTS.get(glob, [])
        if not any(fnmatch.fnmatchcase(name, keeper) for keeper in keepers):
            report.add(where, f"door: <{header}> may be included only by {', '.join(files) or 'nobody'}")
        return


def check_source(report, root, name):
    text = checklib.read(root, name)
    for match in INCLUDE.finditer(text):
        where = f"{name}:{text.count(chr(10), 0, match.start()) + 1}"
        quote, header = match.groups()
        if quote == '"' and "../" in header:
            report.add(where, f"layer: \"{header}\": includes start at the repository's root")
            continue
        if quote == '"':
            check_layer(report, where, name, header)
        check_door(report, where, name, header)


def links_of(command, body):
    """(target, linked names) of one CMake command."""
    words = re.sub(r"#[^\n]*", "", body).split()
    if not words:
        return "", []
    if command == "target_link_libraries":
        return words[0], [w for w in words[1:] if w not in ("PUBLIC", "PRIVATE", "INTERFACE")]
    links, on = [], False
    for word in words[1:]:
        if word in ("SOURCES", "LINK"):
            on = word == "LINK"
        elif on:
            links.append(word)
    return words[0], links


def check_cmake(report, root, name):
    folder = os.path.dirname(name)
    room = room_of(name)
    if room is None or folder not in LINKS:
        return
    text = checklib.read(root, name)
    own = set(re.findall(r"pw_library\s*\(\s*(\S+)", text))
    for match in COMMAND.finditer(text):
        target, links = links_of(match.group(1), match.group(2))
        if target.startswith(("test_", "fuzz_", "bench_", "${")):
            continue
        for link in links:
            if link in LINKS[folder] or link in own or link in ALWAYS_LINKABLE \
                    or link.startswith(folder + "_"):
                continue
            line = text.count("\n", 0, match.start()) + 1
            report.add(f"{name}:{line}", f"link: {target} ({folder}) must not link {link}")


def main():
    root = checklib.root_argument()
    report = checklib.Report("check-layers")
    sources = checklib.tracked(root, ".c", ".h", ".def")
    for name in sources:
        check_source(report, root, name)
    cmakes = [n for n in checklib.tracked(root) if os.path.basename(n) == "CMakeLists.txt"]
    for name in cmakes:
        check_cmake(report, root, name)
    return report.finish(f"{len(sources)} sources and {len(cmakes)} link files read")


if __name__ == "__main__":
    sys.exit(main())
