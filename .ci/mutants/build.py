"""Builds the tests once, with all mutants that compile."""

import json
import os
import subprocess
import sys
import time

from tree import identity

TARGETS = ["--lib", "--test", "it", "--test", "conformance", "--test", "allocations"]
ROUNDS = 40


def environment():
    own = {
        "CARGO_PROFILE_DEV_DEBUG": "0",
        "CARGO_TERM_COLOR": "never",
        # Nothing that a mutant leaves unused is an error.
        "RUSTFLAGS": "--cap-lints=allow",
    }
    return os.environ | own


def compiled(tree, work, log):
    """One round: the messages of cargo, and whether it succeeded."""
    command = ["cargo", "test", "--no-run", "--message-format=json", "--all-features"]
    command += ["--package", "tower-api-key", "--package", "tower-api-key-sqlx", *TARGETS]
    command += ["--target-dir", str(work / "build")]
    with open(log, "ab") as errors:
        done = subprocess.run(
            command, cwd=tree.at, env=environment(), stdout=subprocess.PIPE, stderr=errors
        )
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
    return messages, done.returncode == 0


def errors_in(messages):
    for message in messages:
        found = message.get("message")
        if message["reason"] == "compiler-message" and found["level"].startswith("error"):
            if found["spans"] or found["code"]:
                yield found


def binaries(messages):
    """The test binaries: a name, the program and the directory that its tests run in."""
    found = {}
    for message in messages:
        if message["reason"] != "compiler-artifact" or not message["profile"]["test"]:
            continue
        if message["executable"]:
            home = os.path.dirname(message["manifest_path"])
            package = "sqlx" if home.endswith("sqlx") else "core"
            kind = "lib" if "lib" in message["target"]["kind"] else message["target"]["name"]
            found[f"{package}/{kind}"] = {"program": message["executable"], "home": home}
    return found


def tests(tree, mutants, work):
    """Builds until nothing is left that does not compile. Returns the test binaries."""
    log = work / "build.log"
    log.write_bytes(b"")
    tree.remembered()
    by_number = {mutant.number: mutant for mutant in mutants}
    for turn in range(1, ROUNDS + 1):
        begun = time.monotonic()
        tree.write(tree.place(mutants))
        messages, succeeded = compiled(tree, work, log)
        if succeeded:
            tree.remember()
            return binaries(messages)
        dropped, unexplained = set(), []
        for error in errors_in(messages):
            blamed = tree.blamed(error, mutants)
            dropped |= blamed
            if not blamed:
                unexplained.append(error["rendered"])
        tree.unviable |= {identity(by_number[number]) for number in dropped}
        print(f"build {turn}: {len(dropped)} do not compile, {time.monotonic() - begun:.0f} s",
              flush=True)
        if not dropped:
            sys.exit("\n".join(unexplained[:5]) + f"\nmutants: cannot build, see {log}")
    sys.exit(f"mutants: still not built after {ROUNDS} rounds")
