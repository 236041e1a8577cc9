"""Model, tokenizer, data and settings that do not fit: refused before anything is trained, with what fits."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from finetune_core.results.run import ExitCode
from finetune_core.tasks.registry import GLUE_TASKS
from finetune_trainer.data.padding import Padding, positions, settle_padding
from finetune_trainer.data.tokens import Tokens
from finetune_trainer.errors import UserError
from finetune_trainer.model.fits import require_fit, vocabulary_warning
from finetune_trainer.model.loading import load_model
from finetune_trainer.model.pairs import pair_warnings
from finetune_trainer.model.tokenizer import load_tokenizer
from support.sentence_pieces import sentence_pieces
from support.tiny_models import ARCHITECTURES, POSITIONS, tiny_model
from support.trainer_runs import Workspace

TRAINING = {"maxSteps": 2, "evalSteps": 1, "maxSeqLength": 32}


def run(folder, model, data, **training):
    workspace = Workspace(folder, model, data)
    job = workspace.plan(
        [{"name": "rte", "runs": 1, "training": {**TRAINING, **training}}], retention={"models": "All"}
    )
    code, log = workspace.run(job)
    return workspace, job, code, log


def tokens(ids, types=(), rows=1):
    """Rows of the same length."""
    ends = np.arange(1, rows + 1) * (len(ids) // rows)
    return Tokens(np.array(ids, np.int32), np.array(types, np.int8), ends.astype(np.int64), None)


@pytest.mark.parametrize("name", [name for name, kind in ARCHITECTURES.items() if kind.bounded])
def test_a_max_seq_length_beyond_the_positions_is_refused_with_the_most_that_fits(shared, tmp_path, name):
    folder = tiny_model(tmp_path / name, name)
    _, _, code, log = run(tmp_path, folder, shared / "glue", maxSeqLength=POSITIONS + 1)
    assert code == ExitCode.USER_ERROR
    assert f"maxSeqLength is {POSITIONS + 1}, but the model has positions for {POSITIONS} tokens: set it to" in log


@pytest.mark.parametrize("name", [name for name, kind in ARCHITECTURES.items() if not kind.bounded])
def test_nothing_bounds_the_length_of_texts_where_positions_are_relative(tmp_path, name):
    model, _ = load_model(tiny_model(tmp_path / name, name), GLUE_TASKS["rte"], None)
    assert positions(model) is None


def test_tokens_beyond_the_embeddings_are_named_with_the_size_that_they_need(shared, tmp_path):
    folder = tiny_model(tmp_path / "bert", "bert")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    size = len(tokenizer)
    # A word of the data, so that it occurs.
    word = (shared / "glue" / "RTE" / "train.tsv").read_text().splitlines()[1].split("\t")[1].split()[0]
    tokenizer.add_tokens([word.upper(), word])
    tokenizer.save_pretrained(folder)

    _, _, code, log = run(tmp_path, folder, shared / "glue")

    assert code == ExitCode.USER_ERROR, log
    assert f"the model has embeddings for {size} tokens" in log
    assert f"model.resize_token_embeddings({len(tokenizer)})" in log


def test_a_pad_token_that_was_added_without_an_embedding_is_named(tmp_path):
    folder = tiny_model(tmp_path / "llama", "llama")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    with pytest.raises(UserError, match=rf"pad token has id {len(tokenizer) - 1}, .*_embeddings\({len(tokenizer)}\)"):
        load_model(folder, GLUE_TASKS["rte"], None, pad_id=tokenizer.pad_token_id)


def test_token_types_that_the_model_lacks_are_named(tmp_path):
    folder = tiny_model(tmp_path / "bert", "bert", type_vocab_size=1)
    tokenizer, _ = load_tokenizer(folder)
    model, _ = load_model(folder, GLUE_TASKS["rte"], None)
    with pytest.raises(UserError, match="gives train token type 1, but type_vocab_size of the model is 1"):
        require_fit(model, tokenizer, Padding(0), {"train": tokens([1, 2], [0, 1])})


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_an_end_of_text_within_a_text_is_named(tmp_path, name):
    folder = tiny_model(tmp_path / name, name)
    tokenizer, _ = load_tokenizer(folder)
    model, _ = load_model(folder, GLUE_TASKS["rte"], None, pad_id=tokenizer.pad_token_id)
    end = tokenizer.eos_token_id
    with pytest.raises(UserError, match="example 2 of train has 2 times '</s>', the first one 1 times"):
        require_fit(model, tokenizer, Padding(1), {"train": tokens([7, 8, end, 7, end, end], rows=2)})


def test_an_empty_text_without_tokens_is_named(tmp_path):
    folder = tiny_model(tmp_path / "gpt2", "gpt2")
    tokenizer, _ = load_tokenizer(folder)
    model, _ = load_model(folder, GLUE_TASKS["rte"], None)
    empty = Tokens(np.array([5], np.int32), np.array([], np.int8), np.array([1, 1], np.int64), None)
    with pytest.raises(UserError, match="example 2 of train has no tokens"):
        require_fit(model, tokenizer, Padding(0), {"train": empty})


@pytest.mark.parametrize("name", ["bart", "t5", "gpt2", "xlnet", "roberta"])
def test_a_model_is_saved_once_and_whole_and_opens_again(shared, tmp_path, name):
    folder = tiny_model(tmp_path / name, name)
    workspace, job, code, log = run(tmp_path, folder, shared / "glue")
    assert code == ExitCode.SUCCESS, log
    saved = workspace.store / workspace.layout(job).model("attempt-1")

    model, info = AutoModelForSequenceClassification.from_pretrained(saved, output_loading_info=True)

    assert not info["missing_keys"] | info["unexpected_keys"] | info["mismatched_keys"]
    kept = load_file(saved / "model.safetensors")
    assert len({weight.data_ptr() for weight in model.state_dict().values()}) == len(kept)
    assert all(torch.equal(weight, model.state_dict()[key]) for key, weight in kept.items())


@pytest.mark.parametrize(("rows", "told"), [(2, 1), (1.9, 0), (1, 0)])
def test_a_tokenizer_of_less_than_half_of_the_models_tokens_is_told(tmp_path, rows, told):
    tokenizer, _ = load_tokenizer(tiny_model(tmp_path / "bert", "bert"))
    size = int(rows * len(tokenizer)) + (rows == 2)
    folder = tiny_model(tmp_path / "other", "bert", vocab_size=size)
    model, _ = load_model(folder, GLUE_TASKS["rte"], None)
    warnings = vocabulary_warning(model, tokenizer)
    assert len(warnings) == told
    assert all(f"has {len(tokenizer)} tokens, the model embeddings for {size}: see" in one for one in warnings)


@pytest.mark.parametrize(
    ("name", "tokens", "words"),
    [
        ("albert", "sentencepiece", "by token types, but its tokenizer gives none: add token_type_ids to model_input_"),
        ("xlnet", "sentencepiece", "by token types, but its tokenizer gives none"),
        ("gpt2", "", "puts nothing between the texts of a pair"),
        ("llama", "sentencepiece", "puts nothing between the texts of a pair"),
        ("mbart", "sentencepiece", "puts nothing between the texts of a pair"),
        *((name, "", "") for name in ("bert", "albert", "xlnet", "roberta", "distilbert", "deberta-v2", "bart", "t5")),
        ("deberta-v2", "sentencepiece", ""),
        ("t5", "sentencepiece", ""),
    ],
)
def test_texts_of_a_pair_that_the_model_cannot_tell_apart_are_told(tmp_path, name, tokens, words):
    folder = tiny_model(tmp_path / name, name, tokens=tokens)
    tokenizer, _ = load_tokenizer(folder)
    model, _ = load_model(folder, GLUE_TASKS["rte"], None, pad_id=tokenizer.pad_token_id)
    warnings = pair_warnings(model, tokenizer, settle_padding(model, tokenizer))
    assert len(warnings) == bool(words), warnings
    assert all(words in one for one in warnings)


def test_what_the_warning_says_gives_the_model_its_token_types(tmp_path):
    folder = tiny_model(tmp_path / "albert", "albert", tokens="sentencepiece")
    settings = folder / "tokenizer_config.json"
    names = ["input_ids", "token_type_ids", "attention_mask"]
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"model_input_names": names}))
    tokenizer, _ = load_tokenizer(folder)
    model, _ = load_model(folder, GLUE_TASKS["rte"], None)
    assert set(tokenizer("a", "b")["token_type_ids"]) == {0, 1}
    assert pair_warnings(model, tokenizer, settle_padding(model, tokenizer)) == ()


@pytest.mark.parametrize("name", ["mistral", "phi3", "gemma"])
def test_a_sentencepiece_model_that_transformers_misreads_is_refused_and_its_json_is_not(tmp_path, name):
    with pytest.raises(
        UserError, match=r"other pieces than those that the model was trained with .*: add its tokenizer"
    ):
        tiny_model(tmp_path / name, name, tokens="sentencepiece") and load_tokenizer(tmp_path / name)
    folder = tiny_model(tmp_path / "llama", "llama", tokens="sentencepiece")
    right = AutoTokenizer.from_pretrained(folder)
    right.save_pretrained(tmp_path / name)
    read, _ = load_tokenizer(tmp_path / name)
    assert read("the cat sat")["input_ids"] == right("the cat sat")["input_ids"]


def test_tokenizer_json_alone_is_a_tokenizer(tmp_path):
    folder = tiny_model(tmp_path / "gpt2", "gpt2")
    before, _ = load_tokenizer(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer", **config}))
    assert sorted(path.name for path in folder.glob("*token*")) == ["tokenizer.json", "tokenizer_config.json"]
    after, _ = load_tokenizer(folder)
    assert after("some words")["input_ids"] == before("some words")["input_ids"]


@pytest.mark.parametrize(("name", "file"), [("deberta-v2", "spm.model"), ("albert", "spiece.model")])
def test_a_sentencepiece_model_alone_is_a_tokenizer(shared, tmp_path, name, file):
    pieces = sentence_pieces(tmp_path / file)
    folder = tiny_model(tmp_path / name, name, vocab_size=pieces.get_piece_size() + 8)
    for path in folder.glob("*token*"):
        path.unlink()
    shutil.copy(tmp_path / file, folder / file)

    tokenizer, _ = load_tokenizer(folder)

    text = "the cat sat on a mat"
    assert tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]) == [
        "[CLS]",
        *pieces.encode(text, out_type=str),
        "[SEP]",
    ]
    _, _, code, log = run(tmp_path, folder, shared / "glue")
    assert code == ExitCode.SUCCESS, log
