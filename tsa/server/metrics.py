"""The counts of all worker processes for Prometheus. No label has a value that a client chose (decision 12).

Names of applications are the operator's, so there are as many as it wants there to be.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from tsa.licensing.applications import Application
from tsa.licensing.quota import Quota
from tsa.protocol.errors import PKIFailureInfo
from tsa.server.service import Service
from tsa.state.meter import BATCH_BOUNDS, LATENCY_BOUNDS_S, Meter


def render(service: Service, meters: Sequence[Meter]) -> tuple[bytes, str]:
    """The metrics in text form and their Content-Type, by one of the processes whose `meters` they are.

    To be called in its event loop, as all that takes the counters' lock.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counts(meters))
    registry.register(_Applications(service.callers.applications.everyone, service.books.quota))
    registry.register(_Process(service))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Counts(Collector):
    """What the meters of all processes add up to."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._meters = meters

    def collect(self) -> Iterator[Metric]:
        meters = self._meters
        stamps = CounterMetricFamily("tsa_stamps", "Time-stamp tokens issued.")
        stamps.add_metric([], sum(meter.stamps for meter in meters))
        yield stamps
        refusals = CounterMetricFamily("tsa_refusals", "Requests refused, by PKIFailureInfo.", labels=["fail_info"])
        for failure in PKIFailureInfo:
            refusals.add_metric([failure.name], sum(meter.refusals[failure] for meter in meters))
        yield refusals
        yield _histogram(
            "tsa_stamp_latency_seconds",
            "From the arrival of a request to its token.",
            LATENCY_BOUNDS_S,
            (meter.latencies for meter in meters),
        )
        yield _histogram(
            "tsa_batch_size", "Stamps signed in one batch.", BATCH_BOUNDS, (meter.batch_sizes for meter in meters)
        )
        yield GaugeMetricFamily("tsa_queue", "Requests that wait to be signed.", sum(meter.queue for meter in meters))
        yield GaugeMetricFamily(
            "tsa_connections", "Connections that are open.", sum(meter.connections for meter in meters)
        )
        yield _histogram(
            "tsa_commit_latency_seconds",
            "What a ledger commit takes.",
            LATENCY_BOUNDS_S,
            (meter.commits for meter in meters),
        )
        heads = GaugeMetricFamily("tsa_ledger_seq", "The newest row of a worker's ledger file.", labels=["worker"])
        started = GaugeMetricFamily("tsa_worker_start_time_seconds", "When a worker began.", labels=["worker"])
        for number, meter in enumerate(meters):
            heads.add_metric([str(number)], meter.ledger_seq)
            started.add_metric([str(number)], meter.started)
        yield from (heads, started)


class _Applications(Collector):
    """Each application's licences, and what it has used of them in the running window."""

    def __init__(self, everyone: Sequence[Application], quota: Quota) -> None:
        self._everyone = everyone
        self._quota = quota

    def collect(self) -> Iterator[Metric]:
        label = ["application"]
        licences = GaugeMetricFamily("tsa_licences", "Licences that are valid now.", labels=label)
        stamps = GaugeMetricFamily("tsa_application_stamps", "Stamps in the running window.", labels=label)
        refusals = GaugeMetricFamily("tsa_application_refusals", "Refusals in the running window.", labels=label)
        used = GaugeMetricFamily(
            "tsa_licence_used_ratio", "Part of the running window's capacity that is used.", labels=label
        )
        microseconds = time.time_ns() // 1_000
        window, second = self._quota.window(microseconds), microseconds // 1_000_000
        for application in self._everyone:
            name, capacity = [application.name], application.capacity(second)
            stamped, refused = self._quota.used(application.id, window)
            licences.add_metric(name, application.licence_count(second))
            stamps.add_metric(name, stamped)
            refusals.add_metric(name, refused)
            if capacity:
                used.add_metric(name, stamped / capacity)
        yield from (licences, stamps, refusals, used)


class _Process(Collector):
    """What the process that answers knows of itself."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        writable = self._service.books.ledger.fault is None
        yield GaugeMetricFamily("tsa_ledger_up", "Whether the worker that answers can record stamps.", int(writable))
        clock = self._service.books.clock
        gate, trusted = clock.gate.read(), int(not clock.why_closed())
        boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000
        yield GaugeMetricFamily("tsa_clock_trusted", "Whether the clock is trusted now.", trusted)
        if gate.trusted:  # else there is none
            yield GaugeMetricFamily(
                "tsa_clock_error_bound_seconds", "How far the clock may be off at most.", gate.error_at(boot) / 1e6
            )
        yield GaugeMetricFamily(
            "tsa_clock_age_seconds", "Since the clock was last measured.", (boot - gate.measured_us) / 1e6
        )
        days = (self._service.intake.authority.tsu.usable_until_us / 1e6 - time.time()) / 86_400
        yield GaugeMetricFamily("tsa_certificate_days_left", "Days in which the certificate may still sign.", days)


def _histogram(
    name: str, text: str, bounds: Sequence[float], parts: Iterable[tuple[list[int], float]]
) -> HistogramMetricFamily:
    counts, sums = zip(*parts, strict=True)
    below = accumulate(sum(column) for column in zip(*counts, strict=True))
    labels = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    return HistogramMetricFamily(name, text, list(zip(labels, below, strict=True)), sum(sums))
