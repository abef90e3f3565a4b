"""Calls between phones of different codecs: heard both ways, and asked to agree where they can."""

import asyncio
from pathlib import Path

import pytest
from telnyx import AsyncTelnyx

from calling import answered, heard, saved_file, told
from listening import read_bytes, tone_ms
from onrecord.phone.clips import tone
from onrecord.phone.phone import TestPhone
from onrecord.sdp.negotiation import NoCommonCodec
from running import Receiver, RunningServer


async def dialled(
    sdk: AsyncTelnyx,
    receiver: Receiver,
    application: str,
    token: str,
    phone: TestPhone,
    **more: str,
) -> str:
    """``phone`` answers a dial that is bridged with the call; returns the codec that was agreed."""
    made = await sdk.calls.dial(
        connection_id=application,
        from_="+15550100",
        to=phone.uri,
        link_to=token,
        bridge_on_answer=True,
        **more,
    )
    assert made.data is not None
    await phone.answer()
    up = await told(receiver, "call.answered", call_control_id=made.data.call_control_id)
    await told(receiver, "call.bridged", call_control_id=token)
    return str(up.payload["codec"])


@pytest.mark.parametrize(
    ("anns", "bobs", "agreed"),
    [
        (["G722"], ["PCMU"], ("G722", "PCMU")),
        (["OPUS"], ["PCMA"], ("OPUS", "PCMA")),
        (["OPUS"], ["G722"], ("OPUS", "G722")),
        (["PCMU", "G722"], ["G722"], ("G722", "G722")),
        (["G722", "PCMU"], ["PCMU"], ("PCMU", "PCMU")),
        (["G722", "OPUS"], ["PCMU", "OPUS", "G722"], ("G722", "G722")),
    ],
)
async def test_phones_of_two_codecs_hear_each_other(
    sdk: AsyncTelnyx,
    server: RunningServer,
    receiver: Receiver,
    application: str,
    anns: list[str],
    bobs: list[str],
    agreed: tuple[str, str],
) -> None:
    async with TestPhone("ann", codecs=anns) as ann, TestPhone("bob", codecs=bobs) as bob:
        token = await answered(sdk, server, receiver, ann)
        await dialled(sdk, receiver, application, token, bob)
        # Nothing of the first words is lost, whatever has to be started for them.
        await asyncio.gather(ann.play(tone(440, 0.5)), bob.play(tone(700, 0.5)))
        await heard(bob, 440, 480)
        await heard(ann, 700, 480)
        media = [phone.stream.media for phone in (ann, bob)]
        assert [one.send_codec.name for one in media if one is not None] == list(agreed)
        await ann.hangup()
        await bob.wait_ended()


async def test_srtp_on_either_leg_is_heard_and_recorded_in_the_clear(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str, tmp_path: Path
) -> None:
    phones = TestPhone("ann", srtp=True), TestPhone("bob"), TestPhone("carol", srtp=True)
    async with phones[0] as ann, phones[1] as bob, phones[2] as carol:
        token = await answered(sdk, server, receiver, ann)
        await sdk.calls.actions.start_recording(token, format="wav", channels="dual")
        await dialled(sdk, receiver, application, token, bob)
        await asyncio.gather(ann.play(tone(440, 0.3)), bob.play(tone(700, 0.3)))
        await dialled(sdk, receiver, application, token, carol, media_encryption="SRTP")
        await bob.wait_ended()
        await asyncio.gather(ann.play(tone(440, 0.3)), carol.play(tone(1000, 0.3)))
        await asyncio.sleep(0.1)
        assert tone_ms(bob.heard(), 440) >= 240
        assert tone_ms(carol.heard(), 440) >= 240
        assert tone_ms(ann.heard(), 700) >= 240
        assert tone_ms(ann.heard(), 1000) >= 240
        assert ann.stream.unopened == carol.stream.unopened == 0
        secured = [phone.stream.media for phone in (ann, bob, carol)]
        assert [one is not None and one.srtp is not None for one in secured] == [True, False, True]
        await ann.hangup()
    saved = await told(receiver, "call.recording.saved")
    samples, _ = read_bytes(await saved_file(saved, "wav"), tmp_path, "wav")
    assert 540 <= tone_ms(samples[:, 0], 440) <= 660
    assert 240 <= tone_ms(samples[:, 1], 700) <= 340
    assert 240 <= tone_ms(samples[:, 1], 1000) <= 340


async def test_a_phone_without_srtp_refuses_it(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("bob") as bob:
        await sdk.calls.dial(
            connection_id=application, from_="+15550100", to=bob.uri, media_encryption="SRTP"
        )
        with pytest.raises(NoCommonCodec):
            await bob.answer()
        hangup = await told(receiver, "call.hangup")
        assert hangup.payload["sip_hangup_cause"] == "488"
