"""Puts all mutants of a file into its text, each behind a condition.

Everything is inserted, nothing replaced: `a < b` becomes
`(if crate::mutation::on(7) { a <= b } else { a < b })`. Only one mutant is on at a time, so a
branch that is a mutant repeats the source as it was, without the mutants inside it, and the text
grows linearly.
"""

import dataclasses

import tree_sitter
import tree_sitter_rust

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
CONST = {"const_item", "static_item", "const_block", "array_type", "enum_variant"}


class Unplaced(Exception):
    """The reason why a mutant has no place."""


@dataclasses.dataclass
class Branch:
    """Code that runs only with one mutant, as bytes of the new text."""

    number: int
    start: int
    end: int


@dataclasses.dataclass
class Insertion:
    at: int
    order: tuple  # among those at the same place
    pieces: list  # texts, or (text, number) for the branch of a mutant


class File:
    """A source file, and what is inserted into it."""

    def __init__(self, text):
        self.text = text
        self.lines = text.decode().splitlines(keepends=True)
        self.root = PARSER.parse(text).root_node
        self.insertions = []
        self.alternatives = {}  # node of an expression: pieces for its mutants

    def offset(self, position):
        line, column = position
        before = sum(len(text.encode()) for text in self.lines[: line - 1])
        return before + len(self.lines[line - 1][: column - 1].encode())

    def source(self, start, end):
        return self.text[start:end].decode()

    def around(self, start, end, prefix, suffix):
        """Of two ranges that begin at the same place the longer one's prefix comes first; of two
        that end at the same place the shorter one's suffix."""
        turn = len(self.insertions)
        self.insertions.append(Insertion(start, (2, -end, turn), prefix))
        self.insertions.append(Insertion(end, (0, -start, -turn), suffix))

    def at(self, offset, pieces):
        self.insertions.append(Insertion(offset, (1, len(self.insertions)), pieces))

    def alternative(self, whole, mutant, start):
        """The expression `whole` with the mutant's replacement in it, if the mutant is on."""
        before = self.source(whole.start_byte, start)
        after = self.source(self.offset(mutant.end), whole.end_byte)
        branch = (before + mutant.replacement + after, mutant.number)
        pieces = self.alternatives.setdefault(whole, [])
        pieces += [f"if {on(mutant)} {{ ", branch, " } else "]

    def add(self, mutant):
        """Plans one mutant, or raises `Unplaced`."""
        start, end = self.offset(mutant.start), self.offset(mutant.end)
        node = self.root.descendant_for_byte_range(start, end)
        refuse_constants(node, mutant)
        PLACERS[mutant.genre](self, mutant, node, start)

    def written(self):
        """The new text and the branches in it."""
        for node, pieces in self.alternatives.items():
            self.around(*node.byte_range, ["(", *pieces, "{ "], [" })"])
        out, branches, done = bytearray(), [], 0
        for insertion in sorted(self.insertions, key=lambda one: (one.at, one.order)):
            out += self.text[done : insertion.at]
            done = insertion.at
            for piece in insertion.pieces:
                if isinstance(piece, tuple):
                    begin = len(out)
                    out += piece[0].encode()
                    branches.append(Branch(piece[1], begin, len(out)))
                else:
                    out += piece.encode()
        return bytes(out + self.text[done:]), branches


def on(mutant):
    return f"crate::mutation::on({mutant.number})"


def climb(node, found):
    """The nearest node from here to the root for which `found` holds."""
    while node and not found(node):
        node = node.parent
    if node is None:
        raise Unplaced("no such syntax")
    return node


def refuse_constants(node, mutant):
    while node is not None:
        if node.type == "token_tree":
            raise Unplaced("in a macro")
        modifiers = node.type == "function_item" and [
            child.text for child in node.children if child.type == "function_modifiers"
        ]
        if node.type in CONST or (modifiers and b"const" in modifiers[0].split()):
            raise Unplaced("evaluated by the compiler")
        if node.type == "function_item":
            return
        node = node.parent


def is_body(node):
    return node.type == "block" and node.parent is not None and node.parent.type == "function_item"


def place_value(file, mutant, node, _start):
    body = climb(node, is_body)
    result = body.parent.child_by_field_name("return_type")
    if result is not None and result.text.startswith(b"impl ") and b"Iterator" in result.text:
        place_iterator(file, mutant, body)
        return
    value = f"return {mutant.replacement};"
    branch = (value, mutant.number)
    file.at(body.start_byte + 1, [f" if {on(mutant)} {{ ", branch, " }"])


def place_iterator(file, mutant, body):
    """The two bodies of a function that returns `impl Iterator` have different types."""
    first = (f"crate::mutation::Either::Left({mutant.replacement})", mutant.number)
    prefix = [f" if {on(mutant)} {{ ", first, " } else { crate::mutation::Either::Right({"]
    file.around(body.start_byte + 1, body.end_byte - 1, prefix, ["}) } "])


def place_operator(file, mutant, node, start):
    kinds = {"binary_expression", "compound_assignment_expr", "unary_expression"}
    if node.parent is not None and node.parent.type == "let_chain":
        raise Unplaced("operator of a let chain")
    whole = node.parent
    if whole is None or whole.type not in kinds:
        raise Unplaced("not an expression")
    file.alternative(whole, mutant, start)


def arm_of(node, start):
    return climb(node, lambda one: one.type == "match_arm" and one.start_byte <= start)


def has_let(node):
    return node.type in {"let_condition", "let_chain"}


def place_arm(file, mutant, node, start):
    pattern = arm_of(node, start).child_by_field_name("pattern")
    guard = pattern.child_by_field_name("condition")
    if guard is None:
        file.at(pattern.end_byte, [f" if !{on(mutant)}"])
    elif has_let(guard):
        file.around(*guard.byte_range, [f"!{on(mutant)} && "], [])
    else:
        file.around(*guard.byte_range, [f"!{on(mutant)} && ("], [")"])


def place_guard(file, mutant, node, start):
    guard = arm_of(node, start).child_by_field_name("pattern").child_by_field_name("condition")
    if has_let(guard):
        raise Unplaced("guard with let")
    test = {"true": f"{on(mutant)} || (", "false": f"!{on(mutant)} && ("}[mutant.replacement]
    file.around(*guard.byte_range, [test], [")"])


def place_field(file, mutant, _node, start):
    """The whole expression without the field, which then comes from the base."""
    first = file.root.descendant_for_byte_range(start, start + 1)  # the span ends with the comma
    whole = climb(first, lambda one: one.type == "struct_expression")
    file.alternative(whole, mutant, start)


PLACERS = {
    "FnValue": place_value,
    "BinaryOperator": place_operator,
    "UnaryOperator": place_operator,
    "MatchArm": place_arm,
    "MatchArmGuard": place_guard,
    "StructField": place_field,
}


def into(text, mutants):
    """The text with the mutants in it, and their branches. Marks those that have no place."""
    file = File(text)
    for mutant in mutants:
        try:
            file.add(mutant)
        except Unplaced as reason:
            mutant.unplaced = str(reason)
    return file.written()
