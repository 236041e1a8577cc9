"""The main job without a cluster: `python -m finetune_dev.demo.local`. An example by `finetune run`, on this machine.

The model is the MiniLM that a Python package carries, the data is generated (or real: --glue-dir). Interrupted, it goes
on where it was.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from finetune_dev.paths import REPOSITORY, Paths
from finetune_dev.shell import say, step
from glue_demo import TRAIN_ROWS, minilm_path, write

_TASKS = ("cola", "rte", "mrpc", "sst2", "stsb", "wnli")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the data where it is not there yet, then become `finetune run`."""
    parser = argparse.ArgumentParser(prog="python -m finetune_dev.demo.local", description=__doc__)
    parser.add_argument("--glue-dir", type=Path, help="a folder with real GLUE data (official TSV)")
    parser.add_argument("--store", type=Path, default=Path("finetune-results"), help="folder of the results")
    options = parser.parse_args(arguments)
    manifest = REPOSITORY / "examples/local.yaml"
    data = options.glue_dir or _generated(Paths.default().root / "demo-local")
    command = [
        *("finetune", "run", str(manifest.relative_to(REPOSITORY))),
        *("--model", str(minilm_path()), "--data", str(data), "--store", str(options.store)),
    ]
    say(f"$ {' '.join(command)}")
    sys.stdout.flush()
    os.chdir(REPOSITORY)
    os.execv(Path(sys.executable).with_name("finetune"), command)


def _generated(folder: Path) -> Path:
    """Data in GLUE's format from our own generator, made once; whole or not there."""
    target = folder / f"glue-{TRAIN_ROWS}"
    if not target.exists():
        with step("generating data in GLUE's format"):
            made = write(folder / f"making-{os.getpid()}", train_rows=TRAIN_ROWS, test_rows="official", tasks=_TASKS)[
                "tsv"
            ]
            made.rename(target)
    return target


if __name__ == "__main__":
    sys.exit(main())
