"""Calls to a running server, as the system tests make them: routed, answered, told of, fetched."""

import asyncio
import inspect

import httpx
from telnyx import AsyncTelnyx
from telnyx.types import (
    CallAnsweredWebhookEvent,
    CallBridgedWebhookEvent,
    CallDtmfReceivedWebhookEvent,
    CallHangupWebhookEvent,
    CallInitiatedWebhookEvent,
    CallPlaybackEndedWebhookEvent,
    CallPlaybackStartedWebhookEvent,
    CallRecordingSavedWebhookEvent,
    CallSpeakEndedWebhookEvent,
    CallSpeakStartedWebhookEvent,
)

from listening import tone_ms
from onrecord.phone.phone import TestPhone
from running import Delivered, Receiver, RunningServer

CLASSES = {
    "call.answered": CallAnsweredWebhookEvent,
    "call.bridged": CallBridgedWebhookEvent,
    "call.dtmf.received": CallDtmfReceivedWebhookEvent,
    "call.hangup": CallHangupWebhookEvent,
    "call.initiated": CallInitiatedWebhookEvent,
    "call.playback.ended": CallPlaybackEndedWebhookEvent,
    "call.playback.started": CallPlaybackStartedWebhookEvent,
    "call.recording.saved": CallRecordingSavedWebhookEvent,
    "call.speak.ended": CallSpeakEndedWebhookEvent,
    "call.speak.started": CallSpeakStartedWebhookEvent,
}


def number(server: RunningServer, receiver: Receiver) -> str:
    return f"sip:in-{receiver.port}@127.0.0.1:{server.sip_port}"


async def told(receiver: Receiver, event_type: str, **payload: object) -> Delivered:
    return await asyncio.to_thread(receiver.wait, event_type, **payload)


async def answered(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, phone: TestPhone
) -> str:
    """A call of ``phone`` that is up; returns its call_control_id."""
    await phone.dial(number(server, receiver))
    initiated = await told(receiver, "call.initiated", direction="incoming")
    token = str(initiated.payload["call_control_id"])
    await sdk.calls.actions.answer(token)
    await phone.wait_answered()
    await told(receiver, "call.answered", call_control_id=token)
    return token


async def heard(phone: TestPhone, hertz: float, wanted_ms: float) -> None:
    """Wait until so much of a tone has come through."""
    for _ in range(100):
        if tone_ms(phone.heard(), hertz) >= wanted_ms:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{tone_ms(phone.heard(), hertz)} ms of {hertz} Hz were heard")


async def saved_file(saved: Delivered, form: str) -> bytes:
    urls = saved.payload["recording_urls"]
    assert isinstance(urls, dict)
    async with httpx.AsyncClient() as http:
        got = await http.get(urls[form])
    assert got.status_code == 200, got.text
    return got.content


async def check_classes(sdk: AsyncTelnyx, receiver: Receiver) -> None:
    """The SDK verifies every event that came, and takes it for what it is."""
    for delivered in receiver.arrived:
        event = sdk.webhooks.unwrap(delivered.body, headers=delivered.headers)
        if inspect.isawaitable(event):  # once another test has imported the SDK's webhook module
            event = await event
        assert type(event) is CLASSES[delivered.type], delivered.body
