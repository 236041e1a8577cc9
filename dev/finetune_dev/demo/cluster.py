"""The main job for real, from `kubectl apply` to the table of results: `python -m finetune_dev.demo.cluster --help`.

Needs a cluster that is up and has the images (`make demo` sees to both). Each step says what it does, with the command
that a person would type. Ctrl-C at any time: the experiment goes on by itself, and the next demo starts anew.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import yaml

from finetune_cli.output import console
from finetune_cli.shown.results import results_page
from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.results.schema import ResultsDocument
from finetune_dev import release
from finetune_dev.errors import DevError
from finetune_dev.kubectl import kubectl
from finetune_dev.paths import REPOSITORY, kubeconfig_path
from finetune_dev.shell import say, step, wait_for
from finetune_store import Store, StoreError, delete_tree, upload_tree
from finetune_store.documents import read
from glue_demo import TRAIN_ROWS, minilm_path, write

NAMESPACE = "finetune-demo"
_MODEL, _DATA = "demo/minilm", "demo/glue"
_DEADLINE_SECONDS = 3600
_EVERY_SECONDS = 1.0
_LAYOUT_FOLDERS = ("CoLA", "RTE", "MRPC", "STS-B", "WNLI")


@dataclass(frozen=True)
class Show:
    """What is shown: an experiment and the folder that its data comes from (None: data of the project's own)."""

    manifest: Path
    data: Path | None = None

    @cached_property
    def experiment(self) -> Json:
        """The manifest; in bf16 where this machine's processor computes in it, which is more than twice as fast."""
        # By kubectl, because PyYAML reads 1e-4 as a text.
        text = kubectl(
            "--namespace", NAMESPACE, "create", "--dry-run=client", "--output", "json", "--filename", self.manifest
        )
        experiment: Json = json.loads(text)
        if _has_bf16():
            experiment["spec"]["training"]["precision"] = "bf16"
        return experiment

    @property
    def name(self) -> str:
        """The experiment's name."""
        return str(self.experiment["metadata"]["name"])


def _has_bf16() -> bool:
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and any(unit in cpu.read_text() for unit in ("amx_bf16", "avx512_bf16"))


QUICKSTART = Show(REPOSITORY / "examples/quickstart.yaml")


def _real_glue(folder: Path) -> Show:
    return Show(REPOSITORY / "examples/real-glue.yaml", folder.expanduser().resolve())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo, or remove it; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.remove:
            remove()
        else:
            run(_real_glue(options.glue_dir) if options.glue_dir else QUICKSTART)
    except (DevError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say(f"stopped watching; what was applied goes on: kubectl -n {NAMESPACE} get finetuneexperiments")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m finetune_dev.demo.cluster", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--glue-dir", type=Path, metavar="DIR", help="real GLUE in its official TSV folders (CoLA, RTE, ...)"
    )
    parser.add_argument("--remove", action="store_true", help="remove the demo's experiments; the operator stays")
    return parser


def run(show: Show) -> None:
    """Show it from the installation to the results; `DevError` where the experiment does not succeed."""
    with step("installing the operator with an S3 store of its own (helm upgrade --install, helm/finetune-operator)"):
        release.install()
    with step(f"namespace {NAMESPACE} with the store's keys"):
        release.make_namespace(NAMESPACE)
    say(f"  in your own namespace: {_secret_command()}")
    _delete(show.name)
    with release.embedded_store() as store:
        layout = ExperimentLayout(NAMESPACE, show.name)
        with step("clearing an earlier demo's results, so that everything is run"):
            delete_tree(store, layout.root)
        _upload(store, show.data)
    say(f"kubectl -n {NAMESPACE} apply -f {show.manifest.relative_to(REPOSITORY)}")
    kubectl("--namespace", NAMESPACE, "apply", "-f", "-", stdin=json.dumps(show.experiment))
    _present(show, _watch(show.name))


def _upload(store: Store, data: Path | None) -> None:
    with step(f"uploading the pretrained MiniLM (22 M parameters) to {store.uri(_MODEL)}"):
        upload_tree(store, minilm_path(), _MODEL)
    if data is None:
        said = f"making small GLUE data of our own sentences and uploading it to {store.uri(_DATA)}"
        with step(said), tempfile.TemporaryDirectory() as folder:
            made = write(Path(folder), train_rows=TRAIN_ROWS, test_rows="official", tasks=_TASKS)["tsv"]
            upload_tree(store, made, _DATA)
        return
    missing = [name for name in _LAYOUT_FOLDERS if not (data / name).is_dir()]
    if missing:
        raise DevError(f"{data} lacks {', '.join(missing)}: it must hold GLUE in its official TSV folders")
    with step(f"uploading real GLUE from {data} to {store.uri('demo/real-glue')}"):
        for name in _LAYOUT_FOLDERS:
            upload_tree(store, data / name, f"demo/real-glue/{name}")


_TASKS = ("cola", "sst2", "mrpc", "rte", "stsb")


def _secret_command() -> str:
    template = '{{range $k, $v := .data}}{{$k}}={{base64decode $v}}{{"\\n"}}{{end}}'
    return (
        f"kubectl -n {release.NAMESPACE} get secret {release.STORE} -o go-template='{template}' | "
        f"kubectl -n NAMESPACE create secret generic {release.STORE} --from-env-file=/dev/stdin"
    )


def _delete(name: str) -> None:
    found = kubectl("--namespace", NAMESPACE, "get", "finetuneexperiments", name, "--ignore-not-found", "-o", "name")
    if found.strip():
        with step(f"deleting the experiment {name} of an earlier demo"):
            kubectl("--namespace", NAMESPACE, "delete", "finetuneexperiments", name, "--wait")
            kubectl("--namespace", NAMESPACE, "delete", "jobs,pods", "-l", f"finetune.dev/experiment={name}", "--wait")


def _watch(name: str) -> Json:
    """A line at each change until the experiment has ended; its status."""
    shown: list[str] = []
    seen: Json = {}

    def ended() -> bool:
        seen.clear()
        seen.update(_status(name))
        line = progress_line(seen)
        if line and line not in shown[-1:]:
            shown.append(line)
            say(f"  {line}")
        return _condition(seen, "Succeeded").get("status") in {"True", "False"}

    with step("the experiment runs"):
        wait_for(f"{name} to end", ended, seconds=_DEADLINE_SECONDS, every=_EVERY_SECONDS)
    return seen


def _status(name: str) -> Json:
    text = kubectl("--namespace", NAMESPACE, "get", "finetuneexperiments", name, "--output", "json")
    status: Json = json.loads(text).get("status") or {}
    return status


def _condition(status: Json, type_: str) -> Json:
    return next((found for found in status.get("conditions") or () if found["type"] == type_), {})


def progress_line(status: Json) -> str:
    """What `kubectl get` would show of a status, in a line, and each task that has a best run."""
    counts = status.get("runs") or {}
    parts = [_condition(status, "Succeeded").get("reason", ""), f"runs {counts.get('summary', '-')}"]
    parts += [f"{task['name']} {task['best']['value']:.3f}" for task in status.get("tasks") or () if task.get("best")]
    if status.get("eta"):
        parts.append(f"ETA {status['eta']}")
    return ", ".join(parts) if parts[0] else ""


def _present(show: Show, status: Json) -> None:
    condition = _condition(status, "Succeeded")
    if condition.get("status") != "True":
        failures = yaml.safe_dump(status.get("failures"), sort_keys=False)
        raise DevError(f"{show.name}: {condition.get('reason')}: {condition.get('message')}\n{failures}")
    layout = ExperimentLayout(NAMESPACE, show.name)
    with release.embedded_store() as store:
        document = read(store, layout.results("json"), ResultsDocument, layout.root)
        table = store.get(layout.results("md")).decode()
    if show.data is not None:
        _record(show, table, status)
    print()
    console().print(results_page(document))
    print("\nWhere everything lies:")
    for uri in (*status["results"].values(), (status.get("leaderboard") or {}).get("uri")):
        if uri:
            print(f"  {uri}")
    print(f"\n$ kubectl -n {NAMESPACE} get finetuneexperiments")
    print(kubectl("--namespace", NAMESPACE, "get", "finetuneexperiments"))
    print(_NEXT.format(kubeconfig=kubeconfig_path(), namespace=NAMESPACE, name=show.name, system=release.NAMESPACE))


def _record(show: Show, table: str, status: Json) -> None:
    """Write the table into bench/RESULTS.md, with what it was measured on."""
    # bench/ is on the path of `make demo`; without real data nothing of it is needed.
    from machine import RESULTS, describe, write_section  # noqa: PLC0415

    began, done = (datetime.fromisoformat(status[key]) for key in ("startTime", "completionTime"))
    training = show.experiment["spec"]["training"]
    text = (
        f"## Real GLUE on the local cluster (`make demo GLUE_DIR=...`)\n\n{describe()}\n\n"
        f"`{show.manifest.relative_to(REPOSITORY)}`: MiniLM (22 M parameters), short training "
        f"({', '.join(f'{name} {value}' for name, value in training.items())}); from the first Job to the report "
        f"{(done - began).total_seconds() / 60:.1f} minutes.\n\n{_task_table(table)}"
    )
    write_section("real-glue", text)
    say(f"the table is in {RESULTS.relative_to(REPOSITORY)} too")


def _task_table(markdown: str) -> str:
    return "\n".join(line for line in markdown.splitlines() if line.startswith("|"))


_NEXT = """\
What to open and try next (export KUBECONFIG={kubeconfig}):
  finetune ui -n {namespace}                                 # progress, learning curves, tables: http://localhost:8090
  finetune best {name} -n {namespace}                        # the best run of each task, and where it lies
  finetune download {name} -n {namespace}                    # the best models, as from_pretrained opens them
  kubectl -n {namespace} get fte {name} -o yaml             # best runs, scores, conditions
  kubectl -n {namespace} patch fte {name} --type=merge -p '{{"spec":{{"runs":4}}}}'   # only the new runs are run
  kubectl explain fte.spec.training                          # what every field means
  kubectl -n {system} port-forward service/finetune-operator-ui 8090:80   # a page to look at: http://localhost:8090
  kubectl -n {system} create token finetune-operator         # ... and a token to sign in with
  kubectl -n {system} port-forward service/finetune-operator-store 8333   # the bucket, by any S3 client
  make demo-down                                             # remove the demo
"""


def remove() -> None:
    """Remove the demo's namespace with its experiments, and their results from the store."""
    with release.embedded_store() as store, step("deleting the demo's results"):
        delete_tree(store, NAMESPACE)
    with step(f"deleting namespace {NAMESPACE}"):
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", "--timeout=120s")


if __name__ == "__main__":
    sys.exit(main())
