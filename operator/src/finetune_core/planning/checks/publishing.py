"""What can be wrong with `spec.publish`."""

from collections.abc import Iterable, Iterator

from finetune_core.api import ExperimentSpec, ModelRetention, Publication
from finetune_core.api.publish import BUCKET, EITHER, HUB, MLFLOW, OF_REGISTRIES, OWN_KEYS, PUBLIC_OF_HUB, REGISTRY
from finetune_core.problems import Problem
from finetune_core.stored import is_segment

_NEEDED = {HUB: ("HF_TOKEN", "a token that may write there"), MLFLOW: ("MLFLOW_TRACKING_URI", "the server's address")}
"""Kind of place -> the variable that its pod cannot do without, and what that is."""


def publish_problems(spec: ExperimentSpec, runs: dict[str, int]) -> Iterator[Problem]:
    """What the schema's rules say, for use without a cluster, and what they cannot see.

    `runs` says how many runs each task may have at most.
    """
    entries = spec.publish or ()
    yield from _twice(entries)
    if entries and spec.retention.models == ModelRetention.NONE:
        yield Problem("spec.publish", "retention.models: None keeps no weights to publish: set it to Best or All")
    for entry in entries:
        field = f"spec.publish[{entry.name}]"
        yield from _of_its_kind(field, entry)
        yield from _models(field, entry, spec, runs)
        yield from _keys(field, entry, spec)


def _twice(entries: Iterable[Publication]) -> Iterator[Problem]:
    names, places = [one.name for one in entries], [one.to for one in entries]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem("spec.publish", f"{name} is listed more than once: give each place one entry")
    for place in sorted({place for place in places if places.count(place) > 1}):
        yield Problem("spec.publish", f"{place} is the place of more than one entry: each would replace the other's")


def _of_its_kind(field: str, entry: Publication) -> Iterator[Problem]:
    if entry.tasks and entry.runs:
        yield Problem(field, EITHER)
    if entry.public and not entry.starts(HUB):
        yield Problem(f"{field}.public", PUBLIC_OF_HUB)
    if (entry.base_image or entry.plain_http) and not entry.starts(REGISTRY):
        yield Problem(field, OF_REGISTRIES)
    if entry.starts(BUCKET):
        if entry.secret_ref is not None:
            yield Problem(f"{field}.secretRef", OWN_KEYS)
        if not all(map(is_segment, entry.to.removeprefix(BUCKET).split("/"))):
            yield Problem(f"{field}.to", f"{entry.to} is no folder of a bucket: write s3://BUCKET/FOLDER, without ..")


def _models(field: str, entry: Publication, spec: ExperimentSpec, runs: dict[str, int]) -> Iterator[Problem]:
    for task in entry.tasks or ():
        if task not in runs:
            yield Problem(f"{field}.tasks", f"{task} is none of the tasks: there are {', '.join(runs)}")
    for name in entry.runs or ():
        task, _, number = name.partition("/")
        if task not in runs:
            yield Problem(f"{field}.runs", f"{name} is of none of the tasks: there are {', '.join(runs)}")
        elif int(number) >= runs[task]:
            yield Problem(f"{field}.runs", f"{name} is not planned: {task} has the runs 0 to {runs[task] - 1}")
    for what, listed in (("tasks", entry.tasks or ()), ("runs", entry.runs or ())):
        for one in sorted({one for one in listed if listed.count(one) > 1}):
            yield Problem(f"{field}.{what}", f"{one} is listed more than once: remove one")
    if entry.runs and spec.retention.models != ModelRetention.ALL:
        message = "the weights of named runs are kept for sure only with retention.models: All; set it, or name tasks"
        yield Problem(f"{field}.runs", message)
    yield from _one_place_each(field, entry, tuple(runs))


def _one_place_each(field: str, entry: Publication, tasks: tuple[str, ...]) -> Iterator[Problem]:
    models = entry.runs or entry.tasks or tasks
    if "{run}" in entry.to:
        return
    if "{task}" in entry.to:
        several = len({name.partition("/")[0] for name in models}) < len(models)
        hole = "{run}"
    else:
        several, hole = len(models) > 1, "{task} or {run}"
    if several:
        yield Problem(f"{field}.to", f"{len(models)} models would go to {entry.to}: put {hole} into the name")


def _keys(field: str, entry: Publication, spec: ExperimentSpec) -> Iterator[Problem]:
    """A pod without them could only fail."""
    template = spec.execution.pod_template
    given = {str(one.get("name")) for one in (template.env if template else None) or ()}
    for kind, (variable, what) in _NEEDED.items():
        if entry.starts(kind) and entry.secret_ref is None and variable not in given:
            message = f"{kind} needs {variable}, {what}: name a Secret of this namespace that has it"
            yield Problem(f"{field}.secretRef", message)
