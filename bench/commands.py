"""How fast record_start is: alone, and as many of them at once as go through."""

import asyncio
import time
from dataclasses import dataclass

from bench.processes import percentile
from bench.scenario import Application

ALONE = 200
CALLS = 100
CONNECTIONS = 16
SECONDS = 10


@dataclass(frozen=True, slots=True)
class Latency:
    """Times of one kind of request, seconds."""

    count: int
    per_s: float
    p50: float
    p99: float


def _latency(times: list[float], seconds: float) -> Latency:
    return Latency(
        len(times), len(times) / seconds, percentile(times, 0.5), percentile(times, 0.99)
    )


async def _start_and_stop(application: Application, call: str) -> float:
    began = time.perf_counter()
    started = await application.client.command(call, "record_start", format="wav", channels="dual")
    took = time.perf_counter() - began
    await application.client.command(call, "record_stop", recording_id=started["recording_id"])
    return took


async def _repeat(
    application: Application, calls: list[str], times: list[float], end: float
) -> None:
    turn = 0
    while time.perf_counter() < end:
        times.append(await _start_and_stop(application, calls[turn % len(calls)]))
        turn += 1


async def measure(application: Application, phone_port: int) -> dict[str, Latency]:
    """Latency on an idle server, then the throughput of start-and-stop pairs over many calls."""
    up = [await application.answered_call(9_000_000 + i, phone_port + 2 * i) for i in range(CALLS)]
    calls = [call_control_id for _, _, call_control_id in up]

    alone = []
    for turn in range(ALONE):
        alone.append(await _start_and_stop(application, calls[turn % CALLS]))
        await asyncio.sleep(0.1)

    times: list[float] = []
    end = time.perf_counter() + SECONDS
    shares = [calls[first::CONNECTIONS] for first in range(CONNECTIONS)]
    await asyncio.gather(*(_repeat(application, share, times, end) for share in shares))

    for call, _, _ in up:
        await application.phones.hang_up(call)
    return {"alone": _latency(alone, ALONE * 0.1), "at once": _latency(times, SECONDS)}
