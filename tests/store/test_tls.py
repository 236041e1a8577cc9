"""Talking TLS with a real S3 server whose certificate a private authority has signed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from finetune_store import S3Connection, TlsError, UnexpectedAnswerError, open_store
from store.tls import make_tls_files
from support.seaweed import SeaweedS3, TlsFiles

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_tls_files(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(tls_files: TlsFiles) -> Iterator[SeaweedS3]:
    with SeaweedS3(tls=tls_files) as server:
        server.create_bucket("secure")
        yield server


def test_an_authority_of_ones_own_is_trusted_where_the_bundle_names_it(secure: SeaweedS3, tmp_path: Path) -> None:
    store = open_store("s3://secure/p", connection=S3Connection.from_env(secure.environment))
    large = tmp_path / "large"
    large.write_bytes(b"x" * (20 << 20))

    store.check()
    store.upload("large", large)
    store.download("large", tmp_path / "back")

    assert secure.endpoint.startswith("https://")
    assert (tmp_path / "back").read_bytes() == large.read_bytes()


def test_an_authority_may_be_given_as_text_with_comments_in_any_language(secure: SeaweedS3) -> None:
    connection = S3Connection.from_env(secure.environment)
    assert connection.ca_bundle is not None
    text = f"# Főtanúsítvány\n{connection.ca_bundle.read_text()}"

    open_store("s3://secure/p", connection=replace(connection, ca_bundle=None, authorities=text)).check()


def test_a_certificate_of_an_unknown_authority_is_refused_without_retries(secure: SeaweedS3) -> None:
    connection = replace(S3Connection.from_env(secure.environment), ca_bundle=None)

    with pytest.raises(TlsError, match=r"not trusted.*storage\.caBundle") as error:
        open_store("s3://secure/p", connection=connection, retry_seconds=300).check()
    assert error.value.transient is False


def test_a_certificate_for_another_host_is_refused(secure: SeaweedS3) -> None:
    connection = replace(
        S3Connection.from_env(secure.environment), endpoint=secure.endpoint.replace("127.0.0.1", "localhost")
    )

    with pytest.raises(TlsError, match=r"not trusted.*name the endpoint's host"):
        open_store("s3://secure/p", connection=connection, retry_seconds=0).check()


def test_http_to_a_port_that_speaks_tls_is_named(secure: SeaweedS3) -> None:
    connection = replace(S3Connection.from_env(secure.environment), endpoint=secure.endpoint.replace("https:", "http:"))

    with pytest.raises(UnexpectedAnswerError, match=r"storage\.endpoint.*http or https"):
        open_store("s3://secure/p", connection=connection, retry_seconds=0).check()


def test_https_to_a_port_that_does_not_is_named(seaweed: SeaweedS3) -> None:
    connection = replace(
        S3Connection.from_env(seaweed.environment), endpoint=seaweed.endpoint.replace("http:", "https:")
    )

    with pytest.raises(TlsError, match=r"does not speak TLS.*storage\.endpoint"):
        open_store("s3://contract/p", connection=connection, retry_seconds=300).check()
