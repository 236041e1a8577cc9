"""Style, script, and plotly.js from its wheel; addresses carry the version, so that browsers may keep them."""

import asyncio
import hashlib
import importlib.metadata
import mimetypes
from functools import cache
from importlib.resources import files as package_files

from aiohttp import web

_DAY = 86_400


async def static(request: web.Request) -> web.Response:
    """The handler of `/static/{file}`."""
    name = request.match_info["file"]
    found = await asyncio.to_thread(_static_file, name)
    if found is None:
        raise web.HTTPNotFound
    return web.Response(
        body=found,
        headers={
            "Content-Type": f"{mimetypes.guess_type(name)[0]}; charset=utf-8",
            "Cache-Control": f"max-age={_DAY}",
        },
    )


@cache
def _static_file(name: str) -> bytes | None:
    if name == "plotly.js":
        return package_files("plotly").joinpath("package_data/plotly.min.js").read_bytes()
    if name not in {"ui.css", "ui.js"}:
        return None
    return package_files("finetune_ui").joinpath("static", name).read_bytes()


@cache
def version() -> str:
    """Changes with every file that browsers keep."""
    own = b"".join(_static_file(name) or b"" for name in ("ui.css", "ui.js"))
    return hashlib.sha256(own + importlib.metadata.version("plotly").encode()).hexdigest()[:12]
