"""Mounts below a folder: finding them and taking them away, before the folder itself is removed."""

import re
import shutil
from pathlib import Path

from finetune_dev.errors import DevError
from finetune_dev.shell import run


def mounts_below(mountinfo: str, folder: Path) -> list[Path]:
    """The mount points at or below `folder`, innermost and latest first (text of /proc/self/mountinfo, see proc(5))."""
    points = [Path(_unescaped(line.split()[4])) for line in mountinfo.splitlines()]
    return [point for point in reversed(points) if point.is_relative_to(folder)]


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below a folder."""
    for point in mounts_below(_mountinfo(), folder.resolve()):
        # Lazily: what still holds it open was told to end, and nothing of it is wanted.
        run("umount", "--lazy", point)


def remove_tree(folder: Path) -> None:
    """Unmount and remove a folder; refuses to where something stays mounted below, which would be deleted too."""
    unmount_below(folder)
    if left := mounts_below(_mountinfo(), folder.resolve()):
        raise DevError(f"{folder} is not removed: still mounted below it: {', '.join(map(str, left))}")
    if folder.exists():
        shutil.rmtree(folder)


def _mountinfo() -> str:
    return Path("/proc/self/mountinfo").read_text()


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal.group(1), 8)), text)
