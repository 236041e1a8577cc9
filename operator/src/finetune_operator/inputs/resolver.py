"""Inputs of an experiment or a search, pinned; what cannot be looked at from here is looked at by a pod."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import urllib3

from finetune_core.api.status import Reason
from finetune_core.deciding.actions import DeleteJob
from finetune_core.deciding.observation import PodView, Stall
from finetune_core.deciding.pods_in_words import TRIED_AGAIN, without_store
from finetune_core.deciding.stalls import pod_told
from finetune_core.planning.inputs import NotYetError
from finetune_core.planning.parse import AnySpec, task_specs
from finetune_core.problems import Problem
from finetune_operator import manifests
from finetune_operator.action_executor import ActionExecutor
from finetune_operator.children.reader import Children
from finetune_operator.inputs.volumes import NeedsPodError, VolumeFindings, resolution_key
from finetune_operator.problems import CannotRunError, WaitingError
from finetune_operator.storage import Connection
from finetune_store import Store
from finetune_work.sources import FolderSources


@dataclass(frozen=True)
class Resolver:
    """Looks at inputs for one owner; `root` is its folder in the store.

    `silent` finds the pod that gives no sign of life; after `stall_timeout` seconds it is ended.
    """

    owner: manifests.Owner
    connection: Connection
    store: Store
    children: Children
    actor: ActionExecutor
    http: urllib3.PoolManager
    root: str
    silent: Callable[[Iterable[PodView]], Stall | None]
    stall_timeout: int

    @contextmanager
    def sources(self, spec: AnySpec, pin: str) -> Iterator[FolderSources]:
        """Where inputs are looked at; WaitingError while one is, CannotRunError where a pod's look failed."""
        volumes = volume_uris(spec)
        findings = VolumeFindings(self.store, volumes, resolution_key(self.root, pin, volumes))
        try:
            yield FolderSources(open_uri=self.connection.open_input, http=self.http, volume=findings.look)
        except NeedsPodError as error:
            raise self._look_by_pod(error) from error
        except NotYetError as error:
            raise WaitingError(Reason.RESOLVING_INPUTS, str(error)) from error

    def _look_by_pod(self, need: NeedsPodError) -> CannotRunError | WaitingError:
        name = manifests.resolve_job_name(self.owner, need.key)
        job = next((job for job in self.children.jobs() if job.name == name and job.owned), None)
        if job is None:
            self.actor.create_resolve_job(name=name, uris=need.uris, key=need.key)
            return WaitingError(Reason.RESOLVING_INPUTS, f"{need}.")
        pods = [pod for pod in self.children.pods() if pod.job == name]
        blocked = next((pod for pod in pods if pod.blocked and not pod.ended), None)
        if blocked is not None:
            if job.outdated and not job.ready:
                # The operator's settings have changed since, and nothing of it runs: it is made anew.
                self.actor.delete_job(DeleteJob.of(job))
            return WaitingError(Reason.BLOCKED, f"{need}. {blocked.why_blocked}")
        if job.suspended and job.queued:
            return WaitingError(Reason.QUEUED, f"{need}. Waiting for queue {job.queue} to admit Job {name}.")
        away = without_store(tuple(pods), name) if job.failed_for is None and not job.active else None
        if away is not None:
            return WaitingError(Reason.STORAGE_UNAVAILABLE, f"{away} {TRIED_AGAIN}")
        if job.failed_for is None:
            return self._at_work(need, pods)
        why = next((pod.failure_message for pod in pods if pod.failure_message), job.failed_for)
        problem = Problem("spec", f"{need}, which failed: {why}. Set execution.retryToken to try again")
        return CannotRunError((problem,), Reason.INPUT_NOT_FOUND, retry=True)

    def _at_work(self, need: NeedsPodError, pods: list[PodView]) -> WaitingError:
        stall = self.silent(pods)
        if stall is None:
            return WaitingError(Reason.RESOLVING_INPUTS, f"{need}.")
        text, ends = pod_told(stall, self.stall_timeout)
        for end in ends:
            self.actor.end_pod(end)
        return WaitingError(Reason.STALLED, f"{need}. {text}")


def volume_uris(spec: AnySpec) -> tuple[str, ...]:
    """The pvc:// URIs of a spec."""
    uris = {spec.model.uri, spec.data.uri if spec.data else ""}
    uris |= {task.data.uri or "" for task in task_specs(spec) if task.data}
    return tuple(sorted(uri for uri in uris if uri.startswith("pvc://")))


def claims(spec: AnySpec) -> tuple[str, ...]:
    """The persistent volume claims that a spec's pods mount."""
    return tuple(sorted({uri.removeprefix("pvc://").partition("/")[0] for uri in volume_uris(spec)}))
