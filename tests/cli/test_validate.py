"""`finetune validate`: what is said of broken manifests, and where."""

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_cli.app import main
from finetune_cli.manifest.check import check_text
from finetune_cli.manifest.crds import fields_of
from finetune_cli.manifest.files import Source, check_source
from finetune_cli.manifest.findings import Severity
from finetune_cli.manifest.unknown import ALIASES

REPOSITORY = Path(__file__).resolve().parents[2]
BROKEN = sorted((REPOSITORY / "tests/data/broken").glob("*.yaml"))
GOOD = """\
apiVersion: finetune.dev/v1alpha1
kind: FinetuneExperiment
metadata: {name: good}
spec:
  model: {uri: hf://org/name}
  tasks:
    - name: rte
  training: {maxSteps: 100, evalSteps: 50, learningRate: 5e-5}
"""


def expectations(path: Path) -> list[str]:
    """`# expect: LINE: words` or `# expect: words`, at the end of a broken manifest."""
    return re.findall(r"^# expect: (.+)$", path.read_text(errors="replace"), re.MULTILINE)


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_manifest_gets_its_message_with_line_and_remedy(path: Path) -> None:
    findings = check_source(Source(str(path)))

    said = [f"{one.place.line}: {one.message}" for one in findings if one.severity == Severity.ERROR]
    assert expectations(path)
    for expected in expectations(path):
        line, words = re.fullmatch(r"(\d+: )?(.+)", expected).groups("")
        assert any(one.startswith(line) and words in one for one in said), said


def test_the_folder_of_broken_manifests_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(BROKEN[0].parent)]) == 1

    out = capsys.readouterr().out
    assert all(f"{path}:" in out for path in BROKEN)
    assert "Traceback" not in out


def test_the_examples_have_no_problems() -> None:
    for path in sorted((REPOSITORY / "examples").glob("*.yaml")):
        assert [str(one) for one in check_source(Source(str(path))) if one.severity == Severity.ERROR] == []


def test_a_good_manifest_has_no_problems_and_5e_5_is_a_number() -> None:
    assert check_text("good.yaml", GOOD) == []


def test_problems_of_schema_rules_and_core_are_told_together() -> None:
    text = GOOD.replace("hf://", "file:///").replace("evalSteps: 50", "evalSteps: 500, seeds: 3")

    said = " ".join(one.message for one in check_text("a.yaml", text))

    assert "file:// works in local runs only" in said
    assert "evalSteps must not exceed maxSteps" in said
    assert "unknown field seeds" in said


def test_a_mistake_in_one_document_hides_nothing_in_the_next() -> None:
    text = f"{GOOD}---\nkind: [\n---\n{GOOD.replace('rte', 'rta')}"

    lines = [one.place.line for one in check_text("a.yaml", text)]

    assert lines == [11, 18]


def test_other_kinds_are_passed_over_beside_ours() -> None:
    assert check_text("a.yaml", f"{GOOD}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n") == []


def test_a_file_without_any_of_ours_is_a_problem_only_where_it_is_named() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"

    assert "holds no FinetuneExperiment" in check_text("a.yaml", secret)[0].message
    assert check_text("a.yaml", secret, any_kind=True) == []
    assert check_text("values.yaml", "image: {tag: a}\n", any_kind=True) == []


def test_anchors_and_merges_are_read_as_kubectl_does() -> None:
    text = GOOD.replace(
        "  tasks:\n    - name: rte\n",
        "  tasks:\n    - name: rte\n      training: &short {maxSteps: 10, evalSteps: 5}\n"
        "    - name: cola\n      training: {<<: *short, evalSteps: 20}\n",
    )

    assert [(one.place.line, one.field) for one in check_text("a.yaml", text)] == [
        (10, "spec.tasks[cola].training.evalSteps")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]\n",
        "[" * 5000,
        "a: &a [1,1]\n" + "".join(f"b{k}: &b{k} [*a,*a]\n" for k in range(3)),
        "\x07",
        "? [a]\n",
    ],
    ids=["anchor in itself", "deep", "anchors", "bell", "list as key"],
)
def test_strange_yaml_is_told_of_without_a_traceback(text: str) -> None:
    assert check_text("a.yaml", text)


def test_anchors_that_multiply_are_refused_before_they_fill_the_memory() -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 12))

    assert any("anchors" in one.message for one in check_text("a.yaml", text))


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["spec", "name", "tasks", "model", "uri", "training", "space", "kind"])
                | st.text(max_size=5),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_no_spec_whatever_ends_in_an_exception(spec: object) -> None:
    for kind in ("FinetuneExperiment", "HPSearch"):
        manifest = {"apiVersion": "finetune.dev/v1alpha1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}
        assert check_text("a.json", json.dumps(manifest)) is not None


def test_findings_as_json_are_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(GOOD.replace("rte", "rta"))

    assert main(["validate", "-o", "json", str(file)]) == 1

    (finding,) = json.loads(capsys.readouterr().out)
    assert finding["line"] == 7
    assert finding["field"] == "spec.tasks[rta].name"


def test_a_file_that_is_not_there_is_a_problem_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "no/such.yaml"]) == 1

    assert "no/such.yaml:1:1: cannot be read" in capsys.readouterr().out


def test_wrong_usage_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate"]) == 2
    assert main(["validat", "x"]) == 2
    capsys.readouterr()


def test_a_folder_without_manifests_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(tmp_path)]) == 2
    assert "there is no .yaml, .yml or .json file" in capsys.readouterr().err


def test_an_entry_of_the_wrong_kind_leaves_the_others_where_they_are() -> None:
    text = GOOD.replace("    - name: rte\n", "    - 3\n    - {name: rte, runs: 0}\n")

    assert [(one.place.line, one.field) for one in check_text("a.yaml", text)] == [
        (7, "spec.tasks[0]"),
        (8, "spec.tasks[rte].runs"),
    ]


def test_a_list_says_how_to_write_its_entries() -> None:
    (found,) = check_text("a.yaml", "apiVersion: v1\nkind: List\nitems: []\n")

    assert (found.place.line, "with --- between" in found.message) == (2, True)


def test_ctrl_c_exits_with_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("finetune_cli.commands.manifests.validate.checked", interrupt)

    assert main(["validate", str(tmp_path / "a.yaml")]) == 130


def test_warnings_alone_pass_unless_strict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(GOOD.replace("evalSteps: 50", "evalSteps: 30"))

    assert main(["validate", str(file)]) == 0
    assert main(["validate", "--strict", str(file)]) == 1
    assert f"{file}:7:7: warning:" in capsys.readouterr().out.replace(os.linesep, "\n")


HEAD = "apiVersion: finetune.dev/v1alpha1\nkind: FinetuneExperiment\nmetadata: {name: a}\n"
EXECUTION, TRAINING, SPEC = "execution: {{{}: 3}}", "training: {{{}: 3}}", "{}: 3"


@pytest.mark.parametrize(
    ("place", "written", "meant"),
    [
        (EXECUTION, "paralelism", "did you mean parallelism?"),
        (EXECUTION, "retires", "did you mean retries?"),
        (EXECUTION, "paralelism: 2, parallelism", "did you mean parallelism?"),
        (EXECUTION, "parallelTrialCount", "did you mean parallelism?"),
        (EXECUTION, "numNodes", "did you mean parallelism?"),
        (EXECUTION, "backoffLimit", "did you mean retries?"),
        (TRAINING, "batchSize", "did you mean trainBatchSize?"),
        (TRAINING, "per_device_train_batch_size", "did you mean perDeviceTrainBatchSize?"),
        (TRAINING, "lr", "did you mean learningRate?"),
        (TRAINING, "epochs", "did you mean numTrainEpochs?"),
        (SPEC, "lr", "did you mean learningRate? Write it in spec.training or spec.tasks[].training"),
        (SPEC, "epochs", "did you mean numTrainEpochs? Write it in spec.training"),
        (SPEC, "seeds", "did you mean runs?"),
        (SPEC, "paralelism", "did you mean parallelism? Write it in spec.execution"),
        (SPEC, "retries", "here: move it to spec.execution"),
        (SPEC, "nonsense", "remove it; here can be "),
    ],
)
def test_a_field_that_is_not_known_is_told_with_what_was_meant(place: str, written: str, meant: str) -> None:
    text = f"{HEAD}spec:\n  model: {{uri: hf://a/b}}\n  {place.format(written)}\n"
    found = [finding for finding in check_text("a.yaml", text) if "unknown field" in finding.message]
    assert [meant in finding.message for finding in found] == [True]


@pytest.mark.parametrize(
    ("spec", "meant"),
    [
        ("{model: {url: hf://a/b}}", "unknown field url: did you mean uri?"),
        ("{model: {uri: hf://a/b}, tasks: [{name: RTE}]}", "did you mean rte?"),
    ],
)
def test_words_of_models_and_tasks_too(spec: str, meant: str) -> None:
    assert any(meant in finding.message for finding in check_text("a.yaml", f"{HEAD}spec: {spec}\n"))


def test_every_alias_is_a_field_of_one_of_the_kinds() -> None:
    assert set(ALIASES.values()) <= fields_of("FinetuneExperiment") | fields_of("HPSearch")
