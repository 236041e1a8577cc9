"""`python -m glue_demo OUT`: write demo data below OUT."""

import argparse
import sys
from pathlib import Path
from typing import Literal

from glue_demo.streams import TASKS
from glue_demo.writing import OFFICIAL, DemoDataError, write


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="glue_demo", description="Write small learnable GLUE-format data.")
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--layout", choices=("tsv", "parquet", "both"), default="tsv")
    parser.add_argument(
        "--rows",
        type=int,
        nargs=3,
        metavar=("TRAIN", "DEV", "TEST"),
        default=(512, 128, 64),
        help="rows of each task's splits (default: 512 128 64)",
    )
    parser.add_argument(
        "--sizes",
        choices=("small", "full-test"),
        default="small",
        help="full-test: test splits as long as the leaderboard asks, whatever --rows says",
    )
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, help="default: all")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Write the data and name the folders; 1 with a reason where that cannot be done."""
    args = _arguments(argv)
    train, dev, test = args.rows
    test_rows: int | Literal["official"] = OFFICIAL if args.sizes == "full-test" else test
    try:
        folders = write(
            args.out,
            layout=args.layout,
            train_rows=train,
            dev_rows=dev,
            test_rows=test_rows,
            tasks=args.tasks,
            seed=args.seed,
        )
    except (DemoDataError, OSError) as error:
        print(f"glue_demo: {error}", file=sys.stderr)
        return 1
    for layout, folder in folders.items():
        print(f"{layout}: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
