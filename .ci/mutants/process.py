"""Runs tests of one binary in a process of its own."""

import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

MEMORY = 8 << 30  # bytes of address space, for mutants that allocate without end
GRACE = 10  # seconds that a process group gets to end by itself
RESULT = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED|ignored)", re.M)


RUNNING = set()
STOPPING = threading.Event()


class Stopped(Exception):
    """A test was ended from outside, so that its result says nothing."""


@dataclasses.dataclass
class Outcome:
    passed: bool
    timed_out: bool
    seconds: float
    failed: list  # names of tests
    finished: list  # names of tests that did not fail


class Room:
    """A directory for temporary files, short because sockets are made in it, and removed in the
    end with what killed tests left behind."""

    def __init__(self):
        self.at = pathlib.Path(tempfile.mkdtemp(prefix="mutants-"))
        self.at.chmod(0o1777)  # a database server runs as a user of its own

    def __enter__(self):
        return self

    def __exit__(self, *_failure):
        shutil.rmtree(self.at, ignore_errors=True)


def environment(binary, room, mutant, trace):
    own = {
        "CARGO_MANIFEST_DIR": binary["home"],
        # The same random cases each time.
        "PROPTEST_RNG_SEED": "1",
        "TMPDIR": str(room.at),
        "PG_TEMPLATE": str(room.at / "pg-template"),
        "RUST_BACKTRACE": "0",
    }
    if mutant:
        own["MUTANT"] = str(mutant)
    if trace:
        own["MUTANT_TRACE"] = str(trace)
    return os.environ | own


def run(binary, names, room, limit, mutant=None, trace=None):
    """Runs the named tests, for at most `limit` seconds."""
    command = ["prlimit", f"--as={MEMORY}", binary["program"], "--exact", *names]
    begun = time.monotonic()
    with tempfile.TemporaryFile(dir=room.at) as output:
        process = subprocess.Popen(
            command,
            cwd=binary["home"],
            env=environment(binary, room, mutant, trace),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        RUNNING.add(process)
        try:
            code, timed_out = process.wait(limit), False
        except subprocess.TimeoutExpired:
            code, timed_out = end(process), True
        RUNNING.discard(process)
        if STOPPING.is_set():
            raise Stopped
        seconds = time.monotonic() - begun
        output.seek(0)
        results = RESULT.findall(output.read().decode(errors="replace"))
    return Outcome(
        passed=code == 0 and not timed_out,
        timed_out=timed_out,
        seconds=seconds,
        failed=[name for name, result in results if result == "FAILED"],
        finished=[name for name, result in results if result != "FAILED"],
    )


def stop():
    """Ends all tests; those who wait for one get `Stopped`."""
    STOPPING.set()
    for process in list(RUNNING):
        os.killpg(process.pid, signal.SIGTERM)


def end(process):
    """Ends the group with a signal that the supervisors of database clusters outlive, since these
    remove their cluster once the test is gone."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        return process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def in_parallel(function, items, jobs):
    """The results in order, as they come. Whoever stops reading them waits only for what runs."""
    pool = concurrent.futures.ThreadPoolExecutor(jobs)
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)


def listed(binary):
    """The names of all tests of a binary."""
    command = [binary["program"], "--list"]
    text = subprocess.check_output(command, cwd=binary["home"], text=True)
    return [line.removesuffix(": test") for line in text.splitlines() if line.endswith(": test")]
