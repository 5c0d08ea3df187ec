# SPDX-License-Identifier: Apache-2.0
"""Image archives in the form of docker save, from a root file system in memory. No daemon, no download."""
import hashlib
import io
import json
import tarfile

from containers import BASE_FILES, add_file, image_archive

MORE_APPLETS = ("seq", "grep", "ls", "id", "touch", "head", "kill", "env")


def more_applets(tar):
    for applet in MORE_APPLETS:
        entry = tarfile.TarInfo("bin/" + applet)
        entry.type, entry.linkname, entry.mode = tarfile.LNKTYPE, "bin/busybox", 0o755
        tar.addfile(entry)


def write_archive(path, name, files=None, command=("/bin/sleep", "infinity")):
    """An image of busybox and these files."""
    layer = image_archive({**BASE_FILES, **(files or {})}, more_applets)
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
        "config": {"Cmd": list(command), "Env": ["PATH=/bin"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }, sort_keys=True).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(path, "w") as tar:
        for file_name, data in ((config_name, config), ("layer.tar", layer), ("manifest.json", manifest)):
            add_file(tar, file_name, data, 0o644)
    return path


def rename(source, path, name):
    """A copy of an OCI archive whose image has this full name, as a registry's would have."""
    with tarfile.open(source) as old, tarfile.open(path, "w") as new:
        for entry in old:
            data = old.extractfile(entry).read() if entry.isfile() else b""
            if entry.name == "index.json":
                index = json.loads(data)
                for each in index["manifests"]:
                    each["annotations"] = {"io.containerd.image.name": name}
                data = json.dumps(index).encode()
                entry.size = len(data)
            new.addfile(entry, io.BytesIO(data) if entry.isfile() else None)
    return path
