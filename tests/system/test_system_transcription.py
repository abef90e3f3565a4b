"""Transcription from end to end: asked for at record_start, made by a small model, fetched with the SDK."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from telnyx import AsyncTelnyx, NotFoundError, Telnyx, UnprocessableEntityError
from telnyx.types import CallRecordingTranscriptionSavedWebhookEvent

import onrecord.demo.scene
from calling import answered, told
from conftest import next_rtp_ports
from onrecord.phone import read_clip
from onrecord.phone.phone import TestPhone
from running import API_KEY, Receiver, RunningServer, running
from speech_model import tiny_english

CLIP = onrecord.demo.scene.CLIPS / "ann-1.wav"
ASKED = {"format": "wav", "channels": "dual", "transcription": True}
TRANSCRIPTION_SECS = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the small model."""
    models = {"models_folder": str(tiny_english()), "transcription_model": "tiny.en"}
    data = tmp_path_factory.mktemp("transcribing") / "data"
    with running(data, next_rtp_ports(), **models) as started:
        yield started


@pytest.fixture
async def http(server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=server.base_url, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=20
    ) as client:
        yield client


async def recorded(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, turns: int = 1
) -> str:
    """A call in which Ann says something, recorded to be transcribed; the recording's id."""
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        started = await sdk.calls.actions.start_recording(
            token, client_state="c3RhdGU=", transcription_engine="B", **ASKED
        )
        await asyncio.sleep(0.2)
        for _ in range(turns):
            await ann.play(read_clip(CLIP))
            await asyncio.sleep(0.2)
        await ann.hangup()
    assert started.data is not None
    await told(receiver, "call.recording.saved", recording_id=started.data.recording_id)
    return str(started.data.recording_id)


async def transcribed(receiver: Receiver, recording_id: str):
    return await asyncio.to_thread(
        receiver.wait,
        "call.recording.transcription.saved",
        TRANSCRIPTION_SECS,
        recording_id=recording_id,
    )


async def test_a_recording_is_transcribed_told_of_and_deleted(
    sdk: AsyncTelnyx,
    server: RunningServer,
    receiver: Receiver,
    application: str,
    http: httpx.AsyncClient,
) -> None:
    recording_id = await recorded(sdk, server, receiver)
    delivered = await transcribed(receiver, recording_id)
    # The asynchronous client's is a coroutine, or not, as other modules of the SDK were imported.
    reader = Telnyx(api_key=API_KEY, public_key=sdk.public_key)
    event = reader.webhooks.unwrap(delivered.body, headers=delivered.headers)
    assert type(event) is CallRecordingTranscriptionSavedWebhookEvent
    payload = event.data.payload
    assert payload.status == "completed"
    assert payload.calling_party_type == "sip"
    assert payload.client_state == "c3RhdGU="
    assert payload.connection_id == application
    assert len(payload.transcription_text.split()) >= 3

    kept = (await sdk.recording_transcriptions.retrieve(payload.recording_transcription_id)).data
    assert (kept.status, kept.recording_id) == ("completed", recording_id)
    assert kept.transcription_text == payload.transcription_text
    assert kept.duration_millis > 1000
    listed = await sdk.recording_transcriptions.list(filter={"recording_id": recording_id})
    assert [one.id for one in listed.data] == [kept.id]

    path = f"/recording_transcriptions/{kept.id}/segments"
    segments = (await http.get(path)).json()["data"]
    assert {one["channel"] for one in segments} == {0}
    assert all(one["start_ms"] < one["end_ms"] <= kept.duration_millis for one in segments)
    cues = await http.get(path, headers={"Accept": "text/vtt"})
    assert cues.text.startswith("WEBVTT\n\n00:00:0")
    lines = await http.get(path, params={"format": "txt"})
    assert lines.text.split() == payload.transcription_text.split()

    await sdk.recordings.delete(recording_id)
    with pytest.raises(NotFoundError):
        await sdk.recording_transcriptions.retrieve(kept.id)
    assert not list((server.data / "transcriptions").iterdir())


async def test_a_language_that_no_engine_has_is_refused(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        with pytest.raises(UnprocessableEntityError, match="does not know the language rw-RW"):
            await sdk.calls.actions.start_recording(
                token, transcription_engine="B", transcription_language="rw-RW", **ASKED
            )
        # Nothing was begun, and the command can be corrected.
        with pytest.raises(UnprocessableEntityError):
            await sdk.calls.actions.stop_recording(token)
        await ann.hangup()


def transcriber_of(server: RunningServer) -> tuple[int, int] | None:
    """Process ids of a transcriber and of the worker that it belongs to."""
    for worker in server.children():
        for task in Path(f"/proc/{worker}/task").iterdir():
            for child in (task / "children").read_text().split():
                command = Path(f"/proc/{child}/cmdline").read_bytes()
                if b"onrecord.app.transcriber" in command:
                    return int(child), worker
    return None


async def test_a_transcription_survives_the_death_of_its_processes(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    recording_id = await recorded(sdk, server, receiver)
    for victim in (0, 1):  # the transcriber, then the worker
        until = time.monotonic() + 30
        while (found := transcriber_of(server)) is None:
            assert time.monotonic() < until, server.log.read_text()[-3000:]
            await asyncio.sleep(0.02)
        os.kill(found[victim], signal.SIGKILL)
        while Path(f"/proc/{found[0]}/cmdline").exists() and time.monotonic() < until:
            await asyncio.sleep(0.02)
    await transcribed(receiver, recording_id)
    listed = await sdk.recording_transcriptions.list(filter={"recording_id": recording_id})
    assert [one.status for one in listed.data] == ["completed"]
    told_of = [one for one in receiver.arrived if one.type == "call.recording.transcription.saved"]
    assert len({one.event["id"] for one in told_of}) == 1


async def test_a_deleted_recording_is_not_transcribed_any_further(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    recording_id = await recorded(sdk, server, receiver)
    until = time.monotonic() + 30
    while (found := transcriber_of(server)) is None:
        assert time.monotonic() < until, server.log.read_text()[-3000:]
        await asyncio.sleep(0.01)
    os.kill(found[0], signal.SIGSTOP)  # it would take for ever
    await sdk.recordings.delete(recording_id)
    while Path(f"/proc/{found[0]}/cmdline").exists():
        assert time.monotonic() < until, server.log.read_text()[-3000:]
        await asyncio.sleep(0.02)
    listed = await sdk.recording_transcriptions.list(filter={"recording_id": recording_id})
    assert listed.data == []
    while list((server.data / "transcriptions").iterdir()):
        assert time.monotonic() < until
        await asyncio.sleep(0.02)
    assert "transcription_stopped" in server.log.read_text()


async def test_a_recording_that_stops_by_itself_is_transcribed(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    clip = read_clip(CLIP)
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        started = await sdk.calls.actions.start_recording(
            token, transcription_engine="B", timeout_secs=2, **ASKED
        )
        await ann.play(clip)
        assert started.data is not None
        saved = await told(receiver, "call.recording.saved", recording_id=started.data.recording_id)
        assert ann.in_call
        delivered = await transcribed(receiver, str(started.data.recording_id))
        await ann.hangup()
    assert saved.payload["duration_millis"] >= len(clip) / 8 + 1500  # the wait is part of it
    assert len(str(delivered.payload["transcription_text"]).split()) >= 3


async def test_without_an_engine_record_start_says_what_to_set(
    data_folder: Path, receiver: Receiver
) -> None:
    with running(data_folder, next_rtp_ports()) as bare:
        assert "no_transcription_engine" in bare.log.read_text()
        async with (
            TestPhone("ann") as ann,
            httpx.AsyncClient(
                base_url=bare.base_url, headers={"Authorization": f"Bearer {API_KEY}"}
            ) as http,
        ):
            await http.post(
                "/call_control_applications",
                json={"application_name": "bare", "webhook_event_url": receiver.url},
            )
            await ann.dial(f"sip:anyone@127.0.0.1:{bare.sip_port}")
            initiated = await told(receiver, "call.initiated")
            actions = f"/calls/{initiated.payload['call_control_id']}/actions"
            assert (await http.post(f"{actions}/answer")).status_code == 200
            await ann.wait_answered()
            refused = await http.post(f"{actions}/record_start", json=ASKED)
            await ann.hangup()
    assert refused.status_code == 422
    fault = refused.json()["errors"][0]
    assert fault["source"] == {"pointer": "/transcription_engine"}
    for setting in ("transcription_model", "google_credentials", "deepgram_api_key"):
        assert setting in fault["detail"]
