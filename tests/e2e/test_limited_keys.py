"""Two namespaces share a bucket of a real S3 server, each with keys that the published policy limits to its own prefix.

The policy is the text of docs/how-to/private-models-and-buckets.md; the server is SeaweedFS, in a pod of its own.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3
from minio import Minio
from minio.error import MinioException

from e2e.harness import Experiment, condition_of, reason, spec, wait_until
from e2e.namespaces import fresh_namespace
from e2e.pods import PORT, is_ready, server_manifests
from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_dev.forward import forwarded
from finetune_dev.image.catalogue import SEAWEEDFS
from finetune_dev.kubectl import kubectl
from finetune_store import AccessDeniedError, S3Connection, Store, StoreError, open_store, upload_tree
from glue_demo import tiny_bert, write
from support.bucket_policy import published_policy
from support.seaweed import Keys, identities

pytestmark = pytest.mark.timeout(900)


BUCKET, PREFIX = "shared", "results"
SERVER = "policies"
SECRET = "bucket-keys"
ADMIN = ["Admin", "Read", "List", "Tagging", "Write"]


@dataclass(frozen=True)
class Shared:
    """The server, by a port of this machine; `keys` by namespace."""

    home: str
    port: int
    admin: Keys
    keys: dict[str, Keys]

    def store(self, keys: Keys, prefix: str = PREFIX) -> Store:
        """What somebody with these keys sees of the bucket."""
        connection = S3Connection(f"http://127.0.0.1:{self.port}", "us-east-1", keys.access, keys.secret)
        return open_store(f"s3://{BUCKET}/{prefix}", connection=connection)

    def storage(self) -> Json:
        """The storage of specs."""
        endpoint = f"http://{SERVER}.{self.home}.svc:{PORT}"
        return {"endpoint": endpoint, "bucket": BUCKET, "prefix": PREFIX, "secretRef": {"name": SECRET}}

    def spec(self, namespace: str, inputs: str) -> Json:
        """A short experiment of `namespace`, on the model and data that lie in the folder of the namespace `inputs`."""
        folder = f"s3://{BUCKET}/{PREFIX}/{inputs}/inputs"
        uris = {"model": {"uri": f"{folder}/tiny"}, "data": {"uri": f"{folder}/glue"}}
        return spec({"rte": {}}, **uris, storage=self.storage())


@pytest.fixture
def teams(store: object) -> Iterator[tuple[str, str]]:
    """Two namespaces."""
    with fresh_namespace() as one, fresh_namespace() as other:
        yield one, other


@pytest.fixture
def shared(teams: tuple[str, str], tmp_path: Path) -> Iterator[Shared]:
    """The server with a bucket; each namespace has a Secret with keys of its own, and inputs in its own folder."""
    admin, keys = Keys(), {team: Keys() for team in teams}
    policies = {team: (keys[team], published_policy(BUCKET, PREFIX, team)) for team in teams}
    config = identities({"admin": (admin, ADMIN)}, policies)
    with fresh_namespace() as home:
        flags = ("-dir=/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-volume.max=0")
        s3 = ("-s3", f"-s3.port={PORT}", "-s3.ip.bind=0.0.0.0", "-s3.config=/files/s3.json")
        limits = ("-master.electionTimeout=1s", "-master.resumeState=false", "-master.volumeSizeLimitMB=256")
        command = ["weed", "-logtostderr=true", "server", *flags, *s3, *limits]
        made = server_manifests(home, SERVER, SEAWEEDFS.reference, command, {"s3.json": config})
        secrets = [secret(team, keys[team]) for team in teams]
        apply(*made, *secrets)
        wait_until("the S3 server", lambda: is_ready(home, SERVER))
        with forwarded(home, f"pod/{SERVER}", PORT) as port:
            server = Shared(home, port, admin, keys)
            wait_until("the bucket", lambda: is_made(server))
            fill(server, teams, tmp_path)
            yield server


def fill(server: Shared, teams: tuple[str, str], folder: Path) -> None:
    """Model and data, uploaded by each namespace's own keys."""
    model = tiny_bert(folder / "tiny")
    data = write(folder / "small", train_rows=64, dev_rows=32, test_rows=8, tasks=("rte",))["tsv"]
    for team in teams:
        mine = server.store(server.keys[team])
        upload_tree(mine, model, f"{team}/inputs/tiny")
        upload_tree(mine, data, f"{team}/inputs/glue")


def secret(namespace: str, keys: Keys) -> Json:
    data = {"AWS_ACCESS_KEY_ID": keys.access, "AWS_SECRET_ACCESS_KEY": keys.secret}
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
    metadata = {"namespace": namespace, "name": SECRET}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}


def test_both_finish_and_neither_reads_the_other(teams: tuple[str, str], shared: Shared) -> None:
    handles = {team: Experiment(team, "mine", shared.store(shared.keys[team])) for team in teams}
    for team, mine in handles.items():
        mine.apply(shared.spec(team, inputs=team))
    for mine in handles.values():
        assert reason(mine.ends()) == "AllRunsSucceeded", mine.describe()
        assert "results.json" in mine.stored()

    one, other = teams
    results = ExperimentLayout(other, "mine").results("json")
    theirs = shared.store(shared.keys[one])
    for reach in (lambda: theirs.get(results), lambda: theirs.list(other), lambda: theirs.put(results, b"forged")):
        with pytest.raises(AccessDeniedError):
            reach()


def test_inputs_in_the_folder_of_the_other_are_refused_by_their_field(teams: tuple[str, str], shared: Shared) -> None:
    one, other = teams
    thief = Experiment(one, "thief", shared.store(shared.keys[one])).apply(shared.spec(one, inputs=other))

    said = condition_of(
        thief.until("the field to be named", lambda status: condition_of(status, "Valid").get("status") == "False"),
        "Valid",
    )
    assert said["reason"] == "InputNotFound"
    assert "spec.model.uri: " in said["message"]
    assert "AccessDenied" in said["message"]
    assert thief.jobs() == []


def test_results_in_the_folder_of_the_other_are_refused_by_their_field(teams: tuple[str, str], shared: Shared) -> None:
    one, other = teams
    # The operator puts the namespace below the prefix, so that this leads to PREFIX/other/one.
    storage = {**shared.storage(), "prefix": f"{PREFIX}/{other}"}
    thief = Experiment(one, "thief", shared.store(shared.keys[one]))
    thief.apply({**shared.spec(one, inputs=one), "storage": storage})

    said = condition_of(
        thief.until("the field to be named", lambda status: condition_of(status, "Valid").get("status") == "False"),
        "Valid",
    )
    assert said["reason"] == "StorageRefused"
    assert "spec.storage: " in said["message"]
    assert thief.jobs() == []


def apply(*manifests: Json) -> None:
    kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}))


def is_made(server: Shared) -> bool:
    """Make the bucket, as its administrator; whether it can be written to."""
    client = Minio(f"127.0.0.1:{server.port}", server.admin.access, server.admin.secret, secure=False)
    try:
        if not client.bucket_exists(BUCKET):
            client.make_bucket(BUCKET)
        server.store(server.admin).check("ready")
    except (MinioException, StoreError, urllib3.exceptions.HTTPError):
        return False
    return True
