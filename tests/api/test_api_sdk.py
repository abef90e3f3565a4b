"""Telnyx's own Python SDK, unchanged but for base URL and key, on every route that it knows."""

import base64
import io
from urllib.parse import urlsplit

import httpx
import pytest
import telnyx
from PIL import Image
from telnyx import AsyncTelnyx, Telnyx

from api.api_server import running_api
from api.fake_services import KEY, NOW_NS, PUBLIC_KEY, make_leg, make_recording
from onrecord.calls.commands import Answer, Bridge, Dial, Hangup, RecordStart, RecordStop, Reject
from onrecord.calls.lists import RecordingFilter
from onrecord.calls.records import Direction, Header, LegState, RecordingParams
from onrecord.core.units import parse_iso
from reported import gappy

TOKEN = make_leg().call_control_id


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_api(tmp_path_factory.mktemp("files")) as server:
        yield server


@pytest.fixture(autouse=True)
def clean(server):
    fakes = server.fakes
    fakes.calls.legs.clear()
    fakes.calls.asked.clear()
    fakes.calls.fail = None
    fakes.applications.rows.clear()
    fakes.recordings.rows.clear()
    fakes.numbers.rows.clear()


@pytest.fixture
def client(server):
    with Telnyx(api_key=KEY, base_url=f"{server.base}/v2", max_retries=0) as client:
        yield client


@pytest.fixture
def leg(server):
    return server.fakes.calls.add(make_leg(state=LegState.ANSWERED))


def asked(server):
    (entry,) = server.fakes.calls.asked
    return entry


def test_dial_and_status(server, client):
    dialled = client.calls.dial(
        connection_id="1293384261075731499",
        to="sip:bob@192.0.2.10",
        from_="+18005550101",
        client_state="YQ==",
        timeout_secs=60,
        record="record-from-answer",
        custom_headers=[{"name": "X-A", "value": "1"}],
    ).data
    assert dialled.is_alive is False
    assert dialled.record_type == "call"
    assert dialled.client_state == "YQ=="
    assert dialled.recording_id == server.fakes.calls.planned
    _, command = asked(server)
    assert isinstance(command, Dial)
    assert (command.to, command.from_) == ("sip:bob@192.0.2.10", "+18005550101")
    assert command.record == RecordingParams(format="mp3", channels="dual")
    assert command.custom_headers == (Header("X-A", "1"),)
    status = client.calls.retrieve_status(dialled.call_control_id).data
    assert status.is_alive is True
    assert status.call_leg_id == make_leg().id
    assert status.call_duration > 0


def test_record_start_and_stop(server, client, leg):
    response = client.calls.actions.start_recording(
        leg.call_control_id,
        format="wav",
        channels="dual",
        client_state="YQ==",
        command_id="c1",
        play_beep=True,
        max_length=100,
        timeout_secs=0,
        recording_track="both",
        trim="trim-silence",
        custom_file_name="name",
    )
    assert response.data.result == "ok"
    assert response.data.model_extra["call_control_id"] == leg.call_control_id
    assert response.data.model_extra["recording_id"]
    token, command = asked(server)
    assert token == leg.call_control_id
    assert isinstance(command, RecordStart)
    assert (command.client_state, command.command_id) == ("YQ==", "c1")
    assert command.params == RecordingParams(
        format="wav",
        channels="dual",
        custom_file_name="name",
        play_beep=True,
        max_length_secs=100,
        trim="trim-silence",
    )
    assert client.calls.actions.stop_recording(leg.call_control_id).data.result == "ok"
    assert server.fakes.calls.asked[-1][1] == RecordStop()


def test_answer_hangup_reject_bridge(server, client):
    ringing = server.fakes.calls.add(make_leg(call_control_id="v3:ringing"))
    other = server.fakes.calls.add(make_leg(direction=Direction.OUTGOING))
    actions = client.calls.actions
    assert actions.answer("v3:ringing").data.result == "ok"
    assert actions.answer("v3:ringing", record="record-from-answer").data.recording_id
    actions.bridge(
        call_control_id_to_bridge="v3:ringing",
        call_control_id_to_bridge_with=other.call_control_id,
    )
    actions.reject("v3:ringing", cause="USER_BUSY")
    assert actions.hangup("v3:ringing").data.result == "ok"
    commands = [command for _, command in server.fakes.calls.asked]
    assert [type(command) for command in commands] == [Answer, Answer, Bridge, Reject, Hangup]
    assert commands[2].other == other.call_control_id
    assert {token for token, _ in server.fakes.calls.asked} == {ringing.call_control_id}
    status = client.calls.retrieve_status("v3:ringing").data
    assert status.is_alive is False
    assert status.end_time == "2026-02-03T04:05:11.007Z"


def test_refusals_become_the_sdk_s_exceptions(server, client, leg):
    with pytest.raises(telnyx.UnprocessableEntityError) as caught:
        client.calls.actions.start_recording("v3:nobody", format="wav", channels="single")
    assert caught.value.body["errors"][0]["code"] == "90015"
    assert caught.value.body["errors"][0]["source"] == {"pointer": "/call_control_id"}
    with pytest.raises(telnyx.UnprocessableEntityError) as caught:
        client.calls.actions.start_recording(leg.call_control_id, format="ogg", channels="dual")
    assert caught.value.body["errors"][0]["detail"] == "The value must be one of: mp3, wav."
    client.calls.actions.hangup(leg.call_control_id)
    with pytest.raises(telnyx.UnprocessableEntityError) as caught:
        client.calls.actions.hangup(leg.call_control_id)
    assert caught.value.body["errors"][0]["code"] == "90018"
    ringing = server.fakes.calls.add(make_leg())
    with pytest.raises(telnyx.UnprocessableEntityError) as caught:
        client.calls.actions.start_recording(ringing.call_control_id, format="wav", channels="dual")
    assert caught.value.body["errors"][0]["code"] == "90034"
    with pytest.raises(telnyx.NotFoundError) as not_here:
        client.calls.actions.gather(leg.call_control_id)
    assert "'gather'" in not_here.value.body["errors"][0]["detail"]
    with pytest.raises(telnyx.NotFoundError):
        client.recordings.retrieve("nothing")
    with (
        Telnyx(api_key="wrong", base_url=f"{server.base}/v2") as stranger,
        pytest.raises(telnyx.AuthenticationError) as refused,
    ):
        stranger.calls.retrieve_status(TOKEN)
    assert refused.value.body["errors"][0]["code"] == "10009"


def test_applications(client):
    apps = client.call_control_applications
    made = apps.create(
        application_name="router",
        webhook_event_url="https://example.com/a",
        webhook_timeout_secs=5,
        inbound={"channel_limit": 3},
    ).data
    assert made.application_name == "router"
    assert made.webhook_timeout_secs == 5
    assert made.inbound.channel_limit == 3
    assert made.anchorsite_override == "Latency"
    changed = apps.update(
        made.id, application_name="new name", webhook_event_url="https://example.com/b"
    ).data
    assert (changed.id, changed.application_name) == (made.id, "new name")
    assert changed.inbound.channel_limit == 3
    assert apps.retrieve(made.id).data == changed
    apps.create(application_name="other", webhook_event_url="https://example.com/c")
    assert [app.application_name for app in apps.list(page_size=1)] == ["new name", "other"]
    found = apps.list(filter={"application_name": {"contains": "NEW"}}, sort="created_at")
    assert [app.id for app in found] == [made.id]
    assert apps.delete(made.id).data.id == made.id
    with pytest.raises(telnyx.NotFoundError):
        apps.retrieve(made.id)


def test_recordings(server, client):
    rows = {f"r{at}": make_recording(id=f"r{at}") for at in range(5)}
    server.fakes.recordings.rows.update(rows)
    assert [item.id for item in client.recordings.list(page_size=2)] == list(rows)
    assert server.fakes.recordings.wanted == RecordingFilter()
    one = client.recordings.retrieve("r3").data
    assert one.duration_millis == 60_000
    assert one.status == "completed"
    assert one.from_ == "+18005550101"
    assert one.download_urls.mp3.startswith("http://")
    assert one.download_urls.wav is None
    assert client.recordings.delete("r3").data.id == "r3"
    with pytest.raises(telnyx.NotFoundError):
        client.recordings.retrieve("r3")
    assert client.recordings.actions.delete(ids=["r1", "r2", "gone"]).status == "ok"
    assert list(server.fakes.recordings.rows) == ["r0", "r4"]


def test_the_report_on_a_recording_and_its_picture(server, client):
    row = make_recording(id="r1", fidelity=gappy().fidelity)
    server.fakes.recordings.rows["r1"] = row
    shown = client.recordings.retrieve("r1").data
    assert shown.status == "completed"
    assert shown.fidelity["report_url"] == "/v2/recordings/r1/report"
    told = client.get("/recordings/r1/report", cast_to=object)["data"]
    assert told["tracks"]["inbound"]["gaps"][1]["cause"] == "hold"
    picture = client.get("/recordings/r1/report.png", cast_to=httpx.Response)
    assert picture.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(picture.content)) as image:
        assert image.size[0] == 1440
    assert told["picture_url"] == shown.picture_url
    linked = urlsplit(shown.picture_url)
    with httpx.Client(base_url=server.base) as stranger:
        got = stranger.get(f"{linked.path}?{linked.query}")
        assert (got.content, got.headers["content-type"]) == (picture.content, "image/png")
        assert stranger.get("/v2/recordings/r1/report.png").status_code == 401
        assert stranger.get(f"/pictures/r2.png?{linked.query}").status_code == 403
        assert stranger.get(linked.path).status_code == 403
        server.fakes.recordings.now_ns += 600 * 10**9
        over = stranger.get(f"{linked.path}?{linked.query}")
        assert (over.status_code, over.json()["errors"][0]["code"]) == (403, "10010")
    for path in ("report", "report.png"):
        with pytest.raises(telnyx.NotFoundError):
            client.get(f"/recordings/gone/{path}", cast_to=object)


def test_recording_filters_arrive(server, client):
    client.recordings.list(
        filter={
            "call_leg_id": "leg",
            "from": "+1",
            "created_at": {"gte": "2026-02-03T04:05:06.007Z"},
            "end_time": {"lte": "2026-02-03T04:05:06.007+00:00"},
        }
    )
    moment = parse_iso("2026-02-03T04:05:06.007Z")
    assert moment == NOW_NS
    assert server.fakes.recordings.wanted == RecordingFilter(
        call_leg_id="leg", from_="+1", created_gte_ns=moment, ended_lte_ns=moment
    )


def test_numbers(client):
    routed = client.phone_numbers.update("+18005550100", connection_id="1").data
    assert (routed.phone_number, routed.connection_id) == ("+18005550100", "1")
    assert [number.phone_number for number in client.phone_numbers.list()] == ["+18005550100"]
    with pytest.raises(telnyx.UnprocessableEntityError) as caught:
        client.phone_numbers.update("bob", connection_id="404")
    assert caught.value.body["errors"][0]["source"] == {"pointer": "/connection_id"}


def test_public_key(client):
    answer = client.get("/public_key", cast_to=httpx.Response)
    assert base64.b64decode(answer.json()["data"]["public_key"]) == PUBLIC_KEY


async def test_the_async_client_does_the_same(server):
    server.fakes.recordings.rows["r"] = make_recording(id="r")
    leg = server.fakes.calls.add(make_leg(state=LegState.ANSWERED))
    async with AsyncTelnyx(api_key=KEY, base_url=f"{server.base}/v2", max_retries=0) as client:
        dialled = (
            await client.calls.dial(connection_id="1", to=["+18005550100"], from_="sip:a@h")
        ).data
        assert (await client.calls.retrieve_status(dialled.call_control_id)).data.is_alive
        actions = client.calls.actions
        started = await actions.start_recording(
            leg.call_control_id, format="mp3", channels="single"
        )
        assert started.data.result == "ok"
        assert (await actions.stop_recording(leg.call_control_id)).data.result == "ok"
        assert (await actions.answer(leg.call_control_id)).data.result == "ok"
        assert [item.id async for item in client.recordings.list()] == ["r"]
        made = await client.call_control_applications.create(
            application_name="a b", webhook_event_url="http://127.0.0.1:1/"
        )
        assert [app.id async for app in client.call_control_applications.list()] == [made.data.id]
        assert (await actions.hangup(leg.call_control_id)).data.result == "ok"
        with pytest.raises(telnyx.UnprocessableEntityError):
            await actions.hangup(leg.call_control_id)
