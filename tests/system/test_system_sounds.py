"""What the server says into a call, and what it hears pressed: over real SIP and RTP, by the official SDK."""

import asyncio
import base64
import io
import itertools
import threading
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from telnyx import AsyncTelnyx, BadRequestError, UnprocessableEntityError

from calling import answered, check_classes, saved_file, told
from listening import level, onset_ms, read_bytes, strength, tone_ms
from onrecord.phone.clips import tone
from onrecord.phone.phone import TestPhone
from running import Receiver, RunningServer


def wav(hertz: float, seconds: float, rate: int = 22_050) -> bytes:
    """A stereo file at a rate that no codec has."""
    at = np.arange(round(seconds * rate)) / rate
    samples = np.round(9000 * np.sin(2 * np.pi * hertz * at)).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.repeat(samples, 2).tobytes())
    return file.getvalue()


@pytest.fixture
def files() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A web server: its address, and its files by path."""
    content: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = content.get(self.path)
            self.send_response(200 if found is not None else 404)
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        threading.Thread(target=web.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{web.server_address[1]}", content
        web.shutdown()


async def test_a_beep_is_heard_and_begins_the_recording(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str, tmp_path: Path
) -> None:
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        await asyncio.sleep(0.3)
        await sdk.calls.actions.start_recording(
            token, format="wav", channels="dual", play_beep=True
        )
        await asyncio.sleep(0.8)
        await ann.play(tone(440, 0.3))
        assert 260 <= tone_ms(ann.heard(), 1400) <= 320
        await ann.hangup()
    saved = await told(receiver, "call.recording.saved")
    samples, _ = read_bytes(await saved_file(saved, "wav"), tmp_path, "wav")
    left, right = samples[:, 0], samples[:, 1]
    assert onset_ms(right, 1400, least=2000) <= 20
    assert 280 <= tone_ms(right, 1400) <= 320
    assert strength(right[400:2000], 1400) == pytest.approx(32767 * 10 ** (-12 / 20), rel=0.05)
    assert tone_ms(left, 1400) == 0
    assert 280 <= tone_ms(left, 440) <= 340


async def test_files_are_played_one_after_another_and_recorded(
    sdk: AsyncTelnyx,
    server: RunningServer,
    receiver: Receiver,
    application: str,
    files: tuple[str, dict[str, bytes]],
    tmp_path: Path,
) -> None:
    url, content = files
    content["/one.wav"] = wav(500, 0.4)
    (server.data / "media" / "two.wav").write_bytes(wav(900, 0.3))
    async with TestPhone("ann", codecs=["PCMA"]) as ann:
        token = await answered(sdk, server, receiver, ann)
        await sdk.calls.actions.start_recording(token, format="wav", channels="dual")
        await sdk.calls.actions.start_playback(
            token, audio_url=f"{url}/one.wav", loop=2, client_state="b25l", command_id="1"
        )
        await sdk.calls.actions.start_playback(token, media_name="two.wav", client_state="dHdv")
        await sdk.calls.actions.start_playback(
            token, audio_url=f"{url}/one.wav", loop=2, command_id="1"
        )
        started = await told(receiver, "call.playback.started", media_url=f"{url}/one.wav")
        assert started.payload["overlay"] is False
        for media in ({"media_url": f"{url}/one.wav"}, {"media_name": "two.wav"}):
            ended = await told(receiver, "call.playback.ended", **media)
            assert ended.payload["status"] == "completed"
            assert ended.payload["call_control_id"] == token
        heard = ann.heard()
        assert 780 <= tone_ms(heard, 500) <= 840
        assert 280 <= tone_ms(heard, 900) <= 320
        assert 780 <= onset_ms(heard, 900) - onset_ms(heard, 500) <= 820
        await ann.hangup()
    saved = await told(receiver, "call.recording.saved")
    samples, _ = read_bytes(await saved_file(saved, "wav"), tmp_path, "wav")
    left, right = samples[:, 0], samples[:, 1]
    assert 780 <= tone_ms(right, 500) <= 840
    assert 280 <= tone_ms(right, 900) <= 320
    assert onset_ms(right, 900) - onset_ms(right, 500) == pytest.approx(800, abs=15)
    assert level(left) < 20
    assert [one.type for one in receiver.arrived].count("call.playback.started") == 2
    await check_classes(sdk, receiver)


async def test_playback_is_stopped_replaced_and_ends_with_the_call(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    content = base64.b64encode(wav(500, 0.3)).decode()
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        await sdk.calls.actions.start_playback(token, playback_content=content, loop="infinity")
        await told(receiver, "call.playback.started")
        await asyncio.sleep(0.5)
        await sdk.calls.actions.start_playback(
            token, playback_content=base64.b64encode(wav(900, 5)).decode(), stop="all"
        )
        ended = await told(receiver, "call.playback.ended")
        assert (ended.payload["status"], ended.payload["media_url"]) == ("cancelled", None)
        await told(receiver, "call.playback.started")
        await sdk.calls.actions.stop_playback(token)
        assert (await told(receiver, "call.playback.ended")).payload["status"] == "cancelled"
        await asyncio.sleep(0.1)
        so_far = tone_ms(ann.heard(), 900)
        await asyncio.sleep(0.3)
        assert tone_ms(ann.heard(), 900) == so_far < 1000
        assert tone_ms(ann.heard(), 500) > 400
        await sdk.calls.actions.start_playback(token, playback_content=content, loop="infinity")
        await told(receiver, "call.playback.started")
        await ann.hangup()
    assert (await told(receiver, "call.playback.ended")).payload["status"] == "call_hangup"
    await check_classes(sdk, receiver)


async def test_files_that_cannot_be_played_are_told_of(
    sdk: AsyncTelnyx,
    server: RunningServer,
    receiver: Receiver,
    application: str,
    files: tuple[str, dict[str, bytes]],
) -> None:
    url, content = files
    content["/text"] = b"this is no audio"
    play = sdk.calls.actions.start_playback
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        await play(token, audio_url=f"{url}/absent.mp3")
        await play(token, audio_url=f"{url}/text")
        await play(token, media_name="../run.json")
        for media, status in (
            ({"media_url": f"{url}/absent.mp3"}, "file_not_found"),
            ({"media_url": f"{url}/text"}, "failed"),
            ({"media_name": "../run.json"}, "file_not_found"),
        ):
            ended = await told(receiver, "call.playback.ended", **media)
            assert ended.payload["status"] == status
            assert ended.payload["status_detail"]
        with pytest.raises(BadRequestError, match="90040"):
            await play(token, playback_content=base64.b64encode(b"no audio").decode())
        with pytest.raises(UnprocessableEntityError, match="90009"):
            await play(token, audio_url=url, loop=0)
        with pytest.raises(UnprocessableEntityError, match="90016"):
            await play(token, audio_url=url, stop="both")
        with pytest.raises(UnprocessableEntityError, match="opposite"):
            await play(token, audio_url=url, target_legs="opposite")
        assert ann.in_call
    await check_classes(sdk, receiver)


async def test_a_bridged_leg_hears_the_playback_instead_of_the_other_one(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("ann") as ann, TestPhone("bob", codecs=["PCMA"]) as bob:
        token = await answered(sdk, server, receiver, ann)
        dialled = await sdk.calls.dial(
            connection_id=application, from_="+15550100", to=bob.uri, link_to=token
        )
        await bob.answer()
        await told(receiver, "call.answered", call_control_id=dialled.data.call_control_id)
        await sdk.calls.actions.bridge(
            token, call_control_id_to_bridge_with=dialled.data.call_control_id
        )
        await told(receiver, "call.bridged", call_control_id=token)
        speaking = asyncio.create_task(ann.play(tone(440, 2.2)))
        await asyncio.sleep(0.5)
        await sdk.calls.actions.start_playback(
            token,
            playback_content=base64.b64encode(wav(900, 0.6)).decode(),
            target_legs="both",
        )
        ended = await told(receiver, "call.playback.ended", call_control_id=token)
        assert ended.payload["status"] == "completed"
        await speaking
        heard = bob.heard()
        assert 580 <= tone_ms(heard, 900) <= 640
        assert 1500 <= tone_ms(heard, 440) <= 1680
        during = round(onset_ms(heard, 900) * 8) + 800
        assert strength(heard[during : during + 3200], 440) < 300
        assert 580 <= tone_ms(ann.heard(), 900) <= 640
        await ann.press("42")
        await asyncio.sleep(0.2)
        assert bob.digits() == "42"
        assert [
            (await told(receiver, "call.dtmf.received", call_control_id=token)).payload["digit"]
            for _ in range(2)
        ] == ["4", "2"]


async def test_digits_are_sent_and_heard(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        began = asyncio.get_running_loop().time()
        await ann.press("1A#9")
        for digit in "1A#9":
            one = await told(receiver, "call.dtmf.received")
            assert one.payload["digit"] == digit
            assert one.payload["call_control_id"] == token
            assert "in-" in str(one.payload["to"])
        assert asyncio.get_running_loop().time() - began < 3
        await sdk.calls.actions.send_dtmf(token, digits="5w*D", duration_millis=120)
        await asyncio.sleep(1.5)
        heard = ann.stream.digits()
        assert [digit for digit, _ in heard] == ["5", "*", "D"]
        gaps = [(b - a) / 1e6 for (_, a), (_, b) in itertools.pairwise(heard)]
        assert gaps[0] == pytest.approx(720, abs=150)
        assert gaps[1] == pytest.approx(220, abs=150)
        with pytest.raises(UnprocessableEntityError, match="90014"):
            await sdk.calls.actions.send_dtmf(token, digits="12x")
        with pytest.raises(UnprocessableEntityError, match="90027"):
            await sdk.calls.actions.send_dtmf(token, digits="1", duration_millis=50)
    assert [one.type for one in receiver.arrived].count("call.dtmf.received") == 4
    await check_classes(sdk, receiver)


@pytest.mark.parametrize("given", [{}, {"send_digits_on_answer": "w12"}])
async def test_digits_are_sent_on_answer(
    sdk: AsyncTelnyx,
    server: RunningServer,
    receiver: Receiver,
    application: str,
    given: dict[str, str],
) -> None:
    async with TestPhone("bob") as bob:
        await sdk.calls.dial(
            connection_id=application, from_="+15550100", to=f"{bob.uri},34", **given
        )
        await bob.answer()
        await told(receiver, "call.answered")
        await asyncio.sleep(1.7 if given else 1.2)
        assert bob.digits() == ("12" if given else "34")


async def test_a_text_is_spoken(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        await sdk.calls.actions.speak(token, payload="One, two, three.", voice="female")
        await told(receiver, "call.speak.started", call_control_id=token)
        ended = await told(receiver, "call.speak.ended", call_control_id=token)
        assert ended.payload["status"] == "completed"
        heard = ann.heard()
        assert level(heard) > 300
        assert len(heard) > 8000
        await sdk.calls.actions.speak(
            token,
            payload='<speak>Eins <break time="200ms"/> zwei</speak>',
            payload_type="ssml",
            voice="AWS.Polly.Vicki",
            language="de-DE",
        )
        assert (await told(receiver, "call.speak.ended")).payload["status"] == "completed"
        for wrong, code in (
            ({"payload": "x" * 3001}, "90010"),
            ({"payload": '<audio src="file:///x"/>', "payload_type": "ssml"}, "90010"),
            ({"payload_type": "html"}, "90011"),
            ({"voice": "\x07"}, "90012"),
            ({"language": "xx"}, "90013"),
        ):
            with pytest.raises(UnprocessableEntityError, match=code):
                await sdk.calls.actions.speak(token, **{"payload": "x", "voice": "male"} | wrong)
    await check_classes(sdk, receiver)
