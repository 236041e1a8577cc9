"""Tables for LaTeX: booktabs' rules, as wide as the page at most, notes below."""

import re
from collections.abc import Iterable, Sequence

from finetune_core.plain import is_printable, one_line

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
        "|": r"\textbar{}", '"': r"\textquotedbl{}", "±": r"$\pm$", "↓": r"$\downarrow$", "–": "--",
        "→": r"$\rightarrow$",
    }
)  # fmt: skip

_OF_THE_ROW_BEFORE = re.compile(r"^ *[\[*]")
"""At the beginning of a row these would be arguments of the \\\\ before it."""


def latex_table(
    align: str,
    head: Iterable[Sequence[str]],
    rows: Iterable[Sequence[str]],
    notes: Iterable[str],
    comments: Iterable[str],
) -> bytes:
    """A `table*` of cells that are LaTeX already; `notes` and `comments` are plain text. A caption is the author's."""
    lines = [
        r"% \usepackage[T1]{fontenc}",
        r"% \usepackage{booktabs,graphicx}",
        *(f"% {one_line(comment)}" for comment in comments),
        r"\begin{table*}",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        # Made smaller where it is wider than the page, never larger.
        r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        *map(_line, head),
        r"\midrule",
        *map(_line, rows),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\par\smallskip\footnotesize",
        *(rf"\raggedright {latex_text(note)}\par" for note in notes),
        r"\end{table*}",
    ]
    return ("\n".join(lines) + "\n").encode()


def latex_text(text: str) -> str:
    """Any text as LaTeX shows it as it is, on one line."""
    flat = text if is_printable(text) else one_line(text)
    return flat.translate(_ESCAPES)


def _line(cells: Iterable[str]) -> str:
    return _OF_THE_ROW_BEFORE.sub(r"{\g<0>}", " & ".join(cells)) + r" \\"
