"""`finetune-operator run`: the entry point of the operator's image."""

import argparse
import asyncio
import os
import sys

import kopf

from finetune_core.problems import InvalidInputError
from finetune_core.results import ExitCode
from finetune_kube.connect import of_process
from finetune_operator.cluster import Cluster
from finetune_operator.config import Config
from finetune_operator.handlers import register
from finetune_operator.service import Service
from finetune_operator.telemetry import Telemetry
from finetune_operator.telemetry.logs import configure

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
    telemetry = Telemetry()
    cluster = Cluster(of_process(), on_request=telemetry.count_request)
    service = Service(cluster, config, telemetry)
    registry = kopf.OperatorRegistry()
    clusterwide = not config.namespaces
    register(registry, service, clusterwide=clusterwide)
    await kopf.operator(
        registry=registry,
        standalone=True,
        clusterwide=clusterwide,
        namespaces=config.namespaces,
    )


if __name__ == "__main__":
    sys.exit(main())
