"""`<namespace>/best_hyperparameters.{csv,md}`, kept up to date by every report of a search."""

import logging
import re
from collections.abc import Iterator

from pydantic import ValidationError

from finetune_core.search.export import BestHyperparameters
from finetune_core.search.layout import best_hyperparameters
from finetune_core.search.namespace_table import namespace_csv, namespace_markdown
from finetune_report.errors import OvertakenError
from finetune_report.publish import put
from finetune_store import NotFoundError, Store

_log = logging.getLogger(__name__)

_ROUNDS = 10


def update_namespace_table(store: Store, namespace: str) -> None:
    """Write the tables over all exports of the namespace. OvertakenError where others change them all the time.

    Reports of several searches may do this at once. Each reads all exports again after it has written: whoever writes
    last without the newest export sees that export then, for it lay in the store before its own search's report wrote.
    """
    written: dict[str, bytes] | None = None
    for _ in range(_ROUNDS):
        tables = _tables(store, namespace)
        if written == tables and all(store.stat(key) is not None for key in tables):
            return
        for key, content in tables.items():
            put(store, key, content)
        written = tables
    raise OvertakenError(
        f"the best hyperparameters of the namespace {namespace} changed {_ROUNDS} times while their table was written"
    )


def _tables(store: Store, namespace: str) -> dict[str, bytes]:
    exports = list(_exports(store, namespace))
    return {
        best_hyperparameters(namespace, "csv"): namespace_csv(exports),
        best_hyperparameters(namespace, "md"): namespace_markdown(namespace, exports),
    }


def _exports(store: Store, namespace: str) -> Iterator[BestHyperparameters]:
    """A store lists whole folders only, so this walks all keys of the namespace."""
    wanted = re.compile(rf"{re.escape(namespace)}/[^/]+/hps/best\.json")
    for key in [info.key for info in store.list(namespace) if wanted.fullmatch(info.key)]:
        try:
            yield BestHyperparameters.model_validate_json(store.get(key))
        except NotFoundError:
            continue  # deleted since the listing
        except ValidationError as error:
            # Another search's file must not stand in the way of this one's.
            _log.warning("%s is left out of the table: %s", store.uri(key), error.errors()[0]["msg"])
