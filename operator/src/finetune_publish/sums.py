"""SHA-256 of files of this machine."""

from pathlib import Path

from finetune_store import file_sha256

_OTHERS = (".git/", ".cache/huggingface/")
"""What git, and the hub's client, keep beside what they fetch."""


def sums(folder: Path) -> dict[str, str]:
    """Path below the folder -> SHA-256 of every file; links are files of what they lead to."""
    named = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: file_sha256(path) for name, path in named.items() if not name.startswith(_OTHERS)}
