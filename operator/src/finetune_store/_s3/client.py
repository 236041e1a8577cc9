"""minio's client, with what its public interface lacks: conditional writes and uploads whose parts are retried alone.

It never retries by itself and waits no longer than it is told.
"""

import re
import ssl
from typing import BinaryIO

import urllib3
from minio import Minio
from minio.credentials.credentials import Credentials
from minio.credentials.providers import IamAwsProvider, Provider, StaticProvider
from minio.datatypes import Part

from finetune_store._deadline import bounded_pool
from finetune_store._errors import InvalidConfigurationError, InvalidCredentialsError, UnreachableError
from finetune_store._files import CHUNK_BYTES
from finetune_store._s3.connection import S3Connection

AWS_ENDPOINT = "https://s3.amazonaws.com"
MD5_HEADER = "x-amz-meta-md5"
POOL_SIZE = 16
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?")
"""A host and a port: no user, path, query or fragment, which parsers of addresses take for different hosts."""


class S3Client(Minio):
    """A client for one server; may be shared by threads, not by processes."""

    def put(self, bucket: str, name: str, data: bytes, *, content_type: str, only_if_absent: bool = False) -> None:
        """Write an object in one request."""
        headers: dict[str, str | list[str] | tuple[str]] = {"Content-Type": content_type}
        if only_if_absent:
            headers["If-None-Match"] = "*"
        self._put_object(bucket, name, data, headers)

    def begin_upload(self, bucket: str, name: str, *, md5: str) -> str:
        """Start an upload in parts of content with that digest; its id."""
        return self._create_multipart_upload(bucket, name, {MD5_HEADER: md5})

    def upload_part(self, bucket: str, name: str, upload: str, number: int, data: bytes) -> Part:
        """Upload part `number` (from 1)."""
        return Part(number, self._upload_part(bucket, name, data, None, upload, number))

    def finish_upload(self, bucket: str, name: str, upload: str, parts: list[Part]) -> None:
        """Make the object of its parts."""
        self._complete_multipart_upload(bucket, name, upload, parts)

    def abort_upload(self, bucket: str, name: str, upload: str) -> None:
        """Drop the parts."""
        self._abort_multipart_upload(bucket, name, upload)

    def stream(self, bucket: str, name: str, target: BinaryIO, chunk_bytes: int) -> None:
        """Write an object's content to an open file."""
        response = self.get_object(bucket, name)
        try:
            for chunk in response.stream(chunk_bytes):
                target.write(chunk)
        finally:
            response.close()
            response.release_conn()

    def read(self, bucket: str, name: str, limit: int | None) -> bytes | None:
        """An object's content; None if it has more than `limit` bytes, of which no more are read."""
        response = self.get_object(bucket, name)
        try:
            return response.read() if limit is None else _at_most(response, limit)
        finally:
            response.close()
            response.release_conn()


def _at_most(response: urllib3.BaseHTTPResponse, limit: int) -> bytes | None:
    if int(response.headers.get("Content-Length") or 0) > limit:
        return None
    content = bytearray()
    # As it was sent: compressed content of a few bytes may unfold to any number of them.
    for chunk in response.stream(CHUNK_BYTES, decode_content=False):
        content += chunk
        if len(content) > limit:
            return None
    return bytes(content)


def connect(connection: S3Connection, *, timeout_seconds: float) -> S3Client:
    """A client for a connection; nothing is sent yet. InvalidConfigurationError."""
    endpoint = connection.endpoint or AWS_ENDPOINT
    scheme, _, host = endpoint.partition("://")
    # No wait (for a connection, for a part to be sent, for the next bytes of an answer) is longer than the timeout.
    timeout = urllib3.Timeout(connect=timeout_seconds, read=timeout_seconds)
    pool = bounded_pool(_tls_context(connection), timeout=timeout, retries=False, maxsize=POOL_SIZE)
    if _HOST.fullmatch(host) is None:
        raise InvalidConfigurationError(_unusable(connection, "it holds more than host and port"))
    if scheme not in {"http", "https"}:
        raise InvalidConfigurationError(_unusable(connection, "it starts with neither http:// nor https://"))
    try:
        return S3Client(
            host,
            secure=scheme == "https",
            region=connection.region,
            credentials=_provider(connection, pool),
            http_client=pool,
        )
    except ValueError as error:
        raise InvalidConfigurationError(_unusable(connection, str(error))) from error


def _unusable(connection: S3Connection, reason: str) -> str:
    return (
        f"the endpoint {connection.endpoint!r} (region {connection.region!r}) cannot be used: {reason}. "
        "Write storage.endpoint as http(s)://host[:port] and storage.region as the server names it"
    )


class _WorkloadIdentity(Provider):
    """Short-lived keys of the pod's own identity; failures get a name and never show the token."""

    def __init__(self, pool: urllib3.PoolManager) -> None:
        self._inner = IamAwsProvider(http_client=pool)

    def retrieve(self) -> Credentials:
        """The keys now in force; InvalidCredentialsError, UnreachableError."""
        # "from None" in both: the original messages hold the request's URL, and that holds the token.
        try:
            return self._inner.retrieve()
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(
                f"the service that gives out keys for the workload's identity does not answer ({type(error).__name__})"
            ) from None
        except (ValueError, KeyError, OSError) as error:
            raise InvalidCredentialsError(
                f"the workload's identity gives no keys ({type(error).__name__}): check the role that the service "
                "account (execution.podTemplate.serviceAccountName) is bound to, or set storage.secretRef"
            ) from None


def _provider(connection: S3Connection, pool: urllib3.PoolManager) -> Provider | None:
    if connection.access_key is not None and connection.secret_key is not None:
        return StaticProvider(connection.access_key, connection.secret_key, connection.session_token)
    return _WorkloadIdentity(pool) if connection.workload_identity else None


def _tls_context(connection: S3Connection) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        if connection.ca_bundle is not None:
            context.load_verify_locations(cafile=connection.ca_bundle)
        if connection.authorities is not None:
            # Comments between certificates may be in any language; certificates are ASCII.
            context.load_verify_locations(cadata=connection.authorities.encode("ascii", "ignore").decode())
    except (OSError, ValueError) as error:  # ssl.SSLError too: not PEM
        raise InvalidConfigurationError(
            f"the CA bundle {connection.ca_bundle or 'that storage.caBundle names'} cannot be used: {error}. "
            "storage.caBundle must name a PEM file of certificates"
        ) from error
    return context
