"""What lies in a folder on a volume: paths, MD5s and sizes, for content digests."""

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
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        found = [
            {"path": p.relative_to(folder).as_posix(), "md5": file_md5(p), "size": p.stat().st_size} for p in files
        ]
        kind = said_type(config.read_bytes()) if (config := folder / CONFIG_FILE).is_file() else None
    except (UserError, OSError) as error:
        return {"problem": f"{uri} cannot be read: {error}"}
    if not found:
        return {"problem": f"nothing lies at {uri}: check claim and path"}
    return {"files": found, "modelType": kind}
