"""Kubeconfig files; JSON, which is YAML too."""

import base64
import json
from pathlib import Path

from finetune_dev.node.pki import Identity


def write_kubeconfig(path: Path, *, server: str, authority: Path, identity: Identity) -> Path:
    """Write the access of `identity` to the API at `server`, readable by its owner only."""
    trusted = base64.b64encode(authority.read_bytes()).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "finetune", "cluster": {"server": server, "certificate-authority-data": trusted}}],
        "users": [{"name": identity.user, "user": {"token": identity.token}}],
        "contexts": [{"name": "finetune", "context": {"cluster": "finetune", "user": identity.user}}],
        "current-context": "finetune",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(content, indent=2))
    temporary.chmod(0o600)
    temporary.replace(path)
    return path
