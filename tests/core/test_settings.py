import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.api import Precision, Training
from finetune_core.planning.settings import Settings, resolve_settings
from finetune_core.tasks.metrics import greater_is_better
from finetune_core.tasks.recipes import RECIPES
from support.results import definition_of

FREE = {
    "learning_rate": st.sampled_from([1e-5, 3e-5, 5e-5]),
    "train_batch_size": st.sampled_from([8, 16, 32]),
    "eval_batch_size": st.sampled_from([8, 64]),
    "weight_decay": st.sampled_from([0.0, 0.1]),
    "max_seq_length": st.sampled_from([64, 128]),
    "eval_steps": st.sampled_from([1, 5, 10]),
    "metric_for_best_model": st.sampled_from(["loss", "matthews_correlation"]),
    "load_best_model_at_end": st.booleans(),
    "precision": st.sampled_from([Precision.BF16, Precision.FP32]),
}
LENGTH = ({"max_steps": 100}, {"max_steps": 7000}, {"num_train_epochs": 2.0}, {})
WARMUP = ({"warmup_ratio": 0.0}, {"warmup_ratio": 0.2}, {"warmup_steps": 0}, {"warmup_steps": 10}, {})

layer = st.one_of(
    st.none(),
    st.builds(
        lambda free, length, warmup: Training(**free, **length, **warmup),
        st.fixed_dictionaries({}, optional=FREE),
        st.sampled_from(LENGTH),
        st.sampled_from(WARMUP),
    ),
)


def resolve(*layers: Training | None, task: str = "cola", precision: Precision = Precision.FP32) -> Settings:
    return resolve_settings(definition_of(task), layers, default_precision=precision)


@given(st.lists(layer, max_size=4))
def test_the_last_layer_that_says_something_wins(layers: list[Training | None]) -> None:
    settings = resolve(*layers)
    defaults = resolve()
    for name in FREE:
        said = [value for one in layers if one and (value := getattr(one, name)) is not None]
        if name == "eval_steps" and not said:
            continue  # follows maxSteps: tested below
        assert getattr(settings, name) == (said[-1] if said else getattr(defaults, name))


@given(st.lists(layer, max_size=4))
def test_what_excludes_each_other_is_replaced_together(layers: list[Training | None]) -> None:
    settings = resolve(*layers)
    for pair in (("max_steps", "num_train_epochs"), ("warmup_ratio", "warmup_steps")):
        said = [one for one in layers if one and any(getattr(one, name) is not None for name in pair)]
        expected = [getattr(said[-1] if said else resolve(), name) for name in pair]
        assert [getattr(settings, name) for name in pair] == expected
        assert sum(value is not None for value in expected) == 1


@given(st.lists(layer, max_size=4))
def test_empty_layers_change_nothing(layers: list[Training | None]) -> None:
    padded = [one for given in layers for one in (None, given, Training())]
    assert resolve(*padded) == resolve(*layers)


@given(st.lists(layer, max_size=3))
def test_settings_as_a_layer_over_anything_give_themselves(layers: list[Training | None]) -> None:
    settings = resolve(*layers)
    again = Training(**settings.model_dump(exclude_none=True))
    assert resolve(Training(num_train_epochs=9, warmup_steps=9, learning_rate=1), again) == settings


@pytest.mark.parametrize("task", RECIPES)
def test_without_a_word_a_glue_task_is_trained_by_its_recipe(task: str) -> None:
    settings = resolve(task=task)
    recipe = RECIPES[task]
    assert (settings.eval_steps, settings.max_steps) == (recipe.eval_steps, recipe.max_steps)
    assert (settings.train_batch_size, settings.max_seq_length, settings.warmup_ratio) == (32, 128, 0.1)
    assert settings.metric_for_best_model == definition_of(task).metrics[0]


def test_the_recipes_are_the_published_ones() -> None:
    facts = {name: (recipe.eval_steps, recipe.max_steps, recipe.runs) for name, recipe in RECIPES.items()}
    assert facts == {
        "cola": (75, 1562, 10),
        "sst2": (500, 10000, 5),
        "mrpc": (75, 1562, 10),
        "stsb": (150, 3124, 10),
        "qqp": (2500, 50000, 2),
        "mnli": (2500, 50000, 2),
        "qnli": (1000, 25000, 5),
        "rte": (75, 1562, 10),
        "wnli": (10, 50, 10),
    }


def test_a_custom_task_is_trained_for_three_epochs() -> None:
    settings = resolve(task="spam")
    assert (settings.max_steps, settings.num_train_epochs) == (None, 3.0)


def test_a_recipes_eval_steps_shrink_with_a_shorter_run_but_a_users_do_not() -> None:
    assert resolve(Training(max_steps=10)).eval_steps == 10
    assert resolve(Training(max_steps=5000)).eval_steps == 75
    assert resolve(Training(eval_steps=50), Training(max_steps=10)).eval_steps == 50


@pytest.mark.parametrize("default", [Precision.BF16, Precision.FP32])
def test_auto_precision_becomes_the_default(default: Precision) -> None:
    assert resolve(precision=default).precision == default
    assert resolve(Training(precision=Precision.AUTO), precision=default).precision == default
    assert resolve(Training(precision=Precision.FP16), precision=default).precision == Precision.FP16


@pytest.mark.parametrize(
    ("metric", "better"), [("eval_loss", False), ("loss", False), ("eval_f1", True), ("mm_loss", False), ("mse", False)]
)
def test_both_spellings_of_a_metric_mean_the_same_with_its_direction(metric: str, better: bool) -> None:
    settings = resolve(Training(metric_for_best_model=metric))
    assert settings.metric_for_best_model == metric.removeprefix("eval_")
    assert greater_is_better(settings.metric_for_best_model) is better


def test_zero_is_a_value_and_not_an_absence() -> None:
    settings = resolve(Training(weight_decay=0.1, max_grad_norm=1), Training(weight_decay=0, max_grad_norm=0))
    assert (settings.weight_decay, settings.max_grad_norm) == (0.0, 0.0)
    assert resolve(Training(warmup_steps=0)).warmup_ratio is None


def test_early_stopping_is_kept_whole() -> None:
    settings = resolve(Training.model_validate({"earlyStopping": {"patience": 3}}))
    assert settings.early_stopping is not None
    assert (settings.early_stopping.patience, settings.early_stopping.threshold) == (3, 0.0)


def test_identity_leaves_out_only_what_cuts_the_work_into_pieces() -> None:
    cut = resolve(Training(eval_batch_size=1, per_device_train_batch_size=1))
    assert cut.identity() == resolve().identity()
    dumped = resolve().model_dump(mode="json", by_alias=True)
    assert set(dumped) - set(resolve().identity()) == {"evalBatchSize", "perDeviceTrainBatchSize"}
