"""`submit`, and what changes a live experiment or search: `suspend`, `resume`, `retry`, `add-runs`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from finetune_cli.commands.common import AnyName, Context, ExperimentName, Namespace
from finetune_cli.commands.objects.watching import follow
from finetune_cli.manifest.check import check_text, manifests_of
from finetune_cli.manifest.files import read_text
from finetune_cli.manifest.findings import Severity
from finetune_cli.output import console, note
from finetune_client.errors import ClientError, NotFoundError, UsageError
from finetune_client.finding import cluster, find
from finetune_core.api.seeds import in_force
from finetune_core.json_types import Json
from finetune_core.tasks.recipes import recipe_for
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_kube.kinds import EXPERIMENT, KINDS, Kind, kind_of

if TYPE_CHECKING:
    from finetune_client.kube.client import Kube


_UNCHANGED = "is unchanged"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(submit)
    app.command()(suspend)
    app.command()(resume)
    app.command()(retry)
    app.command("add-runs")(add_runs)


def submit(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Manifests; - is stdin.")],
    namespace: Namespace = None,
    context: Context = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Have the cluster check it, and change nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Take over fields that others (kubectl) manage.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Watch it until it has ended.")] = False,
) -> int:
    """Check manifests, then create or update what they describe."""
    manifests = [one for file in files for one in _checked(file)]
    if watch and len(manifests) != 1:
        raise UsageError("--watch is for one manifest", "Leave it out, and use `finetune watch` afterwards.")
    kube = cluster(context, namespace)
    for one in manifests:
        _submit(kube, one, dry_run, force)
    return follow(kube, f"{kind_of(manifests[0]['kind']).short}/{manifests[0]['metadata']['name']}", 2) if watch else 0


def _checked(file: str) -> list[Json]:
    """The experiments and searches of a file without problems."""
    text, problem = read_text(file)
    if problem:
        raise NotFoundError(f"{file}: {problem}", "Check the path; - is stdin.")
    errors = [one for one in check_text(file, text) if one.severity == Severity.ERROR]
    if errors:
        raise ClientError("\n".join(map(str, errors)), "Correct it; nothing was submitted.")
    return manifests_of(text)


def _submit(kube: "Kube", manifest: Json, dry_run: bool, force: bool) -> None:
    kind, name = kind_of(manifest["kind"]), manifest["metadata"]["name"]
    asked = manifest["metadata"].setdefault("namespace", kube.namespace)
    if asked != kube.namespace:
        raise UsageError(f"{name} says namespace {asked}, not {kube.namespace}", f"Give -n {asked}, or remove it.")
    before = kube.get(kind, name)
    after = kube.apply(kind, manifest, dry_run=dry_run, force=force)
    changed = before is None or before["metadata"].get("generation") != after["metadata"].get("generation")
    what = "created" if before is None else "changed" if changed else "unchanged"
    dry = " (dry run: nothing was changed)" if dry_run else ""
    console().print(f"{kind.kind} {asked}/{name} {what}{dry}", markup=False)


def suspend(name: AnyName, namespace: Namespace = None, context: Context = None) -> int:
    """Stop the pods of an experiment or a search; they save a checkpoint first."""
    said = "is suspended: `finetune resume` goes on", "is already suspended"
    return _change(name, namespace, context, {"execution": {"suspend": True}}, *said)


def resume(name: AnyName, namespace: Namespace = None, context: Context = None) -> int:
    """Go on with what was suspended."""
    return _change(name, namespace, context, {"execution": {"suspend": False}}, "goes on", "is not suspended")


def retry(name: AnyName, namespace: Namespace = None, context: Context = None) -> int:
    """Run the failed runs again (and look for missing inputs again)."""
    token = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return _change(name, namespace, context, {"execution": {"retryToken": token}}, "tries its failed runs again")


def _change(
    name: str, namespace: str | None, context: str | None, spec: Json, said: str, already: str = _UNCHANGED
) -> int:
    kube = cluster(context, namespace)
    kind, item = find(kube, name, KINDS)
    patch_spec(kube, kind, item, spec, said, already)
    return 0


def patch_spec(kube: "Kube", kind: Kind, item: Json, spec: Json, said: str, already: str = _UNCHANGED) -> None:
    """Change fields of a spec, unless somebody else has changed the object since it was read; and say so."""
    own = item["metadata"]["name"]
    # With the version that was read: what somebody else changed meanwhile is not overwritten.
    version = {"resourceVersion": item["metadata"]["resourceVersion"]}
    after = kube.patch(kind, own, {"metadata": version, "spec": spec})
    unchanged = after["metadata"].get("generation") == item["metadata"].get("generation")
    console().print(f"{kind.kind} {own} " + (already if unchanged else said), markup=False)


def add_runs(
    name: ExperimentName,
    more: Annotated[int, typer.Argument(metavar="N", min=1, help="How many more runs of each task.")],
    task: Annotated[list[str] | None, typer.Option("--task", help="Of this task alone; may be repeated.")] = None,
    namespace: Namespace = None,
    context: Context = None,
) -> int:
    """Run more seeds; the runs that are done stay done."""
    add(cluster(context, namespace), name, more, frozenset(task or ()))
    note("Finished runs are kept: only the new ones are done.")
    return 0


def add(kube: "Kube", name: str, more: int | Mapping[str, int], only: frozenset[str] = frozenset()) -> None:
    """Have more runs of an experiment's tasks: so many of each (of `only`, if any), or by task. ClientError."""
    kind, item = find(kube, name, (EXPERIMENT,))
    spec, counts = more_runs(item["spec"], more, only)
    patch_spec(kube, kind, item, spec, "has " + ", ".join(f"{runs} runs of {one}" for one, runs in counts.items()))


def more_runs(
    spec: Json, more: int | Mapping[str, int], only: frozenset[str] = frozenset()
) -> tuple[Json, dict[str, int]]:
    """What to change in a spec to have more runs (see `add`), and the counts then; UsageError."""
    tasks = spec.get("tasks") or [{"name": task} for task in GLUE_TASKS]
    names = [task["name"] for task in tasks]
    asked = more if isinstance(more, Mapping) else dict.fromkeys(only or names, more)
    if unknown := asked.keys() - set(names):
        raise UsageError(f"no task {', '.join(sorted(unknown))}", f"The experiment has {', '.join(names)}.")
    changed = [task for task in tasks if task["name"] in asked]
    if growing := [task["name"] for task in changed if _grows(spec, task)]:
        raise UsageError(
            f"{', '.join(growing)}: runsUntil says when seeds are added",
            "Raise its min and max, lower its halfWidth, or give the task runs in its place.",
        )
    counts = {task["name"]: _runs(spec, task) + asked[task["name"]] for task in changed}
    return {
        "tasks": [{**task, "runs": counts.get(task["name"])} if task in changed else task for task in tasks]
    }, counts


def _runs(spec: Json, task: Json) -> int:
    runs: int = task.get("runs") or spec.get("runs") or recipe_for(task["name"]).runs
    return runs


def _grows(spec: Json, task: Json) -> bool:
    return in_force(task.get("runs"), task.get("runsUntil"), spec.get("runsUntil")) is not None
