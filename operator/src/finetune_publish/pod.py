"""`finetune-publish`: the work of a pod that publishes what an entry of `spec.publish` orders.

What lies there already is not pushed again. The record in the store is written before each push and after it.
"""

import argparse
import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from finetune_client.errors import ClientError, NotFoundError, UnreachableError
from finetune_client.reports import layout_of, whole_report
from finetune_client.stores import Results
from finetune_core.plain import escaped
from finetune_core.problems import FinetuneError
from finetune_core.publishing.facts import Facts
from finetune_core.publishing.orders import Order, OrderedModel, Publications
from finetune_core.publishing.orders import Pushed as Record
from finetune_core.publishing.serving import inference_service
from finetune_core.results.run import ExitCode, FailureReason
from finetune_core.results.search.hyperparameter_files import to_yaml
from finetune_core.times import written
from finetune_publish.packing import Chosen, choose
from finetune_publish.places import Options, Pushed, open_place
from finetune_publish.publishing import push, require_apart, serving_name, unserved
from finetune_publish.signing import ByKey, Signs
from finetune_report.errors import ResultsChangedError
from finetune_report.last_words import say_last
from finetune_store import POD_RETRY_SECONDS, S3Connection, Store, StoreError, documents, open_store
from finetune_store.signs import signs_of_life

_log = logging.getLogger(__name__)

TERMINATION_LOG = Path("/dev/termination-log")
_IN_A_SPEC = {
    "--replace": "set replace: true",
    "--plain-http is": "plainHttp: true is",
    "docker login REGISTRY": "Check the Secret of secretRef",
    "docker login": "secretRef",
    "--task, --run": "tasks, runs",
}
"""Words of the command line -> those of a spec."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish; the exit code says whether trying again can help (see `ExitCode`)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    options = _parser().parse_args(arguments)
    try:
        with signs_of_life(_open(seconds=0), options.sign):
            _publish(options)
    except ResultsChangedError as error:
        return _fail(FailureReason.RESULTS_CHANGED, str(error), ExitCode.RESULTS_CHANGED)
    except UnreachableError as error:
        return _fail(FailureReason.PLACE, _said(error), ExitCode.RETRY)
    except FinetuneError as error:
        return _fail(FailureReason.USER_ERROR, _said(error), ExitCode.USER_ERROR)
    except StoreError as error:
        return _fail(FailureReason.STORE, str(error), ExitCode.STORE if error.mendable else ExitCode.USER_ERROR)
    return ExitCode.SUCCESS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="finetune-publish", description=__doc__)
    parser.add_argument("--namespace", required=True, metavar="NAMESPACE")
    parser.add_argument("--experiment", required=True, metavar="NAME")
    parser.add_argument("--expect-report", required=True, metavar="DIGEST", help="publish nothing of another report")
    parser.add_argument("--order", required=True, metavar="JSON", help="what to publish where")
    parser.add_argument("--sign", required=True, metavar="KEY", help="in the store: written while the work goes on")
    return parser


def _open(*, seconds: float) -> Store:
    connection = S3Connection.from_env(os.environ)
    return open_store(os.environ["FINETUNE_STORE"], connection=connection, retry_seconds=seconds)


def _publish(options: argparse.Namespace) -> None:
    results = Results(_open(seconds=POD_RETRY_SECONDS), options.namespace, options.experiment)
    if _report(results) != options.expect_report:
        raise ResultsChangedError("the report in the store is not the one that was to be published")
    key = os.environ.get("FINETUNE_SIGNING_KEY")
    Publisher(results, Order.model_validate_json(options.order), ByKey(Path(key)) if key else None).publish()


def _report(results: Results) -> str | None:
    """Digest of the report that lies there."""
    try:
        return whole_report(results).report_digest
    except NotFoundError:
        return None


class Publisher:
    """Publishes what is ordered, as far as it does not lie there."""

    def __init__(self, results: Results, order: Order, signs: Signs | None) -> None:
        self._results = results
        self._order = order
        self._signs = signs
        self._key = layout_of(results).published(order.name)
        # One that cannot be read is made anew.
        self._record = documents.find_or_warn(results.store, self._key, Publications) or Publications()

    def publish(self) -> None:
        """One after another; ClientError at the end names those that could not be. StoreError."""
        wanting = [model for model in self._order.models if not self._record.has(model)]
        chosen = choose(self._results, (), [model.run_id for model in wanting]) if wanting else []
        failed: list[tuple[OrderedModel, ClientError]] = []
        for model, one in zip(wanting, chosen, strict=True):
            try:
                self._one(model, one)
            except ClientError as error:
                failed.append((model, error))
        if failed:
            passing = any(isinstance(error, UnreachableError) for _, error in failed)
            message = "; ".join(f"{model.task}/{model.run}: {_said(error)}" for model, error in failed)
            raise (UnreachableError if passing else ClientError)(message)

    def _one(self, model: OrderedModel, chosen: Chosen) -> None:
        require_apart(self._results, model.to)
        place = open_place(model.to, self._options(model))
        place.require_writable()
        self._write(self._record.with_begun(model.to))
        order = self._order
        facts, pushed = push(
            self._results,
            chosen,
            place,
            licence=order.license,
            predictions=order.predictions,
            signs=self._signs,
        )
        self._serve(facts, pushed)
        now = written(datetime.now(UTC))
        record = Record(
            task=model.task, run=model.run, run_id=model.run_id, digest=model.digest, uri=pushed.uri, time=now
        )
        self._write(self._record.with_pushed(model.to, record))
        _log.info("published %s/%s: %s", model.task, model.run, pushed.uri)

    def _options(self, model: OrderedModel) -> Options:
        """What lies there by a push of ours, also by one that was cut off, is replaced."""
        before = self._record.pushed.get(model.to)
        return Options(
            public=self._order.public,
            replace=self._order.replace or model.to in self._record.begun,
            base_image=self._order.base_image,
            plain_http=self._order.plain_http,
            own=frozenset({before.uri} if before else ()),
        )

    def _serve(self, facts: Facts, pushed: Pushed) -> None:
        """Leave a manifest in the store that serves it."""
        if unserved(facts, pushed) is None:
            key = f"{self._key.removesuffix('.json')}/{serving_name(facts)}"
            self._results.store.put(key, to_yaml(inference_service(facts, pushed.storage_uri or "")).encode())

    def _write(self, record: Publications) -> None:
        self._results.store.put(self._key, record.to_json())
        self._record = record


def _said(error: FinetuneError) -> str:
    """What is wrong, and what to do, in the words of a spec."""
    if not isinstance(error, ClientError):
        return str(error)
    remedy = error.remedy
    for words, ours in _IN_A_SPEC.items():
        remedy = remedy.replace(words, ours)
    return f"{error.message}. {remedy}" if remedy else error.message


def _fail(reason: FailureReason, message: str, code: int) -> int:
    _log.error("%s", escaped(message))
    say_last(reason, message, TERMINATION_LOG)
    return code
