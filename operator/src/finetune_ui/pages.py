"""Pages from templates. All values are escaped; what a script draws is handed over as JSON, never as code."""

import json
from collections.abc import Iterable
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from finetune_client.task_table import task_header, task_rows
from finetune_ui.drawing.figure import Chart
from finetune_ui.kinds import path_of


def render(template: str, **values: object) -> str:
    """A page."""
    return _environment().get_template(template).render(**values)


def chart_data(charts: Iterable[Chart]) -> Markup:
    """The figures as JSON that can stand within a script element."""
    text = json.dumps([chart.figure() for chart in charts], allow_nan=False)
    # As Jinja's own tojson: nothing in it may end the element.
    for character in "<>&'":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("finetune_ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "chart_data": chart_data,
        "path": path_of,
        "task_header": task_header,
        "task_rows": task_rows,
    }
    return environment
