"""One search, one look: observe, decide, act, write status."""

import logging
from dataclasses import replace

from pydantic import ValidationError

from finetune_core.api import HPSearchSpec
from finetune_core.api.search_status import HPSearchStatus
from finetune_core.api.status import Reason
from finetune_core.deciding.search.decision import SearchDecision, config_map_name, decide_search
from finetune_core.deciding.search.observation import SearchObservation
from finetune_core.deciding.search.status import build_search_status
from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.search.parse import check_search, parse_search, search_warnings
from finetune_core.problems import InvalidInputError
from finetune_core.search_layout import SearchLayout
from finetune_kube import names
from finetune_kube.kinds import SEARCH
from finetune_kube.ownership import is_owned_by
from finetune_operator import manifests
from finetune_operator.base_reconciler import BaseReconciler
from finetune_operator.kinds.budgets import limits
from finetune_operator.kinds.queues import with_queue
from finetune_operator.kinds.reports import look_again_at_the_end
from finetune_operator.kinds.search_observer import SearchObserver
from finetune_operator.memory import SearchMemory
from finetune_operator.problems import CannotRunError
from finetune_operator.subject import Subject
from finetune_work.guarantees import shared_search

logger = logging.getLogger(__name__)

SearchSubject = Subject[HPSearchStatus, SearchMemory]


class SearchReconciler(BaseReconciler[HPSearchStatus, SearchMemory]):
    """Reconciles hyperparameter searches."""

    @property
    def _kind(self) -> str:
        return SEARCH.kind

    def _get(self, namespace: str, name: str) -> Json | None:
        return self._cluster.get_search(namespace, name)

    def _patch_status(self, owner: manifests.Owner, patch: Json, version: str) -> None:
        self._cluster.patch_search_status(owner.namespace, owner.name, patch, version=version)

    def _owner(self, metadata: Json) -> manifests.Owner:
        where = (metadata["namespace"], metadata["name"], metadata["uid"])
        return manifests.Owner(*where, SEARCH.kind, self._release)

    def _parse_status(self, raw: Json) -> HPSearchStatus:
        try:
            return HPSearchStatus.model_validate(raw)
        except ValidationError:
            # Written by another version: nothing in it is needed, it is worked out anew.
            logger.warning("the status of another version is replaced")
            return HPSearchStatus()

    def _new_memory(self) -> SearchMemory:
        return SearchMemory()

    def _advance(self, subject: SearchSubject, raw_spec: Json) -> tuple[HPSearchStatus, float | None]:
        spec, owner = _valid_spec(raw_spec), subject.owner
        settings, connection = self._connected(subject, spec)
        ready = connection.ready(
            settings.storage.uri, owner.namespace, prove=subject.memory.plan is None, seconds=self._resync_seconds()
        )
        store = ready.store
        if not ready.once and (problem := shared_search(store.uri(), spec.clusters)):
            raise CannotRunError((problem,), Reason.STORAGE_REFUSED, retry=True)
        executor = self._executors.of(spec.execution)
        now = self._monotonic()
        every, root = self._resync_seconds(), SearchLayout(owner.namespace, owner.name).root
        layout = ExperimentLayout(owner.namespace, owner.name)
        tools = self._tools(owner, subject.memory, settings, connection, store, root, now=now, every=every)
        plan = tools.planner.search(spec, subject.memory)
        template = executor.template(settings)
        observer = SearchObserver(tools.children, subject.memory, owner_uid=owner.uid)

        def look() -> tuple[SearchObservation, SearchDecision]:
            allowed = limits(store, layout, subject.memory, spec.budget, subject.status.start_time, self._utc_now())
            seen = observer.observe(
                store, plan, spec, executor.traits, template, now=now, every=every, time=self._now(), limits=allowed
            )
            seen = replace(self._with_config_map(owner, seen), stalled_report=tools.silent(seen.pods))
            return seen, with_queue(decide_search(seen), self._cluster, subject.memory, owner.namespace, seen.jobs, now)

        seen, decision = look_again_at_the_end(subject.memory, look)
        subject.memory.gpu_seconds = seen.gpu_seconds()
        if decision.actions:
            # They change what lies in the store; before they are done, since they may be cut off in their midst.
            subject.memory.listed = subject.memory.held = None
            # One that was deleted may be there again by then: another one.
            subject.memory.ends = {}
        tools.actor.carry_out(decision, seen.jobs, store=store, plan=plan)
        status = build_search_status(
            seen,
            decision,
            subject.status,
            uri=store.uri(root),
            warnings=search_warnings(spec),
            generation=subject.generation,
            now=self._now(),
        )
        return self._with_guarantees(subject, status, ready), self._next_look(
            subject.memory, acted=bool(decision.actions), done=decision.done
        )

    def _with_config_map(self, owner: manifests.Owner, seen: SearchObservation) -> SearchObservation:
        """Looked at once the report is there; one that is not the search's is left alone when it is to be written."""
        if seen.report != seen.digest:
            return seen
        found = self._cluster.get_config_map(owner.namespace, config_map_name(owner.name))
        if found is None or not is_owned_by(found, owner.uid):
            return seen
        return replace(seen, config_map=(found["metadata"].get("annotations") or {}).get(names.DIGEST_ANNOTATION))


def _valid_spec(raw: Json) -> HPSearchSpec:
    try:
        spec = parse_search(raw)
        problems = check_search(spec)
    except InvalidInputError as error:
        raise CannotRunError(error.problems, Reason.INVALID_SPEC, retry=False) from error
    if problems:
        raise CannotRunError(problems, Reason.INVALID_SPEC, retry=False)
    return spec
