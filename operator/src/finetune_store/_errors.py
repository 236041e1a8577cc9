"""What can go wrong with a store, by name.

StoreError                      anything below; `transient` says whether trying again may help
├── InvalidConfigurationError   the URI, the endpoint or the CA bundle cannot be used as written
├── InvalidKeyError             a key breaks the rules of keys, or is a folder in a directory store
├── NotFoundError               no such object
├── UnreadableError             an object that is not what it should be: torn, malformed, of another version
│   └── TooLargeError           larger than anything that it could be
├── TooManyObjectsError         more objects than the caller wants to know of
├── UnsupportedError            the server or the file system cannot do what was asked
└── OfTheStoreError             `mendable`: whoever keeps the store can mend it, and then trying again helps
    ├── NoSuchBucketError       no such bucket
    ├── AccessDeniedError       known to the server, but not allowed
    ├── InvalidCredentialsError keys or token unknown, wrong or expired, or the clock is off
    ├── WrongRegionError        the bucket lives in another region than the requests are signed for
    ├── StoreFullError          no space or quota left
    ├── UnexpectedAnswerError   something answers, but not as an S3 server does
    └── UnreachableError        transient: no answer in time, no such host, connection lost, "try again" (5xx, 429)
        ├── DeadlineError       the time for all that was asked is over (see `deadline`)
        └── TlsError            not transient: the server's certificate is not trusted, or it does not speak TLS

Messages name the object, the endpoint, the reason and the remedy by the field of the spec (`storage.endpoint`...).
They never hold keys or tokens.
"""

from typing import ClassVar


class StoreError(Exception):
    """Something went wrong with an object store."""

    transient: ClassVar[bool] = False
    mendable: ClassVar[bool] = False


class OfTheStoreError(StoreError):
    """About the store and not about an object: whoever keeps it can mend it, and what was asked may stay as it is."""

    mendable: ClassVar[bool] = True


class InvalidConfigurationError(StoreError):
    """The store is described in a way that cannot be used."""


class InvalidKeyError(StoreError):
    """A key breaks the rules of keys."""


class NotFoundError(StoreError):
    """There is no such object."""


class UnreadableError(StoreError):
    """There is an object, and it is not what it should be: torn, malformed, or of another version or owner.

    `problem` names the object and what it should be, `remedy` says what to do; the message is both.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}: {remedy}")
        self.problem = problem
        self.remedy = remedy


class TooLargeError(UnreadableError):
    """There is an object, and it has more bytes than the reader takes; none of them is kept."""

    def __init__(self, uri: str, limit: int) -> None:
        super().__init__(f"{uri} has more than {limit:,} bytes", "something else was written there; delete it")


class TooManyObjectsError(StoreError):
    """A folder holds more than the caller wants to know of."""

    def __init__(self, uri: str, limit: int) -> None:
        super().__init__(f"more than {limit:,} objects lie at {uri}: name the folder that is meant")


class NoSuchBucketError(OfTheStoreError):
    """There is no such bucket."""


class AccessDeniedError(OfTheStoreError):
    """The server knows the caller and refuses."""


class InvalidCredentialsError(OfTheStoreError):
    """The keys or the token are missing, unknown, wrong or expired."""


class WrongRegionError(OfTheStoreError):
    """The bucket lives in another region."""


class StoreFullError(OfTheStoreError):
    """There is no room left."""


class UnsupportedError(StoreError):
    """The server or the file system lacks what was asked for."""


class UnexpectedAnswerError(OfTheStoreError):
    """What answers does not behave as an S3 server."""


class UnreachableError(OfTheStoreError):
    """No usable answer now; trying again may help."""

    transient: ClassVar[bool] = True


class DeadlineError(UnreachableError):
    """What was asked of stores took longer than was allowed for all of it."""


class TlsError(UnreachableError):
    """The connection cannot be trusted; trying again will not help."""

    transient: ClassVar[bool] = False


class AlreadyThereError(StoreError):
    """There is an object where one was to be created. Private: `Store.create` answers False instead."""
