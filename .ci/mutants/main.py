"""The steps of mutation testing, see `run`."""

import argparse
import os
import pathlib
import signal
import sys

import build
import judge
import judged
import listing
import process
import report
import survey
from tree import Tree, identity

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "target/mutants"


def arguments():
    parser = argparse.ArgumentParser(prog=".ci/mutants/run")
    parser.add_argument("prefix", nargs="*", help="only mutants of files that begin like this")
    parser.add_argument("--build", action="store_true", help="stop after building")
    parser.add_argument("--survey", action="store_true", help="stop after the survey")
    parser.add_argument("--report", action="store_true", help="report on verdicts so far")
    parser.add_argument("--again", action="store_true", help="judge survivors once more")
    parser.add_argument("--slow", action="store_true", help="use slow tests as well")
    return parser.parse_args()


def wanted(mutants, prefixes):
    """The mutants of the files, in the order of the prefixes."""
    chosen = {}
    for prefix in prefixes or [""]:
        chosen |= {m.number: m for m in mutants if m.file.startswith(prefix)}
    if not chosen:
        sys.exit("mutants: no mutant in such a file")
    return list(chosen.values())


def open_cases(chosen, unviable, verdicts, again):
    settled = {"caught", "timeout"} if again else {"caught", "timeout", "missed", "unreached"}
    return [
        mutant
        for mutant in chosen
        if not mutant.unplaced
        and identity(mutant) not in unviable
        and verdicts.of(mutant) not in settled
    ]


def judge_all(options, mutants, chosen, tree, verdicts):
    """Builds, surveys and judges, as far as the options say. Returns whether it went to the end."""
    jobs = int(os.environ.get("JOBS", "2"))
    binaries = build.tests(tree, mutants, WORK)
    placed = [m for m in mutants if not m.unplaced and identity(m) not in tree.unviable]
    print(f"built with {len(placed)} of {len(mutants)} mutants", flush=True)
    if options.build:
        return False
    if not any(m.package.endswith("sqlx") for m in chosen):
        binaries = {name: b for name, b in binaries.items() if name.startswith("core/")}
    found = survey.of(binaries, WORK, jobs, options.slow)
    if options.survey:
        return False
    court = judge.Court(binaries, found, verdicts, options.slow)
    judge.all_of(open_cases(chosen, tree.unviable, verdicts, options.again), court, jobs)
    return True


def stop(*_signal):
    process.stop()
    sys.exit("mutants: stopped")


def main():
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    WORK.mkdir(parents=True, exist_ok=True)
    mutants = listing.of(ROOT)
    chosen = wanted(mutants, options.prefix)
    tree, verdicts = Tree(ROOT, WORK), judge.Verdicts(WORK / "verdicts.jsonl")
    if options.report:
        tree.remembered()
        tree.place(mutants)
    elif not judge_all(options, mutants, chosen, tree, verdicts):
        return
    judged.write(mutants, verdicts, tree.unviable)
    wrong = report.written(chosen, verdicts, tree.unviable, WORK)
    print((WORK / "report.md").read_text())
    if wrong:
        sys.exit("\n".join(wrong))


main()
