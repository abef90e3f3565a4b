"""Calls to a running server, as the system tests make them: routed, answered, told of, fetched."""

import asyncio

import httpx
from telnyx import AsyncTelnyx

from onrecord.phone.phone import TestPhone
from running import Delivered, Receiver, RunningServer


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


async def saved_file(saved: Delivered, form: str) -> bytes:
    urls = saved.payload["recording_urls"]
    assert isinstance(urls, dict)
    async with httpx.AsyncClient() as http:
        got = await http.get(urls[form])
    assert got.status_code == 200, got.text
    return got.content
