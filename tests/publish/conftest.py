"""What the tests of publishing share: a store with a finished experiment, a key, and the command."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from cli.conftest import Run, Said, run
from finetune_core.planning.identity import FileEntry, content_digest
from finetune_core.planning.plan import Plan
from finetune_report.build import build
from finetune_store import DirectoryStore
from support.filled_store import evaluations, no_data
from support.report_store import layout_of
from support.results import plan_of, result_of

__all__ = ["Run", "Said", "run"]

MODEL = {
    "config.json": json.dumps({"model_type": "bert"}).encode(),
    "model.safetensors": b"weights " * 64,
    "tokenizer.json": b"{}",
}
PREDICTED = b"index\tprediction\n0\tentailment\n1\tnot_entailment\n"
VALUES = (0.61, 0.65, 0.63)
"""Run 1 is the best; the mean is 0.63, the standard deviation 0.02."""


@dataclass(frozen=True)
class Keys:
    """Files of a pair of keys."""

    private: Path
    public: Path


@dataclass(frozen=True)
class Experiment:
    """team/demo in a store: RTE with three runs, CoLA with one."""

    root: Path
    store: DirectoryStore
    plan: Plan

    @property
    def options(self) -> tuple[str, ...]:
        """Where the commands find it."""
        return ("-n", "team", "--store", f"file://{self.root}")

    def model_key(self, task: str = "rte", run: int = 1) -> str:
        """The folder of a run's model."""
        layout = layout_of(self.plan).run(task, self.plan.runs_of(task)[run].run_id)
        return layout.model(f"attempt-{run}")


def finish(
    store: DirectoryStore, plan: Plan, task: str, run: int, value: float, more: Mapping[str, bytes] | None = None
) -> None:
    """A run as the trainer leaves it, with its weights, `more` files of its model, and their digest."""
    model: dict[str, bytes] = {
        **MODEL,
        **(more or {}),
        "model.safetensors": MODEL["model.safetensors"] + f"{task}{run}".encode(),
    }
    digest = content_digest(
        FileEntry(name, hashlib.md5(content, usedforsecurity=False).hexdigest(), len(content))
        for name, content in model.items()
    )
    result = result_of(
        plan,
        task,
        run,
        value,
        predictions={f"{task.upper()}.tsv": PREDICTED},
        weights_digest=digest,
        versions={"torch": "2.9.0"},
        hardware={"cpu": "a processor", "cores": 2, "gpu": None},
        image="registry.example.com/trainer@sha256:" + "a" * 64,
    )
    layout = layout_of(plan).run(task, result.run_id)
    for name, content in model.items():
        store.put(f"{layout.model(result.attempt)}/{name}", content)
    store.put(layout.predictions(result.attempt, f"{task.upper()}.tsv"), PREDICTED)
    store.put(layout.metrics(result.attempt), evaluations(result.metric, 0.5, value))
    store.put(layout.result, result.to_json())


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """A finished one, with its report."""
    root = tmp_path / "store"
    store = DirectoryStore(root)
    plan = plan_of({"rte": 3, "cola": 1}, predict=True)
    store.put(layout_of(plan).plan, plan.to_bytes())
    for number, value in enumerate(VALUES):
        finish(store, plan, "rte", number, value)
    finish(store, plan, "cola", 0, 0.4)
    build(store, plan, (), open_data=no_data, plots=False)
    return Experiment(root, store, plan)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A pair that signs."""
    folder = tmp_path_factory.mktemp("keys")
    made = Keys(folder / "private.pem", folder / "public.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    made.private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    made.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return made


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests are written into the working folder; no identity and no key of this machine signs."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("FINETUNE_SIGNING_KEY", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "GITHUB_ACTIONS", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
