"""The commands by name: the module of each is imported when it is called, so that help does not wait for all of them.

A command's line of help stands here too; a test holds it to the first sentence of its own.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "init": ("manifests.starting", "Write a manifest that validates, by flags or by asking."),
        "run": (
            "run",
            "Run an experiment on this machine, without a cluster: the same runs, results and zip, in a folder or a "
            "bucket.",
        ),
        "search": ("search", "Search hyperparameters on this machine, without a cluster, into a folder or a bucket."),
        "validate": (
            "manifests.validate",
            "Check manifests without a cluster: every problem, with file, line and remedy.",
        ),
        "plan": (
            "manifests.planning",
            "Show what a manifest would run: tasks, runs, steps, objects; with --store, how long by past runs.",
        ),
        "submit": ("objects.changing", "Check manifests, then create or update what they describe."),
        "suspend": ("objects.changing", "Stop the pods of an experiment or a search; they save a checkpoint first."),
        "resume": ("objects.changing", "Go on with what was suspended."),
        "retry": ("objects.changing", "Run the failed runs again (and look for missing inputs again)."),
        "add-runs": ("objects.changing", "Run more seeds; the runs that are done stay done."),
        "delete": ("objects.deleting", "Delete an experiment or a search and its pods; what lies in the store stays."),
        "status": ("objects.watching", "Where experiments and searches are: a list, or all that is known of one."),
        "watch": (
            "objects.watching",
            "Watch one until it has ended (exits with 0 if well, 1 if not), or the list until Ctrl-C.",
        ),
        "ui": (
            "ui",
            "Serve a web page of experiments and searches: progress, learning curves, tables, trials, files. "
            "It only reads.",
        ),
        "mcp": (
            "assistant",
            "Let an assistant read experiments and searches, by the Model Context Protocol on stdin and stdout. "
            "It only reads.",
        ),
        "logs": (
            "objects.pod_logs",
            "Show the logs of the pods, newest last; lines of several pods begin with the pod's name.",
        ),
        "quarantine": (
            "quarantining",
            "Take a run known to be wrong out of best and tables; it is kept, and done once more with the same seed.",
        ),
        "results": (
            "results.results",
            "The results of an experiment (of the runs that have ended), or the summary of a search.",
        ),
        "best": ("results.results", "The best run of each task, and where it lies."),
        "download": (
            "results.downloading",
            "Download the best models and predictions, and the tables: NAME/models/TASK, NAME/predictions.",
        ),
        "publish": (
            "publishing",
            "Publish the best model of each task, or named runs: to the Hugging Face hub, a registry, MLflow or a "
            "folder.",
        ),
        "verify": (
            "verifying",
            "Compare a published model with its provenance: files, card, predictions, signature; or do its run again.",
        ),
        "compare": (
            "results.compare",
            "Compare two experiments, untuned with tuned or dense with sparse: differences, and whether seeds explain "
            "them.",
        ),
        "plots": (
            "results.plots",
            "Draw the plots of experiments and searches anew, as vector files for a paper or larger for slides.",
        ),
        "hps": (
            "results.hyperparameters",
            "Write a search's best hyperparameters as YAML: task -> training arguments, or a ready experiment.",
        ),
        "leaderboard": ("results.leaderboard", "The GLUE leaderboard's zip: build it, check one, save the operator's."),
        "gc": (
            "cleaning",
            "Show weights that spec.retention does not keep, and checkpoints of runs that have a result; --yes deletes "
            "them.",
        ),
        "from-run-glue": (
            "manifests.converting",
            "Write the experiment that does what a command line of run_glue.py does.",
        ),
        "from-katib": ("manifests.converting", "Write the search that a Katib Experiment describes."),
    }
)
"""Name -> the module in `finetune_cli.commands` whose `register(app)` adds it, and its line of help."""


class LazyGroup(TyperGroup):
    """A group of the commands above."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._whole = True
        for name, (_, line) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=line, callback=lambda: None), name)

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command itself; while help is written, its line alone."""
        if self._whole and cmd_name in COMMANDS:
            return command(cmd_name)
        return super().get_command(ctx, cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the group."""
        with self._lines_alone():
            super().format_help(ctx, formatter)

    @contextmanager
    def _lines_alone(self) -> Iterator[None]:
        self._whole = False
        try:
            yield
        finally:
            self._whole = True


def command(name: str) -> Any:
    """A command as its module describes it."""
    app = typer.Typer(rich_markup_mode="rich", context_settings=CONTEXT)
    # With a callback a single command keeps its name too.
    app.callback()(lambda: None)
    import_module(f"finetune_cli.commands.{COMMANDS[name][0]}").register(app)
    found: Any = typer.main.get_group(app)
    return found.commands[name]


CONTEXT = {"help_option_names": ["-h", "--help"]}
