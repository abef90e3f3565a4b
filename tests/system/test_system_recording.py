"""The main job, as a user sees it: real calls, the official SDK, real files, signed webhooks."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from telnyx import AsyncTelnyx, NotFoundError, UnprocessableEntityError

from calling import answered, check_classes, number, saved_file, told
from listening import level, onset_ms, read_bytes, tone_ms
from onrecord.phone.clips import tone
from onrecord.phone.phone import CallFailed, TestPhone
from onrecord.sdp.negotiation import MediaDirection
from running import Receiver, RunningServer


async def test_a_two_party_call_is_recorded_dual_and_single(
    sdk: AsyncTelnyx,
    server: RunningServer,
    receiver: Receiver,
    application: str,
    tmp_path: Path,
) -> None:
    async with TestPhone("ann") as ann, TestPhone("bob") as bob:
        token = await answered(sdk, server, receiver, ann)
        dialled = await sdk.calls.dial(
            connection_id=application, from_="+15550100", to=bob.uri, link_to=token
        )
        assert dialled.data is not None
        other = dialled.data.call_control_id
        assert dialled.data.is_alive is False
        await bob.answer()
        await told(receiver, "call.answered", call_control_id=other)
        await sdk.calls.actions.bridge(token, call_control_id_to_bridge_with=other)
        for leg in (token, other):
            await told(receiver, "call.bridged", call_control_id=leg)
        assert (await sdk.calls.retrieve_status(token)).data.is_alive is True

        started = await sdk.calls.actions.start_recording(token, format="wav", channels="dual")
        assert started.data.result == "ok"
        await sdk.calls.actions.start_recording(
            token, format="mp3", channels="single", custom_file_name="both of them"
        )
        await asyncio.sleep(0.3)
        await ann.play(tone(440, 1.0))
        await asyncio.sleep(0.3)
        await bob.play(tone(700, 1.0))
        await asyncio.sleep(0.3)
        assert tone_ms(ann.heard(), 700) > 900
        assert tone_ms(bob.heard(), 440) > 900
        await ann.hangup()
        await bob.wait_ended()

    hangup = await told(receiver, "call.hangup", call_control_id=token)
    assert hangup.payload["hangup_cause"] == "normal_clearing"
    assert hangup.payload["hangup_source"] == "caller"
    await told(receiver, "call.hangup", call_control_id=other)
    dual = await told(receiver, "call.recording.saved", channels="dual")
    single = await told(receiver, "call.recording.saved", channels="single")

    samples, rate = read_bytes(await saved_file(dual, "wav"), tmp_path, "wav")
    assert (rate, samples.shape[1]) == (8000, 2)
    assert 900 <= tone_ms(samples[:, 0], 440) <= 1040
    assert 900 <= tone_ms(samples[:, 1], 700) <= 1040
    assert tone_ms(samples[:, 0], 700) == tone_ms(samples[:, 1], 440) == 0
    gap = onset_ms(samples[:, 1], 700) - onset_ms(samples[:, 0], 440)
    assert 1250 <= gap <= 1400
    mixed, rate = read_bytes(await saved_file(single, "mp3"), tmp_path, "mp3")
    assert (rate, mixed.shape[1]) == (8000, 1)
    assert 900 <= tone_ms(mixed[:, 0], 440) <= 1060
    assert 900 <= tone_ms(mixed[:, 0], 700) <= 1060
    assert re.search(
        r"/both[ _%20]*of[ _%20]*them-\d{10,16}\.mp3\?", str(single.payload["recording_urls"])
    )

    await check_classes(sdk, receiver)


async def test_tracks_and_stop(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str, tmp_path: Path
) -> None:
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        for track in ("inbound", "outbound"):
            await sdk.calls.actions.start_recording(
                token,
                format="wav",
                channels="dual",
                recording_track=track,
                custom_file_name=track,
                client_state="dHJhY2s=",
            )
        await ann.play(tone(440, 0.5))
        await asyncio.sleep(0.1)
        await sdk.calls.actions.stop_recording(token)
        saved = [await told(receiver, "call.recording.saved") for _ in range(2)]
        with pytest.raises(UnprocessableEntityError):
            await sdk.calls.actions.stop_recording(token)
        assert ann.in_call
        await sdk.calls.actions.hangup(token)
        await ann.wait_ended()
    heard = {}
    for one in saved:
        assert one.payload["client_state"] == "dHJhY2s="
        samples, _ = read_bytes(await saved_file(one, "wav"), tmp_path, "wav")
        assert samples.shape[1] == 1
        name = "inbound" if "inbound" in str(one.payload["recording_urls"]) else "outbound"
        heard[name] = samples[:, 0]
    assert 440 <= tone_ms(heard["inbound"], 440) <= 540
    assert level(heard["outbound"]) < 10
    assert abs(len(heard["inbound"]) - len(heard["outbound"])) < 400


async def test_recordings_are_listed_fetched_with_ranges_and_deleted(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        await sdk.calls.actions.start_recording(token, format="wav", channels="single")
        await ann.play(tone(440, 0.3))
        await ann.hangup()
    saved = await told(receiver, "call.recording.saved")
    found = [one async for one in sdk.recordings.list(filter={"connection_id": application})]
    assert [one.id for one in found] == [saved.payload["recording_id"]]
    recording = (await sdk.recordings.retrieve(str(found[0].id))).data
    assert recording.status == "completed"
    assert recording.call_control_id == token
    assert 250 <= recording.duration_millis <= 700
    url = recording.download_urls.wav
    async with httpx.AsyncClient() as http:
        whole = (await http.get(url)).content
        part = await http.get(url, headers={"Range": "bytes=4-11"})
        assert part.status_code == 206
        assert part.content == whole[4:12]
        assert (await http.get(url.replace("signature=", "signature=x"))).status_code == 403
        await sdk.recordings.delete(str(recording.id))
        assert (await http.get(url)).status_code == 404
    with pytest.raises(NotFoundError):
        await sdk.recordings.retrieve(str(recording.id))


async def test_commands_in_the_wrong_state_are_refused(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("ann") as ann:
        await ann.dial(number(server, receiver))
        initiated = await told(receiver, "call.initiated")
        token = str(initiated.payload["call_control_id"])
        with pytest.raises(UnprocessableEntityError, match="90034"):
            await sdk.calls.actions.start_recording(token, format="wav", channels="single")
        await sdk.calls.actions.reject(token, cause="USER_BUSY")
        with pytest.raises(CallFailed) as refused:
            await ann.wait_answered()
        assert refused.value.ended.status == 486
    hangup = await told(receiver, "call.hangup")
    assert hangup.payload["hangup_cause"] == "user_busy"
    with pytest.raises(UnprocessableEntityError, match="90018"):
        await sdk.calls.actions.hangup(token)
    with pytest.raises(UnprocessableEntityError, match="90015"):
        await sdk.calls.actions.hangup("v3:nonsense")


async def test_a_command_id_is_carried_out_once(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str
) -> None:
    async with TestPhone("ann") as ann:
        token = await answered(sdk, server, receiver, ann)
        for _ in range(3):
            await sdk.calls.actions.start_recording(
                token, format="wav", channels="single", command_id="once"
            )
        await ann.hangup()
    await told(receiver, "call.recording.saved")
    await asyncio.sleep(1)
    assert [one.type for one in receiver.arrived].count("call.recording.saved") == 1


FRAMES = 20
"""In 0.4 s of tone."""


async def test_hold_and_back_keeps_the_recording_aligned(
    sdk: AsyncTelnyx, server: RunningServer, receiver: Receiver, application: str, tmp_path: Path
) -> None:
    async with TestPhone("ann", silence=False) as ann:
        token = await answered(sdk, server, receiver, ann)
        await sdk.calls.actions.start_recording(token, format="wav", channels="single")
        await ann.play(tone(440, 0.4))
        first_ns = ann.stream.sent_ns[-FRAMES]
        await ann.hold()
        await asyncio.sleep(0.5)
        await ann.hold(MediaDirection.SENDRECV)
        await ann.play(tone(700, 0.4))
        second_ns = ann.stream.sent_ns[-FRAMES]
        await ann.hangup()
    saved = await told(receiver, "call.recording.saved")
    samples, _ = read_bytes(await saved_file(saved, "wav"), tmp_path, "wav")
    assert 340 <= tone_ms(samples[:, 0], 440) <= 440
    assert 340 <= tone_ms(samples[:, 0], 700) <= 440
    apart_ms = onset_ms(samples[:, 0], 700) - onset_ms(samples[:, 0], 440)
    assert abs(apart_ms - (second_ns - first_ns) / 1e6) < 60
