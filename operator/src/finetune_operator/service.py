"""The running operator: the queue in front of the reconciler, health and metrics beside it."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from aiohttp import web
from prometheus_client import generate_latest

from finetune_core.problems import FinetuneError
from finetune_kube import names
from finetune_kube.kinds import EXPERIMENT, JOB, SEARCH
from finetune_kube.ownership import controller_of
from finetune_operator.claims import Claims
from finetune_operator.cluster import Cluster
from finetune_operator.config import Config
from finetune_operator.kinds.experiment import Reconciler
from finetune_operator.kinds.search import SearchReconciler
from finetune_operator.leadership import Alone, Leadership
from finetune_operator.notifying.courier import Courier
from finetune_operator.notifying.sending import Sender
from finetune_operator.problems import NotLeadingError
from finetune_operator.queue import WorkQueue
from finetune_operator.storage import StorageConnector
from finetune_operator.telemetry import Health, Telemetry
from finetune_operator.telemetry.metering import READS

logger = logging.getLogger(__name__)


_NAMESPACE = "Namespace"
_LAST_LOOKS_SECONDS = 5.0


class Key(NamedTuple):
    """An experiment, a search, or a namespace that terminates."""

    kind: str
    namespace: str
    name: str


class Service:
    """Owns the queue; `poke` is called on every event about an experiment or its children.

    The queue fills in every replica and is worked on by the leader alone, so that a take-over needs no listing.
    """

    def __init__(
        self,
        cluster: Cluster,
        config: Config,
        telemetry: Telemetry,
        leadership: Leadership | Alone,
        claims: Claims | None = None,
    ) -> None:
        self._config = config
        self._telemetry = telemetry
        self._health = Health()
        self._cluster = cluster
        self._leadership = leadership
        self._claims = claims
        connector = StorageConnector(cluster, on_request=self._store_request, own=config.default_storage)
        self._courier = Courier(
            Sender(cluster, config.notification_hosts).send,
            tell=lambda about: self.poke(about.kind, about.namespace, about.name),
            permitted=leadership.check,
            count=telemetry.count_notification,
        )
        holds = claims.holds if claims else lambda _namespace: True
        self._reconcilers: dict[str, Reconciler | SearchReconciler] = {
            EXPERIMENT.kind: Reconciler(cluster, config, connector=connector, holds=holds, post=self._courier),
            SEARCH.kind: SearchReconciler(cluster, config, connector=connector, holds=holds, post=self._courier),
        }
        self._connector = connector
        self._threads = ThreadPoolExecutor(config.workers, thread_name_prefix="reconcile")
        self._queue: WorkQueue[Key] = WorkQueue(
            self._work, workers=config.workers, group=lambda key: key.namespace, on_error=self._report
        )
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._runners: list[web.AppRunner] = []

    async def start(self) -> None:
        """Stand for election, work when it is won, and serve /healthz, /readyz and /metrics."""
        loop = asyncio.get_running_loop()
        await self._set_open(False)
        self._tasks = [
            self._courier.start(),
            asyncio.create_task(self._queue.run(), name="work queue"),
            asyncio.create_task(self._follow(), name="leadership"),
        ]
        self._leadership.start(lambda: _tell(loop, self._changed))
        await self._serve(self._config.health_port, {"/healthz": self._healthz, "/readyz": self._readyz})
        await self._serve(self._config.metrics_port, {"/metrics": self._metrics})

    async def stop(self) -> None:
        """Stop taking work, let looks under way end, and give the lead back; where one does not end, it expires."""
        await self._set_open(False)
        quiet = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_LOOKS_SECONDS):
                await self._queue.idle()
                quiet = True
        await asyncio.to_thread(self._leadership.stop, release=quiet)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for runner in self._runners:
            await runner.cleanup()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._courier.stop()
        self._connector.close()

    async def _set_open(self, is_open: bool) -> None:
        await self._courier.set_open(is_open)
        await self._queue.set_open(is_open)

    async def poke(self, kind: str, namespace: str, name: str) -> None:
        """Have an experiment or a search looked at now."""
        await self._queue.add(Key(kind, namespace, name))

    async def clear_namespace(self, namespace: str) -> None:
        """Delete our Jobs in a namespace that terminates: failing pods of a Job would hold it for minutes."""
        await self._queue.add(Key(_NAMESPACE, namespace, namespace))

    def _delete_jobs(self, namespace: str) -> None:
        for job in self._cluster.list_work(JOB, namespace, names.OURS):
            if controller_of(job) is not None:
                metadata = job["metadata"]
                self._cluster.delete_work(JOB, namespace, metadata["name"], uid=metadata["uid"])

    async def _work(self, key: Key) -> float | None:
        loop = asyncio.get_running_loop()
        with self._telemetry.reconcile_seconds.time():
            delay = await loop.run_in_executor(self._threads, self._look, key)
        self._health.succeeded()
        self._telemetry.last_success.set_to_current_time()
        return delay

    def _look(self, key: Key) -> float | None:
        with self._leadership.acting():
            if key.kind == _NAMESPACE:
                self._delete_jobs(key.namespace)
                return None
            return self._reconcilers[key.kind].reconcile(key.namespace, key.name)

    def _store_request(self, operation: str) -> None:
        self._telemetry.count_store_request(operation)
        if operation not in READS:
            self._leadership.check()

    async def _follow(self) -> None:
        """Open the queue for each term, with nothing known from the one before."""
        seen: int | None = None
        while True:
            await self._changed.wait()
            self._changed.clear()
            term = self._leadership.term
            if term is not None and term != seen:
                for reconciler in self._reconcilers.values():
                    reconciler.forget_all()
                self._courier.forget_all()
                self._health.succeeded()
            seen = term
            await self._set_open(term is not None)

    def _report(self, key: Key, error: Exception) -> None:
        if isinstance(error, NotLeadingError):
            logger.info("a look is broken off: %s", error)
            return
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
        problem = self._leadership.stuck()
        if self._leadership.term is not None:
            problem = problem or self._health.problem(waiting=len(self._queue), overdue=self._queue.oldest_overdue())
        return web.Response(text=problem or "ok", status=503 if problem else 200)

    async def _readyz(self, _request: web.Request) -> web.Response:
        ready, words = self._leadership.readiness()
        others = self._claims.others() if self._claims else {}
        left = [f"namespace {space} is left to the release {other}" for space, other in sorted(others.items())]
        return web.Response(text="\n".join([words, *left]), status=200 if ready else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        self._telemetry.leader.set(self._leadership.term is not None)
        self._telemetry.show_others(self._claims.others() if self._claims else {})
        self._telemetry.queue_length.set(len(self._queue))
        self._telemetry.living.set(sum(reconciler.remembered() for reconciler in self._reconcilers.values()))
        spent = {(k, *key): s for k, one in self._reconcilers.items() for key, s in one.gpu_seconds().items()}
        self._telemetry.show_gpu_seconds(spent)
        self._telemetry.stalled.set(sum(reconciler.stalled() for reconciler in self._reconcilers.values()))
        body = generate_latest(self._telemetry.registry)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def _tell(loop: asyncio.AbstractEventLoop, changed: asyncio.Event) -> None:
    # From the candidate's thread, which may outlive the loop by the end of a request.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(changed.set)
