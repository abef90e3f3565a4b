"""SIGKILL in the middle of a recorded call: what was heard before it is in the file after a restart."""

import asyncio
import random
import time
from pathlib import Path

import httpx
import pytest

from conftest import next_rtp_ports
from listening import read_bytes, tone_ms
from onrecord.phone.clips import tone
from onrecord.phone.phone import TestPhone
from running import API_KEY, Receiver, RunningServer

TICK_NS = 30_000_000
"""What was sent later than this before the kill may not have been read yet: ticks of 10 ms, on a busy machine."""
EDGE_MS = 60
"""The frame at each edge, and the window of the tone detector."""


async def recorded_call(server: RunningServer, receiver: Receiver, phone: TestPhone) -> str:
    """A call that is being recorded when this returns; gives the recording's id."""
    async with httpx.AsyncClient(
        base_url=server.base_url, headers={"Authorization": f"Bearer {API_KEY}"}
    ) as api:
        made = await api.post(
            "/call_control_applications",
            json={"application_name": "crash", "webhook_event_url": receiver.url},
        )
        assert made.status_code == 201, made.text
        await phone.dial(f"sip:anyone@127.0.0.1:{server.sip_port}")
        initiated = await asyncio.to_thread(receiver.wait, "call.initiated")
        actions = f"/calls/{initiated.payload['call_control_id']}/actions"
        assert (await api.post(f"{actions}/answer")).status_code == 200
        await phone.wait_answered()
        started = await api.post(
            f"{actions}/record_start", json={"format": "wav", "channels": "dual"}
        )
        assert started.status_code == 200, started.text
        recording_id: str = started.json()["data"]["recording_id"]
        return recording_id


@pytest.mark.parametrize("seed", range(20))
async def test_the_recording_survives(seed: int, tmp_path: Path, receiver: Receiver) -> None:
    wait_secs = random.Random(seed).uniform(0.05, 1.6)
    server = RunningServer(tmp_path / "data", next_rtp_ports()).start()
    try:
        async with TestPhone("ann", patience_secs=2) as ann:
            recording_id = await recorded_call(server, receiver, ann)
            began_ns = time.monotonic_ns()
            saying = asyncio.create_task(ann.play(tone(440, 3.0)))
            await asyncio.sleep(wait_secs)
            # Twice in three all processes die at once, else only the one that owns the calls.
            (server.kill_control if seed % 3 == 0 else server.kill)()
            read_ns = time.monotonic_ns() - TICK_NS
            saying.cancel()
            sent_ns = [at for at in ann.stream.sent_ns if began_ns < at < read_ns]
        server.start()
        hangup = await asyncio.to_thread(receiver.wait, "call.hangup", 20.0)
        assert hangup.payload["hangup_cause"] == "unspecified"
        saved = await asyncio.to_thread(
            receiver.wait, "call.recording.saved", 20.0, recording_id=recording_id
        )
        urls = saved.payload["recording_urls"]
        assert isinstance(urls, dict)
        async with httpx.AsyncClient() as http:
            samples, rate = read_bytes((await http.get(urls["wav"])).content, tmp_path, "wav")
        assert rate == 8000
        assert samples.shape[1] == 2
        last_ms = (max(sent_ns, default=began_ns) - began_ns) / 1e6
        assert 1000 * len(samples) / rate >= last_ms
        assert tone_ms(samples[:, 0], 440) >= 20 * len(sent_ns) - EDGE_MS
        assert not list((tmp_path / "data" / "spool").glob("*.spool"))
    finally:
        server.stop()
