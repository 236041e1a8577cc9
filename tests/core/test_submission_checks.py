import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune_core.leaderboard.checks import check_file, validate_zip
from finetune_core.leaderboard.submission import pack
from finetune_core.tasks.registry import SUBMISSION_FILES
from support.results import all_prediction_files, prediction_file

FILES = {file.name: file for file in SUBMISSION_FILES}
GOOD = all_prediction_files()
OFFICIAL_ROWS = {
    "CoLA.tsv": 1063,
    "SST-2.tsv": 1821,
    "MRPC.tsv": 1725,
    "STS-B.tsv": 1379,
    "QQP.tsv": 390965,
    "MNLI-m.tsv": 9796,
    "MNLI-mm.tsv": 9847,
    "QNLI.tsv": 5463,
    "RTE.tsv": 3000,
    "WNLI.tsv": 146,
    "AX.tsv": 1104,
}


def messages(name: str, content: bytes) -> list[str]:
    problems = check_file(FILES[name], io.BytesIO(content))
    assert {problem.field for problem in problems} <= {name}
    return [problem.message for problem in problems]


def zip_messages(contents: dict[str, bytes]) -> list[str]:
    return [str(problem) for problem in validate_zip(io.BytesIO(pack(contents)))]


def replace_line(content: bytes, number: int, line: bytes) -> bytes:
    lines = content.split(b"\n")
    lines[number - 1] = line
    return b"\n".join(lines)


def test_the_registry_holds_the_official_names_and_row_counts() -> None:
    assert {file.name: file.rows for file in SUBMISSION_FILES} == OFFICIAL_ROWS


@pytest.mark.parametrize("name", OFFICIAL_ROWS)
def test_a_good_file_of_the_official_length_passes(name: str) -> None:
    assert GOOD[name].count(b"\n") == OFFICIAL_ROWS[name] + 1
    assert messages(name, GOOD[name]) == []


def test_a_missing_final_newline_is_no_problem() -> None:
    assert messages("WNLI.tsv", GOOD["WNLI.tsv"].removesuffix(b"\n")) == []


WNLI = GOOD["WNLI.tsv"]
STSB = GOOD["STS-B.tsv"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("WNLI.tsv", b"", ["line 1: '' is not the header index<TAB>prediction", "0 rows; the test set has 146"]),
        (
            "WNLI.tsv",
            replace_line(WNLI, 1, b"id\tlabel"),
            ["line 1: 'id\\tlabel' is not the header index<TAB>prediction"],
        ),
        (
            "WNLI.tsv",
            WNLI.removeprefix(b"index\tprediction\n"),
            ["line 1: '0\\t0' is not the header index<TAB>prediction"],
        ),
        ("WNLI.tsv", b"\xef\xbb\xbf" + WNLI, ["starts with a byte order mark (BOM); save it as plain UTF-8"]),
        ("WNLI.tsv", WNLI.replace(b"\n", b"\r\n"), ["lines end in CR LF (Windows); they must end in LF"]),
        ("WNLI.tsv", prediction_file(FILES["WNLI.tsv"], rows=145), ["145 rows; the test set has 146"]),
        (
            "WNLI.tsv",
            prediction_file(FILES["WNLI.tsv"], rows=147),
            ["line 148: index 146 is too large, the last one is 145", "147 rows; the test set has 146"],
        ),
        (
            "WNLI.tsv",
            WNLI + b"\n",
            ["line 148: '' has 1 columns, not index<TAB>prediction", "147 rows; the test set has 146"],
        ),
        (
            "WNLI.tsv",
            replace_line(WNLI, 7, b"4\t0"),
            ["line 7: index 4 is there twice", "line 8: index 6 where 5 is due"],
        ),
        ("WNLI.tsv", replace_line(WNLI, 7, b"x\t0"), ["line 7: index 'x' is not a whole number"]),
        ("WNLI.tsv", replace_line(WNLI, 7, b"05\t0"), ["line 7: index '05' is not a whole number"]),
        ("WNLI.tsv", replace_line(WNLI, 7, b"5 0"), ["line 7: '5 0' has 1 columns, not index<TAB>prediction"]),
        (
            "WNLI.tsv",
            replace_line(WNLI, 7, b"5\t0\t1"),
            ["line 7: '5\\t0\\t1' has 3 columns, not index<TAB>prediction"],
        ),
        ("WNLI.tsv", replace_line(WNLI, 7, b"5\t2"), ["line 7: prediction '2'; this file wants 0 or 1"]),
        ("WNLI.tsv", replace_line(WNLI, 7, b"5\t1.0"), ["line 7: prediction '1.0'; this file wants 0 or 1"]),
        ("WNLI.tsv", replace_line(WNLI, 7, b"5\t"), ["line 7: prediction ''; this file wants 0 or 1"]),
        (
            "WNLI.tsv",
            replace_line(WNLI, 7, b"5\tentailment"),
            ["line 7: prediction 'entailment' (the name of a label); this file wants 0 or 1"],
        ),
        (
            "RTE.tsv",
            replace_line(GOOD["RTE.tsv"], 2, b"0\t1"),
            ["line 2: prediction '1'; this file wants entailment or not_entailment"],
        ),
        (
            "AX.tsv",
            replace_line(GOOD["AX.tsv"], 2, b"0\tNeutral"),
            ["line 2: prediction 'Neutral'; this file wants entailment, neutral or contradiction"],
        ),
        ("STS-B.tsv", replace_line(STSB, 3, b"1\t5.2"), ["line 3: prediction 5.2 is not within 0 and 5"]),
        ("STS-B.tsv", replace_line(STSB, 3, b"1\t-0.001"), ["line 3: prediction -0.001 is not within 0 and 5"]),
        ("STS-B.tsv", replace_line(STSB, 3, b"1\t1e999"), ["line 3: prediction 1e999 is not within 0 and 5"]),
        ("STS-B.tsv", replace_line(STSB, 3, b"1\tnan"), ["line 3: prediction 'nan' is not a number"]),
        ("STS-B.tsv", replace_line(STSB, 3, b"1\t4,5"), ["line 3: prediction '4,5' is not a number"]),
        ("STS-B.tsv", replace_line(STSB, 3, b"1\t"), ["line 3: prediction '' is not a number"]),
    ],
)
def test_each_fault_has_its_own_message(name: str, content: bytes, expected: list[str]) -> None:
    assert messages(name, content) == expected


def test_a_single_windows_line_end_is_seen() -> None:
    one = replace_line(WNLI, 100, WNLI.split(b"\n")[99] + b"\r")
    assert messages("WNLI.tsv", one) == ["lines end in CR LF (Windows); they must end in LF"]


def test_a_swapped_pair_is_out_of_order() -> None:
    swapped = replace_line(replace_line(WNLI, 7, b"6\t0"), 8, b"5\t1")
    assert messages("WNLI.tsv", swapped)[0] == "line 7: index 6 where 5 is due"


def test_a_left_out_row_is_one_message_and_the_row_count() -> None:
    lines = WNLI.split(b"\n")
    del lines[10]
    assert messages("WNLI.tsv", b"\n".join(lines)) == [
        "line 11: index 10 where 9 is due",
        "145 rows; the test set has 146",
    ]


@pytest.mark.parametrize("text", ["0", "5", "5.0", "0.000", "4.9e0", "+1.5", ".5", "5."])
def test_number_formats_that_the_server_reads_pass(text: str) -> None:
    assert messages("STS-B.tsv", replace_line(STSB, 3, f"1\t{text}".encode())) == []


def test_many_faults_are_counted_rather_than_listed() -> None:
    found = messages("QQP.tsv", GOOD["QQP.tsv"].replace(b"\t0\n", b"\tno\n"))
    assert len(found) == 6
    assert found[-1] == f"{(390965 + 1) // 2 - 5} more lines are wrong"


def test_bytes_that_are_no_text_are_shown_and_survived() -> None:
    assert messages("WNLI.tsv", replace_line(WNLI, 2, b"\xff\xfe\t\xff")) != []


def test_a_good_zip_of_the_official_row_counts_passes() -> None:
    assert zip_messages(GOOD) == []


def test_a_deflated_zip_of_any_order_passes_too() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in reversed(GOOD):
            archive.writestr(name, GOOD[name])
    assert validate_zip(buffer) == ()


def without(name: str) -> dict[str, bytes]:
    return {key: content for key, content in GOOD.items() if key != name}


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        (without("AX.tsv"), ["AX.tsv: is missing"]),
        (
            {**without("MNLI-m.tsv"), "MNLI-M.tsv": GOOD["MNLI-m.tsv"]},
            ["MNLI-M.tsv: is misspelt; it must be MNLI-m.tsv", "MNLI-m.tsv: is missing"],
        ),
        ({**GOOD, "README.md": b""}, ["README.md: does not belong into the zip"]),
        ({**GOOD, "submission/": b""}, ["submission/: is a folder; the files must lie at the top of the zip"]),
        (
            {**without("RTE.tsv"), "submission/RTE.tsv": GOOD["RTE.tsv"]},
            ["submission/RTE.tsv: lies in a folder; RTE.tsv must lie at the top of the zip", "RTE.tsv: is missing"],
        ),
        ({**GOOD, "__MACOSX/._RTE.tsv": b""}, ["__MACOSX/._RTE.tsv: does not belong into the zip"]),
        (
            {**GOOD, "CoLA.tsv": prediction_file(FILES["CoLA.tsv"], rows=1062)},
            ["CoLA.tsv: 1062 rows; the test set has 1063"],
        ),
        (
            {**GOOD, "STS-B.tsv": replace_line(STSB, 2, b"0\t5.2")},
            ["STS-B.tsv: line 2: prediction 5.2 is not within 0 and 5"],
        ),
        ({}, [f"{name}: is missing" for name in FILES]),
    ],
)
def test_each_fault_of_a_zip_has_its_own_message(contents: dict[str, bytes], expected: list[str]) -> None:
    assert zip_messages(contents) == expected


ZIP_FAULTS: dict[str, tuple[dict[str, bytes], str]] = {
    "a name in other letters": (
        {**without("MNLI-m.tsv"), "MNLI-M.tsv": GOOD["MNLI-m.tsv"]},
        "MNLI-M.tsv: is misspelt; it must be MNLI-m.tsv",
    ),
    "label names where ids belong": (
        {**GOOD, "MRPC.tsv": replace_line(GOOD["MRPC.tsv"], 2, b"0\tequivalent")},
        "MRPC.tsv: line 2: prediction 'equivalent' (the name of a label); this file wants 0 or 1",
    ),
    "no AX": (without("AX.tsv"), "AX.tsv: is missing"),
    "a row short": (
        {**GOOD, "QQP.tsv": prediction_file(FILES["QQP.tsv"], rows=390964)},
        "QQP.tsv: 390964 rows; the test set has 390965",
    ),
    "a folder inside": (
        {**without("RTE.tsv"), "glue/RTE.tsv": GOOD["RTE.tsv"]},
        "glue/RTE.tsv: lies in a folder; RTE.tsv must lie at the top of the zip",
    ),
    "a score beyond the scale": (
        {**GOOD, "STS-B.tsv": replace_line(STSB, 2, b"0\t5.2")},
        "STS-B.tsv: line 2: prediction 5.2 is not within 0 and 5",
    ),
    "an index twice": (
        {**GOOD, "WNLI.tsv": replace_line(WNLI, 7, b"4\t0")},
        "WNLI.tsv: line 7: index 4 is there twice",
    ),
    "CR LF": (
        {**GOOD, "CoLA.tsv": GOOD["CoLA.tsv"].replace(b"\n", b"\r\n")},
        "CoLA.tsv: lines end in CR LF (Windows); they must end in LF",
    ),
    "BOM": (
        {**GOOD, "SST-2.tsv": b"\xef\xbb\xbf" + GOOD["SST-2.tsv"]},
        "SST-2.tsv: starts with a byte order mark (BOM); save it as plain UTF-8",
    ),
    "an extra file": ({**GOOD, "notes.txt": b"x"}, "notes.txt: does not belong into the zip"),
}


@pytest.mark.parametrize("fault", ZIP_FAULTS)
def test_a_zip_with_one_fault_is_refused_with_that_faults_own_message(fault: str) -> None:
    contents, expected = ZIP_FAULTS[fault]
    found = zip_messages(contents)
    assert found[0] == expected
    others = {message.partition(": ")[2] for other, (_, message) in ZIP_FAULTS.items() if other != fault}
    assert not others & {message.partition(": ")[2] for message in found if "is missing" not in message}


def test_every_fault_of_a_zip_is_listed_at_once() -> None:
    found = zip_messages({**without("AX.tsv"), "QNLI.tsv": b"\xef\xbb\xbf" + GOOD["QNLI.tsv"], "notes.txt": b""})
    assert len(found) == 3


def test_a_file_that_is_there_twice_is_named() -> None:
    buffer = io.BytesIO(pack(GOOD))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("RTE.tsv", GOOD["RTE.tsv"])
    assert [str(problem) for problem in validate_zip(buffer)] == ["RTE.tsv: is in the zip twice"]


def test_what_is_no_zip_says_so() -> None:
    problems = validate_zip(io.BytesIO(b"index\tprediction\n"))
    assert [problem.field for problem in problems] == ["zip"]
    assert "cannot be read as a zip file" in problems[0].message


def flip_content(content: bytes) -> bytes:
    place = content.index(b"index\tprediction") + 40
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def cut_off(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("damage", [flip_content, cut_off])
def test_a_damaged_zip_says_so(damage: Callable[[bytes], bytes]) -> None:
    problems = validate_zip(io.BytesIO(damage(pack(GOOD))))
    assert problems != ()
    assert any("damaged" in problem.message or "cannot be read" in problem.message for problem in problems)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("on_disk", [True, False])
def test_no_damage_to_a_zip_is_more_than_a_problem(method: int, on_disk: bool, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in ("CoLA.tsv", "RTE.tsv", "ünï.tsv"):
            archive.writestr(name, GOOD["WNLI.tsv"])
    draw = random.Random(method)
    for _ in range(300):
        damaged = bytearray(buffer.getvalue())
        for _ in range(draw.choice([1, 2, 8])):
            # The directory at the end is where most can go wrong.
            first = draw.choice([0, len(damaged) - 400])
            damaged[draw.randrange(max(0, first), len(damaged))] = draw.choice([0, 255, draw.randrange(256)])
        (tmp_path / "a.zip").write_bytes(damaged)
        with (tmp_path / "a.zip").open("rb") as file:
            assert validate_zip(file if on_disk else io.BytesIO(damaged))


def test_a_zip_bomb_is_not_unpacked() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in GOOD.items():
            archive.writestr(name, bytes(65 * 1024 * 1024) if name == "RTE.tsv" else content)
    (problem,) = validate_zip(buffer)
    assert problem.field == "RTE.tsv"
    assert "far too many for 3000 rows" in problem.message
