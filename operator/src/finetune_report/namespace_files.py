"""Files over all experiments or searches of a namespace, which many reports may write at the same time."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from finetune_core.stored import Stored
from finetune_report.errors import OvertakenError
from finetune_report.publish import put
from finetune_store import NotFoundError, Store, UnreadableError
from finetune_store.documents import FILE_LIMIT, find_or_warn
from finetune_store.folders import owners_in

_ROUNDS = 10

_Model = TypeVar("_Model", bound=Stored)


def write_current(store: Store, make: Callable[[], Mapping[str, bytes | None]], *, what: str) -> None:
    """Write the files (key -> content, None: there is to be none) that `make` makes of the store. OvertakenError where
    others change them always.

    Several processes may do this at once. Each makes its files again after it has written: whoever writes last without
    the newest source sees that source then, for it lay in the store before its own report wrote. `what` names what the
    files are made of.
    """
    written: Mapping[str, bytes | None] | None = None
    for _ in range(_ROUNDS):
        files = make()
        if written == files and all((store.stat(key) is None) == (one is None) for key, one in files.items()):
            return
        for key, content in files.items():
            if content is None:
                _remove(store, key)
            elif _stored(store, key) != content:
                put(store, key, content)
        written = files
    raise OvertakenError(f"{what} changed {_ROUNDS} times while their table was written")


def _remove(store: Store, key: str) -> None:
    # Keys may be limited to what is needed: deleting is asked for only where there is something.
    if store.stat(key) is not None:
        store.delete(key)


def _stored(store: Store, key: str) -> bytes | None:
    try:
        return store.get(key, limit=FILE_LIMIT)
    except (NotFoundError, UnreadableError):
        return None


def read_all(store: Store, namespace: str, below: str, model: type[_Model]) -> Iterator[_Model]:
    """Every `<namespace>/<experiment or search>/<below>`, by key; what cannot be read is logged and left out."""
    for name in owners_in(store, namespace):
        # Another's file must not stand in the way of this one's.
        document = find_or_warn(store, f"{namespace}/{name}/{below}", model, f"{namespace}/{name}")
        if document is not None:
            yield document
