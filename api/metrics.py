"""Prometheus metrics: this process's requests and appends, and what Redis knows of the whole service."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from duestream.journal import Tally
from duestream.lag import Lag
from duestream.stats import BUCKETS_MS, NoticeStats

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """What one API process counts, as cheaply as can be; Prometheus' types come in when somebody looks."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = {}
        self._slots: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        key = (method, route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        slots = self._slots.get(route)
        if slots is None:
            slots = self._slots[route] = [0] * (len(SECONDS) + 1)
        slots[bisect_left(SECONDS, seconds)] += 1
        self._seconds[route] = self._seconds.get(route, 0.0) + seconds

    def page(
        self,
        tallies: Sequence[Tally],
        lags: Sequence[Lag],
        notices: NoticeStats,
        jobs: Mapping[str, int],
        ready: Mapping[str, int],
    ) -> bytes:
        """All of it in Prometheus' text format. jobs: how many by status; ready: and by queue."""
        snapshot = CollectorRegistry()
        gauges = [
            _gauge("duestream_jobs", "Jobs by status", "status", jobs),
            _gauge("duestream_ready_jobs", "Jobs that wait for a runner or are run, by queue", "queue", ready),
        ]
        snapshot.register(_Snapshot([*self._collect(), *gauges], tallies, lags, notices))
        return generate_latest(snapshot)

    def _collect(self) -> Iterator[Metric]:
        labels = ["method", "route", "status"]
        requests = CounterMetricFamily("duestream_http_requests", "Requests by route and status", labels=labels)
        for (method, route, status), count in self._requests.items():
            requests.add_metric([method, route, str(status)], count)
        yield requests
        text = "Time to the end of the response"
        seconds = HistogramMetricFamily("duestream_http_request_seconds", text, labels=["route"])
        for route, slots in self._slots.items():
            bounds = [*map(str, SECONDS), "+Inf"]
            seconds.add_metric([route], [*zip(bounds, accumulate(slots), strict=True)], self._seconds[route])
        yield seconds


def _gauge(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family


class _Snapshot(Collector):
    def __init__(
        self, counted: Sequence[Metric], tallies: Sequence[Tally], lags: Sequence[Lag], notices: NoticeStats
    ) -> None:
        self._counted = counted
        self._tallies = tallies
        self._lags = lags
        self._notices = notices

    def collect(self) -> Iterator[Metric]:
        yield from self._counted
        yield self._transitions(
            "appended",
            "Transitions that this process put on the journal",
            [t.appended for t in self._tallies],
        )
        yield self._transitions(
            "refused", "Transitions of this process that were refused", [t.refused for t in self._tallies]
        )
        yield from self._lag()
        yield CounterMetricFamily("duestream_notices", "Notices given, by all schedulers", value=self._notices.given)
        lateness = HistogramMetricFamily(
            "duestream_notice_lateness_seconds", "From when a notice was due until it was given"
        )
        buckets = [(str(bound / 1000), float(n)) for bound, n in zip(BUCKETS_MS, self._notices.buckets, strict=True)]
        lateness.add_metric([], [*buckets, ("+Inf", float(self._notices.given))], self._notices.late_ms / 1000)
        yield lateness

    def _transitions(self, name: str, text: str, counts: Iterable[dict[str, int]]) -> Metric:
        family = CounterMetricFamily(f"duestream_transitions_{name}", text, labels=["type"])
        for each in counts:
            for type, count in each.items():
                family.add_metric([type], count)
        return family

    def _lag(self) -> Iterator[Metric]:
        labels = ["group", "kind", "shard"]
        entries = GaugeMetricFamily(
            "duestream_lag_entries", "Journal entries that a group has not finished", labels=labels
        )
        seconds = GaugeMetricFamily("duestream_lag_seconds", "Age of the oldest such entry", labels=labels)
        for lag in self._lags:
            entries.add_metric([lag.group, lag.kind, str(lag.shard)], lag.entries)
            seconds.add_metric([lag.group, lag.kind, str(lag.shard)], lag.seconds)
        yield entries
        yield seconds
