"""Telnyx's Python SDK, both clients, through a call from its application to its last deleted recording."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import telnyx
from telnyx import AsyncTelnyx, Telnyx
from telnyx.types import (
    CallAnsweredWebhookEvent,
    CallBridgedWebhookEvent,
    CallHangupWebhookEvent,
    CallInitiatedWebhookEvent,
    CallRecordingSavedWebhookEvent,
)

from listening import onset_ms, read_bytes, tone_ms
from onrecord.phone import TestPhone, tone
from running import API_KEY, Receiver, RunningServer

Ask = Callable[..., Any]
CLASSES = {
    "call.initiated": CallInitiatedWebhookEvent,
    "call.answered": CallAnsweredWebhookEvent,
    "call.bridged": CallBridgedWebhookEvent,
    "call.hangup": CallHangupWebhookEvent,
    "call.recording.saved": CallRecordingSavedWebhookEvent,
}


async def ask(method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What an SDK method gives, of either client; the blocking client's runs in a thread."""
    if inspect.iscoroutinefunction(inspect.unwrap(method)):
        return await method(*arguments, **named)
    return await asyncio.to_thread(method, *arguments, **named)


async def every(method: Callable[..., Any], **named: Any) -> list[Any]:
    """All items of all pages; a list that does not end is a failure."""
    async with asyncio.timeout(20):
        pages = method(**named)
        if hasattr(pages, "__aiter__"):
            return [one async for one in pages]
        return await asyncio.to_thread(list, pages)


@pytest.fixture(params=[Telnyx, AsyncTelnyx], ids=["sync", "async"])
async def sdk(
    request: pytest.FixtureRequest, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Any]:
    """A client that was told nothing but by the environment."""
    monkeypatch.setenv("TELNYX_BASE_URL", server.base_url)
    monkeypatch.setenv("TELNYX_API_KEY", API_KEY)
    monkeypatch.setenv("TELNYX_PUBLIC_KEY", server.public_key())
    client = request.param()
    yield client
    await ask(client.close)


async def application(sdk: Any, receiver: Receiver) -> str:
    """Id of an application that gets the calls to ``in-<port of the receiver>``."""
    made = await ask(
        sdk.call_control_applications.create,
        application_name=f"flow {receiver.port}",
        webhook_event_url=receiver.url,
        webhook_api_version="2",
    )
    await ask(sdk.phone_numbers.update, f"in-{receiver.port}", connection_id=made.data.id)
    return str(made.data.id)


async def told(receiver: Receiver, event_type: str, **payload: object) -> dict[str, Any]:
    return (await asyncio.to_thread(receiver.wait, event_type, **payload)).payload


async def answered(sdk: Any, server: RunningServer, receiver: Receiver, phone: TestPhone) -> str:
    await phone.dial(f"sip:in-{receiver.port}@127.0.0.1:{server.sip_port}")
    token = str((await told(receiver, "call.initiated", direction="incoming"))["call_control_id"])
    await ask(sdk.calls.actions.answer, token, client_state="Zmxvdw==")
    await phone.wait_answered()
    await told(receiver, "call.answered", call_control_id=token)
    return token


def typed(sdk: Any, receiver: Receiver) -> list[Any]:
    """What arrived, through ``unwrap``: every one must be of its own class."""
    events = []
    for delivered in receiver.arrived:
        event = sdk.webhooks.unwrap(delivered.body, headers=delivered.headers)
        assert type(event) is CLASSES[delivered.type], delivered.body
        assert event.data.event_type == delivered.type
        assert event.data.record_type == "event"
        events.append(event.data)
    return events


async def test_applications_from_first_to_last(sdk: Any, receiver: Receiver) -> None:
    applications = sdk.call_control_applications
    ids = []
    for number in range(5):
        made = await ask(
            applications.create,
            application_name=f"Office {receiver.port} {number}",
            webhook_event_url=receiver.url,
            webhook_event_failover_url=f"{receiver.url}/2",
            webhook_timeout_secs=7,
            active=True,
            anchorsite_override="Latency",
            dtmf_type="RFC 2833",
            first_command_timeout=True,
            first_command_timeout_secs=20,
            inbound={"channel_limit": 10, "shaken_stir_enabled": True},
            outbound={"channel_limit": 9},
        )
        assert made.data.webhook_timeout_secs == 7
        assert made.data.inbound.channel_limit == 10
        ids.append(made.data.id)
    changed = await ask(
        applications.update, ids[0], application_name="changed", webhook_event_url=receiver.url
    )
    assert (changed.data.application_name, changed.data.id) == ("changed", ids[0])
    assert (await ask(applications.retrieve, ids[0])).data.application_name == "changed"
    named = {"filter": {"application_name": {"contains": f"OFFICE {receiver.port}"}}}
    found = await every(applications.list, page_size=2, sort="connection_name", **named)
    assert [one.id for one in found] == ids[1:]
    for one in ids:
        assert (await ask(applications.delete, one)).data.id == one
    with pytest.raises(telnyx.NotFoundError) as missing:
        await ask(applications.retrieve, ids[0])
    assert missing.value.body["errors"][0]["code"] == "10005"
    assert await every(applications.list, **named) == []


async def test_a_call_from_its_application_to_its_last_recording(
    sdk: Any, server: RunningServer, receiver: Receiver, tmp_path: Path
) -> None:
    connection = await application(sdk, receiver)
    actions = sdk.calls.actions
    async with TestPhone("ann") as ann, TestPhone("bob") as bob:
        token = await answered(sdk, server, receiver, ann)
        dialled = await ask(
            sdk.calls.dial,
            connection_id=connection,
            from_="+15550100",
            to=bob.uri,
            link_to=token,
            timeout_secs=20,
            client_state="Ym9i",
        )
        other = dialled.data.call_control_id
        assert (dialled.data.record_type, dialled.data.is_alive) == ("call", False)
        await bob.answer()
        await told(receiver, "call.answered", call_control_id=other)
        await ask(actions.bridge, token, call_control_id_to_bridge_with=other)
        await told(receiver, "call.bridged", call_control_id=other)
        status = (await ask(sdk.calls.retrieve_status, token)).data
        assert (status.is_alive, status.client_state) == (True, "Zmxvdw==")
        assert status.call_session_id == dialled.data.call_session_id

        await ask(actions.update_client_state, token, client_state="bmV4dA==")
        for form in ("wav", "mp3"):
            started = await ask(actions.start_recording, token, format=form, channels="dual")
            assert started.data.result == "ok"
        await ann.play(tone(440, 0.5))
        paused = await ask(actions.pause_recording, token)
        assert paused.data.result == "ok"
        await ann.play(tone(1500, 0.5))
        assert (await ask(actions.resume_recording, token)).data.result == "ok"
        await bob.play(tone(700, 0.5))
        await asyncio.sleep(0.1)
        assert (await ask(actions.stop_recording, token)).data.result == "ok"
        assert (await ask(actions.hangup, token)).data.result == "ok"
        await ann.wait_ended()
        await bob.wait_ended()
    await told(receiver, "call.hangup", call_control_id=token, client_state="bmV4dA==")
    await told(receiver, "call.hangup", call_control_id=other, client_state="Ym9i")
    saved = [await told(receiver, "call.recording.saved") for _ in range(2)]

    samples = {}
    for one in saved:
        ((form, url),) = one["recording_urls"].items()
        async with httpx.AsyncClient() as http:
            samples[form] = read_bytes((await http.get(url)).content, tmp_path, form)[0]
    assert set(samples) == {"wav", "mp3"}
    left, right = samples["wav"].T
    assert 440 <= tone_ms(left, 440) <= 540
    assert tone_ms(left, 1500) == tone_ms(right, 1500) == 0  # paused
    assert 440 <= tone_ms(right, 700) <= 540
    assert onset_ms(right, 700) > onset_ms(left, 440) + 440

    ended = (await ask(sdk.calls.retrieve_status, token)).data
    assert ended.is_alive is False
    assert ended.end_time is not None
    kinds = [event.event_type for event in typed(sdk, receiver)]
    assert sorted(kinds) == sorted([*CLASSES] * 2)

    mine = {"filter": {"connection_id": connection}}
    found = await every(sdk.recordings.list, page_size=1, **mine)
    assert {one.id for one in found} == {one["recording_id"] for one in saved}
    assert all(one.call_control_id == token and one.status == "completed" for one in found)
    got = (await ask(sdk.recordings.retrieve, found[0].id)).data
    same = got.to_dict(), found[0].to_dict()
    for one in same:
        assert str(one.pop("download_urls")["wav" if got.download_urls.wav else "mp3"]).startswith(
            "http"
        )
        assert str(one.pop("picture_url")).startswith("http")
    assert same[0] == same[1]
    assert (await ask(sdk.recordings.delete, got.id)).data.id == got.id
    with pytest.raises(telnyx.NotFoundError):
        await ask(sdk.recordings.retrieve, got.id)
    bulk = await ask(sdk.recordings.actions.delete, ids=[one.id for one in found])
    assert bulk.status == "ok"
    assert await every(sdk.recordings.list, **mine) == []


async def test_what_each_event_says(sdk: Any, server: RunningServer, receiver: Receiver) -> None:
    connection = await application(sdk, receiver)
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        leg = (await ask(sdk.calls.retrieve_status, token)).data
        await ask(sdk.calls.actions.start_recording, token, format="mp3", channels="single")
        await ann.play(tone(440, 0.3))
        await ann.hangup()
    await told(receiver, "call.recording.saved")
    await told(receiver, "call.hangup")
    initiated, answer, *rest = typed(sdk, receiver)
    by_type = {event.event_type: event for event in (initiated, answer, *rest)}
    for event in by_type.values():
        assert event.payload.call_leg_id == leg.call_leg_id
        assert event.payload.call_session_id == leg.call_session_id
        assert event.payload.connection_id == connection
    assert initiated.payload.direction == "incoming"
    assert initiated.payload.state == "parked"
    assert initiated.payload.client_state is None
    assert initiated.payload.to == f"sip:in-{receiver.port}@127.0.0.1"
    assert answer.payload.state == "answered"
    assert answer.payload.client_state == "Zmxvdw=="
    hangup = by_type["call.hangup"].payload
    assert (hangup.hangup_cause, hangup.hangup_source) == ("normal_clearing", "caller")
    assert hangup.sip_hangup_cause == "200"
    assert int(hangup.call_quality_stats.inbound.packet_count) > 10
    assert 1.0 <= float(hangup.call_quality_stats.inbound.mos) <= 4.5
    saved = by_type["call.recording.saved"].payload
    assert saved.channels == "single"
    assert saved.recording_urls.mp3
    assert saved.recording_urls.wav is None
    assert saved.recording_started_at < saved.recording_ended_at
    for undocumented in ("recording_id", "call_control_id", "format", "start_time", "end_time"):
        assert saved.model_extra[undocumented], undocumented


async def test_errors_come_as_the_sdks_own_classes(
    sdk: Any, server: RunningServer, receiver: Receiver
) -> None:
    connection = await application(sdk, receiver)
    wrong = sdk.with_options(api_key="KEYwrong")
    with pytest.raises(telnyx.AuthenticationError):
        await ask(wrong.calls.dial, connection_id=connection, from_="+15550100", to="+15550101")
    with pytest.raises(telnyx.UnprocessableEntityError) as refused:
        await ask(sdk.calls.dial, connection_id="1", from_="+15550100", to="nobody")
    assert {one["source"]["pointer"] for one in refused.value.body["errors"]} >= {"/to"}
    with pytest.raises(telnyx.UnprocessableEntityError, match="90015"):
        await ask(sdk.calls.actions.start_recording, "v3:none", format="wav", channels="dual")
    for nothing in (
        lambda: ask(sdk.recordings.retrieve, "0ccc7b54-4df3-4bca-a65a-3da1ecc777f0"),
        lambda: ask(sdk.recordings.delete, "no-uuid"),
        lambda: ask(sdk.conferences.retrieve, "1"),
    ):
        with pytest.raises(telnyx.NotFoundError) as missing:
            await nothing()
        assert missing.value.body["errors"][0]["code"] == "10005"
    forged = sdk.with_options(public_key="QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0MTIzNDU=")
    async with TestPhone("ann") as ann:
        await answered(sdk, server, receiver, ann)
    for delivered in receiver.arrived:
        with pytest.raises(ValueError, match="Signature verification failed"):
            forged.webhooks.unwrap(delivered.body, headers=delivered.headers)
