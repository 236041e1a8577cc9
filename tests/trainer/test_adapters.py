"""Adapters in runs: the numbers of PEFT's own usage, parameters by formula, what is kept, what is refused."""

from typing import Any

import peft
import pytest
import torch
import transformers

from finetune_core.results.run import ExitCode
from finetune_trainer.errors import UserError
from finetune_trainer.model.adapters import make_adapter
from finetune_trainer.model.trained import count_parameters, trained_state
from support.results import settings_for

TRAINING = {"maxSteps": 6, "evalSteps": 3, "maxSeqLength": 32, "learningRate": 1e-2, "peftType": "LORA"}
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 50}


def tiny(kind: str = "Bert", **more: Any) -> Any:
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**SIZES, **more)
    return getattr(transformers, f"{kind}ForSequenceClassification")(config)


def settings(**training: Any) -> Any:
    return settings_for("rte", **{"peft_type": "LORA", **training})


def test_lora_trains_what_peft_trains_from_the_same_first_values() -> None:
    ours, theirs = tiny(), tiny()
    torch.manual_seed(1)
    make_adapter(ours, settings(lora_r=4, lora_alpha=16, lora_dropout=0.1), "hf://a/b@c", ())
    torch.manual_seed(1)
    config = peft.LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=16, lora_dropout=0.1)
    peft.get_peft_model(theirs, config)
    names = {name for name, one in theirs.named_parameters() if one.requires_grad}
    assert {name for name, one in ours.named_parameters() if one.requires_grad} == names
    assert all(torch.equal(ours.state_dict()[name], theirs.state_dict()[name]) for name in names)


def test_parameters_are_counted_as_the_formula_says() -> None:
    model = tiny()
    whole = sum(one.numel() for one in model.parameters())
    make_adapter(model, settings(lora_r=4), "hf://a/b", ())
    # Two matrices of 4 x 16 for query and value of each of two layers; a head of 16 x 2 with a bias.
    lora = 2 * 2 * (4 * 16 + 16 * 4)
    counted = count_parameters(model)
    assert counted is not None
    assert (counted.trainable, counted.total) == (lora + 16 * 2 + 2, whole + lora)
    assert sum(one.numel() for one in trained_state(model).values()) < whole


def test_a_new_pooler_is_trained_too() -> None:
    model = tiny()
    make_adapter(model, settings(), "hf://a/b", ("bert.pooler.dense.weight", "bert.pooler.dense.bias"))
    assert model.bert.pooler.dense.modules_to_save["default"].weight.requires_grad


@pytest.mark.parametrize(
    ("kind", "training", "words"),
    [
        ("Bert", {"target_modules": ("query", "vlaue")}, "below the head ends in vlaue: use dense, key, query, value"),
        ("Bert", {"target_modules": ("classifier",)}, "below the head ends in classifier"),
        ("Bert", {"modules_to_save": ("poler",)}, "no module ends in poler: use one of"),
        ("MPNet", {}, "PEFT has no default for LORA of mpnet: name modules of dense, k, o, q, v"),
    ],
)
def test_what_does_not_fit_is_refused_with_names_to_choose_from(kind: str, training: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        make_adapter(tiny(kind), settings(**training), "hf://a/b", ())


@pytest.mark.parametrize("kind", ["Llama", "Qwen2"])
@pytest.mark.parametrize("peft_type", ["LORA", "IA3"])
def test_a_merged_decoder_gives_the_logits_of_its_adapter(kind: str, peft_type: str) -> None:
    model = tiny(kind, num_key_value_heads=2, head_dim=8, pad_token_id=0).eval()
    adapter = make_adapter(model, settings(peft_type=peft_type), "hf://a/b", ())
    assert adapter is not None
    with torch.no_grad():
        for name, one in model.named_parameters():
            if one.requires_grad and ("lora_" in name or "ia3_" in name):
                one.add_(torch.randn_like(one) * 0.1)
        ids = torch.tensor([[5, 6, 7, 8]])
        before = model(input_ids=ids).logits
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.allclose(model(input_ids=ids).logits.float(), before, atol=0.05)
        assert torch.allclose(adapter.merged()(input_ids=ids).logits, before, atol=1e-5)


@pytest.mark.parametrize("merge", [True, False])
def test_a_run_keeps_what_opens_again(workspace: Any, merge: bool) -> None:
    training = {**TRAINING, "mergeAdapter": merge}
    job = workspace.plan([{"name": "rte", "runs": 1, "training": training}], retention={"models": "All"})
    code, log = workspace.run(job)
    assert code == ExitCode.SUCCESS, log
    result = workspace.result(job)
    assert result.parameters.trainable < result.parameters.total
    kept = workspace.store / result.model
    base = transformers.AutoModelForSequenceClassification.from_pretrained(workspace.model, num_labels=2)
    opened = peft.PeftModel.from_pretrained(base, kept / "adapter" if merge else kept).eval()
    ids = torch.tensor([[2, 5, 6, 7, 3]])
    with torch.inference_mode():
        adapted = opened(input_ids=ids).logits
        if merge:
            merged = transformers.AutoModelForSequenceClassification.from_pretrained(kept).eval()
            assert torch.allclose(merged(input_ids=ids).logits, adapted, atol=1e-5)
    assert (kept / "model.safetensors").exists() == merge
