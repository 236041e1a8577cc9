"""YAML as the API server's clients read it, with the line of every key.

Documents are parsed one by one: a mistake in one of them hides nothing in the others.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from finetune_cli.manifest.findings import Document, Path, Place
from finetune_core.yaml_text import KINDS, TAG, CoreLoader, scalar, shown

_MAX_NODES = 200_000
_START = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_COMMENT = ("#", "%")


class _Loader(CoreLoader):
    """Anchors may be merged: a manifest is its writer's own."""


_Loader.add_implicit_resolver(f"{TAG}merge", re.compile(r"<<\Z"), ["<"])

Mistake = tuple[Place, str]
"""Something that is no proper YAML, and what to do."""


def read(text: str) -> tuple[list[Document], list[Mistake]]:
    """The documents of a file and what is wrong with it as YAML; empty documents are left out."""
    documents: list[Document] = []
    mistakes: list[Mistake] = []
    for first_line, chunk in _chunks(text):
        try:
            nodes = [node for node in yaml.compose_all(chunk, _Loader) if node is not None]
            for node in nodes:
                builder = _Builder(first_line)
                value = builder.build(node, ())
                mistakes += builder.mistakes
                if value is not None:
                    documents.append(Document(value, builder.places))
        except yaml.MarkedYAMLError as error:
            mistakes.append(_syntax(error, first_line))
        except yaml.reader.ReaderError as error:
            line = chunk.count("\n", 0, error.position) + first_line
            mistakes.append((Place(line, 1), f"character {error.character!r} is not allowed in YAML: remove it"))
        except RecursionError:
            mistakes.append((Place(first_line, 1), "nested too deeply: no manifest needs that, is it the right file?"))
        except _TooLargeError:
            message = f"more than {_MAX_NODES} values (anchors that repeat each other?): write them out, or split it"
            mistakes.append((Place(first_line, 1), message))
    return documents, mistakes


class _TooLargeError(Exception):
    """Anchors within anchors can make gigabytes of a few lines."""


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """The documents' texts, each with the number of its first line."""
    text = text.removeprefix("\ufeff")
    starts = [0, *(match.start() for match in _START.finditer(text) if match.start())]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        chunk = text[start:end]
        lines = (line.strip() for line in chunk.splitlines())
        # Before the first --- there may be comments and directives alone.
        if any(line and not (line.startswith(_COMMENT) or line == "---") for line in lines):
            yield text.count("\n", 0, start) + 1, chunk


def _syntax(error: yaml.MarkedYAMLError, first_line: int) -> Mistake:
    mark = error.problem_mark or error.context_mark
    place = Place(mark.line + first_line, mark.column + 1) if mark else Place(first_line, 1)
    what = " ".join(part for part in (error.context, error.problem) if part)
    return place, f"no proper YAML: {what}: {_syntax_remedy(what)}"


_SYNTAX_REMEDIES = {
    "'\\t'": "indent with spaces, not with tabs",
    "mapping values are not allowed": "put quotes around a text that holds a colon, and check the indentation",
    "quoted scalar": "close the quotes",
    "flow ": "close the bracket, or add the comma before this place",
    "alias": "define the anchor before its use, or put quotes around a text that begins with *",
    "block mapping": "check the colon and the indentation here and in the line before",
    "could not find expected ':'": "check the colon and the indentation here and in the line before",
}
"""Words of PyYAML's messages -> what to do."""


def _syntax_remedy(what: str) -> str:
    return next((do for words, do in _SYNTAX_REMEDIES.items() if words in what), "check this line and the one before")


class _Builder:
    """Values and places from nodes."""

    def __init__(self, first_line: int) -> None:
        self._first = first_line
        self._open: set[int] = set()
        self._count = 0
        self.places: dict[Path, Place] = {}
        self.mistakes: list[Mistake] = []

    def build(self, node: yaml.Node, path: Path) -> Any:
        """The value of a node; what is wrong with it is added to `mistakes`."""
        self._count += 1
        if self._count > _MAX_NODES:
            raise _TooLargeError
        self.places.setdefault(path, self._place(node))
        if id(node) in self._open:
            self.mistakes.append((self._place(node), "the anchor holds itself: write the values out"))
            return None
        self._open.add(id(node))
        try:
            match node:
                case yaml.MappingNode():
                    return self._mapping(node, path)
                case yaml.SequenceNode():
                    return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
                case _:
                    return self._scalar(node)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        seen: dict[str, Place] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{TAG}merge":
                merged = self._merged(value_node, path) | merged
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self.mistakes.append((self._place(key_node), "a key must be a single word: write `key: value`"))
                continue
            key = str(key_node.value)
            if key in seen:
                message = f"{key} is given twice (first in line {seen[key].line}): remove one of the two"
                self.mistakes.append((self._place(key_node), message))
                continue
            seen[key] = self._place(key_node)
            self.places[(*path, key)] = seen[key]
            values[key] = self.build(value_node, (*path, key))
        return merged | values

    def _merged(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for one in nodes:
            value = self.build(one, path)
            if not isinstance(value, dict):
                self.mistakes.append((self._place(one), "<< takes a mapping, by its anchor: write `<<: *anchor`"))
                continue
            merged = value | merged
        return merged

    def _scalar(self, node: yaml.Node) -> Any:
        text, kind = str(node.value), node.tag.removeprefix(TAG)
        if kind == "merge":
            return text
        if kind not in KINDS:
            self.mistakes.append((self._place(node), f"the tag {node.tag} means nothing here: remove it"))
            return None
        try:
            return scalar(kind, text)
        except ValueError:
            message = f"{shown(text)} is no {kind} that JSON has: correct it, or put quotes around it"
            self.mistakes.append((self._place(node), message))
            return None

    def _place(self, node: yaml.Node) -> Place:
        return Place(node.start_mark.line + self._first, node.start_mark.column + 1)
