"""What the API server's refusals mean for the person at the terminal. Pure."""

import json

from finetune_client.errors import ClientError, NotFoundError, RefusedError, UnreachableError
from finetune_core.crd import GROUP

_INSTALL = (
    "Install the operator (helm upgrade --install finetune-operator helm/finetune-operator ...), or choose the right "
    "cluster with --context."
)

_CONFLICT = (
    "Others (kubectl) manage these fields too, or it was changed meanwhile: try again, or take them over with "
    "submit --force."
)


def explain(status: int, verb: str, path: str, data: bytes) -> ClientError:
    """The error of an HTTP status above 400; `data` is the body of the answer."""
    message = _message(data)
    match status:
        case 404 if data.startswith(b"404 ") and GROUP in path:
            error: ClientError = NotFoundError(f"this cluster has no {GROUP}: its CRDs are not installed", _INSTALL)
        case 404:
            error = NotFoundError(message, "Look at what there is: finetune status, kubectl get namespaces.")
        case 401:
            error = RefusedError("the cluster does not know you", "Log in to the cluster again; kubectl auth whoami.")
        case 403 if "quota" not in message:
            error = RefusedError(f"you may not do this: {message}", f"Ask for this right: {_right(verb, path)}")
        case 409:
            error = RefusedError(message, _CONFLICT)
        case 429 | 500 | 502 | 503 | 504:
            error = UnreachableError(f"the cluster is overloaded or broken: {status}: {message}", "Try again later.")
        case _:
            error = RefusedError(message, "Correct it and try again; finetune validate shows the lines.")
    return error


def _right(verb: str, path: str) -> str:
    parts = path.strip("/").split("/")
    after = parts[parts.index("namespaces") + 2 :] if "namespaces" in parts else parts[-1:]
    resource = after[0] + (f"/{after[2]}" if len(after) > 2 else "")
    word = {"GET": "get" if len(after) > 1 else "list", "PATCH": "patch", "DELETE": "delete"}.get(verb, verb.lower())
    return f"{word} on {resource}"


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data).get("message", ""))
    except (ValueError, AttributeError):
        return data[:300].decode(errors="replace").strip()
