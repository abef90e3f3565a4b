"""Calls between phones of different codecs: heard both ways, and asked to agree where they can."""

import asyncio

import pytest
from telnyx import AsyncTelnyx

from calling import answered, told
from listening import tone_ms
from onrecord.phone.clips import tone
from onrecord.phone.phone import TestPhone
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
        await asyncio.sleep(0.3)
        await asyncio.gather(ann.play(tone(440, 0.5)), bob.play(tone(700, 0.5)))
        await asyncio.sleep(0.15)
        assert tone_ms(bob.heard(), 440) >= 420
        assert tone_ms(ann.heard(), 700) >= 420
        media = [phone.stream.media for phone in (ann, bob)]
        assert [one.send_codec.name for one in media if one is not None] == list(agreed)
        await ann.hangup()
        await bob.wait_ended()
