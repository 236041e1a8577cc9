"""The same predictions for every batch size, whatever the architecture: one pad token and one side for all."""

import json
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from finetune_core.tasks.registry import GLUE_TASKS
from finetune_trainer.data.padding import settle_padding
from finetune_trainer.data.rows import Rows
from finetune_trainer.data.tokens import Collator, tokenise
from finetune_trainer.errors import UserError
from finetune_trainer.measure.predict import predict_logits
from finetune_trainer.model import fits
from finetune_trainer.model.loading import load_model
from finetune_trainer.model.tokenizer import load_tokenizer
from glue_demo.models import vocabulary
from support.tiny_models import ARCHITECTURES, POSITIONS, tiny_model

ROWS = 12
FP32 = 1e-3
"""Of the logits' standard deviation over texts: what adding up in another order changes."""


def texts(seed=0, longest=12):
    random = np.random.default_rng(seed)
    words = [word for word in vocabulary() if word.isalpha()]
    return tuple([" ".join(random.choice(words, random.integers(1, longest))) for _ in range(ROWS)] for _ in range(2))


def loaded(folder, tmp_path, max_length=48):
    """Model, tokenizer, tokens of pairs and their padding, as a run has them."""
    tokenizer, _ = load_tokenizer(folder)
    model, _ = load_model(folder, GLUE_TASKS["rte"], None, pad_id=tokenizer.pad_token_id)
    tokens = tokenise([Rows(texts(), [0.0, 1.0] * (ROWS // 2))], tokenizer, max_length, tmp_path / "tokens")
    return model.eval(), tokenizer, tokens, settle_padding(model, tokenizer)


def predicted(model, tokens, padding, batch_size):
    collator = Collator(tokens, padding=padding, label_order=None)
    parts = predict_logits(model, tokens, collator, batch_size=batch_size, autocast=nullcontext, on_batch=lambda: None)
    return np.concatenate(list(parts))


def alone(folder, trained):
    """Logits by transformers' own tokenizer, one pair at a time and without padding, with the weights of a model."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2).eval()
    model.load_state_dict(trained.state_dict())
    with torch.inference_mode():
        rows = [
            model(**tokenizer(*pair, truncation=True, max_length=48, return_tensors="pt")).logits[0].numpy()
            for pair in zip(*texts(), strict=True)
        ]
    return np.array(rows)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_predictions_do_not_depend_on_the_batch_size(tmp_path, name):
    folder = tiny_model(tmp_path / name, name)
    model, tokenizer, tokens, padding = loaded(folder, tmp_path)
    fits.require_fit(model, tokenizer, padding, {"train": tokens})
    fits.require_blind_to_padding(model, padding, tokens)

    expected = alone(folder, model)
    spread = float(expected.std(axis=0).max())
    assert spread > 1e-5
    for batch_size in (1, 3, ROWS):
        logits = predicted(model, tokens, padding, batch_size)
        np.testing.assert_allclose(logits, expected, rtol=0, atol=FP32 * spread)
        assert (logits.argmax(axis=1) == expected.argmax(axis=1)).all()


def test_xlnet_is_padded_on_the_left_with_its_own_token_type_and_the_saved_tokenizer_knows(tmp_path):
    folder = tiny_model(tmp_path / "xlnet", "xlnet")
    _, tokenizer, tokens, padding = loaded(folder, tmp_path)
    batch = Collator(tokens, padding=padding, label_order=None)(list(range(ROWS)))
    by_hand = AutoTokenizer.from_pretrained(folder)(
        *texts(), truncation=True, max_length=48, padding=True, pad_to_multiple_of=8, return_tensors="pt"
    )
    assert tokenizer.padding_side == "left"
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert torch.equal(batch[name], by_hand[name]), name


def test_a_model_whose_predictions_would_depend_on_padding_is_refused(tmp_path):
    model, _, tokens, padding = loaded(tiny_model(tmp_path / "xlnet", "xlnet"), tmp_path)
    with pytest.raises(UserError, match="this xlnet depend on how far a text is padded"):
        fits.require_blind_to_padding(model, replace(padding, left=False), tokens)


def test_a_decoder_that_knows_another_pad_token_than_its_batches_have_is_refused(tmp_path):
    folder = tiny_model(tmp_path / "gpt2", "gpt2")
    model, _, tokens, padding = loaded(folder, tmp_path)
    model.config.pad_token_id = 5
    with pytest.raises(UserError, match="depend on how far a text is padded"):
        fits.require_blind_to_padding(model, padding, tokens)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_decoder_is_padded_on_the_right_with_its_end_of_text_where_it_has_no_pad_token(tmp_path, side):
    folder = tiny_model(tmp_path / "gpt2", "gpt2")
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"padding_side": side}))
    model, tokenizer, _, padding = loaded(folder, tmp_path)
    assert tokenizer.pad_token == "<|endoftext|>"
    assert (padding.token, padding.left, tokenizer.padding_side) == (tokenizer.eos_token_id, False, "right")
    assert model.config.pad_token_id == tokenizer.eos_token_id


def test_a_decoder_whose_config_names_a_pad_token_is_padded_with_that(tmp_path):
    _, tokenizer, _, padding = loaded(tiny_model(tmp_path / "llama", "llama", pad_token_id=7), tmp_path)
    assert padding.token == tokenizer.pad_token_id == 7


def test_an_encoder_without_a_pad_token_is_refused(tmp_path):
    folder = tiny_model(tmp_path / "bert", "bert")
    config = json.loads((folder / "config.json").read_text()) | {"pad_token_id": None}
    (folder / "config.json").write_text(json.dumps(config))
    settings = json.loads((folder / "tokenizer_config.json").read_text()) | {"pad_token": None}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=r'no pad token.*name one as "pad_token" in tokenizer_config.json'):
        load_tokenizer(folder)


def test_a_model_that_counts_positions_from_another_pad_token_is_refused(tmp_path):
    folder = tiny_model(tmp_path / "roberta", "roberta", pad_token_id=3)
    tokenizer, _ = load_tokenizer(folder)
    model, _ = load_model(folder, GLUE_TASKS["rte"], None, pad_id=tokenizer.pad_token_id)
    with pytest.raises(UserError, match=r"pad token is 1 \(<pad>\), but the model counts .* from pad_token_id 3"):
        settle_padding(model, tokenizer)


@pytest.mark.parametrize("name", [name for name, kind in ARCHITECTURES.items() if kind.bounded])
@pytest.mark.parametrize("over", [0, 4], ids=["a multiple of 8", "not one"])
def test_texts_as_long_as_the_positions_fit_though_batches_are_rounded_up(tmp_path, name, over):
    field = {"gpt2": "n_positions"}.get(name, "max_position_embeddings")
    first = ARCHITECTURES[name].sizes[field] - POSITIONS
    most = 16 + over
    folder = tiny_model(tmp_path / name, name, **{field: most + first})
    model, tokenizer, tokens, padding = loaded(folder, tmp_path, max_length=most)
    assert tokens.lengths.max() == most
    fits.require_fit(model, tokenizer, padding, {"train": tokens})
    assert np.isfinite(predicted(model, tokens, padding, ROWS)).all()
