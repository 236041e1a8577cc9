"""Reports as pages: one file that needs nothing beside it, for screens, phones and paper."""

import base64
from collections.abc import Iterable

from jinja2 import Environment, PackageLoader, StrictUndefined

from finetune_report.canvas import Picture


def render(template: str, **values: object) -> bytes:
    """A page from a template of this package; all values are escaped."""
    environment = Environment(
        loader=PackageLoader("finetune_report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values).encode()


def embedded(pictures: Iterable[Picture]) -> list[dict[str, str]]:
    """The pictures as images, not as parts of the page: identifiers within two SVGs could be the same."""
    return [{"title": one.title, "svg": base64.b64encode(one.svg).decode()} for one in pictures if one.note is None]
