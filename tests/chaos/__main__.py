"""`make chaos`: CHAOS_SEED, CHAOS_MINUTES, CHAOS_KINDS, CHAOS_LONGEST; exit 1 on any violation, with seed and log."""

import base64
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from chaos.campaign import Campaign
from chaos.deck import Deck
from chaos.faults import faults, kinds_of, longest_outage
from chaos.inject import Scene
from chaos.look import Eyes, api_of, store_of
from chaos.observed import Tampered
from chaos.subjects import Subject, experiment_spec, search_spec
from chaos.summary import table
from chaos.watch import Watch
from e2e.harness import K8S, Experiment, Search, operator_ready, wait_until
from e2e.inputs import upload_inputs
from e2e.namespaces import fresh_namespace
from finetune_dev import release
from finetune_dev.paths import REPOSITORY, kubeconfig_path
from finetune_store import S3Connection, Store, open_store

_PORT = 8333


def main() -> int:
    """Run a campaign."""
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10_000))
    minutes = float(os.environ.get("CHAOS_MINUTES") or 30)
    longest = float(os.environ.get("CHAOS_LONGEST") or longest_outage(minutes))
    deck = Deck(faults(seed, longest, kinds_of(os.environ.get("CHAOS_KINDS") or "")))
    log = REPOSITORY / f"build/chaos/seed-{seed}.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    print(f"chaos: {minutes:g} minutes, seed {seed}, log {log}", flush=True)
    release.install()
    wait_until("the operator to answer its probes", operator_ready)
    with fresh_namespace() as namespace:
        scene, store = prepare(namespace)
        with Watch(scene.eyes, log) as watch:
            campaign = Campaign(watch, store, deck, minutes, longest, scene)
            try:
                campaign.run()
            finally:
                print(f"\n{campaign.rounds} rounds\n\n{table(campaign.recovered(), campaign.found)}", flush=True)
    if campaign.found:
        print(f"\nagain: with CHAOS_SEED={seed}; what was seen: {log}")
    return 1 if campaign.found else 0


def prepare(namespace: str) -> tuple[Scene, Store]:
    """What faults act on, with the inputs of its experiments in the store."""
    address, keys = _store_address(), _store_keys()
    store = _opened(address, keys)
    with tempfile.TemporaryDirectory() as folder:
        upload_inputs(store, Path(folder))
    eyes = Eyes(api_of(kubeconfig_path()), store_of(address, keys), release.BUCKET, namespace, time.monotonic())
    suite, search = Experiment(namespace, "calm", store), Search(namespace, "calm-search", store)
    return Scene(eyes, Subject(suite, experiment_spec(1)), Subject(search, search_spec()), Tampered()), store


def _store_address() -> str:
    """The service's own address: unlike a forwarded port, it outlives the store's pod."""
    service = K8S.core.read_namespaced_service(release.STORE, release.NAMESPACE)
    return f"{service.spec.cluster_ip}:{_PORT}"


def _store_keys() -> tuple[str, str]:
    secret = K8S.core.read_namespaced_secret(release.STORE, release.NAMESPACE).data
    decoded = {name: base64.b64decode(value).decode() for name, value in secret.items()}
    return decoded["AWS_ACCESS_KEY_ID"], decoded["AWS_SECRET_ACCESS_KEY"]


def _opened(address: str, keys: tuple[str, str]) -> Store:
    environment = {"AWS_ENDPOINT_URL": f"http://{address}", "AWS_REGION": "us-east-1"}
    environment |= {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]}
    return open_store(f"s3://{release.BUCKET}", connection=S3Connection.from_env(environment))


if __name__ == "__main__":
    sys.exit(main())
