"""Each crate of the workspace compiles with the Rust that its manifest promises, as far as its
dependencies say: none of them, however deep, asks for a newer one. Dependencies of tests do not
count. The versions are those of Cargo.lock."""

import json
import subprocess
import sys


def metadata():
    command = ["cargo", "metadata", "--format-version=1", "--all-features"]
    return json.loads(subprocess.check_output(command))


def number(version):
    """`1.88` and `1.88.0` are the same."""
    major, minor, patch = (version + ".0").split(".")[:3]
    return int(major), int(minor), int(patch)


def dependencies(root, nodes):
    """Everything that a user of `root` compiles, with all features and on any system."""
    found, next_up = set(), [root]
    while next_up:
        for dependency in nodes[next_up.pop()]["deps"]:
            kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
            if kinds != {"dev"} and dependency["pkg"] not in found:
                found.add(dependency["pkg"])
                next_up.append(dependency["pkg"])
    return found


def main():
    known = metadata()
    packages = {package["id"]: package for package in known["packages"]}
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    faults = []
    for member in known["workspace_members"]:
        crate = packages[member]
        promised = crate["rust_version"]
        if promised is None:
            sys.exit(f"{crate['name']} has no rust-version")
        compiled = [packages[id] for id in dependencies(member, nodes)]
        too_new = [
            f"{crate['name']} promises Rust {promised}, but {used['name']} {used['version']}"
            f" asks for {used['rust_version']}"
            for used in compiled
            if used["rust_version"] and number(used["rust_version"]) > number(promised)
        ]
        print(f"{crate['name']}: Rust {promised}, {len(compiled)} dependencies")
        faults += sorted(too_new)
    if faults:
        sys.exit("\n".join(faults))


main()
