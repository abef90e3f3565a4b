"""The rest of the API, through the official SDK and a real server: pauses, history, buckets, applications."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from telnyx import AsyncTelnyx, NotFoundError, UnprocessableEntityError

from calling import answered, saved_file, told
from listening import read_bytes, tone_ms
from onrecord.phone.clips import tone
from onrecord.phone.phone import TestPhone
from running import Receiver, RunningServer
from s3_server import SECRET, S3Server


async def test_a_pause_leaves_out_what_is_said_meanwhile(
    sdk: AsyncTelnyx,
    server: RunningServer,
    receiver: Receiver,
    application: str,
    tmp_path: Path,
) -> None:
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        with pytest.raises(UnprocessableEntityError):
            await sdk.calls.actions.pause_recording(token)
        await sdk.calls.actions.start_recording(token, format="wav", channels="single")
        await ann.play(tone(440, 0.5))
        await asyncio.sleep(0.2)
        await sdk.calls.actions.pause_recording(token, client_state="cGF1c2Vk")
        await ann.play(tone(700, 0.5))
        await asyncio.sleep(0.2)
        await sdk.calls.actions.resume_recording(token)
        await ann.play(tone(1000, 0.5))
        await asyncio.sleep(0.2)
        await sdk.calls.actions.stop_recording(token)
        await sdk.calls.actions.update_client_state(token, client_state="bmV3")
        saved = await told(receiver, "call.recording.saved", call_control_id=token)
        await ann.hangup()
    hangup = await told(receiver, "call.hangup", call_control_id=token)
    assert hangup.payload["client_state"] == "bmV3"
    samples, _ = read_bytes(await saved_file(saved, "wav"), tmp_path, "wav")
    assert 400 <= tone_ms(samples[:, 0], 440) <= 560
    assert tone_ms(samples[:, 0], 700) <= 20
    assert 400 <= tone_ms(samples[:, 0], 1000) <= 560


async def test_what_happened_can_be_read_through_the_sdk(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        leg = (await sdk.calls.retrieve_status(token)).data.call_leg_id
        active = [one async for one in sdk.connections.list_active_calls(application, page_size=1)]
        assert [one.call_control_id for one in active] == [token]
        await ann.hangup()
    await told(receiver, "call.hangup", call_control_id=token)
    assert [one async for one in sdk.connections.list_active_calls(application)] == []
    with pytest.raises(NotFoundError):
        await sdk.connections.list_active_calls("1")

    await asyncio.sleep(0.5)  # outcomes of deliveries are written together
    events = [one async for one in sdk.call_events.list(filter={"leg_id": leg}, page_size=2)]
    assert [(one.type, one.name) for one in events if one.type == "webhook"] == [
        ("webhook", "call.initiated"),
        ("webhook", "call.answered"),
        ("webhook", "call.hangup"),
    ]
    assert [one.name for one in events if one.type == "command"] == ["answer"]
    recent = await sdk.call_events.list(
        filter={
            "type": "webhook",
            "failed": False,
            "name": "call.hangup",
            "connection_id": application,
        }
    )
    assert recent.data is not None
    assert [one.call_leg_id for one in recent.data] == [leg]

    deliveries = [
        one
        async for one in sdk.webhook_deliveries.list(
            filter={"status": {"eq": "delivered"}, "webhook": {"contains": leg}}, page_size=2
        )
    ]
    assert [one.webhook and one.webhook.event_type for one in deliveries] == [
        "call.hangup",
        "call.answered",
        "call.initiated",
    ]
    one = (await sdk.webhook_deliveries.retrieve(str(deliveries[0].id))).data
    assert one is not None
    assert one.attempts is not None
    (attempt,) = one.attempts
    assert (attempt.status, attempt.http and attempt.http.request and attempt.http.request.url) == (
        "delivered",
        receiver.url,
    )
    assert [one async for one in sdk.recording_transcriptions.list()] == []
    with pytest.raises(NotFoundError):
        await sdk.recording_transcriptions.retrieve("6a09cdc3-8948-47f0-aa62-74ac943d6c58")


async def test_files_go_to_the_bucket_of_the_application(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str, s3: S3Server
) -> None:
    credentials = sdk.custom_storage_credentials
    configuration: dict[str, str] = {"backend": "s3-generic"} | s3.configuration()
    with pytest.raises(NotFoundError):
        await credentials.retrieve(application)
    await credentials.create(application, backend="s3-generic", configuration=configuration)  # type: ignore[arg-type]
    kept = await credentials.retrieve(application)
    assert (kept.connection_id, kept.data.backend) == (application, "s3-generic")
    assert SECRET not in kept.to_json()
    assert kept.data.configuration.bucket == s3.bucket

    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        await sdk.calls.actions.start_recording(token, format="mp3", channels="single")
        await ann.play(tone(440, 0.3))
        await sdk.calls.actions.stop_recording(token)
        saved = await told(receiver, "call.recording.saved", call_control_id=token)
        urls = saved.payload["recording_urls"]
        assert isinstance(urls, dict)
        assert urls["mp3"].startswith(f"{s3.url}/recordings/")
        assert await saved_file(saved, "mp3") == next(iter(s3.files.values()))

        await credentials.update(
            application,
            backend="s3-generic",
            configuration=configuration | {"aws_secret_access_key": "wrong"},  # type: ignore[arg-type]
        )
        await sdk.calls.actions.start_recording(token, format="mp3", channels="single")
        await ann.play(tone(440, 0.3))
        await ann.hangup()
    error = await told(receiver, "call.recording.error", call_control_id=token)
    assert error.payload["reason"] == "Failed to authorize with storage using custom credentials"
    found = [one async for one in sdk.recordings.list(filter={"call_control_id": token})]
    assert len(found) == 2
    here = [one for one in found if one.id == error.payload["recording_id"]]
    assert here[0].download_urls is not None
    async with httpx.AsyncClient() as http:
        assert (await http.get(str(here[0].download_urls.mp3))).status_code == 200
    await credentials.delete(application)
    with pytest.raises(NotFoundError):
        await credentials.retrieve(application)
    for file in server.data.glob("onrecord.db*"):
        assert SECRET.encode() not in file.read_bytes()
    assert SECRET not in server.log.read_text()

    await sdk.recordings.actions.delete(ids=[str(one.id) for one in found])
    assert [one async for one in sdk.recordings.list(filter={"call_control_id": token})] == []


async def test_applications_have_every_field_and_list_in_every_order(sdk: AsyncTelnyx) -> None:
    made = (
        await sdk.call_control_applications.create(
            application_name="Zoë's LIST", webhook_event_url="http://127.0.0.1:9/"
        )
    ).data
    assert made is not None
    assert made.to_dict() | {"created_at": 0, "updated_at": 0, "id": 0} == {
        "id": 0,
        "record_type": "call_control_application",
        "active": True,
        "anchorsite_override": "Latency",
        "application_name": "Zoë's LIST",
        "call_cost_in_webhooks": False,
        "created_at": 0,
        "dtmf_type": "RFC 2833",
        "first_command_timeout": False,
        "first_command_timeout_secs": 30,
        "inbound": {
            "channel_limit": None,
            "shaken_stir_enabled": False,
            "sip_subdomain": None,
            "sip_subdomain_receive_settings": "from_anyone",
        },
        "outbound": {"channel_limit": None, "outbound_voice_profile_id": None},
        "redact_dtmf_debug_logging": False,
        "tags": [],
        "updated_at": 0,
        "webhook_api_version": "2",
        "webhook_event_failover_url": None,
        "webhook_event_url": "http://127.0.0.1:9/",
        "webhook_timeout_secs": None,
    }
    changed = (
        await sdk.call_control_applications.update(
            str(made.id),
            application_name="Aaron's list",
            webhook_event_url="http://127.0.0.1:9/",
            webhook_event_failover_url="",
            active=False,
            inbound={"channel_limit": 5},
            webhook_timeout_secs=25,
        )
    ).data
    assert changed is not None
    assert changed.inbound is not None
    assert (changed.inbound.channel_limit, changed.inbound.shaken_stir_enabled) == (5, False)
    assert (changed.active, changed.webhook_timeout_secs) == (False, 25)
    for name in ("Mona's list", "zeta LIST"):
        await sdk.call_control_applications.create(
            application_name=name, webhook_event_url="http://127.0.0.1:9/"
        )

    async def listed(**given: object) -> list[str | None]:
        wanted = {"filter": {"application_name": {"contains": "LiSt"}}, "page_size": 2} | given
        return [one.application_name async for one in sdk.call_control_applications.list(**wanted)]  # type: ignore[arg-type]

    names = ["Aaron's list", "Mona's list", "zeta LIST"]
    assert await listed() == names
    assert await listed(sort="connection_name") == names
    assert await listed(sort="-connection_name") == names[::-1]
    assert (await listed(sort="active"))[0] == (await listed(sort="-active"))[-1] == names[0]


@pytest.mark.parametrize(
    "command",
    [
        "siprec_start",
        "siprec_stop",
        "gather",
        "gather_using_audio",
        "gather_using_speak",
        "gather_stop",
        "fork_start",
        "fork_stop",
        "streaming_start",
        "streaming_stop",
        "transcription_start",
        "transcription_stop",
        "suppression_start",
        "suppression_stop",
        "enqueue",
        "leave_queue",
        "refer",
        "send_sip_info",
        "switch_supervisor_role",
        "ai_assistant_start",
        "ai_assistant_stop",
        "gather_using_ai",
    ],
)
def test_commands_that_are_not_here_are_refused_by_name(
    server: RunningServer, command: str
) -> None:
    with server.api() as api:
        answer = api.post(f"/calls/v3%3Aabc/actions/{command}", json={})
    assert answer.status_code == 404
    (fault,) = answer.json()["errors"]
    assert fault["code"] == "10005"
    assert re.search(rf"'{command}'", fault["detail"])
