"""Writes what `tests/corpus` holds: `PYTHONPATH=tests python -m support.corpus`.

Only for a deliberate change: what is there is what earlier versions wrote, and people's stores are full of it.
"""

from collections.abc import Iterator

from support.corpus_plans import CORPUS, plan_files
from support.corpus_reports import report_files

FOLDERS = ("plans", "searches", "reports", "tables")


def written() -> dict[str, bytes]:
    """What the corpus holds: path below it -> content."""
    files = (path for folder in FOLDERS for path in (CORPUS / folder).rglob("*") if path.is_file())
    return {path.relative_to(CORPUS).as_posix(): path.read_bytes() for path in files}


def made() -> Iterator[tuple[str, bytes]]:
    """What today's code makes of the manifests and of the stored results."""
    yield from plan_files()
    yield from report_files()


def main() -> None:
    wanted = dict(made())
    for stale in written().keys() - wanted.keys():
        (CORPUS / stale).unlink()
    for path, content in wanted.items():
        (CORPUS / path).parent.mkdir(parents=True, exist_ok=True)
        (CORPUS / path).write_bytes(content)


if __name__ == "__main__":
    main()
