"""How an S3 server is reached: endpoint, region, credentials, certificate authority."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from finetune_store._errors import InvalidCredentialsError

# Set by EKS (service account roles and pod identities) and ECS where a workload has an identity of its own.
_IDENTITY_VARIABLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


@dataclass(frozen=True)
class S3Connection:
    """What is needed to talk to an S3 server.

    endpoint: http(s)://host[:port]; None for AWS. region: None asks the server for the bucket's.
    access_key, secret_key, session_token: None for a workload's own identity or for anonymous access.
    ca_bundle, authorities: authorities that are trusted besides the system's, as a PEM file and as its text.
    workload_identity: fetch short-lived keys as the process's AWS_* variables say (EKS, ECS); keys come first.
    """

    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    ca_bundle: Path | None = None
    authorities: str | None = field(default=None, repr=False)
    workload_identity: bool = False

    def __post_init__(self) -> None:
        if (self.access_key is None) != (self.secret_key is None):
            raise InvalidCredentialsError(
                "an access key and a secret key belong together: the Secret that storage.secretRef names must hold "
                "both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither"
            )

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """The connection that the standard AWS variables describe; empty ones count as not set.

        InvalidCredentialsError if only one of the two keys is there.
        https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
        """
        authority = env.get("AWS_CA_BUNDLE")
        access_key = env.get("AWS_ACCESS_KEY_ID") or None
        return cls(
            endpoint=env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or None,
            region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or None,
            access_key=access_key,
            secret_key=env.get("AWS_SECRET_ACCESS_KEY") or None,
            session_token=env.get("AWS_SESSION_TOKEN") or None,
            ca_bundle=Path(authority) if authority else None,
            workload_identity=access_key is None and any(env.get(name) for name in _IDENTITY_VARIABLES),
        )

    def anonymous(self) -> Self:
        """The same server, asked as nobody."""
        return replace(self, access_key=None, secret_key=None, session_token=None, workload_identity=False)

    @property
    def has_identity(self) -> bool:
        """Whether requests are signed."""
        return self.access_key is not None or self.workload_identity
