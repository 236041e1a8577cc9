"""Small texts that unfold, name no day, have no end or no bottom: each is refused by name, at little cost."""

import subprocess
import sys
import time
from contextlib import suppress

import pytest

from finetune_core.api import HyperparametersFrom
from finetune_core.planning.tuned import from_config_map, from_files
from finetune_core.problems import InvalidInputError
from finetune_core.yaml_text import MOST_CHARACTERS, YamlTextError, read_yaml

SOURCE = HyperparametersFrom.model_validate({"configMapRef": {"name": "bomb", "key": "all.yaml"}})
LEVELS = [f"l{n}: &l{n} {{{', '.join(f'k{m}: {{<<: *l{n - 1}}}' for m in range(9))}}}" for n in range(1, 9)]
MERGES = "\n".join(["l0: &l0 {learningRate: 1e-5}", *LEVELS])
ALIASES = "\n".join(["a0: &a0 [1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))])

HOSTILE = {
    "merge keys": (MERGES, "anchors and aliases are not read"),
    "aliases": (ALIASES, "anchors and aliases are not read"),
    "an anchor alone": ("rte: &a {seed: 1}", "anchors and aliases are not read"),
    "a merge of what stands there": ("rte: {<<: {seed: 1}}", "merge keys are not read"),
    "itself": ("&a [*a]", "anchors and aliases are not read"),
    "no day": ("rte: {learningRate: 2024-13-45}", "rte: learningRate: "),
    "no day, said to be one": ("rte: {learningRate: !!timestamp 2024-13-45}", "timestamp is not read"),
    "many digits": ("rte: {trainEpochs: 1" + "0" * 5000 + "}", "is no int that JSON has"),
    "many octal digits": ("rte: {trainEpochs: 0o" + "7" * 5000 + "}", "is no int that JSON has"),
    "many hexadecimal digits": ("rte: {trainEpochs: 0x" + "f" * 5000 + "}", "is no int that JSON has"),
    "a large exponent": ("rte: {learningRate: 1e999}", "is no float that JSON has"),
    "no number": ("rte: {learningRate: .nan}", "is no float that JSON has"),
    "brackets": ("[" * 20_000, "nested too deeply"),
    "braces": ("{a: " * 10_000, "nested too deeply"),
    "dashes": ("- " * 10_000, "nested too deeply"),
    "questions": ("? " * 10_000, "nested too deeply"),
    "values": ("[" + "1," * 30_000 + "]", "more than 20,000 values"),
    "characters": ("a: " + "x" * MOST_CHARACTERS, "has more than 65,536 characters"),
    "tags": ("!!python/object/apply:os.system [ls]", "os.system is not read"),
    "binary": ("rte: !!binary '!'", "binary is not read"),
    "twice": ("rte: {seed: 1, seed: 2}", "seed is given twice"),
    "two documents": ("a: 1\n---\nb: 2", "expected a single document"),
    "control characters": ("a: \x07", "special characters are not allowed"),
    "surrogates": ("a: \ud800", "special characters are not allowed"),
    "a list as a key": ("{[1]: 2}", "a key must be a single word"),
}


@pytest.mark.parametrize(("text", "told"), HOSTILE.values(), ids=HOSTILE)
def test_it_is_refused_with_field_and_remedy(text: str, told: str) -> None:
    began = time.process_time()
    for read in (
        lambda: from_config_map(SOURCE, "ConfigMap bomb, key all.yaml", text),
        lambda: from_files(SOURCE, {"rte": ("s3://hps/rte.yaml", text.replace("rte: ", "", 1))}),
    ):
        with pytest.raises(InvalidInputError, match=r"^spec.hyperparametersFrom: ") as caught:
            read()
        if read.__code__.co_names[0] == "from_config_map":
            assert told in str(caught.value)
        assert len(str(caught.value)) < 3000
    assert time.process_time() - began < 10


def test_a_thousand_mistakes_are_not_all_told() -> None:
    text = "\n".join(f"task{n}: {{nonsense: 1, more: 2}}" for n in range(1000))
    with pytest.raises(InvalidInputError) as caught:
        from_config_map(SOURCE, "cm", text)
    assert len(caught.value.problems) == 20


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("5e-5", 5e-5),
        ("[1, -2, 0o17, 0x1f, 1.5, .5, true, no, ~, text, '1', 2024-13-45, 1_000, 1:30]",
         [1, -2, 15, 31, 1.5, 0.5, True, False, None, "text", "1", "2024-13-45", "1_000", "1:30"]),
        ("a: {b: [1]}", {"a": {"b": [1]}}),
    ],
)  # fmt: skip
def test_what_is_plain_is_read(text: str, value: object) -> None:
    assert read_yaml(text) == value


def test_no_text_is_an_error_of_another_kind() -> None:
    odd = ("\ufeff", "%YAML 9", "%TAG ! a", "@", "`", "*", "&", "|", ">-\n")
    for text in (*(text for text, _ in HOSTILE.values()), *odd):
        with suppress(YamlTextError):
            read_yaml(text)


LIMIT = 512 << 20
READ = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({LIMIT}, {LIMIT}))
from finetune_core.yaml_text import YamlTextError, read_yaml
for text in sys.stdin.read().split(chr(0)):
    try:
        read_yaml(text)
    except YamlTextError as error:
        print(error)
"""


def test_all_of_it_is_read_in_the_memory_of_an_operator() -> None:
    texts = [text for text, _ in HOSTILE.values() if text.isprintable() or "\n" in text]
    done = subprocess.run(
        [sys.executable, "-c", READ], input="\0".join(texts), capture_output=True, text=True, check=True, timeout=120
    )
    assert "anchors and aliases are not read" in done.stdout
