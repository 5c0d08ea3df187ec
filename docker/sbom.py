#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SPDX 2.3 document of one image: sbom.py ARCHIVE NAME VERSION. Reads /usr/share/podward/packages.tsv in it.

The document says nothing that differs between two builds of the same thing: its time is the image's own.
"""
import hashlib
import io
import json
import re
import sys
import tarfile

LIST = "usr/share/podward/packages.tsv"


def blob(archive, digest):
    return archive.extractfile("blobs/" + digest.replace(":", "/")).read()


def packages_of(path):
    """Rows (package, version, source package) of the last layer that has the list."""
    with tarfile.open(path) as archive:
        index = json.load(archive.extractfile("index.json"))
        manifest = json.loads(blob(archive, index["manifests"][0]["digest"]))
        for layer in reversed(manifest["layers"]):
            with tarfile.open(fileobj=io.BytesIO(blob(archive, layer["digest"]))) as files:
                if LIST in files.getnames():
                    text = files.extractfile(LIST).read().decode()
                    return [line.split("\t") for line in text.splitlines()]
    sys.exit(f"sbom.py: {path} has no {LIST}")


def entry(name, version, url, spdx_id):
    return {"SPDXID": spdx_id, "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": url}]}


def main():
    path, name, version = sys.argv[1:4]
    rows = packages_of(path)
    digest = hashlib.sha256(json.dumps([name, version, rows]).encode()).hexdigest()
    packages = [entry(name, version, f"pkg:generic/{name}@{version}", "SPDXRef-Image")]
    packages[0]["licenseDeclared"] = "Apache-2.0"
    for package, package_version, source in rows:
        plain = package.split(":")[0]
        packages.append(entry(plain, package_version,
                              f"pkg:deb/debian/{plain}@{package_version}?distro=bookworm&upstream={source}",
                              "SPDXRef-Package-" + re.sub(r"[^A-Za-z0-9.-]", "-", plain)))
    json.dump({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{name}-{version}",
        "documentNamespace": f"https://podward.dev/spdx/{name}-{version}-{digest}",
        "creationInfo": {"created": "1970-01-01T00:00:00Z", "creators": ["Tool: podward-sbom"]},
        "documentDescribes": ["SPDXRef-Image"], "packages": packages,
        "relationships": [{"spdxElementId": "SPDXRef-Image", "relationshipType": "CONTAINS",
                           "relatedSpdxElement": p["SPDXID"]} for p in packages[1:]],
    }, sys.stdout, indent=1, sort_keys=True)
    print()


main()
