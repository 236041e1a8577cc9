"""Every command of the documentation is run, on what its page supposes to be there; the few that are not say why."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.doc_pages import REPOSITORY, SHELL, Command, Said, blocks, is_prompted, pages, shown_commands
from support.doc_shell import Outcome, Shell
from support.doc_stage import INPUTS, Ended, Stage
from support.experiments import experiment
from support.katib import KATIB
from support.kubelet import LAST

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]

_CLUSTER = "the machine's real cluster: tests/e2e begin with it"
NOT_RUN = {
    ".ci/run": "all of CI",
    **{
        f"pip install .[{extras}]": "gigabytes; tests/dev/test_docs.py checks name and extras"
        for extras in ("cli,trainer", "cli,ui", "cli,mcp", "cli,publish", "cli,plots", "notebook")
    },
    **dict.fromkeys(
        (
            "pip install build/release/finetune_operator-0.1.0-py3-none-any.whl[cli]",
            "helm install finetune-operator oci://REGISTRY/charts/finetune-operator --version 0.1.0 "
            "-n finetune-system --create-namespace --set store.enabled=true",
        ),
        "of a release, in a registry of the reader's: tests/release has both",
    ),
    **{
        f"finetune {verb}": "its model is on the hub, which no test reaches"
        for verb in ("submit my-first.yaml", "watch my-first")
    },
    **dict.fromkeys(
        (
            "finetune publish first --task rte --to hf://my-team/bert-rte --license apache-2.0",
            "finetune publish first --to oci://registry.example.com/models/{task}:v1",
            "finetune publish first --to models:/bert-{task}",
            "finetune publish first --task rte --to ./bert-rte",
            "finetune publish first --task rte --to hf://my-team/bert-rte --sign key.pem",
            "finetune verify hf://my-team/bert-rte --key key.pub",
            "finetune verify hf://my-team/bert-rte@v1",
            "finetune verify ./bert-rte --key key.pub",
            "finetune verify ./bert-rte --rerun --model ./bert --data ./glue",
        ),
        "the stage's runs have no weights, and there is no hub: tests/publish has both, a registry, and MLflow",
    ),
    "kubectl -n team create secret generic signing --from-file=private.pem=key.pem": (
        "the key is the reader's: tests/operator/test_publish.py has such a Secret"
    ),
    "tensorboard --logdir tracked/tensorboard": "serves until it is stopped; its folder is checked below",
    "finetune search examples/search-quickstart.yaml --model ./bert --data ./glue": (
        "a minute, on a Ray of its own: tests/trainer_search/test_command.py runs it with fewer trials"
    ),
    "finetune compare tuned tuned -n team --runs rte/0 rte/3": (
        "the stage's runs say nothing of a dev set: tests/cli/test_compare.py compares two runs"
    ),
    "kubectl run prune --rm -it --restart=Never --image TRAINER-IMAGE --env ... "
    "--command -- finetune-trainer prune ...": "a pod, with dots for what is the reader's",
    **dict.fromkeys(
        (
            "kubectl get secret RAYCLUSTER -o jsonpath={.data.auth_token}",
            "kubectl port-forward service/RAYCLUSTER-head-svc 8265",
        ),
        "KubeRay's own objects, of which there are none here: tests/e2e/test_ray_cluster.py has them",
    ),
    "python -m finetune_dev prepare": "builds for minutes; .ci/run begins with it",
    **{f"python -m finetune_dev {verb}": _CLUSTER for verb in ("up", "images", "status", "down", "down --purge")},
}
"""Command -> why no test can run it here."""
FAILS = {"finetune validate experiments/": 1}
"""Command -> its exit code, where the page shows it fail."""
GLUE = dict.fromkeys(("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"), 1)
STAGES: Mapping[str, tuple[Ended, ...]] = {
    "README.md": (Ended("first"),),
    "docs/cli.md": (
        *(Ended(name) for name in ("bert", "sparse-80", "sparse-90", "dense")),
        *(Ended(name, "team") for name in ("first", "untuned", "tuned", "sparse-80")),
    ),
    "docs/how-to/gitops.md": (Ended("bert"), Ended("bert-large", fails=True)),
    "docs/how-to/leaderboard.md": (Ended("first", tasks=GLUE, more={"leaderboard": {"missingTasks": "Refuse"}}),),
    "docs/how-to/results.md": tuple(map(Ended, ("first", "bert", "sparse-80", "sparse-90", "untuned", "tuned"))),
    "docs/how-to/seeds.md": (Ended("untuned", "team"), Ended("tuned", "team")),
    "docs/how-to/tracking.md": (Ended("tracked", "nlp", more={"tracking": {"reportTo": ["tensorboard"]}}),),
    "docs/how-to/tuned-runs.md": (Ended("hpsearch", trials=2),),
    "docs/troubleshooting.md": (Ended("first"),),
    "docs/tutorial.md": (Ended("quickstart", "finetune-demo"),),
}
"""Page -> what is in the cluster before its first command."""

PODS = {"docs/ray-clusters.md": {"head": "ray.io/node-type=head", "worker": "ray.io/node-type=worker"}}
"""Page -> pods with a label that are there besides."""
LEAVES = {
    "docs/how-to/leaderboard.md": ("submission.zip", "so-far.zip"),
    "docs/how-to/results.md": ("first.csv", "first/models/rte/config.json", "first/results.md"),
    "docs/how-to/tracking.md": ("tracked/tensorboard/rte",),
    "docs/sparse.md": ("bert-sparse/model.safetensors",),
    "docs/tutorial.md": ("tuned.yaml", "finetune-results/default/local/report.html"),
}
"""Page -> what its commands leave in the folder that they are typed in."""

PAGES = pages("CONTRIBUTING.md", "dev/README.md")


def _blocks(path: Path) -> list[Said]:
    return [block for block in blocks(path) if block.language in SHELL]


def _said(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


WITH_COMMANDS = [path for path in PAGES if _blocks(path)]


@pytest.fixture
def files(shell: Shell) -> None:
    """The manifests that the reader is supposed to have written."""
    own: dict[str, dict[str, Any]] = {
        "first.yaml": _first(),
        "my-experiment.yaml": yaml.safe_load((REPOSITORY / "examples/local.yaml").read_text()),
        "katib.yaml": KATIB,
        "experiments/a.yaml": experiment("a", training={"learning_rate": 1e-4}),
        "experiments/b.yaml": experiment("b", training={"maxSteps": 100, "evalSteps": 200}),
    }
    for name, manifest in own.items():
        file = shell.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(yaml.safe_dump(manifest, sort_keys=False))


def _first() -> dict[str, Any]:
    """The manifest of the page, on the stage's model and data."""
    text = next(one.text for one in blocks(REPOSITORY / "docs/how-to/fine-tune.md") if one.language == "yaml")
    manifest: dict[str, Any] = yaml.safe_load(text)
    manifest["spec"] |= INPUTS
    return manifest


def _run(command: Command, shell: Shell, stage: Stage) -> Outcome:
    """Run a command once all that goes on has ended; with --watch it goes on meanwhile."""
    stage.settle()
    if "--watch" not in command.words:
        return shell.run(command)
    with stage.at_work():
        return shell.run(command)


def _problems(block: Said, shell: Shell, stage: Stage) -> Iterator[str]:
    for command in shown_commands(block):
        if str(command) in NOT_RUN:
            continue
        outcome = _run(command, shell, stage)
        if outcome.code != FAILS.get(str(command), 0) or (command.to and not outcome.out):
            yield f"{command.said} -- {outcome}"
        elif "logs" in command.words and LAST not in outcome.out:
            yield f"{command.said} -- is no pod's log: {outcome}"
        elif is_prompted(block) and not _shows(block, command, outcome):
            yield f"{command.said} -- prints something else: {outcome}"


def _shows(block: Said, command: Command, outcome: Outcome) -> bool:
    """Whether the output is that of the page; `...` stands for anything, and of a table only the header counts."""
    shown = block.text.partition(f"$ {command.said.text}\n")[2].partition("\n$ ")[0].splitlines()
    printed = outcome.out.splitlines()
    if shown[0].isupper():
        return shown[0].split() == printed[0].split()
    patterns = [re.escape(line).replace(re.escape("..."), ".*") for line in shown]
    return len(shown) == len(printed) and all(map(re.fullmatch, patterns, printed))


@pytest.mark.parametrize("path", WITH_COMMANDS, ids=_said)
@pytest.mark.usefixtures("files")
def test_the_commands_of_a_page_end_well(path: Path, shell: Shell, stage: Stage) -> None:
    stage.prepare(*STAGES.get(_said(path), ()))
    for name, label in PODS.get(_said(path), {}).items():
        stage.world("default").add_pod(name, dict([label.split("=")]))

    assert [wrong for block in _blocks(path) for wrong in _problems(block, shell, stage)] == []
    assert [one for one in LEAVES.get(_said(path), ()) if not (shell.folder / one).exists()] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("finetune results nobody", "nobody"),
        ("finetune results first --nonsense", "--nonsense"),
        ("finetune validate examples/none.yaml", "examples/none.yaml"),
        ("kubectl finetune status nobody", "nobody"),
        ("kubectl get finetunes", "finetunes"),
        ("kubectl logs -l ray.io/node-type=nothing", "is no pod's log"),
        ("kubectl -n finetune-system port-forward service/finetune-operator-iu 8090:80", "finetune-operator-iu"),
        ("helm install x helm/finetune-operator --dry-run=client --set storage.buckett=abc", "buckett"),
        ("make dome", "dome"),
        ("gcloud container clusters list", "nothing runs gcloud"),
        ("$ finetune validate experiments/\nno problems", "prints something else"),
        ("$ kubectl get fte\nNAME   AGE", "prints something else"),
        ("finetune results first > all.csv && finetune results nobody", "nobody"),
    ],
)
@pytest.mark.usefixtures("files")
def test_a_command_that_does_not_do_is_found(text: str, told: str, shell: Shell, stage: Stage) -> None:
    stage.prepare(Ended("first"))
    problems = list(_problems(Said("page.md", 1, text, "console"), shell, stage))
    assert len(problems) == 1
    assert told in problems[0].partition(" -- ")[2]


def test_what_is_said_of_commands_and_pages_is_still_of_some() -> None:
    shown = {str(command) for path in PAGES for block in _blocks(path) for command in shown_commands(block)}
    assert {*NOT_RUN, *FAILS} - shown == set()
    assert {*STAGES, *PODS, *LEAVES} - set(map(_said, WITH_COMMANDS)) == set()


FOREIGN = "docs/how-to/gitops.md"
"""Argo CD's and Flux's manifests, which no cluster here takes: core/test_health_rules.py reads them."""


def _manifests() -> list[Said]:
    shown = [block for path in PAGES if _said(path) != FOREIGN for block in blocks(path) if block.language == "yaml"]
    return [block for block in shown if {"apiVersion", "kind"} <= yaml.safe_load(block.text).keys()]


@pytest.mark.parametrize("block", _manifests(), ids=lambda block: f"{block.file}:{block.line}")
def test_a_whole_manifest_is_taken_by_validate_and_by_the_cluster(block: Said, shell: Shell) -> None:
    (shell.folder / "shown.yaml").write_text(block.text)
    asked = ("finetune validate shown.yaml", "kubectl apply --dry-run=server --validate=strict -f shown.yaml")
    typed = [Command(block, tuple(one.split())) for one in asked]
    assert [str(outcome) for outcome in map(shell.run, typed) if outcome.code] == []


def test_manifests_are_found_at_all() -> None:
    assert len(_manifests()) > 3
