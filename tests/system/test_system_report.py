"""How faithful a recording is: told in its webhook, served as a report and as a picture, gone with it."""

import asyncio
import inspect
import io
import re
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from telnyx import AsyncTelnyx, NotFoundError
from telnyx.types import CallRecordingSavedWebhookEvent

from calling import answered, told
from conftest import next_rtp_ports
from onrecord.api.pictures import CAUSES
from onrecord.audio.picture import LEFT, RIGHT
from onrecord.phone.clips import tone
from onrecord.phone.packets import Faults
from onrecord.phone.phone import TestPhone
from onrecord.sdp.negotiation import MediaDirection
from running import API_KEY, Delivered, Receiver, RunningServer

AUTHORIZED = {"Authorization": f"Bearer {API_KEY}"}


async def fetch(server: RunningServer, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.http_url, headers=AUTHORIZED) as http:
        return await http.get(path)


async def report_of(server: RunningServer, saved: Delivered) -> dict[str, Any]:
    summary = saved.payload["fidelity"]
    assert isinstance(summary, dict)
    got = await fetch(server, summary["report_url"])
    assert got.status_code == 200, got.text
    told: dict[str, Any] = got.json()["data"]
    assert told["recording_id"] == saved.payload["recording_id"]
    return told


async def picture_of(server: RunningServer, report: dict[str, Any]) -> np.ndarray:
    async with httpx.AsyncClient() as stranger:
        got = await stranger.get(report["picture_url"])
        tampered = await stranger.get(report["picture_url"][:-1])
    assert tampered.status_code == 403
    same = await fetch(server, f"/v2/recordings/{report['recording_id']}/report.png")
    assert same.content == got.content
    assert (got.status_code, got.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(got.content)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def columns_of(pixels: np.ndarray, colour: str) -> np.ndarray:
    """Where on the time axis, 0 to 1, the lanes have a mark of this colour."""
    wanted = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    lanes = pixels[112:500, LEFT:RIGHT]
    there = (np.abs(lanes - wanted).sum(axis=2) < 30).sum(axis=0) >= 3
    return np.flatnonzero(there) / (RIGHT - LEFT)


async def test_losses_and_a_hold_are_told_served_and_seen(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("ann", faults=Faults(drop_rate=0.1, seed=4)) as ann:
        token = await answered(sdk, server, receiver, ann)
        started = await sdk.calls.actions.start_recording(token, format="mp3", channels="dual")
        recording_id = str(started.data.to_dict()["recording_id"])
        with pytest.raises(NotFoundError, match="not finished"):
            await sdk.get(f"/recordings/{recording_id}/report", cast_to=object)
        await ann.play(tone(440, 1.5))
        await ann.hold(MediaDirection.INACTIVE)
        await asyncio.sleep(0.6)
        await ann.hold(MediaDirection.SENDRECV)
        await ann.play(tone(700, 0.5))
        await ann.hangup()
    saved = await told(receiver, "call.recording.saved", call_control_id=token)
    event = sdk.webhooks.unwrap(saved.body, headers=saved.headers)
    event = await event if inspect.isawaitable(event) else event
    assert type(event) is CallRecordingSavedWebhookEvent
    summary: Any = saved.payload["fidelity"]
    assert summary["tracks_without_audio"] == ["outbound"]
    assert summary["silent"] is False
    resource = (await sdk.recordings.retrieve(recording_id)).data
    assert resource.to_dict()["fidelity"] == summary
    assert str(resource.to_dict()["picture_url"]).startswith(server.http_url)
    [listed] = [one async for one in sdk.recordings.list(filter={"call_control_id": token})]
    assert listed.to_dict()["fidelity"] == summary

    report = await report_of(server, saved)
    inbound, outbound = report["tracks"]["inbound"], report["tracks"]["outbound"]
    assert inbound["lost"] > 0
    assert summary["loss_percent"] == inbound["loss_percent"] > 1
    assert summary["mos"] == report["mos"] == inbound["mos"] < 4.4
    assert inbound["codecs"][0]["name"] == "PCMU"
    assert sum(gap["packets"] for gap in inbound["gaps"] if gap["cause"] == "loss") > 0
    [hold] = [gap for gap in inbound["gaps"] if gap["cause"] == "hold"]
    assert hold["duration_millis"] > 500
    assert inbound["gap_totals"]["hold"] == {"count": 1, "duration_millis": hold["duration_millis"]}
    assert list(outbound["gap_totals"]) == ["no_media"]
    assert outbound["one_way"] is True
    assert outbound["mos"] is None
    assert [channel["silent"] for channel in report["channels"]] == [False, True]
    assert report["duration_millis"] == saved.payload["duration_millis"]

    pixels = await picture_of(server, report)
    held = columns_of(pixels, CAUSES["hold"][0]) * report["recorded_millis"]
    pixel = report["recorded_millis"] / (RIGHT - LEFT)
    assert abs(held[0] - hold["start_millis"]) < 5 * pixel
    assert abs(held[-1] - hold["start_millis"] - hold["duration_millis"]) < 5 * pixel
    assert len(columns_of(pixels, CAUSES["loss"][0])) > 0
    assert len(columns_of(pixels, CAUSES["dtx"][0])) == 0

    await sdk.recordings.delete(recording_id)
    for path in ("report", "report.png"):
        assert (await fetch(server, f"/v2/recordings/{recording_id}/{path}")).status_code == 404


async def test_nobody_sends_anything_and_somebody_is_told(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("ann", silence=False) as ann:
        token = await answered(sdk, server, receiver, ann)
        for trim in ({}, {"trim": "trim-silence"}):
            await sdk.calls.actions.start_recording(token, format="wav", channels="dual", **trim)
        await asyncio.sleep(1.3)
        await ann.hangup()
    for _ in range(2):
        saved = await told(receiver, "call.recording.saved", call_control_id=token)
        summary: Any = saved.payload["fidelity"]
        assert (summary["mos"], summary["silent"]) == (None, True)
        assert summary["tracks_without_audio"] == ["inbound", "outbound"]
        report = await report_of(server, saved)
        assert (report["trimmed"] is None) == ("trimmed" not in saved.payload)
        pixels = await picture_of(server, report)
        assert len(columns_of(pixels, CAUSES["no_media"][0])) > 0.9 * (RIGHT - LEFT)
    metrics = ""
    for _ in range(50):  # the worker's figures come once a second
        metrics = (await fetch(server, "/metrics")).text
        if 'fault="no_media"' in metrics:
            break
        await asyncio.sleep(0.1)
    counted = re.search(r'onrecord_recording_faults_total\{fault="no_media"\} (\S+)', metrics)
    assert counted is not None, metrics
    assert float(counted[1]) >= 1
    assert "recording_fault" in server.log.read_text()


async def test_a_recording_that_was_recovered_has_its_report(
    receiver: Receiver, tmp_path: Path
) -> None:
    server = RunningServer(tmp_path / "data", next_rtp_ports()).start()
    try:
        async with TestPhone("ann", patience_secs=2) as ann:
            with server.api() as api:
                body = {"application_name": "crash", "webhook_event_url": receiver.url}
                assert api.post("/call_control_applications", json=body).status_code == 201
                await ann.dial(f"sip:anyone@127.0.0.1:{server.sip_port}")
                initiated = await told(receiver, "call.initiated")
                actions = f"/calls/{initiated.payload['call_control_id']}/actions"
                assert api.post(f"{actions}/answer").status_code == 200
                await ann.wait_answered()
                params = {"format": "wav", "channels": "single"}
                assert api.post(f"{actions}/record_start", json=params).status_code == 200
            await ann.play(tone(440, 0.6))
            server.kill()
        server.start()
        saved = await told(receiver, "call.recording.saved")
        report = await report_of(server, saved)
        assert report["tracks"]["inbound"]["audio_packets"] >= 20
        assert report["channels"][0]["tracks"] == ["inbound", "outbound"]
        teal = columns_of(await picture_of(server, report), "#0f8b8d")
        assert len(teal) > 100
    finally:
        server.stop()
