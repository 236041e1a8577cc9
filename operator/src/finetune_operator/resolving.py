"""Inputs of an experiment or a search, pinned; what cannot be looked at from here is looked at by a pod."""

from dataclasses import dataclass

import urllib3

from finetune_core.inputs import NotYetError, ResolvedInputs, resolve_inputs
from finetune_core.parse import AnySpec, task_specs
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.status import Reason
from finetune_operator import manifests
from finetune_operator.acting import Actor
from finetune_operator.children import Children
from finetune_operator.problems import CannotRunError, WaitingError
from finetune_operator.sources import NeedsPodError, Sources, resolution_key
from finetune_operator.storage import Connection
from finetune_store import Store


@dataclass(frozen=True)
class Resolver:
    """Looks at inputs for one owner; `root` is its folder in the store."""

    owner: manifests.Owner
    connection: Connection
    store: Store
    children: Children
    actor: Actor
    http: urllib3.PoolManager
    root: str

    def resolve(self, spec: AnySpec, pin: str) -> ResolvedInputs:
        """Every input pinned; CannotRunError if one cannot be used, WaitingError while one is looked at."""
        volumes = volume_uris(spec)
        sources = Sources(
            open_uri=self.connection.open,
            http=self.http,
            results=self.store,
            volumes=volumes,
            key=resolution_key(self.root, pin, volumes),
        )
        try:
            return resolve_inputs(spec, sources)
        except InvalidInputError as error:
            raise CannotRunError(error.problems, Reason.INPUT_NOT_FOUND, retry=True) from error
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
            why = f"pod {blocked.name} cannot start: {blocked.blocked}: {blocked.blocked_message}"
            return WaitingError(Reason.BLOCKED, f"{need}: {why}")
        if job.failed_for is None:
            return WaitingError(Reason.RESOLVING_INPUTS, f"{need}.")
        why = next((pod.failure_message for pod in pods if pod.failure_message), job.failed_for)
        problem = Problem("spec", f"{need}, which failed: {why}. Set execution.retryToken to try again")
        return CannotRunError((problem,), Reason.INPUT_NOT_FOUND, retry=True)


def volume_uris(spec: AnySpec) -> tuple[str, ...]:
    """The pvc:// URIs of a spec."""
    uris = {spec.model.uri, spec.data.uri if spec.data else ""}
    uris |= {task.data.uri or "" for task in task_specs(spec) if task.data}
    return tuple(sorted(uri for uri in uris if uri.startswith("pvc://")))


def claims(spec: AnySpec) -> tuple[str, ...]:
    """The persistent volume claims that a spec's pods mount."""
    return tuple(sorted({uri.removeprefix("pvc://").partition("/")[0] for uri in volume_uris(spec)}))
