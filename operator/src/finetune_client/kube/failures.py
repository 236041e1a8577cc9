"""What the errors of the API mean for the person at the terminal. Pure."""

from finetune_client.errors import ClientError, NotFoundError, RefusedError, UnreachableError, UsageError
from finetune_core.api.crd import GROUP
from finetune_kube.errors import (
    ApiUnavailableError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    InvalidNameError,
    KindMissingError,
    MissingError,
    UnknownUserError,
)

_INSTALL = (
    "Install the operator (helm upgrade --install finetune-operator helm/finetune-operator ...), or choose the right "
    "cluster with --context."
)

_CONFLICT = (
    "Others (kubectl) manage these fields too, or it was changed meanwhile: try again, or take them over with "
    "submit --force."
)


def explain(error: ClusterError, host: str = "") -> ClientError:
    """The error with what to do about it; `host` is where the API server was looked for."""
    reason = error.reason
    made: ClientError
    match error:
        case InvalidNameError():
            made = UsageError(reason, "Correct the name; nothing was asked of the cluster.")
        case KindMissingError() if GROUP in error.path:
            made = NotFoundError(f"this cluster has no {GROUP}: its CRDs are not installed", _INSTALL)
        case KindMissingError() | MissingError():
            made = NotFoundError(reason, "Look at what there is: finetune status, kubectl get namespaces.")
        case UnknownUserError():
            made = RefusedError("the cluster does not know you", "Log in to the cluster again; kubectl auth whoami.")
        case ForbiddenError() if "quota" not in reason:
            made = RefusedError(f"you may not do this: {reason}", f"Ask for this right: {_right(error)}")
        case ConflictError():
            made = RefusedError(reason, _CONFLICT)
        case ApiUnavailableError():
            made = _unreachable(error, host)
        case _:
            made = RefusedError(reason, "Correct it and try again; finetune validate shows the lines.")
    return made


def _unreachable(error: ApiUnavailableError, host: str) -> UnreachableError:
    if error.status is not None:
        message = f"the cluster is overloaded or broken: {error.status}: {error.reason}"
        return UnreachableError(message, "Try again later.")
    return UnreachableError(
        f"the cluster at {host} does not answer: {error.reason}",
        "Is it running, and is the context right (kubectl config current-context)? VPN, proxy?",
    )


def _right(error: ClusterError) -> str:
    parts = error.path.strip("/").split("/")
    after = parts[parts.index("namespaces") + 2 :] if "namespaces" in parts else parts[-1:]
    resource = after[0] + (f"/{after[2]}" if len(after) > 2 else "")
    named = len(after) > 1
    word = {"GET": "get" if named else "list", "PATCH": "patch", "DELETE": "delete"}.get(error.verb, error.verb.lower())
    return f"{word} on {resource}"
