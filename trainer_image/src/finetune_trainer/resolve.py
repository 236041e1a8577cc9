"""What lies in a folder on a volume: paths, MD5s and sizes, for content digests."""

import os
import stat
from pathlib import Path
from typing import Any

from finetune_core.planning.inputs import CONFIG_FILE, said_type
from finetune_store import S3Connection, file_md5
from finetune_trainer.errors import UserError
from finetune_trainer.inputs import Inputs, volumes, work_folder


def resolve(uri: str) -> dict[str, Any]:
    """`{"files": [{path, md5, size}], "modelType": text}`, or `{"problem": text}` if there is nothing that can be read.

    `modelType` is what a config.json at the top says; without one, null.
    """
    root = volumes()
    inputs = Inputs(work_folder(), connection=S3Connection.from_env({}), retry_seconds=0, pvc_root=root)
    try:
        folder = inputs.local_folder(uri)
        files = _files(folder)
        found = [
            {"path": p.relative_to(folder).as_posix(), "md5": file_md5(p), "size": p.stat().st_size} for p in files
        ]
        kind = said_type(config.read_bytes()) if (config := folder / CONFIG_FILE).is_file() else None
    except PermissionError as error:
        return {"problem": f"{uri} cannot be read: {_denied(error, root)}"}
    except (UserError, OSError) as error:
        return {"problem": f"{uri} cannot be read: {error}"}
    if not found:
        return {"problem": f"nothing lies at {uri}: check claim and path"}
    return {"files": found, "modelType": kind}


def _files(folder: Path) -> list[Path]:
    """Every file below a folder; PermissionError for a folder that cannot be looked into, which `rglob` leaves out."""

    def refuse(error: OSError) -> None:
        raise error

    found = (Path(place) / name for place, _, names in os.walk(folder, onerror=refuse) for name in names)
    return sorted(path for path in found if path.is_file())


def _denied(error: PermissionError, root: Path) -> str:
    """Whose it is and who reads it: the remedy is on the volume."""
    path = Path(error.filename or root)
    known = next(place for place in (path, *path.parents) if os.access(place.parent, os.X_OK))
    owner = known.stat()
    return (
        f"{path} is closed to the pod, which reads as uid {os.geteuid()}, gid {os.getegid()}; {known} belongs to uid "
        f"{owner.st_uid}, gid {owner.st_gid}, mode {stat.S_IMODE(owner.st_mode):04o}. Let that uid read it on the "
        "volume (chmod -R o+rX, or chown)"
    )
