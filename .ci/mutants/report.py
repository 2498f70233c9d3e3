"""Counts per room, and which survivors nobody has explained."""

import collections
import pathlib

from tree import identity

# Decisions, credentials, scopes, refusals, the cache, management and feeds: here each survivor has
# an explanation. Elsewhere a room's score has to reach `ENOUGH`.
STRICT = (
    "src/authenticate/",
    "src/credential/",
    "src/decided.rs",
    "src/end_notices.rs",
    "src/every_route.rs",
    "src/layer/",
    "src/manage/",
    "src/principal.rs",
    "src/public.rs",
    "src/rejection/",
    "src/require/",
    "src/scope/",
    "src/secret/",
    "src/service/",
    "src/store/backend/",
    "src/store/cached/",
    "src/store/record.rs",
    "src/store/status.rs",
    "crates/sqlx/src/postgres/feed.rs",
    "crates/sqlx/src/postgres/log.rs",
    "crates/sqlx/src/postgres/lookup.rs",
    "crates/sqlx/src/postgres/managed/",
    "crates/sqlx/src/postgres/row.rs",
    "crates/sqlx/src/sqlite/feed.rs",
    "crates/sqlx/src/sqlite/log.rs",
    "crates/sqlx/src/sqlite/managed/",
    "crates/sqlx/src/sqlite/row.rs",
)
ENOUGH = 0.95
COLUMNS = ("caught", "timeout", "missed", "explained", "unviable", "unplaced", "open")
EXPLAINED = pathlib.Path(__file__).parent / "explained.txt"


def explanations():
    """From a mutant's description to the reason, see the head of the file."""
    found, key = {}, None
    for line in EXPLAINED.read_text().splitlines():
        if line.startswith((" ", "\t")) and key:
            found[key] = (found[key] + " " + line.strip()).strip()
        elif line and not line.startswith("#"):
            key = line
            found[key] = ""
    return found


def room_of(file):
    """A folder of a crate, or a file beside the folders."""
    parts = file.split("/")
    depth = 4 if file.startswith("crates/") else 2
    return "/".join(parts[:depth])


def column_of(mutant, verdicts, unviable, explained):
    if mutant.unplaced:
        return "unplaced"
    if identity(mutant) in unviable:
        return "unviable"
    verdict = verdicts.of(mutant)
    if verdict is None:
        return "open"
    if verdict in {"caught", "timeout"}:
        return verdict
    return "explained" if explained.get(mutant.key) else "missed"


def score(counts):
    """Caught of those that could have been, or `None`."""
    caught = counts["caught"] + counts["timeout"]
    return caught / (caught + counts["missed"]) if caught + counts["missed"] else None


def row(name, counts):
    cells = [name, str(sum(counts.values()))]
    cells += [str(counts[column]) for column in COLUMNS]
    reached = score(counts)
    cells.append("" if reached is None else f"{100 * reached:.1f} %")
    return "| " + " | ".join(cells) + " |"


def written(mutants, verdicts, unviable, work):
    """Writes `report.md` and the lists beside it. Returns what is wrong, one text each."""
    explained = explanations()
    rooms, lists = collections.defaultdict(collections.Counter), collections.defaultdict(list)
    wrong = []
    for mutant in mutants:
        column = column_of(mutant, verdicts, unviable, explained)
        rooms[room_of(mutant.file)][column] += 1
        lists[column].append(mutant)
        if column == "missed" and mutant.file.startswith(STRICT):
            wrong.append(f"unexplained: {mutant.name}")
        if column in {"caught", "timeout"} and mutant.key in explained:
            wrong.append(f"explained, but {column}: {mutant.name}")
    stale = explained.keys() - {mutant.key for mutant in mutants}
    wrong += [f"explained, but there is no such mutant: {key}" for key in sorted(stale)]
    for room, counts in rooms.items():
        reached = score(counts)
        if reached is not None and reached < ENOUGH:
            wrong.append(f"{room}: {100 * reached:.1f} % are caught, of {100 * ENOUGH:.0f} %")
    write(rooms, lists, verdicts, work)
    return wrong


def write(rooms, lists, verdicts, work):
    total = collections.Counter()
    head = "| room | mutants | " + " | ".join(COLUMNS) + " | score |"
    lines = ["# Mutants", "", head, "|---|" + "---:|" * (len(COLUMNS) + 2)]
    for room, counts in sorted(rooms.items()):
        lines.append(row(room, counts))
        total.update(counts)
    lines.append(row("all", total))
    lines += ["", "Unplaced: what is evaluated by the compiler, or has no place for a condition."]
    (work / "report.md").write_text("\n".join(lines) + "\n")
    for column in ("missed", "timeout", "unviable", "unplaced"):
        names = [
            f"{mutant.name}{note(mutant, verdicts)}\n" for mutant in lists[column]
        ]
        (work / f"{column}.txt").write_text("".join(names))


def note(mutant, verdicts):
    if mutant.unplaced:
        return f" ({mutant.unplaced})"
    return " (no test reaches it)" if verdicts.of(mutant) == "unreached" else ""
