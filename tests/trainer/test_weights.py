"""Only the head of a checkpoint may be new: whatever else was not loaded is the user's mistake, with its cause."""

import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from finetune_core.results.run import ExitCode
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_trainer.errors import UserError
from finetune_trainer.model.loading import load_model
from finetune_trainer.model.tokenizer import load_tokenizer
from support.tiny_models import ARCHITECTURES, tiny_model
from support.trainer_runs import Workspace

RTE = GLUE_TASKS["rte"]
WEIGHTS = "model.safetensors"
ONE_STEP = {"name": "rte", "runs": 1, "training": {"maxSteps": 1, "evalSteps": 1, "maxSeqLength": 32}}


def changed(folder, **fields):
    """Fields of config.json; None removes one."""
    config = json.loads((folder / "config.json").read_text()) | fields
    (folder / "config.json").write_text(
        json.dumps({name: value for name, value in config.items() if value is not None})
    )
    return folder


def renamed(folder, rename):
    """Weights under other names; those whose new name is empty are left out."""
    weights = {rename(name): weight for name, weight in load_file(folder / WEIGHTS).items()}
    weights.pop("", None)
    save_file(weights, folder / WEIGHTS, {"format": "pt"})
    return folder


@pytest.fixture
def bert(tmp_path):
    return tiny_model(tmp_path / "bert", "bert")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(
            lambda folder: renamed(folder, "module.{}".format),
            r"37 of the 37 weights below its head are missing \(bert\..*begin with module\.bert\.: .*DataParallel",
            id="saved from DataParallel",
        ),
        pytest.param(
            lambda folder: renamed(folder, "_orig_mod.{}".format),
            r"begin with _orig_mod\..*torch.compile",
            id="compiled",
        ),
        pytest.param(
            lambda folder: changed(folder, model_type="roberta", architectures=None),
            r"begin with bert\., the model's with roberta\.; config.json says model_type roberta: correct it",
            id="model_type",
        ),
        pytest.param(
            lambda folder: changed(folder, hidden_size=32),
            r"have another shape \(bert\..*: \[.*16\] in the file, \[.*32\] by config.json.*Correct hidden_size",
            id="hidden_size",
        ),
        pytest.param(
            lambda folder: changed(folder, vocab_size=7),
            r"1 have another shape .*word_embeddings.*Correct vocab_size",
            id="vocab_size",
        ),
        pytest.param(
            lambda folder: changed(folder, num_hidden_layers=3),
            r"16 of the 53 weights .* are missing \(bert.encoder.layer.2.*has 2 layers: correct their number",
            id="more layers than the file has",
        ),
        pytest.param(
            lambda folder: changed(folder, num_hidden_layers=1),
            r"16 weights that the model has no place for \(bert.encoder.layer.1.*has 2 layers: correct their number",
            id="fewer layers than the file has",
        ),
        pytest.param(
            lambda folder: renamed(folder, lambda name: "" if "layer.1.output.dense.bias" in name else name),
            r"1 of the 37 weights .*bert.encoder.layer.1.output.dense.bias\).*save the model again",
            id="one weight is missing",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_its_config_is_refused_with_the_cause(bert, spoil, words):
    with pytest.raises(UserError, match=words):
        load_model(spoil(bert), RTE, None)


def test_weights_of_one_architecture_with_biases_that_another_has_not_are_refused(tmp_path):
    folder = changed(tiny_model(tmp_path / "qwen2", "qwen2"), model_type="llama", architectures=None)
    with pytest.raises(
        UserError, match=r"6 weights that the model has no place for \(model.layers.0.self_attn.k_proj.bias"
    ):
        load_model(folder, RTE, None)


def test_weights_that_fit_another_type_too_are_refused_by_what_they_were_saved_as(bert):
    bare = changed(renamed(bert, lambda name: name.removeprefix("bert.")), architectures=["BertModel"])
    assert load_model(bare, RTE, None)[1].warnings == ()
    with pytest.raises(UserError, match="model_type roberta, but its architectures say BertModel, which is of bert"):
        load_model(changed(bare, model_type="roberta"), RTE, None)


def test_it_is_found_in_a_run_and_not_tried_again(workspace, tmp_path):
    model = renamed(shutil.copytree(workspace.model, tmp_path / "model"), "module.{}".format)
    spoiled = Workspace(tmp_path, model, workspace.data)
    code, log = spoiled.run(spoiled.plan([ONE_STEP]))
    assert code == ExitCode.USER_ERROR
    assert "begin with module.bert." in log


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_pretrained_checkpoints_of_every_architecture_are_loaded_without_a_warning(tmp_path, name):
    folder = tiny_model(tmp_path / name, name)
    model, head = load_model(folder, RTE, None)
    assert head.warnings == () or name == "nomic_bert"
    saved, loaded = load_file(folder / WEIGHTS), model.state_dict()
    same = [key for key in saved if key in loaded or f"{model.base_model_prefix}.{key}" in loaded]
    assert len(same) > len(saved) / 2 or name == "nomic_bert"
    for key in same:
        own = loaded.get(f"{model.base_model_prefix}.{key}", loaded.get(key))
        assert own is not None
        assert torch.equal(own, saved[key]), key


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_classifier_with_as_many_outputs_keeps_its_head(tmp_path, name):
    folder = tiny_model(tmp_path / name, name, labels=RTE.labels)
    model, head = load_model(folder, RTE, None)
    theirs = AutoModelForSequenceClassification.from_pretrained(folder).state_dict()
    assert head.warnings == ()
    assert all(torch.equal(weight, theirs[key]) for key, weight in model.state_dict().items())


def test_a_classifier_with_other_outputs_gets_a_new_head_and_a_warning(tmp_path):
    _, head = load_model(tiny_model(tmp_path / "bert", "bert", labels=["a", "b", "c"]), RTE, None)
    assert head.warnings == (
        "the checkpoint's head has other sizes than the task's, so these are new: classifier.bias [3] for [2], "
        "classifier.weight [3, 16] for [2, 16]",
        "the checkpoint's labels cannot be mapped by name, so its head is trained anew: they are a, b, c, the task's "
        "are entailment, not_entailment; correct id2label in config.json if they mean the same",
    )


def test_a_checkpoint_without_a_pooler_trains_a_new_one_and_the_result_says_so(workspace, tmp_path):
    model = renamed(shutil.copytree(workspace.model, tmp_path / "model"), lambda name: "" if "pooler" in name else name)
    without = Workspace(tmp_path, model, workspace.data)
    job = without.plan([ONE_STEP])
    code, log = without.run(job)
    assert code == ExitCode.SUCCESS, log
    assert without.result(job).warnings == (
        "the checkpoint has no pooler, so it is new, as the head is: bert.pooler.dense.bias, bert.pooler.dense.weight",
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "cannot be loaded"),
        (lambda path: path.write_text("not weights at all, but long enough for a header"), "cannot be loaded"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git lfs pull"),
        (lambda path: path.unlink(), "cannot be loaded"),
    ],
    ids=["cut off", "something else", "a git-lfs pointer", "not there"],
)
def test_damaged_weights_are_the_users_mistake(bert, spoil, words):
    spoil(bert / WEIGHTS)
    with pytest.raises(UserError, match=words):
        load_model(bert, RTE, None)


def test_weights_that_are_not_finite_are_named(bert):
    weights = load_file(bert / WEIGHTS)
    weights["bert.encoder.layer.1.output.dense.weight"][0, 0] = float("nan")
    save_file(weights, bert / WEIGHTS, {"format": "pt"})
    with pytest.raises(UserError, match=r"NaN or infinity in 1 weights \(bert.encoder.layer.1.output.dense.weight\)"):
        load_model(bert, RTE, None)


def cast(folder, kind):
    """Weights as another type."""
    weights = {
        name: (50 * weight).to(kind) if weight.dim() == 2 else weight for name, weight in load_file(folder).items()
    }
    save_file(weights, folder, {"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(
            lambda folder: cast(folder / WEIGHTS, torch.int8),
            "holds bert.*weight as I8: a quantized",
            id="int8",
        ),
        pytest.param(lambda folder: cast(folder / WEIGHTS, torch.bool), "weight as BOOL: a quant", id="truth values"),
        pytest.param(lambda folder: cast(folder / WEIGHTS, torch.float8_e4m3fn), "weight as F8_E4M3: a q", id="fp8"),
        pytest.param(
            lambda folder: (cast(folder / WEIGHTS, torch.int8), as_bin(folder))[1],
            "pytorch_model.bin holds bert.*weight as torch.int8: a quantized model cannot be trained",
            id="int8 in a .bin",
        ),
        *(
            pytest.param(
                lambda folder, method=method: changed(folder, quantization_config={"quant_method": method}),
                rf"quantization_config \({method}\): a quantized model cannot be trained: take the one",
                id=method,
            )
            for method in ("bitsandbytes", "gptq", "awq")
        ),
    ],
)
def test_quantized_weights_are_refused(bert, spoil, words):
    spoil(bert)
    with pytest.raises(UserError, match=words):
        load_model(bert, RTE, None)


def as_bin(folder, *, keep=False, change=lambda name, one: one):
    """The weights as torch saves them, with what Trainer leaves beside them."""
    tensors = {name: change(name, one) for name, one in load_file(folder / WEIGHTS).items()}
    torch.save(tensors, folder / "pytorch_model.bin")
    torch.save({"learning_rate": 1}, folder / "training_args.bin")
    if not keep:
        (folder / WEIGHTS).unlink()
    return folder


def test_weights_of_a_bin_file_are_loaded_as_they_are(bert):
    saved = load_file(bert / WEIGHTS)
    loaded = load_model(as_bin(bert), RTE, None)[0].state_dict()
    same = [name for name in saved if name in loaded]
    assert len(same) > 30
    assert all(torch.equal(saved[name], loaded[name]) for name in same)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _, one: one, None),
        (lambda _, one: one.half(), None),
        (lambda name, one: one + 1 if name.endswith("LayerNorm.bias") else one, "LayerNorm.bias is not the same in"),
        (lambda name, one: one[:-1] if name.endswith("word_embeddings.weight") else one, "word_embeddings.weight is n"),
    ],
    ids=["the same", "rounded", "trained on", "other shapes"],
)
def test_two_files_of_other_weights_are_a_warning_that_says_which_is_used(bert, change, words):
    _, head = load_model(as_bin(bert, keep=True, change=change), RTE, None)
    told = [one for one in head.warnings if "model.safetensors and pytorch_model.bin with other weights" in one]
    assert len(told) == (words is not None), head.warnings
    assert all(words in one and "model.safetensors is used; remove" in one for one in told)


def test_a_second_file_that_is_damaged_is_a_warning(bert):
    (bert / "pytorch_model.bin").write_bytes(b"torn")
    assert "pytorch_model.bin cannot be read" in load_model(bert, RTE, None)[1].warnings[0]


def sharded(folder, names):
    """The weights in one shard, by an index that names others."""
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).rename(folder / "model-00001-of-00001.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, "model-00001-of-00001.safetensors") | names}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))


def test_shards_are_loaded(bert):
    expected = load_model(bert, RTE, None)[0].bert.state_dict()
    sharded(bert, {})
    loaded = load_model(bert, RTE, None)[0].bert.state_dict()
    assert all(torch.equal(weight, loaded[name]) for name, weight in expected.items())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../other/model.safetensors", "names '../other/model.safetensors', which is no file of the model folder"),
        ("/etc/passwd", "names '/etc/passwd', which is no file of the model folder: save the model again"),
        ("..", "names '..', which is no file of"),
        ("model-00002-of-00002.safetensors", "names model-00002-of-00002.safetensors, which is not there: copy"),
        (3, "cannot be loaded: model.safetensors.index.json"),
    ],
)
def test_an_index_that_names_files_outside_of_the_folder_or_none_is_refused(bert, name, words):
    (bert.parent / "other").mkdir()
    shutil.copy(bert / WEIGHTS, bert.parent / "other")
    sharded(bert, {"bert.pooler.dense.bias": name})
    with pytest.raises(UserError, match=re.escape(words)):
        load_model(bert, RTE, None)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precisions_are_loaded_as_they_are(bert, kind):
    cast(bert / WEIGHTS, kind)
    saved = load_file(bert / WEIGHTS)
    loaded = load_model(bert, RTE, None)[0].state_dict()
    assert all(torch.equal(weight.float(), loaded[name]) for name, weight in saved.items() if name in loaded)


@pytest.mark.parametrize(
    "fields",
    [
        {"num_attention_heads": 0},
        {"vocab_size": "many"},
        {"model_type": ["bert"]},
        {"id2label": ["a", "b"]},
        {"label2id": {"a": "first"}},
        {"architectures": [1]},
        {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}},
    ],
    ids=str,
)
def test_odd_values_in_a_config_are_the_users_mistake_and_nobody_is_asked(bert, fields, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked whether to run the model's code"))
    with pytest.raises(UserError, match=r"cannot be loaded|can load"):
        load_model(changed(bert, **fields), RTE, None)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{}"),
        ("tokenizer.json", '{"version": "1.0", "added_tokens": [], "model": {"type": "Own"}}'),
        ("tokenizer_config.json", "[]"),
        ("special_tokens_map.json", "[]"),
        ("config.json", "[]"),
    ],
)
def test_odd_files_of_a_tokenizer_are_the_users_mistake(bert, name, content):
    (bert / name).write_text(content)
    with pytest.raises(UserError, match="no tokenizer that transformers can load"):
        load_tokenizer(bert)
