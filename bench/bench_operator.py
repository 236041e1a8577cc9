"""`make bench-operator`: the real operator process against a real API server and a real S3 server, under load.

    apply 1,000 experiments x 45 runs -> a minute in which nothing changes -> all run to their end, in ten waves -> idle
    -> the last wave once more with new experiments, to see whether memory grows with experiments that have ended

Jobs are played by the script (`operator_load`): there is no Job controller and no pod. Latencies are by the script's
clock; requests, reconcile times and memory are the operator's own figures (/metrics, /proc).

    make bench-operator BENCH_ARGS="--experiments 50 --quiet-seconds 20"
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections import Counter
from pathlib import Path

from finetune_dev.apiserver import ApiServer
from machine import describe, write_section
from operator_load import Experiment, Load
from operator_sample import Sample, sample
from support.apiserver import client_of, install_crds, until
from support.operator_process import OperatorProcess
from support.seaweed import SeaweedS3
from support.world import fill_bucket

WAVES = 10


class Bench:
    """One run of the benchmark; `facts` become its section of RESULTS.md."""

    def __init__(self, options: argparse.Namespace, load: Load, operator: OperatorProcess) -> None:
        self._options, self._load, self._operator = options, load, operator
        self._namespaces = load.create_namespaces(options.namespaces)
        self.facts: dict[str, object] = {}

    def run(self) -> None:
        """All phases; fills `facts`."""
        self.facts["memory at start, MiB"] = round(sample(self._operator).rss_mib)
        experiments = self._apply("exp", self._options.experiments)
        self._nothing_changes(experiments)
        self._to_the_end(experiments)
        self._idle()
        self._again()

    def _apply(self, prefix: str, count: int) -> list[Experiment]:
        before, begin = sample(self._operator), time.monotonic()
        names = [f"{prefix}-{number}" for number in range(count)]
        experiments = self._load.apply(self._namespaces, names, rate=self._options.rate)
        until(lambda: all(each.created for each in experiments), "all Jobs", self._options.patience)
        latencies = sorted((each.created or 0.0) - each.applied for each in experiments)
        self._note("apply", sample(self._operator).since(before), time.monotonic() - begin, count)
        self.facts["apply to Job, p50 s"] = round(_quantile(latencies, 0.5), 3)
        self.facts["apply to Job, p99 s"] = round(_quantile(latencies, 0.99), 3)
        self.facts["apply to Job, longest s"] = round(latencies[-1], 3)
        return experiments

    def _nothing_changes(self, experiments: list[Experiment]) -> None:
        self._load.start_jobs(experiments)
        self._settle()
        before, begin = sample(self._operator), time.monotonic()
        time.sleep(self._options.quiet_seconds)
        seen, seconds = sample(self._operator).since(before), time.monotonic() - begin
        self._note("nothing changes", seen, seconds, len(experiments))
        self.facts["writes to the API server while nothing changes"] = seen.writes
        self.facts["listings of the store while nothing changes"] = seen.store["list"]

    def _to_the_end(self, experiments: list[Experiment]) -> None:
        before, begin = sample(self._operator), time.monotonic()
        size = max(1, len(experiments) // WAVES)
        memory = []
        for start in range(0, len(experiments), size):
            wave = experiments[start : start + size]
            self._load.finish(wave, steps=self._options.steps, rate=self._options.finish_rate)
            self._load.report(wave, seconds=self._options.patience)
            left = len(experiments) - start - len(wave)
            until(lambda: sample(self._operator).living <= left, "the wave's end", self._options.patience)  # noqa: B023
            memory.append(round(sample(self._operator).rss_mib))
        self.facts["memory after each tenth has ended, MiB"] = memory
        self._note("to the end", sample(self._operator).since(before), time.monotonic() - begin, len(experiments))

    def _idle(self) -> None:
        self._settle()
        before = sample(self._operator)
        time.sleep(self._options.quiet_seconds)
        seen = sample(self._operator).since(before)
        self.facts["requests when all have ended (API server, store)"] = [seen.api.total(), seen.store.total()]

    def _again(self) -> None:
        before = sample(self._operator).rss_mib
        experiments = self._load.apply(
            self._namespaces, [f"more-{n}" for n in range(self._options.more)], rate=self._options.rate
        )
        until(lambda: all(each.created for each in experiments), "all Jobs", self._options.patience)
        self._load.finish(experiments, steps=self._options.steps, rate=self._options.finish_rate)
        self._load.report(experiments, seconds=self._options.patience)
        until(lambda: sample(self._operator).living == 0, "the end", self._options.patience)
        after = sample(self._operator).rss_mib
        self.facts[f"memory before and after {len(experiments)} more, MiB"] = [round(before), round(after)]

    def _settle(self) -> None:
        """Wait until a whole round of looks passes without a write."""
        while True:
            before = sample(self._operator)
            time.sleep(max(20, before.living * 0.05) + 5)
            if sample(self._operator).since(before).writes == 0:
                return

    def _note(self, phase: str, seen: Sample, seconds: float, experiments: int) -> None:
        self.facts[phase] = {
            "seconds": round(seconds, 1),
            "reconciles": seen.looks,
            "reconcile p50 s": f"<= {seen.quantile(0.5)}",
            "reconcile p99 s": f"<= {seen.quantile(0.99)}",
            "reconcile errors": seen.errors,
            "API requests per experiment": _per(seen.api, experiments),
            "store requests per experiment": _per(seen.store, experiments),
            "memory, MiB": round(seen.rss_mib),
            "load average of the machine": round(os.getloadavg()[0], 1),
        }
        print(f"{phase}: {json.dumps(self.facts[phase])}", flush=True)


def _per(counts: Counter, experiments: int) -> dict[str, float]:
    named = {" ".join(key) if isinstance(key, tuple) else key: count for key, count in counts.items()}
    return {"all": round(counts.total() / experiments, 2)} | {
        name: round(count / experiments, 2) for name, count in sorted(named.items())
    }


def _quantile(values: list[float], q: float) -> float:
    return values[min(len(values) - 1, int(q * len(values)))]


def section(facts: dict[str, object], options: argparse.Namespace) -> str:
    """The figures as Markdown."""
    head = (
        f"## Operator under load\n\n`make bench-operator`: {options.experiments} experiments x {options.runs} runs in "
        f"{options.namespaces} namespaces, applied at {options.rate:g} a second, {options.finish_rate:g} Jobs a second "
        f"going to their end in {options.steps} steps; real API server, etcd and S3 server "
        f"(SeaweedFS) and the script that plays the Jobs on the same machine. Reconcile times are upper bounds of "
        f"histogram buckets.\n\nMachine: {describe()}, {platform.system()}.\n"
    )
    plain = {name: value for name, value in facts.items() if not isinstance(value, dict)}
    rows = [f"| {name} | {_text(value)} |" for name, value in plain.items()]
    phases = {name: value for name, value in facts.items() if isinstance(value, dict)}
    labels = list(next(iter(phases.values())))
    table = [f"| | {' | '.join(phases)} |", "|---" * (len(phases) + 1) + "|"]
    table += [f"| {label} | {' | '.join(_text(phase[label]) for phase in phases.values())} |" for label in labels]
    return "\n".join([head, "| | |", "|---|---|", *rows, "", *table])


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "<br>".join(f"{name}: {count:g}" for name, count in value.items())
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=45, help="runs of an experiment")
    parser.add_argument("--more", type=int, default=100, help="experiments of the wave after all have ended")
    parser.add_argument("--parallelism", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="changes of a Job's status on its way")
    parser.add_argument("--rate", type=float, default=10.0, help="experiments applied a second; 0: at once")
    parser.add_argument("--finish-rate", type=float, default=2.5, help="Jobs that go to their end a second; 0: at once")
    parser.add_argument("--namespaces", type=int, default=20)
    parser.add_argument("--quiet-seconds", type=float, default=60.0)
    parser.add_argument("--patience", type=float, default=600.0, help="seconds after which a wait is given up")
    parser.add_argument("--threads", type=int, default=4, help="of the script")
    parser.add_argument("--dry", action="store_true", help="leave bench/RESULTS.md alone")
    options = parser.parse_args()
    log = Path(tempfile.mkdtemp(prefix="bench-operator-")) / "operator.log"
    print(f"the operator's log: {log}", flush=True)
    with ApiServer() as api_server, SeaweedS3() as store, client_of(api_server) as api:
        install_crds(api)
        fill_bucket(store)
        with OperatorProcess(api_server.kubeconfig, log) as operator:
            load = Load(api, store, runs=options.runs, parallelism=options.parallelism, threads=options.threads)
            bench = Bench(options, load, operator)
            try:
                bench.run()
            finally:
                load.close()
    text = section(bench.facts, options)
    print(text)
    if not options.dry:
        write_section("bench-operator", text)


if __name__ == "__main__":
    main()
