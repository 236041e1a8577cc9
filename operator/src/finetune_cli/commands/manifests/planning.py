"""`plan`: what a manifest would run, before anything does."""

from typing import Annotated

import typer

from finetune_cli.commands.common import Context, LocalOption, Namespace, StoreUri
from finetune_cli.manifest.check import manifests_of
from finetune_cli.manifest.crds import EXPERIMENT
from finetune_cli.manifest.files import Source, checked
from finetune_cli.manifest.findings import Severity
from finetune_cli.output import Output, OutputOption, console, emit
from finetune_cli.run_history import past_runs
from finetune_cli.shown.plans import Forecast, forecast_experiment, forecast_page, forecast_search
from finetune_client.errors import ClientError
from finetune_client.exits import Exit
from finetune_client.finding import checked_namespace, cluster
from finetune_client.stores import default_namespace, open_uri
from finetune_core.api import HyperparametersFrom
from finetune_core.json_types import Json
from finetune_core.planning.cost import Rates
from finetune_core.planning.parse import parse_spec
from finetune_core.planning.search.parse import parse_search
from finetune_core.planning.tuned import TunedTasks
from finetune_core.problems import FinetuneError
from finetune_store import StoreError
from finetune_work.tuned import TunedReader


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(plan)


def plan(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Manifests of experiments and searches.")],
    store: StoreUri = None,
    namespace: Namespace = None,
    context: Context = None,
    local: LocalOption = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Show what a manifest would run: tasks, runs, steps, objects; with --store, how long by past runs.

    Where it takes tuned hyperparameters, they are read from the cluster or folder that has them.
    """
    text, findings = checked(Source(file), in_cluster=not local)
    errors = [one for one in findings if one.severity == Severity.ERROR]
    if errors:
        raise ClientError("\n".join(map(str, errors)), "Correct it first.")
    forecasts = [_forecast(one, store, namespace, context) for one in manifests_of(text)]
    if not output.for_people:
        emit([one.to_json() for one in forecasts], output)
    for one in forecasts if output.for_people else ():
        console().print(forecast_page(one, wide=output == Output.WIDE))
    return Exit.OK


def _forecast(manifest: Json, store: str | None, namespace: str | None, context: str | None) -> Forecast:
    spec, metadata = manifest["spec"], manifest["metadata"]
    rates = Rates()
    if store:
        where = checked_namespace(namespace or metadata.get("namespace") or default_namespace(context))
        rates = Rates.of(past_runs(open_uri(store), where, spec["model"]["uri"]))
    if manifest["kind"] != EXPERIMENT:
        return forecast_search(metadata["name"], parse_search(spec), rates)
    experiment = parse_spec(spec)
    tuned, unknown = _tuned(experiment.hyperparameters_from, context, namespace or metadata.get("namespace"))
    return forecast_experiment(metadata["name"], experiment, rates, tuned, unknown)


def _tuned(
    source: HyperparametersFrom | None, context: str | None, namespace: str | None
) -> tuple[TunedTasks | None, str]:
    """The tuned hyperparameters, or why they are not known: a search may not have ended, nor a cluster be there."""
    if source is None:
        return None, ""
    try:
        return TunedReader(lambda: cluster(context, namespace), open_uri).read(source), ""
    except ClientError as error:
        return None, error.message
    except (FinetuneError, StoreError) as error:
        return None, str(error)
