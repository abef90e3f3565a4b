"""What the parties of a call do to each other's audio in mid-call, and what the server lays over it."""

import asyncio
import base64
from pathlib import Path

import numpy as np
import pytest
from telnyx import AsyncTelnyx

from calling import answered, heard, saved_file, told
from listening import Samples, onset_ms, read_bytes, strength, tone_ms
from onrecord.phone.clips import tone
from onrecord.phone.packets import Faults
from onrecord.phone.phone import TestPhone
from onrecord.prompts.preparing import wav_file
from onrecord.sdp.codecs import PCMA, PCMU
from running import Receiver, RunningServer

Everything = tuple[AsyncTelnyx, RunningServer, Receiver, str]


@pytest.fixture
def everything(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> Everything:
    return sdk, server, receiver, application


async def connected(
    everything: Everything, ann: TestPhone, bob: TestPhone, *, record: bool = True
) -> str:
    """Ann's call, recorded from before Bob is dialled for it; her call_control_id."""
    sdk, server, receiver, application = everything
    token = await answered(sdk, server, receiver, ann)
    if record:
        await sdk.calls.actions.start_recording(token, format="wav", channels="dual")
    await sdk.calls.dial(
        connection_id=application, from_="+15550100", to=bob.uri, link_to=token,
        bridge_on_answer=True,
    )  # fmt: skip
    await bob.answer()
    await told(receiver, "call.bridged", call_control_id=token)
    return token


async def recorded(everything: Everything, folder: Path) -> tuple[Samples, int]:
    _, _, receiver, _ = everything
    saved = await told(receiver, "call.recording.saved")
    return read_bytes(await saved_file(saved, "wav"), folder, "wav")


def sources(phone: TestPhone) -> set[bytes]:
    return {packet[8:12] for packet in phone.stream.datagrams}


def steps(phone: TestPhone, first: int) -> list[int]:
    """From timestamp to timestamp, of the packets from the ``first`` on."""
    times = [int.from_bytes(packet[4:8], "big") for packet in phone.stream.datagrams[first:]]
    return [int(step) for step in np.diff(times) % (1 << 32)]


@pytest.mark.parametrize(
    ("before", "after"), [(["PCMU"], ["G722"]), (["G722"], ["PCMA"]), (["OPUS"], ["PCMU"])]
)
async def test_a_codec_changes_in_a_recorded_bridge(
    everything: Everything, tmp_path: Path, before: list[str], after: list[str]
) -> None:
    async with TestPhone("ann", codecs=before) as ann, TestPhone("bob", codecs=["PCMU"]) as bob:
        await connected(everything, ann, bob)
        await asyncio.gather(ann.play(tone(440, 0.4)), bob.play(tone(700, 0.4)))
        await heard(bob, 440, 360)
        await ann.change_codecs(after)
        media = ann.stream.media
        assert media is not None
        assert media.send_codec.name == after[0]
        await asyncio.gather(ann.play(tone(440, 0.4)), bob.play(tone(700, 0.4)))
        await heard(bob, 440, 740)
        await heard(ann, 700, 740)
        assert len(sources(ann)) == len(sources(bob)) == 1
        await ann.hangup()
    samples, rate = await recorded(everything, tmp_path)
    assert tone_ms(samples[:, 0], 440, rate) == pytest.approx(800, abs=100)
    assert tone_ms(samples[:, 1], 700, rate) == pytest.approx(800, abs=100)
    assert tone_ms(samples[:, 1], 440, rate) == tone_ms(samples[:, 0], 700, rate) == 0


async def test_a_payload_type_and_a_source_switch_unseen_by_the_other_side(
    everything: Everything, tmp_path: Path
) -> None:
    faults = Faults(new_ssrc=frozenset({120, 160}))
    async with TestPhone("ann", faults=faults) as ann, TestPhone("bob", codecs=["PCMU"]) as bob:
        await connected(everything, ann, bob)
        await ann.play(tone(440, 0.4))
        ann.stream.codec = 8, PCMA
        await ann.play(tone(440, 0.4))
        ann.stream.codec = 0, PCMU
        while len(ann.stream.sent_ns) < 170:
            await ann.play(tone(440, 0.1))
        await asyncio.sleep(0.1)
        assert len(sources(bob)) == 1
        said = tone_ms(bob.heard(), 440)
        assert {packet[1] & 0x7F for packet in bob.stream.datagrams} == {0}
        sequences = [int.from_bytes(packet[2:4], "big") for packet in bob.stream.datagrams]
        assert set(np.diff(sequences) % (1 << 16)) == {1}
        await ann.hangup()
    samples, _ = await recorded(everything, tmp_path)
    assert tone_ms(samples[:, 0], 440) == pytest.approx(said, abs=60)


async def test_packets_of_any_length_are_heard_and_recorded_in_a_bridge(
    everything: Everything, tmp_path: Path
) -> None:
    async with TestPhone("ann") as ann, TestPhone("bob", codecs=["G722"]) as bob:
        await connected(everything, ann, bob)
        ann.stream.codec = 0, PCMU
        for length in (10, 30, 60, 20):
            ann.stream.frame_ms = bob.stream.frame_ms = length
            await asyncio.gather(ann.play(tone(440, 0.3)), bob.play(tone(700, 0.3)))
        await heard(bob, 440, 1080)
        await heard(ann, 700, 1080)
        await ann.hangup()
    samples, rate = await recorded(everything, tmp_path)
    assert tone_ms(samples[:, 0], 440, rate) == pytest.approx(1200, abs=120)
    assert tone_ms(samples[:, 1], 700, rate) == pytest.approx(1200, abs=120)


@pytest.mark.parametrize("length", [10, 30, 60])
async def test_packets_are_passed_through_as_long_as_they_are(
    everything: Everything, length: int
) -> None:
    async with TestPhone("ann") as ann, TestPhone("bob", codecs=["PCMA"]) as bob:
        await connected(everything, ann, bob, record=False)
        ann.stream.frame_ms = length
        await ann.play(tone(440, 0.3))
        await heard(bob, 440, 280)
        assert steps(bob, -4) == [8 * length] * 3
        assert {len(packet) for packet in bob.stream.datagrams[-4:]} == {12 + 8 * length}


async def test_an_overlay_is_heard_over_the_other_party(
    everything: Everything, tmp_path: Path
) -> None:
    sdk, _, receiver, _ = everything
    over = base64.b64encode(wav_file(tone(1000, 0.5), 8000)).decode()
    async with TestPhone("ann") as ann, TestPhone("bob", codecs=["PCMU"]) as bob:
        token = await connected(everything, ann, bob)
        talking = asyncio.gather(ann.play(tone(440, 2.0)), bob.play(tone(700, 2.0)))
        await sdk.calls.actions.start_playback(
            token, playback_content=over, overlay=True, audio_type="wav"
        )
        ended = await told(receiver, "call.playback.ended")
        assert (ended.payload["status"], ended.payload["overlay"]) == ("completed", True)
        await talking
        await heard(ann, 700, 1900)
        assert tone_ms(ann.heard(), 1000) == pytest.approx(500, abs=60)
        assert tone_ms(bob.heard(), 1000) == 0
        await ann.hangup()
    samples, _ = await recorded(everything, tmp_path)
    assert tone_ms(samples[:, 0], 440) == pytest.approx(2000, abs=60)
    assert tone_ms(samples[:, 1], 700) == pytest.approx(2000, abs=80)
    assert tone_ms(samples[:, 1], 1000) == pytest.approx(500, abs=60)


async def test_a_transfer_rings_back_whispers_and_keeps_digits_to_itself(
    everything: Everything, tmp_path: Path
) -> None:
    sdk, server, receiver, _ = everything
    (server.data / "media" / "whisper.wav").write_bytes(wav_file(tone(900, 0.4), 8000))
    async with TestPhone("ann") as ann, TestPhone("bob") as bob:
        token = await answered(sdk, server, receiver, ann)
        await sdk.calls.actions.transfer(
            token, to=bob.uri, media_name="whisper.wav", mute_dtmf="opposite",
            extra_body={"play_ringtone": True, "ringtone": "uk"},
        )  # fmt: skip
        await bob.wait_incoming()
        await heard(ann, 450, 700)
        assert onset_ms(ann.heard(), 400, least=1000) < 100
        await bob.answer()
        await told(receiver, "call.playback.ended", media_name="whisper.wav")
        await told(receiver, "call.bridged", call_control_id=token)
        assert tone_ms(bob.heard(), 900) == pytest.approx(400, abs=40)
        rung = tone_ms(ann.heard(), 450)
        await asyncio.gather(ann.play(tone(440, 0.3)), bob.play(tone(700, 0.3)))
        await ann.press("5")
        await bob.press("7")
        for digit in "57":
            await told(receiver, "call.dtmf.received", digit=digit)
        await heard(bob, 440, 260)
        assert (ann.digits(), bob.digits()) == ("7", "")
        assert tone_ms(ann.heard(), 450) == pytest.approx(rung, abs=45)
        assert strength(bob.heard()[-800:], 900) < 200
        await ann.hangup()
        await bob.wait_ended()


async def test_a_phone_that_rings_is_bridged_when_it_answers(everything: Everything) -> None:
    sdk, server, receiver, application = everything
    async with TestPhone("ann") as ann, TestPhone("bob") as bob:
        token = await answered(sdk, server, receiver, ann)
        made = await sdk.calls.dial(connection_id=application, from_="+15550100", to=bob.uri)
        assert made.data is not None
        await bob.wait_incoming()
        await sdk.calls.actions.bridge(
            token, call_control_id_to_bridge_with=made.data.call_control_id, play_ringtone=True
        )
        await heard(ann, 480, 200)
        await bob.answer()
        await told(receiver, "call.bridged", call_control_id=token)
        await asyncio.gather(ann.play(tone(700, 0.3)), bob.play(tone(900, 0.3)))
        await heard(bob, 700, 260)
        await heard(ann, 900, 260)
