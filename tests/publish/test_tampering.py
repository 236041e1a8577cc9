"""A hundred changes to a published model, each of which `finetune verify` finds; and what is not published at all."""

import hashlib
import json
import random
from pathlib import Path

import pytest

from finetune_core.publishing.facts import shareable
from finetune_core.publishing.findings import Verdict
from finetune_publish.checking import Checked, Signer, check

from .conftest import VALUES, Experiment, Keys, Run, finish

FILES = ("model.safetensors", "README.md", "predictions/RTE.tsv", "provenance.json")
TIMES = 25
"""Of each file."""


@pytest.fixture
def published(experiment: Experiment, keys: Keys, run: Run, tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    options = ("--task", "rte", "--predictions", "--sign", str(keys.private), *experiment.options)
    said = run("publish", "demo", "--to", str(folder), *options)
    assert said.code == 0, said.err
    return folder


def differing(checked: Checked) -> set[str]:
    return {one.what for one in checked.findings if one.verdict == Verdict.DIFFERS}


def changed(content: bytes, chance: random.Random) -> bytes:
    """Another content: a byte is changed, one is put in, some are cut out, or two parts change places."""
    place = chance.randrange(len(content))
    ways = [
        content[:place] + bytes([content[place] ^ chance.randrange(1, 256)]) + content[place + 1 :],
        content[:place] + bytes([chance.randrange(256)]) + content[place:],
        content[:place] + content[place + chance.randrange(1, 40) :],
        content[place:] + content[:place],
    ]
    other = chance.choice(ways)
    return other if other != content else content + b"\n"


def test_untouched_it_is_equal_in_all(published: Path, keys: Keys) -> None:
    found = check(published, Signer(keys.public))
    assert {one.verdict for one in found.findings} == {Verdict.EQUAL}
    assert {one.what for one in found.findings} == {
        "files", "provenance", "predictions/RTE.tsv", "card's figures", "signature"}  # fmt: skip


def test_a_hundred_changes_are_found(published: Path, keys: Keys) -> None:
    chance = random.Random(18)
    for name in FILES:
        path = published / name
        original = path.read_bytes()
        for _ in range(TIMES):
            path.write_bytes(changed(original, chance))
            assert differing(check(published, Signer(keys.public))), (name, path.read_bytes())
        path.write_bytes(original)
    assert differing(check(published, Signer(keys.public))) == set()


@pytest.mark.parametrize("name", FILES[:3])
def test_a_file_and_its_sum_changed_together_are_found_by_the_signature(published: Path, keys: Keys, name: str) -> None:
    """Without the key nobody can sign what they have made of the provenance."""
    path, provenance = published / name, published / "provenance.json"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(path.read_bytes() + b"more\n")
    after = hashlib.sha256(path.read_bytes()).hexdigest()
    provenance.write_text(provenance.read_text().replace(before, after))
    assert differing(check(published, Signer(keys.public))) >= {"signature"}


def test_a_provenance_that_somebody_else_signed_is_found(
    published: Path, keys: Keys, experiment: Experiment, run: Run, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415

    other = tmp_path / "other.pem"
    private = ed25519.Ed25519PrivateKey.generate()
    other.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    options = ("--task", "rte", "--sign", str(other), *experiment.options)
    assert run("publish", "demo", "--to", str(published), *options).code == 0
    said = run("verify", str(published), "--key", str(keys.public))
    assert said.code == 1
    assert "it was not signed by the key of" in said.text


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("externalParameters", "seed"), 1),
        (("internalParameters", "facts", "plan", "runs", 0, "seed"), 1),
        (("internalParameters", "facts", "plan", "model", "digest"), "md5s:" + "f" * 32),
        (("internalParameters", "facts", "result", "dataDigest"), "md5s:" + "f" * 32),
        (("resolvedDependencies", 0, "digest", "md5s"), "f" * 32),
    ],
)
def test_without_a_signature_a_changed_seed_or_digest_contradicts_the_run(
    published: Path, where: tuple[str | int, ...], value: object
) -> None:
    (published / "provenance.sigstore.json").unlink()
    path = published / "provenance.json"
    statement = json.loads(path.read_text())
    part = statement["predicate"]["buildDefinition"]
    for step in where[:-1]:
        part = part[step]
    assert part[where[-1]] != value
    part[where[-1]] = value
    path.write_text(json.dumps(statement))
    assert "provenance" in differing(check(published, Signer()))


def test_without_a_signature_figures_on_the_card_are_held_to_the_provenance(published: Path) -> None:
    path = published / "README.md"
    path.write_text(path.read_text().replace("value: 0.65", "value: 0.95"))
    assert differing(check(published, Signer())) >= {"README.md", "card's figures"}
    path.write_text(path.read_text().replace("value: 0.95", "value: 0.65").replace("| 65.00 |", "| 95.00 |"))
    assert differing(check(published, Signer())) >= {"README.md", "card's figures"}


def test_a_file_that_is_gone_or_was_added_is_found(published: Path, keys: Keys) -> None:
    (published / "config.json").rename(published / "modeling.py")
    assert differing(check(published, Signer(keys.public))) == {"config.json", "modeling.py"}


def test_without_a_key_it_says_that_nobody_was_asked(published: Path, run: Run) -> None:
    said = run("verify", str(published))
    assert said.code == 0
    assert "signature not known" in said.text
    (published / "provenance.sigstore.json").unlink()
    assert run("verify", str(published)).code == 0


def test_a_signature_that_is_asked_for_has_to_be_there(published: Path, keys: Keys, run: Run) -> None:
    (published / "provenance.sigstore.json").unlink()
    assert run("verify", str(published), "--key", str(keys.public)).code == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"[" * 100_000, b"\xff", b'{"_type": 1}'])
def test_a_provenance_that_is_none_is_said(published: Path, content: bytes) -> None:
    (published / "provenance.json").write_bytes(content)
    assert "provenance" in differing(check(published, Signer()))


def test_paths_of_this_machine_and_keys_of_the_store_stay_here(published: Path, experiment: Experiment) -> None:
    for path in published.rglob("*"):
        if path.is_file():
            assert str(experiment.root).encode() not in path.read_bytes()
            assert b"attempts/" not in path.read_bytes()


def test_an_adapter_does_not_tell_where_its_base_model_lay(experiment: Experiment, run: Run, tmp_path: Path) -> None:
    peft = json.dumps({"base_model_name_or_path": "/home/ann/bert", "r": 8}).encode()
    more = {"adapter/adapter_config.json": peft, "adapter/README.md": b"base_model: /home/ann/bert"}
    finish(experiment.store, experiment.plan, "rte", 1, VALUES[1], more)
    to = ("--to", str(tmp_path / "out"), "--task", "rte")
    assert run("publish", "demo", *to, *experiment.options).code == 0
    told = json.loads((tmp_path / "out/adapter/adapter_config.json").read_text())
    assert told == {"base_model_name_or_path": "bert", "r": 8}
    assert not (tmp_path / "out/adapter/README.md").exists()
    assert run("verify", str(tmp_path / "out")).code == 0


def test_a_local_path_is_told_by_its_last_part() -> None:
    assert shareable("file:///home/ann/secret/glue") == "file:///glue"
    assert shareable("s3://bucket/glue") == "s3://bucket/glue"


@pytest.mark.parametrize("name", ["train.tsv", "pytorch_model.bin", "modeling_bert.py", ".env", "provenance.json"])
def test_what_no_trainer_writes_is_not_published(experiment: Experiment, run: Run, tmp_path: Path, name: str) -> None:
    experiment.store.put(f"{experiment.model_key()}/{name}", b"rows")
    said = run("publish", "demo", "--to", str(tmp_path / "out"), "--task", "rte", *experiment.options)
    assert said.code == 4
    assert name in said.text
    assert not (tmp_path / "out").exists()


def test_weights_that_were_changed_in_the_store_are_not_published(
    experiment: Experiment, run: Run, tmp_path: Path
) -> None:
    experiment.store.put(f"{experiment.model_key()}/model.safetensors", b"others")
    said = run("publish", "demo", "--to", str(tmp_path / "out"), "--task", "rte", *experiment.options)
    assert said.code == 4
    assert "is not what the run wrote" in said.text


def test_a_run_without_weights_is_said(experiment: Experiment, run: Run, tmp_path: Path) -> None:
    """The report keeps those of the two best."""
    said = run("publish", "demo", "--to", str(tmp_path / "out"), "--run", "rte/0", *experiment.options)
    assert said.code == 3
    assert "no weights are kept of this run" in said.text


def test_two_models_do_not_go_to_one_place(experiment: Experiment, run: Run, tmp_path: Path) -> None:
    said = run("publish", "demo", "--to", str(tmp_path / "out"), *experiment.options)
    assert said.code == 2
    assert "{task}" in said.text


def test_a_folder_with_files_of_others_is_left_alone(experiment: Experiment, run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("mine")
    said = run("publish", "demo", "--to", str(tmp_path / "out"), "--task", "rte", *experiment.options)
    assert said.code == 4
    assert (tmp_path / "out/thesis.tex").read_text() == "mine"
