"""The mutants, as cargo-mutants lists them."""

import collections
import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys

CARGO_MUTANTS = "27.1.0"
PACKAGES = ("tower-api-key", "tower-api-key-sqlx")
# The contract suite is test code: what it notices shows in the mutants of the stores.
TESTS = "src/testing/contract/"


@dataclasses.dataclass
class Mutant:
    number: int  # what `MUTANT` is set to
    name: str  # as cargo-mutants prints it: file:line:column: description
    key: str  # the same without line and column; the second of its kind in a file ends in ` [2]`
    file: str
    package: str
    genre: str
    start: tuple  # line and column, from 1, in characters
    end: tuple
    replacement: str
    digest: str = ""  # of the source file
    unplaced: str = ""  # why it is not compiled in


def installed():
    found = shutil.which("cargo-mutants") and subprocess.run(
        ["cargo", "mutants", "--version"], capture_output=True, text=True
    ).stdout
    if not found or CARGO_MUTANTS not in found:
        sys.exit(
            f"mutants: needs cargo-mutants {CARGO_MUTANTS}; install it with\n"
            f"  cargo install --locked --debug --version {CARGO_MUTANTS} cargo-mutants"
        )


def of(root):
    """All mutants of the two packages, numbered from 1."""
    installed()
    command = ["cargo", "mutants", "--list", "--json", "--dir", str(root)]
    for package in PACKAGES:
        command += ["--package", package]
    listed = json.loads(subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL))
    listed = [entry for entry in listed if not entry["file"].startswith(TESTS)]
    digests, kinds, mutants = {}, collections.Counter(), []
    for number, entry in enumerate(listed, start=1):
        file = entry["file"]
        if file not in digests:
            digests[file] = hashlib.sha256((root / file).read_bytes()).hexdigest()[:16]
        key = f"{file}: {entry['name'].split(': ', 1)[1]}"
        kinds[key] += 1
        mutants.append(
            Mutant(
                number=number,
                name=entry["name"],
                key=key if kinds[key] == 1 else f"{key} [{kinds[key]}]",
                file=file,
                package=entry["package"],
                genre=entry["genre"],
                start=position(entry["span"]["start"]),
                end=position(entry["span"]["end"]),
                replacement=entry["replacement"],
                digest=digests[file],
            )
        )
    return mutants


def position(point):
    return point["line"], point["column"]
