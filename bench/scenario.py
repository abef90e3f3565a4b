"""Calls against a running server: placed, answered, recorded, spoken into, hung up."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench import processes
from bench.load import PACKETS_PER_S, Load, floor
from bench.phones import Call, Phones
from bench.server import KEY, Server
from bench.web import Client, Events, metric, serve_webhooks

EVENT_S = 60.0
SAVED_S = 600.0
TAIL_S = 0.3
"""Between the last packet of a call and its BYE, so that late packets are not cut off."""
BESIDE_S = 10
"""So long the floor runs beside the server."""
_SPARE_S = 4
"""The floor opens its sockets and files before, and waits for its last packets behind."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """When calls begin, and from when to when the cost is measured.

    Each call lasts ``seconds``, so calls end at the rate at which they begin.
    """

    name: str
    up: int
    """Calls that are up at once; as many begin and end while the cost is measured."""
    total: int
    seconds: int
    rate: float
    """Calls begun each second."""
    measured_from: float
    """Seconds after the first call."""
    measured_to: float | None
    """None: until everything is done. Else the floor runs beside the server from then on."""

    @property
    def middle(self) -> float:
        """Seconds after the first call, between the last begin and the first end or the other way round."""
        return (self.total / self.rate + self.seconds) / 2

    @property
    def minutes(self) -> float:
        """Call-minutes while the cost is measured."""
        return self.up * self.seconds / 60


def steady(up: int, seconds: int) -> Pattern:
    """Calls come and go evenly; measured is the time between the first end and the last begin."""
    rate = up / seconds
    total = 2 * up + round(rate * (BESIDE_S + _SPARE_S))
    return Pattern("steady", up, total, seconds, rate, seconds, 2 * seconds)


def burst(up: int, seconds: int, rate: float) -> Pattern:
    """All calls begin, and later end, within a few seconds."""
    return Pattern("burst", up, up, seconds, rate, 0, None)


@dataclass(slots=True)
class Result:
    """What the calls of one run gave."""

    record_start_s: list[float] = field(default_factory=list)
    saved_after_s: list[float] = field(default_factory=list)
    recordings: list[dict[str, Any]] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    load: dict[str, Any] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    memory: dict[str, processes.Memory] = field(default_factory=dict)
    received: dict[str, float] = field(default_factory=dict)
    dropped: dict[str, float] = field(default_factory=dict)
    """By reason."""
    resent: int = 0
    beside: dict[str, float] = field(default_factory=dict)
    """While the floor received as many streams at the same time: µs a packet of each."""
    disturbed: bool = False
    """The floor runs beside the server: latencies do not count."""


class Application:
    """The driver's ends of a server: phones, an API client, a webhook receiver."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.events = Events()
        self.client = Client(server.http_port, KEY)
        self.phones: Phones
        self._hooks: asyncio.Server

    async def open(self) -> None:
        """Makes the application that the calls belong to."""
        self._hooks, port = await serve_webhooks(self.events)
        self.phones = await Phones.open(self.server.sip_port)
        await self.client.post(
            "/v2/call_control_applications",
            {
                "application_name": "benchmark",
                "webhook_event_url": f"http://127.0.0.1:{port}/webhooks",
                "webhook_api_version": "2",
            },
        )

    async def answered_call(self, index: int, media_port: int) -> tuple[Call, str, str]:
        """Places a call and answers it; the call, its caller and its call_control_id."""
        caller = f"1555{index:07d}"
        placing = asyncio.create_task(self.phones.call(f"+{caller}", media_port))
        try:
            initiated = await self.events.of(caller, "call.initiated", EVENT_S)
            call_control_id = str(initiated["call_control_id"])
            await self.client.command(call_control_id, "answer")
            call = await placing
        finally:
            placing.cancel()
        await self.events.of(caller, "call.answered", EVENT_S)
        return call, caller, call_control_id

    async def close(self) -> None:
        """Closes the sockets."""
        self.phones.close()
        self.client.close()
        self._hooks.close()


async def recorded_calls(
    application: Application, sound: Path, pattern: Pattern, phone_port: int, floor_port: int
) -> Result:
    """Runs the calls of ``pattern``; the floor that runs beside them is given ``floor_port``."""
    result = Result()
    server = application.server
    text = await application.client.get("/metrics")
    load = await Load.start(sound, pattern.seconds * PACKETS_PER_S)
    all_done = asyncio.Event()
    run_floor = partial(floor, pattern.up, BESIDE_S, floor_port, sound)
    cost = asyncio.create_task(_cost(server, pattern, result, all_done, run_floor))
    try:
        tasks = []
        begun = asyncio.get_running_loop().time()
        for index in range(pattern.total):
            await asyncio.sleep(begun + index / pattern.rate - asyncio.get_running_loop().time())
            port = phone_port + 2 * index
            one = _one_call(application, load, result, index, port, pattern.seconds)
            tasks.append(asyncio.create_task(_counted(one, result)))
        await asyncio.gather(*tasks)
        result.load = await load.finish()
        await asyncio.sleep(1)
        all_done.set()
        await cost
    finally:
        load.stop()
        cost.cancel()
    after = await application.client.get("/metrics")
    for name in ("received", "dropped"):
        was, now = (metric(page, f"onrecord_rtp_{name}_total") for page in (text, after))
        grown = {label: value - was.get(label, 0) for label, value in now.items()}
        setattr(result, name, {label: count for label, count in grown.items() if count})
    result.resent = application.phones.resent
    return result


async def _cost(
    server: Server,
    pattern: Pattern,
    result: Result,
    all_done: asyncio.Event,
    run_floor: Callable[[], dict[str, Any]],
) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asyncio.sleep(pattern.measured_from)
    before = processes.cpu_of(server.pids)
    await asyncio.sleep(begun + pattern.middle - loop.time())
    result.memory = processes.memory_of(server.pids)
    if pattern.measured_to is None:
        await all_done.wait()
    else:
        await asyncio.sleep(begun + pattern.measured_to - loop.time())
    result.cpu = {k: v - before[k] for k, v in processes.cpu_of(server.pids).items()}
    if pattern.measured_to is not None:
        result.disturbed = True
        result.beside = await _beside(server.pids["media"], pattern.up, run_floor)
        result.disturbed = False


async def _beside(
    media: int, streams: int, run_floor: Callable[[], dict[str, Any]]
) -> dict[str, float]:
    """What a packet costs the media process and the floor while both run, on the same processors."""
    loop = asyncio.get_running_loop()
    began, before = loop.time(), processes.cpu_seconds(media)
    found = await asyncio.to_thread(run_floor)
    packets = streams * PACKETS_PER_S * (loop.time() - began)
    spent = processes.cpu_seconds(media) - before
    return {"floor_us": found["us_per_packet"], "media_us": spent / packets * 1e6}


async def _counted(one: Any, result: Result) -> None:
    try:
        await one
    except Exception as error:  # one failed call must not end the run; it is shown in the table
        result.failures[f"{type(error).__name__}: {error}"[:160]] += 1


async def _one_call(
    application: Application, load: Load, result: Result, index: int, port: int, seconds: int
) -> None:
    loop = asyncio.get_running_loop()
    call, caller, call_control_id = await application.answered_call(index, port)
    asked = loop.time()
    await application.client.command(call_control_id, "record_start", format="wav", channels="dual")
    if not result.disturbed:
        result.record_start_s.append(loop.time() - asked)
    host, server_port = call.media
    load.add(host, server_port, port)
    await asyncio.sleep(seconds + TAIL_S)
    ended = loop.time()
    await application.phones.hang_up(call)
    saved = await application.events.of(caller, "call.recording.saved", SAVED_S)
    if not result.disturbed:
        result.saved_after_s.append(saved["received_at"] - ended)
    result.recordings.append(saved)
