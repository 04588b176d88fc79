"""The counts of all worker processes for Prometheus. No label has a value that a client chose (DESIGN 5.12)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from tsa.authority.meter import BATCH_BOUNDS, LATENCY_BOUNDS_S, Meter
from tsa.protocol.errors import PKIFailureInfo


def render(meters: Sequence[Meter], usable_until_us: int) -> tuple[bytes, str]:
    """The metrics page and its Content-Type; the certificate may sign until `usable_until_us` since the epoch."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counts(meters, usable_until_us))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Counts(Collector):
    def __init__(self, meters: Sequence[Meter], usable_until_us: int) -> None:
        self._meters = meters
        self._usable_until_us = usable_until_us

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
        days = (self._usable_until_us / 1e6 - time.time()) / 86_400
        yield GaugeMetricFamily("tsa_certificate_days_left", "Days in which the certificate may still sign.", days)


def _histogram(
    name: str, text: str, bounds: Sequence[float], parts: Iterable[tuple[list[int], float]]
) -> HistogramMetricFamily:
    counts, sums = zip(*parts, strict=True)
    below = accumulate(sum(column) for column in zip(*counts, strict=True))
    labels = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    return HistogramMetricFamily(name, text, list(zip(labels, below, strict=True)), sum(sums))
