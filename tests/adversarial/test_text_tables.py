"""Text of others in CSV, Markdown, LaTeX and HTML: their readers read back the text, and follow nothing."""

import csv
import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from finetune_core.plain import is_printable, one_line
from finetune_core.results.document import build_document
from finetune_core.results.run import Failure, FailureReason
from finetune_core.results.schema import ResultsDocument
from finetune_core.tables.csv import csv_table, csv_text
from finetune_core.tables.experiment import results_markdown
from finetune_core.tables.html_page import html_page
from finetune_core.tables.latex import latex_table, latex_text
from finetune_core.tables.markdown import markdown_table, markdown_text
from finetune_core.tables.results import Statistic, results_table
from finetune_core.tables.results_formats import namespace_markdown, table_csv, table_latex
from finetune_core.tables.results_html import table_html
from finetune_core.tables.runs import runs_csv
from support.hostile_text import ALL_TEXTS, FORMULAS, HTML, LATEX, MARKDOWN
from support.results import plan_of

SPREADSHEET = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")


def cells_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


@given(text=st.one_of(st.sampled_from(ALL_TEXTS), st.text()))
@example(text="'=1+1")
@example(text="''")
def test_a_csv_cell_reads_back_as_its_text_and_is_no_formula(text: str) -> None:
    # Surrogates are no text that UTF-8 has; csv has no way to write a null character.
    text = text.encode(errors="replace").decode().replace("\0", "")
    (_, (cell, _)) = cells_of(csv_table(("a", "b"), [(text, 1)]))
    assert csv_text(cell) == text
    assert not SPREADSHEET.match(cell)


@pytest.mark.parametrize("text", FORMULAS)
def test_a_csv_heading_is_no_formula(text: str) -> None:
    ((heading, _), *_) = cells_of(csv_table((text, "b"), [(1, 2)]))
    assert not SPREADSHEET.match(heading)


@pytest.mark.parametrize("number", [-0.78, 5e-05, -3, 0.1 + 0.2, -1e300])
def test_numbers_stay_numbers(number: float) -> None:
    (_, (cell,)) = cells_of(csv_table(("a",), [(number,)]))
    assert float(cell) == number


def _shown(markdown: str) -> str:
    """The text of a paragraph, where it is nothing but text."""
    _, inline, _ = MarkdownIt("commonmark").enable("table").parse(f"x{markdown}x")
    assert {child.type for child in inline.children or ()} <= {"text", "text_special"}
    return "".join(child.content for child in inline.children or ())


@given(text=st.one_of(st.sampled_from(ALL_TEXTS), st.text()))
def test_markdown_shows_the_text_on_one_line(text: str) -> None:
    assume_plain = text.replace("_", "").replace("\0", "").encode(errors="replace").decode()
    assert _shown(markdown_text(assume_plain)) == f"x{one_line(assume_plain)}x"


@pytest.mark.parametrize("text", [*MARKDOWN, *HTML, "__bold__", "a\\", "\\|", "|"])
def test_a_cell_of_a_markdown_table_stays_one_cell(text: str) -> None:
    html = MarkdownIt("commonmark").enable("table").render(markdown_table(("A", "B"), [(text, "b")]))
    assert html.count("<td>") == 2
    assert not re.search(r"<(?!/?(table|thead|tbody|tr|th|td|strong)>)", html)


_LATEX_READS = {
    r"\textbackslash{}": "\\", r"\&": "&", r"\%": "%", r"\$": "$", r"\#": "#", r"\_": "_", r"\{": "{", r"\}": "}",
    r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<", r"\textgreater{}": ">",
    r"\textbar{}": "|", r"\textquotedbl{}": '"', r"$\pm$": "±", r"$\downarrow$": "↓", r"$\rightarrow$": "→",
}  # fmt: skip
_COMMAND = re.compile("|".join(re.escape(one) for one in sorted(_LATEX_READS, key=len, reverse=True)))


@given(text=st.one_of(st.sampled_from(ALL_TEXTS), st.text()))
@example(text=r"\input{/etc/passwd}")
def test_latex_reads_the_text_and_no_command(text: str) -> None:
    text = text.replace("–", "")  # written as --, as LaTeX has it
    written = latex_text(text)
    read = _COMMAND.sub(lambda match: _LATEX_READS[match[0]], written)
    assert read == (text if is_printable(text) else one_line(text))
    assert not set("\\{}$&#%_^~") & set(_COMMAND.sub("", written))


@pytest.mark.parametrize("text", ["[2cm]", "*", "  [x"])
def test_a_row_of_a_latex_table_is_no_argument_of_the_one_before(text: str) -> None:
    made = latex_table("l", [["A"]], [[latex_text(text)]], [], []).decode()
    assert not any(line.lstrip().startswith(("[", "*")) for line in made.splitlines())


@pytest.mark.parametrize("text", LATEX)
def test_comments_and_notes_of_a_latex_table_stay_where_they_are(text: str) -> None:
    lines = latex_table("l", [["A"]], [[latex_text(text)]], [text], [text]).decode().splitlines()
    plain = latex_table("l", [["A"]], [["x"]], ["x"], ["x"]).decode().splitlines()
    assert len(lines) == len(plain)
    assert sum(line.startswith("%") for line in lines) == sum(line.startswith("%") for line in plain)


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def _elements(page: bytes) -> _Elements:
    parser = _Elements()
    parser.feed(page.decode())
    return parser


@pytest.mark.parametrize("text", HTML)
def test_a_page_shows_titles_and_notes_as_they_are(text: str) -> None:
    read, plain = (_elements(html_page(one, [], [], [one])) for one in (text, "x"))
    assert read.names == plain.names
    assert text in read.text


def document(text: str) -> ResultsDocument:
    """A report whose free texts are all the same."""
    plan = plan_of({"rte": 1}, data_uri=text)
    plan = plan.model_copy(update={"model": plan.model.model_copy(update={"uri": text, "pinned": False})})
    (run,) = plan.runs
    failure = Failure(
        reason=FailureReason.USER_ERROR, message=text, run_id=run.run_id, task="rte", run=0, attempt="a", exit_code=64,
        time="",
    )  # fmt: skip
    return build_document(plan, {}, {run.run_id: failure}, uri=f"s3://bucket/{text}", models={})


@pytest.mark.parametrize("text", [text for text in ALL_TEXTS if text.strip()])
def test_a_report_is_the_same_document_whatever_its_texts_are(text: str) -> None:
    """No text adds an element, a row, a cell or a line to any format."""
    told, plain = document(text), document("x")
    tables = [results_table([one], Statistic.BEST) for one in (told, plain)]

    for content in (runs_csv(told), table_csv(tables[0])):
        assert not any(SPREADSHEET.match(cell) for row in cells_of(content) for cell in row if not _number(cell))
    for made, expected in (
        (results_markdown(told), results_markdown(plain)),
        (namespace_markdown("team", [told]), namespace_markdown("team", [plain])),
    ):
        assert _structure(made) == _structure(expected)
    pages = [_elements(table_html(one, "title")).names for one in tables]
    assert pages[0] == pages[1]
    latex = [table_latex(one).decode().count("\n") for one in tables]
    assert latex[0] == latex[1]


def _structure(markdown: bytes) -> list[str]:
    """The elements of a Markdown page, without its text."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown.decode())
    quiet = {"text", "text_special"}
    inner = [child.type for token in tokens for child in token.children or () if child.type not in quiet]
    return [token.type for token in tokens] + inner


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
