"""The sparse BERTs as Hugging Face architectures: what they cover, how they are opened and saved."""

import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

from finetune_core.tasks.sparse import SparseType
from finetune_trainer.errors import UserError
from finetune_trainer.sparse import sparse_config
from finetune_trainer.sparse.masks import census, digest, masked_modules
from support.sparse_models import WEIGHTS, classifier, pruned, rewrite

ATTENTION = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
FEED_FORWARD = ["intermediate.dense", "output.dense"]
PER_LAYER = {
    SparseType.ENCODER: [*ATTENTION, *FEED_FORWARD],
    SparseType.NON_ATTENTION: FEED_FORWARD,
    SparseType.FULL: [*ATTENTION, *FEED_FORWARD],
}


@pytest.fixture
def folder(shared, tmp_path):
    return pruned(shared / "model", tmp_path / "pruned", SparseType.ENCODER)


@pytest.mark.parametrize("kind", SparseType)
def test_a_type_covers_exactly_these_modules(shared, kind):
    model = AutoModelForSequenceClassification.from_config(sparse_config({"num_hidden_layers": 2}, kind))
    expected = {f"bert.encoder.layer.{layer}.{name}" for layer in range(2) for name in PER_LAYER[kind]}
    if kind == SparseType.FULL:
        expected.add("bert.embeddings.word_embeddings")
    assert set(masked_modules(model)) == expected


@pytest.mark.parametrize("auto", [AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification])
@pytest.mark.parametrize("kind", SparseType)
def test_auto_classes_open_what_save_pretrained_wrote(shared, tmp_path, kind, auto):
    first = auto.from_pretrained(pruned(shared / "model", tmp_path / "pruned", kind))
    first.save_pretrained(tmp_path / "again")
    second = auto.from_pretrained(tmp_path / "again")
    assert second.config.model_type == kind
    assert type(second) is type(first)
    assert census(second) == census(first)
    assert digest(masked_modules(second)) == digest(masked_modules(first))
    assert all(torch.equal(one, second.state_dict()[name]) for name, one in first.state_dict().items())


def test_the_tokenizer_of_a_sparse_folder_is_found_by_its_config_alone(folder):
    (folder / "tokenizer_config.json").unlink()
    assert AutoTokenizer.from_pretrained(folder)("a")["input_ids"]


def test_without_zero_mask_buffers_the_zeros_are_the_mask(folder):
    expected = digest(masked_modules(classifier(folder)))
    rewrite(folder, lambda tensors: {name: one for name, one in tensors.items() if not name.endswith("zero_mask")})
    assert digest(masked_modules(classifier(folder))) == expected


def test_a_zero_mask_buffer_wins_over_zeros_by_chance(folder):
    name = "bert.encoder.layer.0.output.dense"

    def zero_by_chance(tensors):
        place = tuple(torch.nonzero(~tensors[f"{name}.zero_mask"])[0])
        tensors[f"{name}.weight"][place] = 0.0
        return tensors

    before = census(classifier(folder))
    rewrite(folder, zero_by_chance)
    after = census(classifier(folder))
    assert after.masked == before.masked
    assert after.non_zero == before.non_zero - 1


def test_a_checkpoint_of_wrapped_modules_opens_and_is_saved_under_our_names(folder, tmp_path):
    """nupic.torch's SparseWeights keeps a layer as `query.module.weight` beside `query.zero_mask`."""
    plain = load_file(folder / WEIGHTS)
    sparse = {name.removesuffix(".zero_mask") for name in plain if name.endswith(".zero_mask")}

    def wrap(tensors):
        return {
            re.sub(r"\.(weight|bias)$", r".module.\1", name) if name.rpartition(".")[0] in sparse else name: one
            for name, one in tensors.items()
        }

    expected = digest(masked_modules(classifier(folder)))
    rewrite(folder, wrap)
    assert "bert.encoder.layer.0.attention.self.query.module.weight" in load_file(folder / WEIGHTS)
    model = AutoModelForMaskedLM.from_pretrained(folder)
    assert digest(masked_modules(model)) == expected
    model.save_pretrained(tmp_path / "saved")
    saved = load_file(tmp_path / "saved" / WEIGHTS)
    assert all(torch.equal(saved[name], one) for name, one in plain.items() if "encoder" in name)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_masks_of_other_types_are_understood(folder, dtype):
    expected = digest(masked_modules(classifier(folder)))
    rewrite(folder, lambda tensors: {n: one.to(dtype) if n.endswith("_mask") else one for n, one in tensors.items()})
    assert digest(masked_modules(classifier(folder))) == expected


def test_masks_that_contradict_the_weights_are_refused(folder):
    name = "bert.encoder.layer.1.intermediate.dense"
    rewrite(folder, lambda tensors: {**tensors, f"{name}.weight": tensors[f"{name}.weight"] + 1})
    with pytest.raises(UserError, match=rf"mask weights that are not zero in {re.escape(name)}$"):
        classifier(folder)


def test_a_checkpoint_without_the_covered_weights_is_refused(folder):
    rewrite(folder, lambda tensors: {name: one for name, one in tensors.items() if "layer.1.output" not in name})
    with pytest.raises(UserError, match=r"lacks 1 of the weights .* bert\.encoder\.layer\.1\.output\.dense\.weight"):
        classifier(folder)


@pytest.mark.parametrize("kind", SparseType)
def test_a_dense_checkpoint_is_no_sparse_model(shared, kind):
    with pytest.raises(UserError, match=rf"model\.type {kind} needs a checkpoint with zeros, but .* finetune-trainer"):
        classifier(shared / "model", kind)


def test_a_checkpoint_that_is_sparse_in_part_is_taken_with_a_warning(shared, tmp_path, caplog):
    folder = pruned(shared / "model", tmp_path / "pruned", SparseType.NON_ATTENTION)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    model = classifier(folder, SparseType.ENCODER)
    assert "8 of the 12 layers that static_sparse_encoder_bert covers are dense" in caplog.text
    assert census(model).masked == 3 * 2 * 2 * 32 * 64 // 4


def test_zeros_that_a_dense_type_will_not_keep_are_told(folder, caplog):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    assert not masked_modules(classifier(folder))
    assert "75 % of the encoder's weights are zero and will not stay so: set model.type to" in caplog.text


def test_a_dense_model_is_taken_without_a_word_on_zeros(shared, caplog):
    classifier(shared / "model")
    assert "zero" not in caplog.text


def test_a_misspelt_sparse_type_is_not_taken_for_a_dense_one(shared):
    with pytest.raises(UserError, match=r"model\.type is static_sparse_bert, but .* says bert: .* fully_static_sparse"):
        classifier(shared / "model", "static_sparse_bert")


def test_the_config_says_the_type_or_the_spec_does(folder):
    model = classifier(folder)
    assert model.config.model_type == SparseType.ENCODER
    config = json.loads((folder / "config.json").read_text())
    del config["model_type"]
    (folder / "config.json").write_text(json.dumps(config))
    assert type(classifier(folder, SparseType.ENCODER)) is type(model)


@pytest.mark.parametrize(
    ("said", "wanted", "message"),
    [
        pytest.param("roberta", SparseType.FULL, "needs a BERT, but .* model_type roberta", id="other architecture"),
        pytest.param(SparseType.FULL, SparseType.ENCODER, "zeros would not be kept", id="other sparse type"),
        pytest.param(SparseType.FULL, "bert", "zeros would not be kept", id="sparse as dense"),
        pytest.param("bert", "roberta", "config.json says bert: remove model.type, or correct it", id="dense types"),
    ],
)
def test_config_and_type_must_agree(said, wanted, message):
    with pytest.raises(UserError, match=message):
        sparse_config({"model_type": said}, wanted)


@pytest.mark.parametrize(("said", "wanted"), [("bert", None), ("roberta", None), (None, "bert"), ("bert", "bert")])
def test_dense_types_are_none_of_the_sparse_ones(said, wanted):
    assert sparse_config({"model_type": said} if said else {}, wanted) is None


def test_a_sparse_model_opens_as_plain_bert_where_this_package_is_not(folder, tmp_path):
    from transformers import BertConfig, BertForSequenceClassification  # noqa: PLC0415

    copy = shutil.copytree(folder, tmp_path / "copy")
    config = {**json.loads((copy / "config.json").read_text()), "model_type": "bert"}
    model = BertForSequenceClassification.from_pretrained(copy, config=BertConfig.from_dict(config))
    assert not masked_modules(model)
