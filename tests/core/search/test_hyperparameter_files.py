import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from finetune_core.results.search.export import BestHyperparameters
from finetune_core.results.search.hyperparameter_files import all_tasks_yaml, task_yaml, to_yaml
from finetune_core.results.search.selection import best_hyperparameters
from support.search_trials import finalist, search_plan, trial

# As https://yaml.org/type/float.html has it: the dot and the exponent's sign are not optional.
YAML_1_1_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*)\.[0-9.]*([eE][-+][0-9]+)?")
YAML_1_2_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# Plain scalars that some version or parser takes for something else than text.
NO_TEXT = re.compile(r"(?i)(y|n|yes|no|on|off|true|false|null|~|[-+.0-9].*|)")

names = st.from_regex(r"[a-z][A-Za-z0-9]{0,15}", fullmatch=True)
floats = st.floats(allow_nan=False, allow_infinity=False)
values = st.one_of(
    floats,
    st.integers(),
    st.booleans(),
    st.none(),
    st.text(),
    st.sampled_from(["linear", "5e-5", "1e5", "on", "no", "null", "0x1F", "1_000", "12:30:00", "2026-01-01", "~", ""]),
)


@given(st.dictionaries(names, values))
def test_whatever_is_written_is_read_back_as_the_same(config: dict[str, object]) -> None:
    read = yaml.safe_load(to_yaml(config)) or {}
    assert read == config
    assert {name: type(value) for name, value in read.items()} == {name: type(one) for name, one in config.items()}
    assert list(read) == list(config)


@given(floats)
def test_a_float_is_a_float_in_yaml_1_1_and_1_2(value: float) -> None:
    text = to_yaml({"rate": value}).removeprefix("rate: ").removesuffix("\n")
    assert YAML_1_1_FLOAT.fullmatch(text)
    assert YAML_1_2_FLOAT.fullmatch(text)
    assert float(text) == value


@given(st.text())
def test_text_is_only_left_without_quotes_where_no_parser_can_mistake_it(text: str) -> None:
    written = to_yaml({"key": text}).removeprefix("key: ").removesuffix("\n")
    assert written.startswith('"') or not NO_TEXT.fullmatch(written)


@pytest.mark.parametrize(("value", "text"), [(5e-05, "5.0e-05"), (1e-05, "1.0e-05"), (1e22, "1.0e+22"), (0.1, "0.1")])
def test_learning_rates_are_written_with_a_dot(value: float, text: str) -> None:
    assert to_yaml({"learningRate": value}) == f"learningRate: {text}\n"


def export() -> BestHyperparameters:
    plan = search_plan(proxy_for={"rte": ["qnli"]}, finalists={"trials": 1, "seeds": 2})
    best = trial(plan, 4, configuration={"learningRate": 5e-05, "maxSteps": 500})
    return best_hyperparameters(plan, [best], [finalist(plan, 0, best, 0.75)], "0123456789abcdef")


def test_a_tasks_file_says_where_its_values_come_from() -> None:
    made = export()
    best = made.tasks["rte"]
    assert task_yaml(made, "rte") == (
        "# Best hyperparameters of rte, found by the search team/hunt\n"
        "# model: s3://models/tiny (md5s:00000000000000000000000000000000)\n"
        f"# trial: 4 ({best.trial_id}); accuracy: 0.75; n = 2 fresh seeds\n"
        f"# digest: {best.digest}; made from: 0123456789abcdef\n"
        "learningRate: 5.0e-05\n"
        "maxSteps: 500\n"
    )


def test_a_task_that_was_not_searched_says_so_in_its_file() -> None:
    text = task_yaml(export(), "qnli")
    assert "# qnli was not searched: these are the values of rte, which stands in for it\n" in text
    assert yaml.safe_load(text) == {"learningRate": 5e-05, "maxSteps": 500}


def test_all_tasks_together_are_task_by_task() -> None:
    made = export()
    one = {"learningRate": 5e-05, "maxSteps": 500}
    assert yaml.safe_load(all_tasks_yaml(made)) == {"rte": one, "qnli": one}


def test_a_line_break_in_a_name_does_not_end_the_comment() -> None:
    made = export().model_copy(update={"model_uri": "s3://a\nlearningRate: 1"})
    assert yaml.safe_load(task_yaml(made, "rte"))["learningRate"] == 5e-05
