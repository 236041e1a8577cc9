"""The running operator: the queue in front of the reconciler, health and metrics beside it."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from aiohttp import web
from prometheus_client import generate_latest

from finetune_core.problems import FinetuneError
from finetune_operator import names
from finetune_operator.cluster import Cluster
from finetune_operator.config import Config
from finetune_operator.queue import WorkQueue
from finetune_operator.reconcile import Reconciler
from finetune_operator.reconcile_search import SearchReconciler
from finetune_operator.storage import StorageConnector
from finetune_operator.telemetry import Health, Telemetry

logger = logging.getLogger(__name__)


class Key(NamedTuple):
    """An experiment or a search."""

    kind: str
    namespace: str
    name: str


class Service:
    """Owns the queue; `poke` is called on every event about an experiment or its children."""

    def __init__(self, cluster: Cluster, config: Config, telemetry: Telemetry) -> None:
        self._config = config
        self._telemetry = telemetry
        self._health = Health()
        self._cluster = cluster
        connector = StorageConnector(cluster, on_request=telemetry.count_store_request)
        self._reconcilers: dict[str, Reconciler | SearchReconciler] = {
            names.EXPERIMENT_KIND: Reconciler(cluster, config, connector=connector),
            names.SEARCH_KIND: SearchReconciler(cluster, config, connector=connector),
        }
        self._connector = connector
        self._threads = ThreadPoolExecutor(config.workers, thread_name_prefix="reconcile")
        self._queue: WorkQueue[Key] = WorkQueue(
            self._work, workers=config.workers, group=lambda key: key.namespace, on_error=self._report
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._runners: list[web.AppRunner] = []

    async def start(self) -> None:
        """Start working and serving /healthz and /metrics."""
        self._tasks = [asyncio.create_task(self._queue.run(), name="work queue")]
        await self._serve(self._config.health_port, {"/healthz": self._healthz})
        await self._serve(self._config.metrics_port, {"/metrics": self._metrics})

    async def stop(self) -> None:
        """Stop taking work; a reconcile under way ends by itself."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for runner in self._runners:
            await runner.cleanup()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._connector.close()

    async def poke(self, kind: str, namespace: str, name: str) -> None:
        """Have an experiment or a search looked at now."""
        await self._queue.add(Key(kind, namespace, name))

    async def clear_namespace(self, namespace: str) -> None:
        """Delete our Jobs in a namespace that terminates: failing pods of a Job would hold it for minutes."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._delete_jobs, namespace)

    def _delete_jobs(self, namespace: str) -> None:
        for name in self._cluster.list_job_names(namespace):
            self._cluster.delete_job(namespace, name)

    async def _work(self, key: Key) -> float | None:
        loop = asyncio.get_running_loop()
        with self._telemetry.reconcile_seconds.time():
            reconcile = self._reconcilers[key.kind].reconcile
            delay = await loop.run_in_executor(self._threads, reconcile, key.namespace, key.name)
        self._health.succeeded()
        self._telemetry.last_success.set_to_current_time()
        return delay

    def _report(self, key: Key, error: Exception) -> None:
        self._telemetry.reconcile_errors.labels(error=type(error).__name__).inc()
        known = isinstance(error, FinetuneError)
        about = {"kind": key.kind, "experiment": f"{key.namespace}/{key.name}"}
        logger.error("reconcile failed: %s", error, extra=about, exc_info=None if known else error)

    async def _serve(self, port: int, routes: dict[str, "web.Handler"]) -> None:  # type: ignore[name-defined]
        app = web.Application()
        app.add_routes([web.get(path, handler) for path, handler in routes.items()])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", port).start()
        self._runners.append(runner)

    async def _healthz(self, _request: web.Request) -> web.Response:
        problem = self._health.problem(waiting=len(self._queue), overdue=self._queue.oldest_overdue())
        return web.Response(text=problem or "ok", status=503 if problem else 200)

    async def _metrics(self, _request: web.Request) -> web.Response:
        self._telemetry.queue_length.set(len(self._queue))
        self._telemetry.living.set(sum(one.remembered() for one in self._reconcilers.values()))
        body = generate_latest(self._telemetry.registry)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
