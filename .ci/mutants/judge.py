"""Switches each mutant on and runs the tests that reach it, until one fails."""

import collections
import json
import threading
import time

import judged
import process
from survey import SLOW
from tree import identity

FIRST_BUDGET = 0.5  # seconds of tests in a mutant's first process; the next one has twice that
MOST_TESTS = 200  # in a process
SHORTEST_LIMIT = 20  # seconds
STEADY = 1  # seconds; a longer test that fails is tried without the mutant as well


class Verdicts:
    """A file of verdicts, one line each; the last one about a mutant counts. What it does not have
    is taken from those that the repository keeps."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.kept = judged.read()
        self.known = {}
        if path.exists():
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                self.known[entry["name"], entry["digest"]] = entry

    def add(self, mutant, verdict, test, seconds):
        entry = {
            "name": mutant.name,
            "digest": mutant.digest,
            "verdict": verdict,
            "test": test,
            "seconds": round(seconds, 2),
        }
        with self.lock, open(self.path, "a") as file:
            file.write(json.dumps(entry) + "\n")
            self.known[identity(mutant)] = entry

    def of(self, mutant):
        if entry := self.known.get(identity(mutant)):
            return entry["verdict"]
        others = self.kept.get((mutant.file, mutant.digest))
        return None if others is None else others.get(judged.local_name(mutant), "caught")


class Court:
    """All that is needed to judge a mutant."""

    def __init__(self, binaries, survey, verdicts, slow):
        self.binaries = binaries
        self.verdicts = verdicts
        self.seconds = {}  # (binary, test)
        self.reaching = collections.defaultdict(list)  # number: (binary, test)
        self.caught_here = collections.Counter()  # (file, binary, test): mutants caught
        for binary, tests in survey.items():
            for test, found in tests.items():
                if found["seconds"] > SLOW and not slow:
                    continue
                self.seconds[binary, test] = found["seconds"]
                for number in found["reaches"]:
                    self.reaching[number].append((binary, test))

    def tests_of(self, mutant):
        """First what caught mutants of the same file, then the quickest. A store is tested by the
        core too, with its contract; the core by its own tests alone."""
        tests = self.reaching[mutant.number]
        if not mutant.package.endswith("sqlx"):
            tests = [test for test in tests if test[0].startswith("core/")]
        caught = {test: min(self.caught_here[mutant.file, *test], 3) for test in tests}
        return sorted(tests, key=lambda test: (-caught[test], self.seconds[test]))

    def processes(self, tests):
        """The tests in groups that run in one process each: of one binary, the first groups
        short."""
        budget = FIRST_BUDGET
        while tests:
            binary, chosen, total = tests[0][0], [], 0.0
            for test in tests:
                if test[0] != binary or len(chosen) == MOST_TESTS:
                    continue
                if chosen and total + self.seconds[test] > budget:
                    break
                chosen.append(test)
                total += self.seconds[test]
            taken = set(chosen)
            tests = [test for test in tests if test not in taken]
            budget *= 2
            yield binary, [name for _, name in chosen], total

    def judge(self, mutant, room):
        begun = time.monotonic()
        verdict, by = self.verdict(mutant, room)
        self.verdicts.add(mutant, verdict, by, time.monotonic() - begun)
        return verdict

    def confirmed(self, mutant, binary, test, room):
        """Whether the test fails by itself too, and a longer one still succeeds without the mutant:
        what depends on time may fail because the machine is busy."""
        seconds = self.seconds[binary, test]
        limit = max(SHORTEST_LIMIT, 5 * seconds)
        numbers = [mutant.number, None] if seconds > STEADY else [mutant.number]
        outcomes = [
            process.run(self.binaries[binary], [test], room, limit, number) for number in numbers
        ]
        return not outcomes[0].passed and all(outcome.passed for outcome in outcomes[1:])

    def verdict(self, mutant, room):
        tests = self.tests_of(mutant)
        if not tests:
            return "unreached", None
        for binary, names, total in self.processes(tests):
            limit = max(SHORTEST_LIMIT, 5 * total)
            outcome = process.run(self.binaries[binary], names, room, limit, mutant.number)
            if outcome.passed:
                continue
            if outcome.timed_out or not outcome.failed:
                # It hangs, or the process crashed.
                left = [name for name in names if name not in outcome.finished]
                by = f"{binary} {left[0] if left else names[0]}"
                return ("timeout" if outcome.timed_out else "caught"), by
            for test in outcome.failed:
                if self.confirmed(mutant, binary, test, room):
                    self.caught_here[mutant.file, binary, test] += 1
                    return "caught", f"{binary} {test}"
                print(f"unsteady: {binary} {test}, with {mutant.name}", flush=True)
        return "missed", None


def all_of(mutants, court, jobs):
    """Judges the mutants, `jobs` at a time."""
    begun, counts = time.monotonic(), collections.Counter()
    with process.Room() as room:
        verdicts = process.in_parallel(lambda one: court.judge(one, room), mutants, jobs)
        for done, (mutant, verdict) in enumerate(zip(mutants, verdicts), start=1):
            counts[verdict] += 1
            if verdict in {"missed", "unreached"}:
                print(f"{verdict}: {mutant.name}", flush=True)
            if done % 50 == 0:
                spent = time.monotonic() - begun
                print(f"{done} of {len(mutants)}, {spent:.0f} s: {dict(counts)}", flush=True)
