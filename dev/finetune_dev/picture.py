"""The picture of the page in README and documentation: `python -m finetune_dev.picture --help`.

It shows what a store really holds, by default the results of `make demo-local`. Needs Chromium.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from finetune_dev.errors import DevError
from finetune_dev.paths import REPOSITORY
from finetune_dev.shell import run, say

PICTURE = REPOSITORY / "docs/page.png"
_PAGE = "experiments/default/local"
_COLOURS = 128
"""As many as a page with charts has; a third of the bytes."""
_VIRTUAL_SECONDS = 20
"""Of the browser's own clock, which stands still while anything is loaded or drawn."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the picture; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        with _served(options.store) as url:
            _take(f"{url}/{options.page}", options.out, options.size)
    except DevError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    say(f"{options.out}: {options.out.stat().st_size / 1000:.0f} kB")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m finetune_dev.picture", description=__doc__.partition("\n")[0])
    parser.add_argument("--store", default="finetune-results", help="folder or URI of the results")
    parser.add_argument("--page", default=_PAGE, help=f"what to show (default: {_PAGE})")
    parser.add_argument("--size", default="1200,900", metavar="WIDTH,HEIGHT", help="of the window, in CSS pixels")
    parser.add_argument("--out", type=Path, default=PICTURE, help="PNG to write")
    return parser


@contextmanager
def _served(store: str) -> Iterator[str]:
    """The address of `finetune ui`, which serves the store while the block lasts."""
    program = Path(sys.executable).with_name("finetune")
    command = [program, "ui", "--store", store, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            first = server.stderr.readline() if server.stderr else ""
            if "http://" not in first:
                raise DevError(f"finetune ui --store {store} does not serve: {first.strip()}")
            yield "http://" + first.partition("http://")[2].split()[0]
        finally:
            server.terminate()


def _take(url: str, out: Path, size: str) -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        raise DevError("Chromium is not installed: apt-get install chromium")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--hide-scrollbars"]
    shot = [f"--screenshot={out}", f"--window-size={size}", f"--virtual-time-budget={1000 * _VIRTUAL_SECONDS}"]
    out.unlink(missing_ok=True)
    run(program, *flags, *shot, url)
    if not out.exists():
        raise DevError(f"{program} took no picture of {url}")
    with Image.open(out) as whole:
        fewer = whole.convert("RGB").quantize(_COLOURS)
    fewer.save(out, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
