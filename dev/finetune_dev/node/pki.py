"""A small certificate authority made with openssl: what a cluster needs so that TLS and tokens are really checked."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from finetune_dev.shell import run

_DAYS = "3650"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Identity:
    """Who a component is to the API server: its user name and groups, shown by a bearer token."""

    user: str
    groups: tuple[str, ...]
    token: str

    def line(self) -> str:
        """The line of the API server's token file (token, user, uid, quoted groups)."""
        return f'{self.token},{self.user},{self.user},"{",".join(self.groups)}"\n'


@dataclass(frozen=True)
class Authority:
    """The files of one cluster's authority, all in `folder`."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """What clients and pods trust."""
        return self.folder / "ca.crt"

    @property
    def service_account_key(self) -> Path:
        """Signs and checks the tokens of service accounts."""
        return self.folder / "service-account.key"

    @property
    def token_file(self) -> Path:
        """The API server's list of static tokens."""
        return self.folder / "tokens.csv"

    def key_pair(self, name: str) -> tuple[Path, Path]:
        """Certificate and key files of one holder."""
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def create(self) -> None:
        """Make the authority and the service accounts' key, unless they are there."""
        if self.service_account_key.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Python 3.13 checks strictly: an authority without this extension is refused.
        subject = ("-subj", "/CN=finetune-dev", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        files = ("-keyout", self.folder / "ca.key", "-out", self.certificate)
        run("openssl", "req", "-x509", *_NEW_KEY, *files, "-days", _DAYS, *subject)
        run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.service_account_key)

    def issue(self, name: str, subject: str, addresses: tuple[str, ...] = ()) -> tuple[Path, Path]:
        """A certificate for `subject` (`/O=.../CN=...`), for serving at `addresses` (`DNS:...`, `IP:...`) if any."""
        certificate, key = self.key_pair(name)
        if not certificate.exists():
            extensions = ["basicConstraints=CA:FALSE", "keyUsage=critical,digitalSignature", *_names(addresses)]
            options = [word for extension in extensions for word in ("-addext", extension)]
            signer = ("-CA", self.certificate, "-CAkey", self.folder / "ca.key", "-days", _DAYS)
            files = ("-keyout", key, "-out", certificate)
            run("openssl", "req", "-x509", *_NEW_KEY, *signer, *files, "-subj", subject, *options)
        return certificate, key

    def identities(self, users: dict[str, tuple[str, ...]]) -> dict[str, Identity]:
        """Static tokens for `users` (user -> groups), kept in the token file from the first call on."""
        if not self.token_file.exists():
            fresh = [Identity(user, groups, secrets.token_hex(16)) for user, groups in users.items()]
            self.token_file.write_text("".join(identity.line() for identity in fresh))
            self.token_file.chmod(0o600)
        tokens = dict(line.split(",")[1::-1] for line in self.token_file.read_text().splitlines())
        return {user: Identity(user, groups, tokens[user]) for user, groups in users.items()}


def _names(addresses: tuple[str, ...]) -> list[str]:
    return [f"subjectAltName={','.join(addresses)}"] if addresses else []
