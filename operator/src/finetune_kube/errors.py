"""What can go wrong between this process and the API server.

ClusterError
├── InvalidNameError     it is no name that Kubernetes could have; nothing was sent
├── ForbiddenError       RBAC lacks a rule, or a quota is used up
│   └── UnknownUserError the API server does not know who asks
├── ConflictError        it exists already, is another object by now, or changed meanwhile
├── RejectedError        the API server refuses the object (validation, a terminating namespace)
│   ├── MissingError     it is not there, or its namespace is not
│   └── KindMissingError its CRD is not installed
└── ApiUnavailableError  the API server cannot be reached or is overloaded; worth trying again
    └── WebhookError     it answers, but a webhook that it must ask does not (Kueue's, a policy's)
"""

import json
import re

from finetune_core.problems import FinetuneError


class ClusterError(FinetuneError):
    """`reason` is what the API server says; `verb` and `path` are the request, `status` its HTTP status or None.

    `causes` are the fields that it names, with what it has against each.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        verb: str = "",
        path: str = "",
        status: int | None = None,
        causes: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason or message
        self.causes = causes
        self.verb = verb
        self.path = path
        self.status = status


class InvalidNameError(ClusterError):
    """It is no name, label or key of Kubernetes'."""


class ForbiddenError(ClusterError):
    """Whoever asks may not do this."""


class UnknownUserError(ForbiddenError):
    """The API server does not know who asks."""


class ConflictError(ClusterError):
    """The object exists already, is another by now, or was changed in between."""


class RejectedError(ClusterError):
    """The API server refuses the object."""


class MissingError(RejectedError):
    """The object, or its namespace, is not there."""


class KindMissingError(RejectedError):
    """The API server does not know the kind: its CRD is not installed."""


class ApiUnavailableError(ClusterError):
    """The API server cannot be reached, or is overloaded."""


class WebhookError(ApiUnavailableError):
    """A webhook that the API server must ask does not answer."""


_WEBHOOK_FAILED = re.compile(rb"failed calling webhook|conversion webhook for [^:]{1,99} failed")


def error_of(status: int, verb: str, path: str, data: bytes, *, whose: str = "your") -> ClusterError:
    """The error of an HTTP status above 400; `data` is the body of the answer, `whose` rights were asked by."""
    reason = _reason(data)
    kind = _kind(status, data)
    hint = f" (does {whose} RBAC allow it?)" if issubclass(kind, ForbiddenError) and "quota" not in reason else ""
    message = f"{verb} {path}: {status}: {reason}{hint}"
    return kind(message, reason=reason, verb=verb, path=path, status=status, causes=_causes(data))


def _kind(status: int, data: bytes) -> type[ClusterError]:
    match status:
        case 403 if b"because it is being terminated" in data:
            return RejectedError
        case 401 | 403:
            return UnknownUserError if status == 401 else ForbiddenError
        case 409:
            return ConflictError
        # A path that no CRD serves is answered in plain text, an object or namespace that is not there by a Status.
        case 404:
            return KindMissingError if data.startswith(b"404 ") else MissingError
        case 500 if _WEBHOOK_FAILED.search(data):
            return WebhookError
        case _:
            return ApiUnavailableError if status == 429 or status >= 500 else RejectedError


def _causes(data: bytes) -> tuple[tuple[str, str], ...]:
    try:
        causes = json.loads(data)["details"]["causes"]
        return tuple((str(cause["field"]), str(cause["message"])) for cause in causes if "field" in cause)
    except (ValueError, LookupError, TypeError):
        return ()


def _reason(data: bytes) -> str:
    try:
        return str(json.loads(data).get("message", ""))
    except (ValueError, AttributeError):
        return data[:300].decode(errors="replace").strip()
