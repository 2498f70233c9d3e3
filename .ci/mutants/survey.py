"""Which test reaches which mutants, and how long it takes: each test alone, without a mutant."""

import hashlib
import json
import pathlib
import time

import process

SLOW = 5  # seconds; a test that takes longer is not used unless asked for
ENOUGH = 15  # seconds after which such a test is stopped
LIMIT = 600  # seconds, for slow tests that are asked for


def digest(program):
    with open(program, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def of(binaries, work, jobs, slow):
    """For each binary a dictionary from test to its seconds and the mutants that it reaches."""
    found = {}
    for name, binary in binaries.items():
        memory = work / f"survey-{name.replace('/', '-')}.json"
        current = digest(binary["program"])
        known = json.loads(memory.read_text()) if memory.exists() else {}
        if known.get("program") != current:
            known = {"program": current, "tests": {}, "red": []}
        examine(name, binary, known, memory, jobs, slow)
        for test in known["red"]:
            print(f"mutants: RED WITHOUT A MUTANT, left out: {name} {test}", flush=True)
        for test, seen in known["tests"].items():
            if seen["seconds"] > SLOW and not slow:
                print(f"mutants: slow, left out without --slow: {name} {test}", flush=True)
        found[name] = known["tests"]
    return found


def examine(name, binary, known, memory, jobs, slow):
    """Runs what has not been run yet, and saves now and then."""
    names = [
        test
        for test in process.listed(binary)
        if test not in known["red"] and not settled(known["tests"].get(test), slow)
    ]
    if not names:
        return
    limit = LIMIT if slow else ENOUGH
    begun = saved = time.monotonic()
    with process.Room() as room:
        results = process.in_parallel(lambda test: alone(binary, test, room, limit), names, jobs)
        for test, result in zip(names, results):
            if result is None:
                known["red"].append(test)
            else:
                known["tests"][test] = result
            if time.monotonic() - saved > 20:
                memory.write_text(json.dumps(known))
                saved = time.monotonic()
    memory.write_text(json.dumps(known))
    print(f"survey: {name}, {len(names)} tests, {time.monotonic() - begun:.0f} s", flush=True)


def settled(seen, slow):
    """Whether a test has run to its end, or was stopped and need not."""
    return seen is not None and not (slow and seen["stopped"])


def alone(binary, test, room, limit):
    """One test; `None` if it fails."""
    label = hashlib.sha256(f"{binary['program']} {test}".encode()).hexdigest()[:16]
    trace = pathlib.Path(room.at, f"trace-{label}")
    outcome = process.run(binary, [test], room, limit, trace=trace)
    if not outcome.passed and not outcome.timed_out:
        return None
    lines = trace.read_text().split() if trace.exists() else []
    return {
        "seconds": round(outcome.seconds, 3),
        "stopped": outcome.timed_out,
        "reaches": sorted({int(line) for line in lines}),
    }
