"""Whether pods as a spec asks for them can be, before anything of it is planned, replaced or created.

The cluster is asked, by a dry run: it knows the fields of pods, their forms and its own policies. A Job that runs is so
not stopped for a successor that would be refused.
"""

from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus

from finetune_core.api import PodTemplate, RayOptions, Resources
from finetune_core.api.status import Reason
from finetune_core.canonical import short_hash
from finetune_core.problems import Problem
from finetune_kube.errors import ConflictError, ForbiddenError, MissingError, RejectedError
from finetune_kube.kinds import JOB
from finetune_operator.cluster import Cluster
from finetune_operator.executors.job import trial_job
from finetune_operator.manifests import Owner, PodSettings
from finetune_operator.manifests.policy import pod_problems
from finetune_operator.memory import LookMemory
from finetune_operator.problems import CannotRunError
from finetune_operator.refusals import Asked, problems_of


def check_pods(cluster: Cluster, owner: Owner, settings: PodSettings, memory: LookMemory, *, accepted: bool) -> None:
    """CannotRunError where pods as the spec wants them cannot be; the cluster is asked once for a spec.

    `accepted`: an operator that has started since has found the spec valid; it is not asked again.
    """
    _check_policy(settings)
    wanted = short_hash(settings.asked_of_pods("report_resources", "resolve_resources", "publish_resources", "ray"))
    if memory.tried != wanted and (memory.tried is not None or not accepted):
        _try_pods(cluster, owner, settings)
    memory.tried = wanted


def _check_policy(settings: PodSettings) -> None:
    extra = settings.execution.pod_template or PodTemplate()
    problems = pod_problems(extra, settings.execution.cache, settings.defaults.template_policy)
    if problems:
        raise CannotRunError(problems, Reason.INVALID_SPEC, retry=False)


def _try_pods(cluster: Cluster, owner: Owner, settings: PodSettings) -> None:
    problems: list[Problem] = []
    for field, wanted in _resources(settings):
        alike = replace(settings, execution=settings.execution.model_copy(update={"resources": wanted}))
        problems += _tried(cluster, owner, alike, Asked(settings.execution, field))
    if problems:
        raise CannotRunError(tuple(dict.fromkeys(problems)), Reason.REJECTED, retry=True)


def _resources(settings: PodSettings) -> Iterator[tuple[str, Resources | None]]:
    execution = settings.execution
    yield "resources", execution.resources
    others = {
        "reportResources": execution.report_resources,
        "resolveResources": execution.resolve_resources,
        "publishResources": execution.publish_resources,
        "ray.headResources": (execution.ray or RayOptions()).head_resources,
    }
    yield from ((field, wanted) for field, wanted in others.items() if wanted is not None)


def _tried(cluster: Cluster, owner: Owner, settings: PodSettings, asked: Asked) -> tuple[Problem, ...]:
    job = trial_job(owner, settings)
    try:
        cluster.create_work(JOB, owner.namespace, job, dry_run=True)
    except (ForbiddenError, ConflictError):
        # A quota may have room by then, and a policy may change: the Job itself meets them, and its events say so.
        return ()
    except MissingError:
        raise
    except RejectedError as error:
        return problems_of(error, job, asked) or _by_policy(error)
    return ()


def _by_policy(error: RejectedError) -> tuple[Problem, ...]:
    """What an admission policy says of the whole; an error of another kind (no dry runs here) is left to the Job."""
    if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
        return ()
    return (Problem("spec.execution", f"the cluster refuses what it asks for, correct it: {error.reason}"),)
