"""Calls that change partners while they are recorded: bridge, hold, unbridge, transfer."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from telnyx import AsyncTelnyx

from calling import answered, saved_file, told
from listening import onset_ms, read_bytes, tone_ms
from onrecord.phone.clips import tone
from onrecord.phone.phone import TestPhone
from onrecord.sdp.negotiation import MediaDirection
from running import Receiver, RunningServer


async def transferred(
    sdk: AsyncTelnyx, receiver: Receiver, token: str, phone: TestPhone, **more: str
) -> str:
    """Transfer the call to ``phone``, which answers; the new leg's call_control_id."""
    done = await sdk.calls.actions.transfer(token, to=phone.uri, **more)
    assert done.data.result == "ok"
    initiated = await told(receiver, "call.initiated", direction="outgoing", to=phone.uri)
    target = str(initiated.payload["call_control_id"])
    await phone.answer()
    await told(receiver, "call.answered", call_control_id=target)
    for leg in (token, target):
        await told(receiver, "call.bridged", call_control_id=leg)
    return target


async def test_a_failed_transfer_keeps_the_call_and_the_next_one_succeeds(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("ann") as ann, TestPhone("busy") as busy, TestPhone("bob") as bob:
        token = await answered(sdk, server, receiver, ann)
        await sdk.calls.actions.transfer(
            token, to=busy.uri, from_="+15550100", target_leg_client_state="dGFyZ2V0"
        )
        await busy.wait_incoming()
        await busy.reject(486)
        failed = await told(receiver, "call.hangup", hangup_cause="user_busy")
        assert failed.payload["from"] == "+15550100"
        assert failed.payload["client_state"] == "dGFyZ2V0"
        assert failed.payload["call_quality_stats"] is None
        assert ann.in_call
        await transferred(sdk, receiver, token, bob)
        await ann.play(tone(440, 0.4))
        await bob.play(tone(700, 0.4))
        await asyncio.sleep(0.1)
        assert tone_ms(bob.heard(), 440) > 340
        assert tone_ms(ann.heard(), 700) > 340
        await bob.hangup()
        await ann.wait_ended()


@pytest.mark.parametrize("recorded", ["first", "second"])
async def test_a_recording_goes_on_over_bridge_hold_unbridge_and_transfer(
    sdk: AsyncTelnyx,
    server: RunningServer,
    receiver: Receiver,
    application: str,
    tmp_path: Path,
    recorded: str,
) -> None:
    """Ann is 440 Hz, Bob 700, Carol 1000: whichever leg is recorded, Ann alone is on the left."""
    phones = TestPhone("ann"), TestPhone("bob", codecs=["PCMA"]), TestPhone("carol")
    async with phones[0] as ann, phones[1] as bob, phones[2] as carol:
        token = await answered(sdk, server, receiver, ann)
        if recorded == "first":
            await sdk.calls.actions.start_recording(token, format="wav", channels="dual")
            await ann.play(tone(440, 0.3))
        bobs = await transferred(sdk, receiver, token, bob, park_after_unbridge="self")
        if recorded == "second":
            await sdk.calls.actions.start_recording(bobs, format="wav", channels="dual")
            await ann.play(tone(440, 0.3))
        await bob.play(tone(700, 0.3))
        await ann.hold(MediaDirection.INACTIVE)
        await bob.play(tone(700, 0.3))
        await ann.hold(MediaDirection.SENDRECV)
        await ann.play(tone(440, 0.3))
        await bob.play(tone(700, 0.3))
        if recorded == "first":
            await bob.hangup()
            await told(receiver, "call.hangup", call_control_id=bobs)
            assert ann.in_call
            await ann.play(tone(440, 0.3))
            await transferred(sdk, receiver, token, carol)
            await ann.play(tone(440, 0.3))
            await carol.play(tone(1000, 0.3))
            await asyncio.sleep(0.1)
            assert tone_ms(ann.heard(), 1000) > 240
        await ann.hangup()
        await told(receiver, "call.hangup", call_control_id=token)
    saved = await told(receiver, "call.recording.saved")
    samples, _ = read_bytes(await saved_file(saved, "wav"), tmp_path, "wav")
    left, right = samples[:, 0], samples[:, 1]
    said = {"first": (1200, 600, 300), "second": (600, 900, 0)}[recorded]
    heard = tone_ms(left, 440), tone_ms(right, 700), tone_ms(right, 1000)
    assert np.allclose(heard, said, atol=80), heard
    assert tone_ms(right, 440) == tone_ms(left, 700) == tone_ms(left, 1000) == 0
    assert onset_ms(left, 440) < onset_ms(right, 700)


async def test_the_target_is_recorded_from_its_answer(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("ann") as ann, TestPhone("bob") as bob:
        token = await answered(sdk, server, receiver, ann)
        await transferred(sdk, receiver, token, bob, record="record-from-answer")
        await bob.play(tone(700, 0.3))
        await ann.hangup()
        await bob.wait_ended()
    saved = await told(receiver, "call.recording.saved")
    assert (saved.payload["channels"], saved.payload["format"]) == ("dual", "mp3")
