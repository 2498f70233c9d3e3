"""The verdicts that the repository keeps: `judged.txt`, which a run elsewhere goes on from.

A line for each source file all of whose mutants are judged: its name, its digest, how many of its
mutants were caught. Below it are the others, indented. What does not compile or has no place is in
neither.
"""

import collections
import pathlib

from tree import identity

FILE = pathlib.Path(__file__).parent / "judged.txt"
HEAD = """\
# Which changes to which source file the tests notice, written by `run`. Below a file are those that
# no test noticed, or that made one run into its time limit. A file is judged again once its digest,
# the second column, has changed.
"""


def read(path=FILE):
    """From a file's name and digest to its verdicts by the name of the mutant, without the file's;
    what is not listed is caught."""
    found, others = {}, {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith("  "):
            verdict, name = line.strip().split(" ", 1)
            others[name] = verdict
        elif line and not line.startswith("#"):
            file, digest = line.split()[:2]
            others = found[file, digest] = {}
    return found


def write(mutants, verdicts, unviable, path=FILE):
    """Writes what is known of the files as they are now."""
    files = collections.defaultdict(list)
    for mutant in mutants:
        if not mutant.unplaced and identity(mutant) not in unviable:
            files[mutant.file, mutant.digest].append(mutant)
    lines = [HEAD]
    for (file, digest), some in sorted(files.items()):
        judged = {local_name(mutant): verdicts.of(mutant) for mutant in some}
        if None in judged.values():
            continue
        others = {name: verdict for name, verdict in judged.items() if verdict != "caught"}
        lines.append(f"{file} {digest} {len(judged) - len(others)} of {len(judged)} caught\n")
        lines += [f"  {verdict} {name}\n" for name, verdict in others.items()]
    path.write_text("".join(lines))


def local_name(mutant):
    """Line, column and description."""
    return mutant.name.removeprefix(f"{mutant.file}:")
