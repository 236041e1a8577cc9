"""From what minio and urllib3 raise to the errors of this package, with the place and the remedy."""

import ssl
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3 import exceptions as network

from finetune_store._deadline import current_deadline
from finetune_store._errors import (
    AccessDeniedError,
    AlreadyThereError,
    DeadlineError,
    InvalidCredentialsError,
    NoSuchBucketError,
    NotFoundError,
    StoreError,
    StoreFullError,
    TlsError,
    UnexpectedAnswerError,
    UnreachableError,
    UnsupportedError,
    WrongRegionError,
)

FOREIGN_ERRORS = (MinioException, network.HTTPError, ParseError, ValueError)
"""What a request may raise; minio raises ValueError for answers that it cannot read."""


@dataclass(frozen=True)
class Place:
    """What was being done, to what, where."""

    action: str
    uri: str
    endpoint: str
    signed: bool = True

    def __str__(self) -> str:
        return f"cannot {self.action} {self.uri} at {self.endpoint}"


def check_deadline(place: Place, cause: Exception | None = None) -> None:
    """DeadlineError if the time for all that is asked of stores is over; `cause` is what it may have led to."""
    limit = current_deadline()
    if limit is not None and limit.left <= 0:
        message = (
            f"{place}: with what was asked of the store before, it took longer than {limit.seconds:g} s; check "
            "storage.endpoint, network policies and the server's load"
        )
        raise DeadlineError(message) from cause


_KEYS_REMEDY = "check the Secret that storage.secretRef names"
_REGION_REMEDY = "set storage.region to the bucket's region"
_UNSIGNED = (
    "it was asked without any keys, and lets nobody in without: name a Secret with keys in storage.secretRef, or give "
    "the pods an identity of their own"
)
_AGAIN = "the server asks to try again later"
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
_BY_CODE: dict[str, tuple[type[StoreError], str]] = {
    "NoSuchKey": (NotFoundError, "there is no such object"),
    "NoSuchUpload": (NotFoundError, "the upload in parts is no longer known to the server"),
    "NoSuchBucket": (NoSuchBucketError, "create the bucket, or correct storage.bucket"),
    "AccessDenied": (
        AccessDeniedError,
        "these keys may not do that: they need read, write, list and delete on the bucket (storage.secretRef)",
    ),
    "InvalidAccessKeyId": (InvalidCredentialsError, f"the access key is not known there: {_KEYS_REMEDY}"),
    "SignatureDoesNotMatch": (InvalidCredentialsError, f"the secret key is wrong: {_KEYS_REMEDY}"),
    "ExpiredToken": (InvalidCredentialsError, f"the session token has expired: {_KEYS_REMEDY}"),
    "InvalidToken": (InvalidCredentialsError, f"the session token is not valid: {_KEYS_REMEDY}"),
    "RequestTimeTooSkewed": (InvalidCredentialsError, "this machine's clock is off: set it by NTP"),
    "AuthorizationHeaderMalformed": (WrongRegionError, _REGION_REMEDY),
    "PermanentRedirect": (WrongRegionError, _REGION_REMEDY),
    "TemporaryRedirect": (WrongRegionError, _REGION_REMEDY),
    "Redirect": (WrongRegionError, _REGION_REMEDY),
    "IllegalLocationConstraintException": (WrongRegionError, _REGION_REMEDY),
    "InvalidRegion": (WrongRegionError, _REGION_REMEDY),
    "PreconditionFailed": (AlreadyThereError, "there is an object already"),
    "NotImplemented": (UnsupportedError, "use a server that has it, or another store"),
    "MethodNotAllowed": (UnsupportedError, "use a server that has it, or check storage.endpoint"),
    "QuotaExceeded": (StoreFullError, "free space or raise the quota"),
    "XMinioStorageFull": (StoreFullError, "free space on the server"),
    "XMinioAdminBucketQuotaExceeded": (StoreFullError, "free space or raise the quota"),
    "SlowDown": (UnreachableError, _AGAIN),
    "InternalError": (UnreachableError, _AGAIN),
    "ServiceUnavailable": (UnreachableError, _AGAIN),
    "RequestTimeout": (UnreachableError, _AGAIN),
    "OperationAborted": (UnreachableError, _AGAIN),
    "ConditionalRequestConflict": (UnreachableError, _AGAIN),
    "ProxyAuthenticationRequired": (
        UnreachableError,
        "the proxy does not know user or password: correct HTTPS_PROXY and HTTP_PROXY",
    ),
}
_BY_STATUS: dict[int, str] = {
    401: "AccessDenied",
    403: "AccessDenied",
    407: "ProxyAuthenticationRequired",
    412: "PreconditionFailed",
    429: "SlowDown",
    501: "NotImplemented",
    507: "XMinioStorageFull",
}


def translated(error: Exception, place: Place) -> StoreError:
    """The named error for one of FOREIGN_ERRORS."""
    if isinstance(error, S3Error):
        return _from_s3(error, place)
    if isinstance(error, ServerError):
        return _from_status(error.status_code, "", place)
    if isinstance(error, InvalidResponseError):
        return _from_status(error._code, f"it sent {error._content_type or 'no body'} where S3 sends XML", place)
    if isinstance(error, network.HTTPError):
        return _from_network(error, place)
    return UnexpectedAnswerError(f"{place}: the answer cannot be read ({error}). {_NOT_S3}")


_NOT_S3 = "Check that storage.endpoint is an S3 server's address, with the right port and http or https"


def _from_s3(error: S3Error, place: Place) -> StoreError:
    said = f"{error.code}: {(error.message or 'no message')[:300]}"
    # The redirect of a request without a body names the region only here.
    region = error.response.headers.get("x-amz-bucket-region")
    hint = f" (the bucket is in {region})" if region else ""
    if error.code in _BY_CODE:
        kind, remedy = _meaning(error.code, place)
        return kind(f"{place}: {said}{hint}; {remedy}")
    return _from_status(error.response.status, said, place)


def _meaning(code: str, place: Place) -> tuple[type[StoreError], str]:
    kind, remedy = _BY_CODE[code]
    return kind, remedy if place.signed or kind is not AccessDeniedError else _UNSIGNED


def _from_status(status: int, said: str, place: Place) -> StoreError:
    told = f"{place}: HTTP status {status}{': ' if said else ''}{said}"
    if status in _BY_STATUS:
        kind, remedy = _meaning(_BY_STATUS[status], place)
        return kind(f"{told}; {remedy}")
    if status >= 500:
        return UnreachableError(f"{told}; {_AGAIN}")
    return UnexpectedAnswerError(f"{told}. {_NOT_S3}")


def _from_network(error: network.HTTPError, place: Place) -> StoreError:
    if isinstance(error, network.ProxyError):
        return UnreachableError(
            f"{place}: the proxy does not connect ({error.original_error}); check HTTPS_PROXY and HTTP_PROXY, and name "
            "servers that are reached without a proxy in NO_PROXY"
        )
    if isinstance(error, network.SSLError):
        return _from_tls(error, place)
    if isinstance(error, network.NameResolutionError):
        return UnreachableError(f"{place}: the host name is not known; check storage.endpoint and the cluster's DNS")
    if isinstance(error, network.TimeoutError) and not isinstance(error, network.NewConnectionError):
        return UnreachableError(f"{place}: no answer in time; check storage.endpoint, network policies and the server")
    if isinstance(error, network.NewConnectionError):
        return UnreachableError(f"{place}: {_reason(error)}; check storage.endpoint and that the server is running")
    return UnreachableError(f"{place}: the connection broke off ({_reason(error)})")


def _from_tls(error: network.SSLError, place: Place) -> StoreError:
    cause = error.args[0] if error.args else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message or str(cause)
        return TlsError(
            f"{place}: the server's certificate is not trusted ({reason}); storage.caBundle must hold the authority "
            "that signed it, and the certificate must name the endpoint's host"
        )
    if "WRONG_VERSION_NUMBER" in str(cause):
        return TlsError(f"{place}: the server does not speak TLS on this port; check https or http in storage.endpoint")
    return UnreachableError(f"{place}: the TLS connection broke off ({cause})")


def _reason(error: network.HTTPError) -> str:
    cause = error.__cause__ or error.__context__
    return f"{cause or error}"[:300]
