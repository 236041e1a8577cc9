"""`finetune-operator run`: the entry point of the operator's image."""

import argparse
import asyncio
import logging
import os
import sys

import kopf

from finetune_core.problems import InvalidInputError
from finetune_core.results.run import ExitCode
from finetune_kube.connect import ApiClient, of_process
from finetune_operator.claims import Claims
from finetune_operator.cluster import Cluster
from finetune_operator.config import Config
from finetune_operator.election import Timing
from finetune_operator.handlers import register
from finetune_operator.leadership import Alone, Leadership
from finetune_operator.service import Service
from finetune_operator.telemetry import Telemetry
from finetune_operator.telemetry.logs import configure

logger = logging.getLogger(__name__)

_SWITCH_SECONDS = 0.0005


def main(argv: list[str] | None = None) -> int:
    """Run the operator until it is told to stop; 64 if its configuration is wrong."""
    parser = argparse.ArgumentParser(prog="finetune-operator", description=__doc__)
    parser.add_argument("command", choices=["run"], help="run: watch the cluster and reconcile experiments")
    parser.parse_args(argv)
    try:
        config = Config.from_env(os.environ)
    except InvalidInputError as error:
        print(f"finetune-operator: {error}", file=sys.stderr)
        return ExitCode.USER_ERROR
    configure(config.log_format)
    # Many short waits in many threads: Python's 5 ms would have each of them wait that long for its turn.
    sys.setswitchinterval(_SWITCH_SECONDS)
    asyncio.run(_run(config))
    return 0


async def _run(config: Config) -> None:
    service = _service(config, of_process())
    registry = kopf.OperatorRegistry()
    clusterwide = not config.namespaces
    register(registry, service, clusterwide=clusterwide)
    await kopf.operator(
        registry=registry,
        standalone=True,
        clusterwide=clusterwide,
        namespaces=config.namespaces,
    )


def _service(config: Config, api: ApiClient) -> Service:
    telemetry = Telemetry()
    # Writing a Lease is what makes a leader, so it is the one writing that the fence does not stand before.
    unfenced = Cluster(api, on_request=telemetry.count_request)
    if config.release is None:
        logger.warning("FINETUNE_RELEASE is not set: no leader is elected, and nobody else may act in this cluster")
        return Service(unfenced, config, telemetry, Alone())
    leadership = Leadership(unfenced, config.release, config.identity, Timing(config.lease_seconds))

    def on_request(verb: str, resource: str) -> None:
        telemetry.count_request(verb, resource)
        if verb != "GET":
            leadership.check()

    fenced = Cluster(api, on_request=on_request)
    return Service(fenced, config, telemetry, leadership, Claims(fenced, config.release, leadership))


if __name__ == "__main__":
    sys.exit(main())
