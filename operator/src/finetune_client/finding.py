"""The cluster, and objects in it by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from finetune_client.errors import NotFoundError, UsageError
from finetune_core.json_types import Json
from finetune_core.names import NAME_FORM, is_name, is_namespace, quoted
from finetune_kube.kinds import KINDS, Kind

if TYPE_CHECKING:
    from finetune_client.kube.client import Kube


def cluster(context: str | None, namespace: str | None) -> "Kube":
    """The cluster; what talks to it takes a second to import, so that only commands that need it pay."""
    from finetune_client.kube.client import connect  # noqa: PLC0415

    return connect(context, namespace and checked_namespace(namespace))


def checked_namespace(text: str) -> str:
    """The namespace that somebody names, which becomes a part of paths and of keys in a store; UsageError."""
    return _checked(text, is_namespace, "namespace")


def _checked(text: str, fits: Callable[[str], bool], what: str) -> str:
    if not fits(text):
        raise UsageError(f"{quoted(text)} can be no {what} in Kubernetes", f"Use {NAME_FORM}.")
    return text


def find(kube: "Kube", text: str, kinds: tuple[Kind, ...] = KINDS) -> tuple[Kind, Json]:
    """The experiment or search of that name (`NAME`, `fte/NAME`, `hps/NAME`); NotFoundError names near ones."""
    asked, name = split_name(text)
    for kind in asked:
        if kind in kinds and (found := kube.get(kind, name)) is not None:
            return kind, found
    what = " or ".join(kind.kind for kind in asked if kind in kinds) or kinds[0].kind
    meant = kube.near_name(kinds, name)
    hint = f"Did you mean {meant}? " if meant else ""
    raise NotFoundError(
        f"there is no {what} {name} in namespace {kube.namespace}",
        f"{hint}`finetune status` lists what is there, `-n NAMESPACE` looks elsewhere.",
    )


def split_name(text: str) -> tuple[tuple[Kind, ...], str]:
    """`fte/first` -> (experiments, first); a bare name may be of either kind."""
    word, slash, name = text.partition("/")
    if not slash:
        return KINDS, _checked(text, is_name, "name")
    for kind in KINDS:
        if word.lower() in kind.words:
            return (kind,), _checked(name, is_name, "name")
    raise UsageError(f"{word} is no kind", "Write NAME, fte/NAME (experiments) or hps/NAME (searches).")
