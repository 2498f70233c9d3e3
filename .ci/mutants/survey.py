"""Which test reaches which mutants, and how long it takes: each test alone, once, without mutant."""

import concurrent.futures
import hashlib
import json
import pathlib
import time

import process

LIMIT = 300  # seconds


def digest(program):
    with open(program, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def of(binaries, work, jobs):
    """For each binary a dictionary from test to its seconds and the mutants that it reaches."""
    found = {}
    for name, binary in binaries.items():
        memory = work / f"survey-{name.replace('/', '-')}.json"
        current = digest(binary["program"])
        known = json.loads(memory.read_text()) if memory.exists() else {}
        if known.get("program") != current:
            known = {"program": current, "tests": {}, "red": []}
        examine(name, binary, known, memory, jobs)
        for test in known["red"]:
            print(f"mutants: RED WITHOUT A MUTANT, left out: {name} {test}", flush=True)
        found[name] = known["tests"]
    return found


def examine(name, binary, known, memory, jobs):
    """Runs what has not been run yet, and saves now and then."""
    names = [
        test
        for test in process.listed(binary)
        if test not in known["tests"] and test not in known["red"]
    ]
    if not names:
        return
    begun = saved = time.monotonic()
    with process.Room() as room, concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda test: (test, alone(binary, test, room)), names)
        for test, result in results:
            if result is None:
                known["red"].append(test)
            else:
                known["tests"][test] = result
            if time.monotonic() - saved > 20:
                memory.write_text(json.dumps(known))
                saved = time.monotonic()
    memory.write_text(json.dumps(known))
    print(f"survey: {name}, {len(names)} tests, {time.monotonic() - begun:.0f} s", flush=True)


def alone(binary, test, room):
    """One test; `None` unless it succeeds."""
    label = hashlib.sha256(f"{binary['program']} {test}".encode()).hexdigest()[:16]
    trace = pathlib.Path(room.at, f"trace-{label}")
    outcome = process.run(binary, [test], room, LIMIT, trace=trace)
    if not outcome.passed:
        return None
    lines = trace.read_text().split() if trace.exists() else []
    reached = sorted({int(line) for line in lines})
    return {"seconds": round(outcome.seconds, 3), "reaches": reached}
