"""An object of JSON whose schema is somebody else's: Kubernetes', KubeRay's, a file's."""

from typing import Any

Json = dict[str, Any]
