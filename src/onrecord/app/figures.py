"""Counters of a child process, carried to the control process: ``/metrics`` shows one server.

A child writes lines of JSON to its standard output, ``[[name, [label value, ...], total], ...]``; the
control process adds what has grown since the line before to its own counters of the same names.
"""

import asyncio
import json
import sys

from prometheus_client import Counter

import onrecord.metrics

Figures = dict[tuple[str, tuple[str, ...]], float]

REPORT_SECS = 1.0


def counters() -> dict[str, Counter]:
    """The counters of ``onrecord.metrics`` by the name of their Python object."""
    return {
        name: value for name, value in vars(onrecord.metrics).items() if isinstance(value, Counter)
    }


def read_figures() -> Figures:
    """The totals of this process's counters that are not zero."""
    figures: Figures = {}
    for name, counter in counters().items():
        for family in counter.collect():
            for sample in family.samples:
                if sample.name.endswith("_total") and sample.value:
                    figures[name, tuple(sample.labels.values())] = sample.value
    return figures


async def report() -> None:
    """Write this process's figures to standard output each second that they changed; never ends."""
    told: Figures = {}
    while True:
        now = read_figures()
        if now != told:
            rows = [[name, list(labels), total] for (name, labels), total in now.items()]
            sys.stdout.write(json.dumps(rows) + "\n")
            sys.stdout.flush()
            told = now
        await asyncio.sleep(REPORT_SECS)


class Figured:
    """Takes the lines of one child; a child that was started anew counts from zero again."""

    def __init__(self) -> None:
        self._told: Figures = {}

    def restart(self) -> None:
        """A new process reports from now on."""
        self._told = {}

    def take(self, line: bytes) -> None:
        """Add what one line tells; a line that was cut short is passed over."""
        try:
            rows = json.loads(line)
        except ValueError:
            return
        known = counters()
        for name, labels, total in rows:
            counter = known[name]
            key = (name, tuple(labels))
            grown = total - self._told.get(key, 0.0)
            if grown > 0:
                (counter.labels(*labels) if labels else counter).inc(grown)
            self._told[key] = total
