"""Playing, speaking and digits as the use cases do them, with a scripted media side."""

import asyncio

import pytest

from onrecord.calls.commands import (
    Bridge,
    Dial,
    PlaybackStart,
    PlaybackStop,
    RecordStart,
    SendDtmf,
)
from onrecord.calls.media import (
    DigitHeard,
    FromContent,
    FromFolder,
    FromUrl,
    PlaybackEnded,
    PlaybackStarted,
    Spoken,
)
from onrecord.calls.records import RecordingParams
from onrecord.core.errors import CallerError
from service_fakes import OFFER, Bench

URL = FromUrl("http://files/a.wav")
SPOKEN = Spoken("hello", "male", "en-US")


@pytest.fixture
async def bench(tmp_path):
    bench = Bench(tmp_path)
    await bench.start()
    bench.prompts.files = {"http://files/a.wav": b"RIFF", "b.wav": b"RIFF", "bad.wav": b"bad"}
    yield bench
    for gate in bench.prompts.gates.values():
        gate.set()
    await bench.settle()
    await bench.database.close()


async def refused(awaitable):
    with pytest.raises(CallerError) as raised:
        await awaitable
    fault = raised.value.faults[0]
    return raised.value.status, fault.code, fault.pointer


async def tell(bench, *events):
    for event in events:
        bench.calls.on_media_event(event)
    await bench.settle()


def playbacks(bench):
    return [name for _, name, _, _ in bench.media.played]


def told(bench, leg_id):
    """(type without ``call.``, status) of what was told of playbacks."""
    return [
        (kind.removeprefix("call."), payload.get("status"))
        for kind, payload in bench.receiver.events(leg_id)
        if "playback" in kind or "speak" in kind
    ]


async def played(bench, token, source=URL, **more):
    """Ask for a playback; returns its name on the media side."""
    await bench.calls.playback_start(token, PlaybackStart(source, **more))
    await bench.settle()
    return playbacks(bench)[-1]


async def test_a_playback_is_handed_over_and_told_of(bench):
    leg, token = await bench.answered()
    name = await played(bench, token, loops=3, client_state="YQ==")
    [(target, _, clip, loops)] = bench.media.played
    assert (target, clip.codec, loops) == (leg, "PCMA", 3)
    assert bench.prompts.discarded == [clip]
    await tell(bench, PlaybackStarted(leg, name), PlaybackStarted(leg, name))
    await tell(bench, PlaybackEnded(leg, name, "completed"))
    assert told(bench, leg) == [("playback.started", None), ("playback.ended", "completed")]
    _, payload = bench.receiver.events(leg)[-1]
    assert payload["media_url"] == URL.url
    assert payload["media_name"] is None
    assert payload["client_state"] == "YQ=="
    assert bench.calls._registry.by_id(leg).playbacks == []


async def test_playbacks_keep_the_order_of_their_commands(bench):
    leg, token = await bench.answered()
    bench.prompts.gates[URL.url] = asyncio.Event()
    await bench.calls.playback_start(token, PlaybackStart(URL))
    await bench.calls.playback_start(token, PlaybackStart(FromFolder("bad.wav")))
    await bench.calls.playback_start(token, PlaybackStart(FromFolder("b.wav")))
    await asyncio.sleep(0.05)
    assert bench.media.played == []
    assert bench.receiver.types(leg)[-1] == "call.answered"
    bench.prompts.gates[URL.url].set()
    await bench.settle()
    assert len(bench.media.played) == 2
    assert told(bench, leg) == [("playback.ended", "failed")]
    first, second = playbacks(bench)
    await tell(bench, PlaybackStarted(leg, first), PlaybackEnded(leg, first, "completed"))
    await tell(bench, PlaybackStarted(leg, second))
    names = [p["media_name"] for k, p in bench.receiver.events(leg) if k == "call.playback.started"]
    assert names == [None, "b.wav"]


@pytest.mark.parametrize(
    ("source", "status"),
    [
        (FromUrl("http://files/absent"), "file_not_found"),
        (FromFolder("absent"), "file_not_found"),
        (FromFolder("bad.wav"), "failed"),
    ],
)
async def test_what_cannot_be_played_is_told(bench, source, status):
    leg, token = await bench.answered()
    await bench.calls.playback_start(token, PlaybackStart(source))
    await bench.settle()
    assert told(bench, leg) == [("playback.ended", status)]
    assert bench.receiver.events(leg)[-1][1]["status_detail"]
    assert bench.media.played == []


async def test_stop_takes_back_what_waits_and_ends_what_plays(bench):
    leg, token = await bench.answered()
    first, second = await played(bench, token), await played(bench, token, FromFolder("b.wav"))
    bench.prompts.gates[URL.url] = asyncio.Event()
    await bench.calls.playback_start(token, PlaybackStart(URL))
    bench.calls.on_media_event(PlaybackStarted(leg, first))
    await asyncio.sleep(0.05)
    await bench.calls.playback_stop(token, PlaybackStop("current"))
    assert bench.media.silenced == [(leg, first)]
    await bench.calls.playback_stop(token, PlaybackStop())
    assert bench.media.silenced[1:] == [(leg, first), (leg, second)]
    bench.prompts.gates[URL.url].set()
    await tell(bench, PlaybackEnded(leg, first, "stopped"), PlaybackEnded(leg, second, "stopped"))
    assert playbacks(bench) == [first, second]
    assert told(bench, leg) == [("playback.started", None), ("playback.ended", "cancelled")]
    await bench.calls.playback_stop(token, PlaybackStop())


async def test_a_new_playback_may_end_the_others(bench):
    leg, token = await bench.answered()
    first = await played(bench, token)
    second = await played(bench, token, stop="all")
    assert bench.media.silenced == [(leg, first)]
    await tell(bench, PlaybackEnded(leg, first, "stopped"), PlaybackStarted(leg, second))
    assert told(bench, leg) == [("playback.started", None)]


async def test_a_playback_ends_with_its_call(bench):
    leg, token = await bench.answered()
    first = await played(bench, token)
    await played(bench, token, SPOKEN)
    await tell(bench, PlaybackStarted(leg, first))
    await bench.far_ends(leg)
    assert told(bench, leg) == [("playback.started", None), ("playback.ended", "call_hangup")]
    assert bench.receiver.types(leg)[-1] == "call.hangup"
    await tell(bench, PlaybackEnded(leg, first, "closed"))
    assert bench.receiver.types(leg)[-1] == "call.hangup"


async def test_speech_is_told_in_words_that_the_sdk_knows(bench):
    leg, token = await bench.answered()
    for outcome in ("completed", "stopped", "failed"):
        name = await played(bench, token, SPOKEN)
        await tell(bench, PlaybackStarted(leg, name), PlaybackEnded(leg, name, outcome))
    assert told(bench, leg) == [
        ("speak.started", None), ("speak.ended", "completed"),
        ("speak.started", None), ("speak.ended", "completed"),
        ("speak.started", None), ("speak.ended", None),
    ]  # fmt: skip


async def test_both_legs_of_a_bridge_hear_it_and_it_ends_once(bench):
    leg, token = await bench.answered()
    other, other_token = await bench.answered()
    await bench.calls.bridge(token, Bridge(other_token))
    await bench.calls.playback_start(token, PlaybackStart(URL, targets="both"))
    await bench.settle()
    assert {target for target, *_ in bench.media.played} == {leg, other}
    name = playbacks(bench)[0]
    await tell(bench, PlaybackStarted(leg, name), PlaybackStarted(other, name))
    await tell(bench, PlaybackEnded(other, name, "completed"))
    assert told(bench, leg) == [("playback.started", None)]
    await tell(bench, PlaybackEnded(leg, name, "completed"))
    assert told(bench, leg) == [("playback.started", None), ("playback.ended", "completed")]
    assert told(bench, other) == []
    name = await played(bench, token, targets="opposite")
    assert bench.media.played[-1][0] == other
    await bench.calls.playback_stop(token, PlaybackStop())
    assert bench.media.silenced == [(other, name)]


async def test_what_may_not_be_played_is_refused(bench):
    leg = await bench.incoming()
    token = await bench.token(leg)
    start, stop = bench.calls.playback_start, bench.calls.playback_stop
    assert (await refused(start(token, PlaybackStart(URL))))[1] == "90034"
    assert (await refused(stop(token, PlaybackStop())))[1] == "90034"
    _, token = await bench.answered()
    for command, expected in (
        (PlaybackStart(URL, targets="opposite"), (422, "10027", "/target_legs")),
        (PlaybackStart(FromContent(b"x")), (400, "90040", "/playback_content")),
    ):
        assert await refused(start(token, command)) == expected
    bench.prompts.speaks = False
    assert "espeak-ng" in await detail(start(token, PlaybackStart(SPOKEN)))
    bench.media.fails = "play"
    await start(token, PlaybackStart(URL))
    await bench.settle()
    assert told(bench, leg_of(bench, token)) == [("playback.ended", "failed")]


async def test_overlays_have_a_queue_of_their_own(bench):
    leg, token = await bench.answered()
    below = await played(bench, token)
    over = await played(bench, token, overlay=True)
    assert bench.media.overlaid == [over]
    assert [clip.codec for target, name, clip, _ in bench.media.played if name == over] == ["L16"]
    await tell(bench, PlaybackStarted(leg, below), PlaybackStarted(leg, over))
    await bench.calls.playback_stop(token, PlaybackStop(overlay=True))
    assert bench.media.silenced == [(leg, over)]
    await tell(bench, PlaybackEnded(leg, over, "stopped"))
    started, ended = bench.receiver.events(leg)[-2:]
    assert [payload["overlay"] for _, payload in (started, ended)] == [True, True]
    await bench.calls.playback_stop(token, PlaybackStop())
    assert bench.media.silenced == [(leg, over), (leg, below)]


def leg_of(bench, token):
    return bench.calls._registry.by_token(token).leg.id


async def detail(awaitable):
    with pytest.raises(CallerError) as raised:
        await awaitable
    return raised.value.faults[0].detail


async def test_a_command_id_plays_once(bench):
    _, token = await bench.answered()
    for _ in range(2):
        await played(bench, token, command_id="one")
    assert len(bench.media.played) == 1


async def test_digits_are_sent_and_heard(bench):
    leg, token = await bench.answered()
    await bench.calls.send_dtmf(token, SendDtmf("1w2", 300, client_state="Yg=="))
    assert bench.media.pressed == [(leg, "1w2", 300)]
    await tell(bench, DigitHeard(leg, "4"), DigitHeard(leg, "#"), DigitHeard("unknown", "1"))
    heard = [p for k, p in bench.receiver.events(leg) if k == "call.dtmf.received"]
    assert [p["digit"] for p in heard] == ["4", "#"]
    assert (heard[0]["from"], heard[0]["to"]) == ("sip:alice@example.com", "+15550001")
    assert heard[0]["client_state"] == "Yg=="


async def test_a_party_that_takes_no_digits_is_sent_none(bench):
    _, token = await bench.answered(OFFER.replace("8 0 101", "8 0"))
    assert "RFC 4733" in await detail(bench.calls.send_dtmf(token, SendDtmf("1")))
    assert bench.media.pressed == []


async def test_digits_of_dial_are_sent_when_it_is_answered(bench):
    command = Dial(bench.application.id, "sip:bob@example.com", "+15550009", send_digits="12")
    leg = await bench.calls.dial(command)
    assert bench.media.pressed == []
    await bench.far_answers(leg.id)
    assert bench.media.pressed == [(leg.id, "12", 250)]
    bench.media.fails = "press"
    other = await bench.calls.dial(command)
    await bench.far_answers(other.id)
    assert (await bench.row(other.id)).state == "answered"


async def test_a_recording_begins_with_a_beep_if_it_is_to(bench):
    _, token = await bench.answered()
    for beeps in (True, False):
        params = RecordingParams("wav", "dual", play_beep=beeps)
        await bench.calls.record_start(token, RecordStart(params))
    beep, none = bench.media.beeps
    assert (beep.hz, beep.clip.codec, none) == (1400, "PCMA", None)


async def test_a_playback_that_breaks_does_not_hold_up_those_behind_it(bench):
    leg, token = await bench.answered()
    bench.prompts.files["b.wav"] = None  # which no content is: the clip cannot be made
    clip = bench.prompts.clip

    async def broken(content, codec):
        if content is None:
            raise MemoryError
        return await clip(content, codec)

    bench.prompts.clip = broken
    await bench.calls.playback_start(token, PlaybackStart(FromFolder("b.wav")))
    await played(bench, token)
    assert len(bench.media.played) == 1
    assert told(bench, leg) == [("playback.ended", "failed")]
