"""Transfers, parking and early media, over a real database and a scripted outside."""

import pytest

from onrecord.calls.commands import (
    Answer,
    Bridge,
    Dial,
    Hangup,
    RecordStart,
    Transfer,
)
from onrecord.calls.media import FromUrl, PlaybackEnded, PlaybackStarted, Ringback
from onrecord.calls.records import LegState, RecordingParams, WebhookTarget
from onrecord.core.errors import CallerError
from onrecord.sdp.negotiation import accept
from onrecord.sip.backend import Ringing
from service_fakes import ANSWER

WAV = RecordingParams("wav", "dual")


async def transferred(bench, token, to="sip:carol@example.com", **more):
    """Transfer, and the new leg's row."""
    known = {live.leg.id for live in bench.edges.registry.all()}
    result = await bench.calls.transfer(token, Transfer(to, **more))
    assert result.call_control_id == token
    await bench.settle()
    [target] = [live for live in bench.edges.registry.all() if live.leg.id not in known]
    return target.leg


async def test_the_answer_of_the_target_joins_it_with_the_first_leg(bench):
    leg, token = await bench.answered()
    target = await transferred(
        bench, token, client_state="YQ==", target_client_state="Yg==", record=WAV
    )
    first = await bench.row(leg)
    assert (target.session_id, target.first_of_session) == (first.session_id, False)
    assert (target.from_, target.to) == (first.to, "sip:carol@example.com")
    assert (first.client_state, target.client_state) == ("YQ==", "Yg==")
    assert first.state is LegState.ANSWERED
    await bench.far_answers(target.id)
    assert bench.media.bridges == {frozenset((leg, target.id))}
    assert bench.receiver.types(target.id) == ["call.initiated", "call.answered", "call.bridged"]
    assert bench.receiver.types(leg)[-1] == "call.bridged"
    assert list(bench.media.capturing.values()) == [target.id]
    await bench.far_ends(target.id)
    assert (await bench.row(leg)).state is LegState.ENDED


@pytest.mark.parametrize("status", [486, 603, 480])
async def test_a_target_that_refuses_leaves_the_first_leg_up(bench, status):
    leg, token = await bench.answered()
    recording = await bench.calls.record_start(token, RecordStart(WAV))
    target = await transferred(bench, token)
    await bench.far_ends(target.id, status, "rejected")
    assert bench.receiver.types(target.id) == ["call.initiated", "call.hangup"]
    assert (await bench.row(leg)).state is LegState.ANSWERED
    assert bench.media.capturing == {recording.recording_id: leg}
    again = await transferred(bench, token)
    await bench.far_answers(again.id)
    assert (await bench.row(leg)).bridged_to == again.id


async def test_a_target_that_does_not_answer_in_time_is_cancelled(bench):
    leg, token = await bench.answered()
    target = await transferred(bench, token, timeout_secs=7)
    assert bench.timers.fire(7) == 1
    await bench.settle()
    assert bench.sip.of(target.id)[-1] == ("hangup", ())
    _, payload = bench.receiver.events(target.id)[-1]
    assert payload["hangup_cause"] == "timeout"
    assert (await bench.row(leg)).state is LegState.ANSWERED


async def test_the_end_of_the_first_leg_cancels_the_transfer(bench):
    leg, token = await bench.answered()
    target = await transferred(bench, token)
    await bench.far_ends(leg)
    assert bench.sip.of(target.id)[-1] == ("hangup", ())
    assert bench.receiver.types(target.id) == ["call.initiated", "call.hangup"]
    assert not bench.media.legs


async def test_a_transfer_of_a_bridged_leg_hangs_its_partner_up_on_the_answer(bench):
    (leg, token), (partner, partner_token) = [await bench.answered() for _ in "ab"]
    await bench.calls.bridge(token, Bridge(partner_token))
    target = await transferred(bench, token)
    assert (await bench.row(partner)).state is LegState.BRIDGED
    await bench.far_answers(target.id)
    assert (await bench.row(partner)).state is LegState.ENDED
    assert bench.media.bridges == {frozenset((leg, target.id))}


async def test_a_ringing_call_cannot_be_transferred(bench):
    leg = await bench.incoming()
    with pytest.raises(CallerError) as refused:
        await bench.calls.transfer(await bench.token(leg), Transfer("sip:x@y"))
    assert refused.value.faults[0].code == "90034"
    assert len(bench.media.legs) == 1


async def test_a_repeated_transfer_dials_once_and_a_refused_one_is_not_used_up(bench):
    _, token = await bench.answered()
    command = Transfer("sip:x@nowhere", command_id="once")
    with pytest.raises(CallerError):
        await bench.calls.transfer(token, command)
    assert len(bench.media.legs) == 1
    for _ in range(3):
        await bench.calls.transfer(token, Transfer("sip:x@y", command_id="once"))
    assert [verb for verb, _, _ in bench.sip.verbs].count("dial") == 1


async def test_webhooks_of_the_target_go_where_the_transfer_says(bench):
    _, token = await bench.answered()
    target = await transferred(bench, token, webhook=WebhookTarget("http://receiver/own"))
    assert [url for event, _, url in bench.receiver.got if event.leg_id == target.id] == [
        "http://receiver/own"
    ]


async def test_early_media_is_heard_before_the_answer(bench):
    leg, token = await bench.answered()
    target = await transferred(bench, token)
    bench.calls.on_sip_event(Ringing(target.id, ANSWER))
    await bench.settle()
    assert bench.media.bridges == {frozenset((leg, target.id))}
    assert (await bench.row(leg)).state is LegState.ANSWERED
    await bench.far_ends(target.id, 486, "rejected")
    assert bench.media.bridges == set()
    quiet = await transferred(bench, token, early_media=False)
    bench.calls.on_sip_event(Ringing(quiet.id, ANSWER))
    await bench.settle()
    assert bench.media.bridges == set()
    await bench.far_answers(quiet.id, None)
    assert bench.media.bridges == {frozenset((leg, quiet.id))}


@pytest.mark.parametrize("parks", ["bridge", "transfer", "dial"])
async def test_a_parked_leg_stays_up_once(bench, parks):
    leg, token = await bench.answered()
    recording = await bench.calls.record_start(token, RecordStart(WAV))
    if parks == "bridge":
        other, other_token = await bench.answered()
        await bench.calls.bridge(token, Bridge(other_token, park_after_unbridge=True))
        stays, goes = leg, other
    elif parks == "transfer":
        target = await transferred(bench, token, park_after_unbridge=True)
        await bench.far_answers(target.id)
        stays, goes = leg, target.id
    else:
        dial = Dial(
            bench.application.id,
            "sip:b@h",
            "+1555",
            link_to=token,
            bridge_on_answer=True,
            park_after_unbridge=True,
        )
        dialled = await bench.calls.dial(dial)
        await bench.far_answers(dialled.id)
        stays, goes = dialled.id, leg
    await bench.far_ends(goes)
    row = await bench.row(stays)
    assert (row.state, row.bridged_to) == (LegState.ANSWERED, None)
    assert (recording.recording_id in bench.media.capturing) == (stays == leg)
    _, other_token = await bench.answered()
    await bench.calls.bridge(other_token, Bridge(row.call_control_id))
    await bench.calls.hangup(other_token, Hangup())
    await bench.settle()
    assert (await bench.row(stays)).state is LegState.ENDED


async def test_prevent_double_bridge(bench):
    (a, token_a), (b, token_b), (c, token_c) = [await bench.answered() for _ in "abc"]
    await bench.calls.bridge(token_a, Bridge(token_b))
    with pytest.raises(CallerError) as refused:
        await bench.calls.bridge(token_c, Bridge(token_a, prevent_double_bridge=True))
    assert refused.value.faults[0].pointer == "/call_control_id"
    assert bench.media.bridges == {frozenset((a, b))}
    dial = Dial(
        bench.application.id,
        "sip:b@h",
        "+1555",
        link_to=token_a,
        bridge_on_answer=True,
        prevent_double_bridge=True,
    )
    dialled = await bench.calls.dial(dial)
    await bench.far_answers(dialled.id)
    assert (await bench.row(dialled.id)).state is LegState.ENDED
    assert (await bench.row(c)).state is LegState.ANSWERED


def rings(bench, leg, sdp=None):
    bench.calls.on_sip_event(Ringing(leg, sdp))


async def test_the_first_leg_hears_a_ringback_tone_until_the_answer(bench):
    leg, token = await bench.answered()
    target = await transferred(bench, token, ringtone="uk")
    assert bench.media.played == []
    rings(bench, target.id)
    rings(bench, target.id)
    await bench.settle()
    [(listener, tone, _, loops)] = bench.media.played
    assert (listener, loops) == (leg, None)
    assert bench.prompts.loaded[-1] == Ringback("uk")
    await bench.far_answers(target.id)
    assert bench.media.silenced == [(leg, tone)]
    assert bench.media.bridges == {frozenset((leg, target.id))}
    assert not [kind for kind in bench.receiver.types(leg) if "playback" in kind]


async def test_a_ringback_tone_ends_with_early_media_and_with_the_target(bench):
    leg, token = await bench.answered()
    target = await transferred(bench, token, ringtone="us")
    rings(bench, target.id)
    await bench.settle()
    rings(bench, target.id, ANSWER)
    await bench.settle()
    rings(bench, target.id)
    await bench.settle()
    assert [name for _, name, *_ in bench.media.played] == [bench.media.silenced[0][1]]
    await bench.far_ends(target.id, 486, "rejected")
    again = await transferred(bench, token, ringtone="us")
    rings(bench, again.id)
    await bench.settle()
    await bench.far_ends(again.id, 486, "rejected")
    assert [leg for leg, _ in bench.media.silenced] == [leg, leg]


async def test_a_bridge_with_a_ringing_leg_waits_for_its_answer(bench):
    leg, token = await bench.answered()
    other = await bench.calls.dial(
        Dial(bench.application.id, "sip:carol@example.com", "sip:bob@example.com")
    )
    with pytest.raises(CallerError) as refused:
        await bench.calls.bridge(token, Bridge(other.call_control_id))
    assert refused.value.faults[0].code == "90034"
    command = Bridge(
        other.call_control_id, ringtone="de", mute_dtmf="opposite", park_after_unbridge=True,
        client_state="YQ==", command_id="b1", record=WAV,
    )  # fmt: skip
    await bench.calls.bridge(token, command)
    await bench.calls.bridge(token, command)
    await bench.settle()
    assert [listener for listener, *_ in bench.media.played] == [leg]
    assert (await bench.row(leg)).client_state == "YQ=="
    await bench.far_answers(other.id)
    assert bench.media.bridges == {frozenset((leg, other.id))}
    assert bench.media.deaf == {other.id}
    assert list(bench.media.capturing.values()) == [leg]
    await bench.far_ends(other.id)
    assert (await bench.row(leg)).state is LegState.ANSWERED


@pytest.mark.parametrize(
    ("muted", "deaf"), [("none", ""), ("self", "f"), ("opposite", "s"), ("both", "fs")]
)
async def test_digits_are_muted_as_the_command_says(bench, muted, deaf):
    leg, token = await bench.answered()
    target = await transferred(bench, token, mute_dtmf=muted)
    await bench.far_answers(target.id)
    legs = {"f": leg, "s": target.id}
    assert bench.media.deaf == {legs[which] for which in deaf}


@pytest.mark.parametrize("outcome", ["completed", "failed", "stopped"])
async def test_the_target_hears_a_file_before_it_is_joined(bench, outcome):
    leg, token = await bench.answered()
    bench.prompts.files["http://files.test/whisper.wav"] = b"RIFF"
    target = await transferred(bench, token, audio=FromUrl("http://files.test/whisper.wav"))
    await bench.far_answers(target.id)
    [(listener, name, *_)] = bench.media.played
    assert listener == target.id
    assert bench.media.bridges == set()
    bench.calls.on_media_event(PlaybackStarted(target.id, name))
    await bench.settle()
    bench.calls.on_media_event(PlaybackEnded(target.id, name, outcome))
    await bench.settle()
    assert bench.media.bridges == {frozenset((leg, target.id))}
    assert "call.playback.started" in bench.receiver.types(target.id)


async def test_preferred_codecs_order_offers_and_answers(bench):
    offer = ANSWER.replace("RTP/AVP 0 101", "RTP/AVP 0 8 9 101")
    leg = await bench.incoming(offer)
    await bench.calls.answer(await bench.token(leg), Answer(preferred_codecs=("VP8", "G722")))
    [sdp] = [sent for verb, sent in bench.sip.of(leg) if verb == "answer"]
    assert accept(sdp).send_codec.name == "G722"
    media, _ = bench.media.legs[leg]
    assert media.send_codec.name == "G722"
    other = await bench.calls.dial(
        Dial(
            bench.application.id,
            "sip:carol@example.com",
            "sip:bob@example.com",
            preferred_codecs=("OPUS", "PCMA"),
        )
    )
    [offered] = [sent.sdp for verb, sent in bench.sip.of(other.id) if verb == "dial"]
    [line] = [line for line in offered.splitlines() if line.startswith("m=audio")]
    assert line.split()[3:] == ["96", "8", "0", "9", "101"]
