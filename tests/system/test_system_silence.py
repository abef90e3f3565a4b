"""``timeout_secs``: a recording stops by itself when nothing is said any more, and only then."""

import asyncio
import os
import signal
from pathlib import Path

import httpx
from telnyx import AsyncTelnyx

import onrecord.demo
from calling import answered, saved_file, told
from listening import level, read_bytes
from onrecord.phone.clips import read_clip, tone
from onrecord.phone.phone import TestPhone
from running import Receiver, RunningServer

CLIPS = Path(onrecord.demo.__file__).parent / "clips"
ANN = read_clip(CLIPS / "ann-2.wav")
BOB = read_clip(CLIPS / "bob-1.wav")


async def started(sdk: AsyncTelnyx, token: str, **options: object) -> float:
    """Start a recording; the loop's time when it had begun, within milliseconds."""
    given = {"format": "wav", "channels": "dual", "timeout_secs": 2} | options
    before = asyncio.get_running_loop().time()
    await sdk.calls.actions.start_recording(token, **given)
    return (before + asyncio.get_running_loop().time()) / 2


async def test_stops_after_speech_and_silence(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str, tmp_path: Path
) -> None:
    loop = asyncio.get_running_loop()

    async def speak(phone: TestPhone, began: float) -> float:
        await phone.play(ANN)
        await asyncio.sleep(1.2)  # what is said then sets the timer back
        await phone.play(ANN)
        return loop.time() - began

    async with TestPhone("ann") as ann, TestPhone("dan", silence=False) as dan:
        tokens = [await answered(sdk, server, receiver, phone) for phone in (ann, dan)]
        begun = [await started(sdk, token) for token in tokens]
        spoken = await asyncio.gather(speak(ann, begun[0]), speak(dan, begun[1]))
        saved = [
            await told(receiver, "call.recording.saved", call_control_id=token) for token in tokens
        ]
        for phone in (ann, dan):
            assert phone.in_call
            await phone.hangup()
    for one, said in zip(saved, spoken, strict=True):
        samples, _ = read_bytes(await saved_file(one, "wav"), tmp_path, "wav")
        assert abs(len(samples) / 8000 - (said + 2)) < 0.5, (len(samples), said)
        heard = samples[:, 0]
        assert level(heard[round((said - 1) * 8000) : round(said * 8000)]) > 300
        assert level(heard[round((said + 0.3) * 8000) :]) < 10


async def test_tones_and_silence_before_speech_do_not_stop_it_and_a_pause_does_not_count(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    loop = asyncio.get_running_loop()
    async with TestPhone("ann") as ann, TestPhone("bob") as bob:
        token = await answered(sdk, server, receiver, ann)
        other = await answered(sdk, server, receiver, bob)
        await started(sdk, token, timeout_secs=1)
        await started(sdk, other, timeout_secs=2)
        ring = tone(440, 1.0) // 4 + tone(480, 1.0) // 4
        await asyncio.gather(bob.play(BOB), ann.play(ring))
        said = loop.time()
        async with httpx.AsyncClient(headers=sdk.auth_headers) as http:
            url = f"{server.base_url}/calls/{other}/actions/record_"
            await asyncio.sleep(0.5)
            assert (await http.post(f"{url}pause", json={})).status_code == 200
            paused = loop.time()
            await asyncio.sleep(2.5)
            assert (await http.post(f"{url}resume", json={})).status_code == 200
            stood = loop.time() - paused
        await told(receiver, "call.recording.saved", call_control_id=other)
        assert 2 <= loop.time() - said - stood < 3.5
        assert ann.in_call
        await sdk.calls.actions.stop_recording(token)
        await told(receiver, "call.recording.saved", call_control_id=token)
        await ann.hangup()
        await bob.hangup()


async def test_a_listener_that_died_is_told_again(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str, tmp_path: Path
) -> None:
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        await started(sdk, token)
        await ann.play(ANN)
        for pid in server.children():
            if b"onrecord.app.listener" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
                break
        else:
            raise AssertionError("there is no listener")
        saved = await told(receiver, "call.recording.saved", call_control_id=token)
        await ann.hangup()
    samples, _ = read_bytes(await saved_file(saved, "wav"), tmp_path, "wav")
    assert len(samples) / 8000 < len(ANN) / 8000 + 5


async def test_a_recording_whose_media_process_died_still_stops_by_itself(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str, tmp_path: Path
) -> None:
    loop = asyncio.get_running_loop()
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        await started(sdk, token)
        await ann.play(ANN)
        (media,) = [
            pid
            for pid in server.children()
            if b"onrecord.media.process" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(media, signal.SIGKILL)
        await asyncio.sleep(1.5)
        await ann.play(BOB)  # the new process hears it, so the silence begins anew
        said = loop.time()
        saved = await told(receiver, "call.recording.saved", call_control_id=token)
        waited = loop.time() - said
        assert ann.in_call
        await ann.hangup()
    assert waited >= 1.5
    samples, _ = read_bytes(await saved_file(saved, "wav"), tmp_path, "wav")
    assert level(samples[: len(ANN), 0]) > 300
    assert level(samples[-round(2.5 * 8000) - len(BOB) : -round(2.2 * 8000), 0]) > 300
    assert level(samples[-round(1.5 * 8000) :, 0]) < 10
