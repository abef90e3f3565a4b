"""Google and Deepgram through the whole server: their errors, quotas, slow and broken answers."""

import asyncio
import time
from collections.abc import Iterator

import grpc
import httpx
import pytest
from telnyx import AsyncTelnyx

import onrecord.demo.scene
from calling import answered, told
from conftest import next_rtp_ports
from onrecord.phone import read_clip
from onrecord.phone.phone import TestPhone
from running import API_KEY, Receiver, RunningServer, running
from speech_servers import DeepgramServer, GoogleServer

CLIP = onrecord.demo.scene.CLIPS / "ann-2.wav"
DEEPGRAM = "deepgram/nova-3"


@pytest.fixture(scope="module")
def deepgram() -> Iterator[DeepgramServer]:
    made = DeepgramServer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def google() -> Iterator[GoogleServer]:
    made = GoogleServer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, deepgram: DeepgramServer, google: GoogleServer
) -> Iterator[RunningServer]:
    clouds = {
        "google_endpoint": google.url,
        "deepgram_url": deepgram.url,
        "deepgram_api_key": "key",
        "engine_fallback": "none",
    }
    with running(tmp_path_factory.mktemp("clouds") / "data", next_rtp_ports(), **clouds) as started:
        yield started


async def recorded(sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, engine: str) -> str:
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        begun = await sdk.calls.actions.start_recording(
            token, format="wav", channels="dual", transcription=True, transcription_engine=engine
        )
        await ann.play(read_clip(CLIP))
        await ann.hangup()
    assert begun.data is not None
    await told(receiver, "call.recording.saved", recording_id=begun.data.recording_id)
    return str(begun.data.recording_id)


async def text_of(receiver: Receiver, recording_id: str) -> str:
    event = "call.recording.transcription.saved"
    delivered = await asyncio.to_thread(receiver.wait, event, 40.0, recording_id=recording_id)
    return str(delivered.payload["transcription_text"])


async def test_what_may_pass_is_tried_again(
    sdk: AsyncTelnyx,
    server: RunningServer,
    receiver: Receiver,
    application: str,
    deepgram: DeepgramServer,
    google: GoogleServer,
) -> None:
    google.script = [grpc.StatusCode.RESOURCE_EXHAUSTED]
    deepgram.script = [b'{"results": {"channels": [', 0.5]  # broken off, then slow
    by_google = await recorded(sdk, server, receiver, "A")
    by_deepgram = await recorded(sdk, server, receiver, DEEPGRAM)
    assert "seconds" in await text_of(receiver, by_google)
    assert "Channel 0," in await text_of(receiver, by_deepgram)
    assert len(google.requests) == 2
    assert google.requests[-1].config.audio_channel_count == 2
    assert [asked[0] for asked in deepgram.requests] == ["/v1/listen"] * 2
    assert deepgram.requests[-1][1]["model"] == "nova-3"
    logged = server.log.read_text()
    assert "RESOURCE_EXHAUSTED" in logged
    assert logged.count("transcription_failed") == 2


async def test_a_final_no_is_told_as_the_reason(
    sdk: AsyncTelnyx,
    server: RunningServer,
    receiver: Receiver,
    application: str,
    deepgram: DeepgramServer,
) -> None:
    deepgram.script, asked = [401], len(deepgram.requests)
    recording_id = await recorded(sdk, server, receiver, DEEPGRAM)
    auth = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=server.base_url, headers=auth) as http:
        until = time.monotonic() + 30
        while True:
            listed = await http.get(
                "/recording_transcriptions", params={"filter[recording_id]": recording_id}
            )
            (kept,) = listed.json()["data"]
            if kept.get("failure"):
                break
            assert time.monotonic() < until
            await asyncio.sleep(0.1)
    assert kept["status"] == "in-progress"
    assert kept["failure"] == "Deepgram answered 401: check deepgram_api_key"
    assert len(deepgram.requests) == asked + 1
