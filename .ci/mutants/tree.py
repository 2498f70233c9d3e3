"""The copy of the repository that has the mutants in it."""

import collections
import itertools
import json
import pathlib
import subprocess

import place

HERE = pathlib.Path(__file__).parent
CRATES = {"tower-api-key": "src", "tower-api-key-sqlx": "crates/sqlx/src"}


class Tree:
    """`target/mutants/tree`, and where in its files which mutant is."""

    def __init__(self, root, work):
        self.root = root
        self.at = work / "tree"
        self.memory = work / "unviable.json"
        self.branches = {}  # file: branches
        self.unviable = set()  # identities of mutants that do not compile

    def remembered(self):
        if self.memory.exists():
            self.unviable = {tuple(pair) for pair in json.loads(self.memory.read_text())}

    def remember(self):
        self.memory.write_text(json.dumps(sorted(self.unviable), indent=0))

    def place(self, mutants):
        """Places all mutants that compile, as far as is known. Returns the files."""
        texts = self.originals()
        of_file = collections.defaultdict(list)
        for mutant in mutants:
            if identity(mutant) not in self.unviable:
                of_file[mutant.file].append(mutant)
        for file, some in of_file.items():
            texts[file], self.branches[file] = place.into(texts[file], some)
        module = (HERE / "mutation.rs").read_text()
        numbers = f"NUMBERS: usize = {len(mutants) + 1};"
        module = module.replace("NUMBERS: usize = 0;", numbers).encode()
        for source in CRATES.values():
            texts[f"{source}/mutation.rs"] = module
            texts[f"{source}/lib.rs"] += b"\nmod mutation;\n"
        return texts

    def originals(self):
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.check_output(command, cwd=self.root, text=True).split("\0")
        texts = {}
        for name in names:
            path = self.root / name
            if name and not name.startswith("fuzz/") and path.is_file():
                texts[name] = path.read_bytes()
        lock = self.root / "Cargo.lock"
        if lock.exists():
            texts["Cargo.lock"] = lock.read_bytes()
        return texts

    def write(self, texts):
        """Leaves alone what is as it should be, so that cargo does not build it again."""
        for path in self.at.rglob("*"):
            name = path.relative_to(self.at).as_posix()
            if path.is_file() and name not in texts and name != "Cargo.lock":
                path.unlink()
        for name, text in texts.items():
            path = self.at / name
            if not path.exists() or path.read_bytes() != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text)

    def blamed(self, message, mutants):
        """The numbers of the mutants that an error of the compiler is about: whose code has the
        error's place, or else a place that the error mentions, or else those in the block that
        begins on its line: the arms of a `match`."""
        primary = [span for span in message["spans"] if span["is_primary"]]
        everywhere = list(message["spans"])
        for child in message["children"]:
            everywhere += child["spans"]
        for spans in (primary, everywhere):
            found = {number for span in spans for number in self.around(outermost(span))}
            if found:
                return found
        return {
            mutant.number
            for mutant in mutants
            for span in primary
            if self.nearby(mutant, outermost(span))
        }

    def around(self, span):
        """The mutant whose code has the place."""
        found = [
            branch
            for branch in self.branches.get(span["file_name"], [])
            if branch.start <= span["byte_start"] < branch.end
        ]
        return {max(found, key=lambda branch: branch.start).number} if found else set()

    def nearby(self, mutant, span):
        """Whether the mutant is on a line of the span or of the block that begins there, in the
        tree."""
        if mutant.file != span["file_name"] or mutant.unplaced:
            return False
        first, *others = (self.at / mutant.file).read_text().splitlines()[span["line_start"] - 1 :]
        block = itertools.takewhile(lambda line: indent(line) > indent(first), others)
        return any(f"::on({mutant.number})" in line for line in [first, *block])


def indent(line):
    return len(line) - len(line.lstrip()) if line.strip() else 1000


def outermost(span):
    """Where a macro was called, for a place in what it wrote."""
    while span["expansion"]:
        span = span["expansion"]["span"]
    return span


def identity(mutant):
    """What tells mutants apart between runs."""
    return (mutant.name, mutant.digest)
