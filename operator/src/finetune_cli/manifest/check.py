"""All findings of a file's text."""

import re
from collections.abc import Iterator, Set
from typing import Any

from finetune_cli.manifest import wording
from finetune_cli.manifest.cel import check_rules
from finetune_cli.manifest.core import check_core, is_vaguer, path_of
from finetune_cli.manifest.crds import API_VERSION, KINDS, schema_of, spec_schema, with_defaults
from finetune_cli.manifest.findings import Document, Finding, Path, Place, Severity, Trouble, field_of
from finetune_cli.manifest.schema import check_schema
from finetune_cli.manifest.unknown import unknown_field
from finetune_cli.manifest.yaml_nodes import read
from finetune_core.api.crd import GROUP
from finetune_core.names import NAME_FORM, is_name, is_namespace
from finetune_core.near import near

_FIRST_WORD = re.compile(r"[A-Za-z]+(?:\.[A-Za-z]+)*")


def check_text(file: str, text: str, *, any_kind: bool = False, in_cluster: bool = True) -> list[Finding]:
    """Everything wrong with the manifests of a file, in the order of its lines.

    any_kind: documents that are none of ours (a Secret, a chart's values) are passed over, and a file without any of
    ours is nothing to complain of. in_cluster: whether they are for a cluster, which does not see local folders.
    """
    documents, mistakes = read(text)
    findings = [Finding(file, place, "", message) for place, message in mistakes]
    ours = 0
    for document in documents:
        if not any_kind or _is_ours(document.value) or _is_nameless(document.value):
            found = list(_check(file, document, passing=_is_other(document.value), in_cluster=in_cluster))
            findings += found
            ours += not _is_other(document.value)
        if _is_list_of_ours(document.value, any_kind=any_kind):
            message = "the entries of a List are not looked at: write them as documents of their own, with --- between"
            findings.append(Finding(file, document.place(("kind",)), "kind", message))
    if not ours and not findings and not any_kind:
        findings.append(Finding(file, Place(1, 1), "", f"holds no {' and no '.join(KINDS)}: is it the right file?"))
    return sorted(set(findings))


def manifests_of(text: str) -> list[dict[str, Any]]:
    """The experiments and searches of a text that has no errors, as they are written."""
    return [document.value for document in documents_of(text)]


def documents_of(text: str) -> list[Document]:
    """The same, with the places of their parts."""
    return [one for one in read(text)[0] if isinstance(one.value, dict) and one.value.get("kind") in KINDS]


def finding(file: str, document: Document, field: str, message: str, severity: Severity) -> Finding:
    """What was found out about a field of a spec, at the line where that is written."""
    trouble = Trouble(path_of(field, document.value["spec"]), message)
    path = _subject(document, trouble)
    return Finding(file, document.place(path), field_of(path, document.value), message, severity)


def _is_ours(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    version, kind = str(value.get("apiVersion", "")), str(value.get("kind", ""))
    return kind in KINDS or version.split("/", maxsplit=1)[0] == GROUP or bool(near(kind, KINDS))


def _is_list_of_ours(value: Any, *, any_kind: bool) -> bool:
    if not isinstance(value, dict) or value.get("kind") != "List":
        return False
    items = value.get("items")
    return not any_kind or (isinstance(items, list) and any(map(_is_ours, items)))


def _is_nameless(value: Any) -> bool:
    """Something that has a manifest's parts and does not say what it is."""
    return isinstance(value, dict) and "kind" not in value and ("spec" in value or "metadata" in value)


def _is_other(value: Any) -> bool:
    """A proper object of a kind that is not ours."""
    return isinstance(value, dict) and bool(value.get("kind")) and bool(value.get("apiVersion")) and not _is_ours(value)


def _check(file: str, document: Document, *, passing: bool, in_cluster: bool) -> Iterator[Finding]:
    if passing:
        return
    if not isinstance(document.value, dict):
        message = "is no manifest: it begins with apiVersion, kind, metadata and spec"
        yield Finding(file, document.place(()), "", message)
        return
    troubles, hints = _troubles(document.value, in_cluster)
    for severity, found in ((Severity.ERROR, troubles), (Severity.WARNING, hints)):
        for one in found:
            path = _subject(document, one)
            yield Finding(file, document.place(path), field_of(path, document.value), one.message, severity)


def _troubles(value: dict[str, Any], in_cluster: bool) -> tuple[list[Trouble], list[Trouble]]:
    troubles = [*_header(value), *_metadata(value.get("metadata"))]
    kind = value.get("kind")
    kind = kind if kind in KINDS else near(str(kind), KINDS) if kind else None
    if kind is None:
        return troubles, []
    if not isinstance(value.get("spec"), dict):
        message = wording.missing("spec", spec_schema(kind)) if "spec" not in value else None
        message = message or wording.wrong_type("object", value["spec"])
        return [*troubles, Trouble(("spec",) if "spec" in value else (), message)], []
    troubles += _unknown_parts(kind, value)
    filled = with_defaults(spec_schema(kind), value["spec"])
    troubles += [_below_spec(one) for one in check_schema(kind, filled)]
    return _deeper(kind, value, filled, troubles, in_cluster)


def _deeper(
    kind: str, value: dict[str, Any], spec: dict[str, Any], troubles: list[Trouble], in_cluster: bool
) -> tuple[list[Trouble], list[Trouble]]:
    """CEL and core, on what is left of the spec when all that is wrong by the schema is taken out."""
    gone = {one.gone for one in troubles if one.gone is not None}
    rest = _without(spec, ("spec",), gone)
    whole = {"metadata": value.get("metadata") or {}, "spec": rest}
    troubles = [*troubles, *check_rules(schema_of(kind), whole, (), gone)]
    if any(isinstance(path[-1], int) for path in gone):
        # Without a list's entry the others would go by wrong places.
        return troubles, []
    problems, hints = check_core(kind, rest, troubles, in_cluster=in_cluster)
    clear = [one for one in troubles if not any(is_vaguer(one, other) for other in problems)]
    return [*clear, *problems], hints


def _header(value: dict[str, Any]) -> Iterator[Trouble]:
    for name, wanted in (("apiVersion", (API_VERSION,)), ("kind", KINDS)):
        given = value.get(name)
        if given is None:
            yield Trouble((), f"{name} is missing: add {name}: {' or '.join(wanted)}")
        elif given not in wanted:
            meant = near(str(given), wanted) or " or ".join(wanted)
            yield Trouble((name,), f"{wording.shown(given)} is not known: write {meant}")


def _metadata(metadata: Any) -> Iterator[Trouble]:
    lost: Path = ("metadata", "name")
    if not isinstance(metadata, dict):
        what = "is missing: add" if metadata is None else "is no mapping: write"
        yield Trouble(("metadata",), f"metadata {what} metadata: {{name: ...}}", gone=lost)
        return
    name = metadata.get("name")
    if name is None:
        if "generateName" not in metadata:
            yield Trouble(("metadata",), "name is missing: add the name that the results will go by", gone=lost)
        else:
            yield Trouble(("metadata",), "generateName makes a new experiment of each apply: give it a name", gone=lost)
    elif not isinstance(name, str):
        yield Trouble(lost, wording.wrong_type("string", name), gone=lost)
    elif not is_name(name):
        yield Trouble(lost, f"{wording.shown(name)} is no name: use {NAME_FORM}")
    namespace = metadata.get("namespace")
    if namespace is not None and not (isinstance(namespace, str) and is_namespace(namespace)):
        message = f"{wording.shown(namespace)} is no namespace: use at most 63 lower-case letters, digits and -"
        yield Trouble(("metadata", "namespace"), message)


def _unknown_parts(kind: str, value: dict[str, Any]) -> Iterator[Trouble]:
    known = ("apiVersion", "kind", "metadata", "spec", "status")
    for name in value.keys() - set(known):
        yield Trouble((name,), unknown_field(kind, name, known[:4], value))


def _below_spec(one: Trouble) -> Trouble:
    return Trouble(("spec", *one.path), one.message, None if one.gone is None else ("spec", *one.gone))


def _without(value: Any, path: Path, gone: Set[Path]) -> Any:
    """The value without the parts at these paths; a list that loses an entry goes as a whole, for places' sake."""
    if isinstance(value, dict):
        return {
            key: _without(entry, (*path, key), gone)
            for key, entry in value.items()
            if (*path, key) not in gone and not _is_holed(entry, (*path, key), gone)
        }
    if isinstance(value, list):
        return [_without(entry, (*path, index), gone) for index, entry in enumerate(value)]
    return value


def _is_holed(value: Any, path: Path, gone: Set[Path]) -> bool:
    return isinstance(value, list) and any((*path, index) in gone for index in range(len(value)))


def _subject(document: Document, one: Trouble) -> Path:
    """The part that a message begins with, where it is one: `evalSteps must not exceed ...` is told at evalSteps."""
    match = _FIRST_WORD.match(one.message)
    path = (*one.path, *match[0].split(".")) if match else one.path
    return path if path in document.places else one.path
