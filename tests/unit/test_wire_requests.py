import pytest

from api.record_start_violations import VIOLATIONS
from onrecord.calls.commands import Answer, Bridge, Hangup, RecordStart, RecordStop, Reject
from onrecord.calls.media import FromFolder, FromUrl
from onrecord.calls.records import Application, Header, RecordingParams, WebhookTarget
from onrecord.core.errors import CallerError
from onrecord.wire import requests
from onrecord.wire.bodies import recordings
from onrecord.wire.languages import ENGLISH, LANGUAGES

GOOD = {"format": "wav", "channels": "dual"}
STATE = "aGF2ZSBhIG5pY2UgZGF5ID1d"


def faults(parse, body, **more):
    """(code, pointer) of every fault of a body."""
    with pytest.raises(CallerError) as caught:
        parse(body, **more)
    assert caught.value.status == 422
    return [(fault.code, fault.pointer) for fault in caught.value.faults]


def start_faults(**changes):
    return faults(requests.parse_record_start, GOOD | changes)


def test_record_start_with_required_members_only_has_the_documented_defaults():
    command = requests.parse_record_start(GOOD)
    assert command == RecordStart(RecordingParams(format="wav", channels="dual"))
    params = command.params
    assert (params.track, params.max_length_secs, params.timeout_secs) == ("both", 0, 0)
    assert (params.trim, params.custom_file_name, params.play_beep) == (None, None, False)
    assert (params.transcription, params.transcription_engine) == (False, "A")
    assert params.transcription_language == "en-US"
    assert params.transcription_min_speaker_count == 2
    assert params.transcription_max_speaker_count == 6


def test_record_start_carries_every_parameter():
    command = requests.parse_record_start(
        {
            "format": "mp3",
            "channels": "single",
            "client_state": STATE,
            "command_id": "891510ac-f3e4-11e8-af5b-de00688a4901",
            "play_beep": True,
            "max_length": 14400,
            "timeout_secs": 5,
            "recording_track": "inbound",
            "trim": "trim-silence",
            "custom_file_name": "x" * 40,
            "transcription": True,
            "transcription_engine": "deepgram/nova-3",
            "transcription_language": "en-GB",
            "transcription_profanity_filter": True,
            "transcription_speaker_diarization": True,
            "transcription_min_speaker_count": 3,
            "transcription_max_speaker_count": 3,
        }
    )
    assert command.client_state == STATE
    assert command.command_id == "891510ac-f3e4-11e8-af5b-de00688a4901"
    assert command.params == RecordingParams(
        format="mp3",
        channels="single",
        track="inbound",
        custom_file_name="x" * 40,
        play_beep=True,
        max_length_secs=14400,
        timeout_secs=5,
        trim="trim-silence",
        transcription=True,
        transcription_engine="deepgram/nova-3",
        transcription_language="en-GB",
        transcription_profanity_filter=True,
        transcription_speaker_diarization=True,
        transcription_min_speaker_count=3,
        transcription_max_speaker_count=3,
    )


@pytest.mark.parametrize(("changes", "code", "pointer"), VIOLATIONS)
def test_each_violation_of_record_start(changes, code, pointer):
    assert start_faults(**changes) == [(code, pointer)]


def test_several_faults_come_in_the_order_of_the_reference():
    assert start_faults(
        transcription_min_speaker_count=9,
        custom_file_name="",
        client_state="?",
        max_length=-1,
        channels="x",
        format=None,
        transcription_engine="deepgram/nova-3",
        transcription_language="de",
    ) == [
        ("10004", "/format"),
        ("10032", "/channels"),
        ("10015", "/client_state"),
        ("10033", "/max_length"),
        ("10025", "/custom_file_name"),
        ("10032", "/transcription_language"),
        ("10033", "/transcription_min_speaker_count"),
    ]


def test_deepgram_takes_english_only():
    engine = {"transcription_engine": "deepgram/nova-3"}
    for language in LANGUAGES:
        body = GOOD | engine | {"transcription_language": language}
        if language in ENGLISH:
            params = requests.parse_record_start(body).params
            assert params.transcription_language == language
        else:
            assert faults(requests.parse_record_start, body) == [
                ("10032", "/transcription_language")
            ]
    assert requests.parse_record_start(GOOD | engine).params.transcription_language == "en-US"
    assert ENGLISH[0] == "en"
    assert len(ENGLISH) == 17


def test_null_counts_as_absent_and_unknown_members_are_ignored():
    body = dict.fromkeys((member.name for member in recordings.RECORD_START), None) | GOOD
    extra = {"trim_silence": True, "max_length_secs": -9, "maximum_length": "x"}
    assert requests.parse_record_start(body | extra) == requests.parse_record_start(GOOD)


def test_a_number_without_fraction_is_an_integer():
    params = requests.parse_record_start(GOOD | {"max_length": 10.0}).params
    assert params.max_length_secs == 10
    assert isinstance(params.max_length_secs, int)


def test_lenient_channels_default_to_single_but_are_still_checked():
    def lenient(body):
        return requests.parse_record_start(body, strict_channels=False)

    assert lenient({"format": "wav"}).params.channels == "single"
    assert lenient(GOOD).params.channels == "dual"
    assert faults(lenient, {"format": "wav", "channels": "x"}) == [("10032", "/channels")]
    assert faults(requests.parse_record_start, {"format": "wav"}) == [("10004", "/channels")]


def test_command_ids_of_any_length_are_told_apart():
    def kept(command_id):
        return requests.parse_record_start(GOOD | {"command_id": command_id}).command_id

    assert kept("") is None
    assert kept("x" * 255) == "x" * 255
    assert kept("x" * 256) != kept("x" * 257)
    assert len(kept("ü" * 100_000)) == 64


@pytest.mark.parametrize("body", [None, [], "x", 1, True])
def test_a_body_that_is_no_object_is_malformed(body):
    with pytest.raises(CallerError) as caught:
        requests.parse_record_start(body)
    assert (caught.value.status, caught.value.faults[0].code) == (400, "10015")


def test_record_stop_takes_nothing_or_one_recording():
    assert requests.parse_record_stop({}) == RecordStop()
    wanted = "6A09CDC3-8948-47F0-AA62-74AC943D6C58"
    command = requests.parse_record_stop({"recording_id": wanted, "client_state": STATE})
    assert command == RecordStop(wanted.lower(), STATE)
    assert faults(requests.parse_record_stop, {"recording_id": "x"}) == [("10015", "/recording_id")]


def test_answer_has_its_own_recording_defaults():
    assert requests.parse_answer({}) == Answer()
    command = requests.parse_answer(
        {
            "record": "record-from-answer",
            "record_max_length": 43200,
            "webhook_url": "https://example.com/x",
            "webhook_url_method": "GET",
            "send_silence_when_idle": True,
            "custom_headers": [{"name": "X-A", "value": "1"}],
        }
    )
    assert command.record == RecordingParams(format="mp3", channels="dual", max_length_secs=43200)
    assert command.webhook == WebhookTarget("https://example.com/x", None, "GET")
    assert command.send_silence_when_idle
    assert command.custom_headers == (Header("X-A", "1"),)


def test_answer_faults():
    assert faults(
        requests.parse_answer,
        {
            "custom_headers": [{"name": "X A", "value": "1"}],
            "webhook_url": "ftp://x",
            "record": "yes",
            "record_max_length": 43201,
            "record_timeout_secs": -1,
        },
    ) == [
        ("10015", "/custom_headers/0/name"),
        ("10003", "/webhook_url"),
        ("10032", "/record"),
        ("10033", "/record_max_length"),
        ("90049", "/record_timeout_secs"),
    ]


def test_a_header_cannot_break_the_message():
    for value in ("a\r\nVia: x", "a\nb", "\x00"):
        assert faults(
            requests.parse_hangup, {"custom_headers": [{"name": "X-A", "value": value}]}
        ) == [("10015", "/custom_headers/0/value")]
    assert faults(requests.parse_hangup, {"custom_headers": [{}]}) == [
        ("10004", "/custom_headers/0/name"),
        ("10004", "/custom_headers/0/value"),
    ]
    assert faults(requests.parse_hangup, {"custom_headers": ["x"]}) == [
        ("10026", "/custom_headers/0")
    ]


def test_reject_hangup_and_bridge():
    assert requests.parse_reject({"cause": "USER_BUSY"}) == Reject("USER_BUSY")
    assert faults(requests.parse_reject, {}) == [("10004", "/cause")]
    assert faults(requests.parse_reject, {"cause": "BUSY"}) == [("10032", "/cause")]
    assert requests.parse_hangup({"command_id": "a"}) == Hangup(None, "a")
    assert requests.parse_bridge({"call_control_id": "v3:x"}) == Bridge("v3:x")
    assert faults(requests.parse_bridge, {}) == [("10004", "/call_control_id")]


DIAL = {"to": "sip:bob@192.0.2.10:5070;transport=tcp", "from": "+18005550101", "connection_id": "1"}


def test_dial_defaults_and_members():
    command = requests.parse_dial(DIAL)
    assert (command.to, command.from_, command.application_id) == (
        DIAL["to"],
        "+18005550101",
        "1",
    )
    assert (command.timeout_secs, command.time_limit_secs, command.transport) == (30, 14400, "UDP")
    assert command.record is None
    assert command.webhook == WebhookTarget()
    full = requests.parse_dial(
        DIAL
        | {
            "to": ["+18005550100"],
            "from_display_name": "Ann B.",
            "timeout_secs": 5,
            "time_limit_secs": 30,
            "sip_transport_protocol": "TCP",
            "sip_headers": [{"name": "User-to-User", "value": "1"}],
            "sip_auth_username": "u",
            "sip_auth_password": "p",
            "link_to": "v3:x",
            "bridge_on_answer": True,
            "record": "record-from-answer",
            "record_format": "wav",
            "command_id": "c",
            "webhook_url": "http://127.0.0.1:1/",
        }
    )
    assert full.to == "+18005550100"
    assert full.caller_name == "Ann B."
    assert (full.timeout_secs, full.time_limit_secs, full.transport) == (5, 30, "TCP")
    assert full.sip_headers == (Header("User-to-User", "1"),)
    assert (full.auth_username, full.auth_password) == ("u", "p")
    assert (full.link_to, full.bridge_on_answer) == ("v3:x", True)
    assert full.record == RecordingParams(format="wav", channels="dual")
    assert full.webhook.url == "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"to": None, "from": "", "connection_id": None},
            [("10004", "/to"), ("10004", "/from"), ("10004", "/connection_id")],
        ),
        ({"to": "18005550100"}, [("10016", "/to")]),
        ({"to": "+0123"}, [("10016", "/to")]),
        ({"to": "+1800555010٣"}, [("10016", "/to")]),
        ({"to": "sip:a b@c"}, [("10016", "/to")]),
        ({"to": "sip:bob@h\r\nX: y"}, [("10016", "/to")]),
        ({"to": "<sip:bob@h>"}, [("10016", "/to")]),
        ({"to": []}, [("10015", "/to")]),
        ({"to": ["+18005550100", "+18005550101"]}, [("10015", "/to")]),
        ({"to": [5]}, [("10026", "/to")]),
        ({"from": "bob"}, [("10016", "/from")]),
        ({"timeout_secs": 4}, [("10033", "/timeout_secs")]),
        ({"time_limit_secs": 14401}, [("10033", "/time_limit_secs")]),
        ({"from_display_name": "a\nb"}, [("10015", "/from_display_name")]),
        ({"sip_transport_protocol": "TLS"}, [("10032", "/sip_transport_protocol")]),
        ({"media_encryption": "DTLS"}, [("10032", "/media_encryption")]),
        ({"bridge_on_answer": True}, [("10004", "/link_to")]),
        ({"sip_headers": [{"name": "Via", "value": "x"}]}, [("10032", "/sip_headers/0/name")]),
        ({"record_channels": "x"}, [("10032", "/record_channels")]),
    ],
)
def test_dial_faults(changes, expected):
    assert faults(requests.parse_dial, DIAL | changes) == expected


APPLICATION = {"application_name": "router", "webhook_event_url": "https://example.com/a"}


def stored(fields):
    return Application(
        "1",
        fields.name,
        fields.webhook_url,
        fields.webhook_failover_url,
        fields.webhook_timeout_ms,
        fields.active,
        fields.document,
        0,
        0,
    )


def test_application_create_keeps_what_was_given():
    fields = requests.parse_application(
        APPLICATION
        | {
            "webhook_timeout_secs": 5,
            "webhook_event_failover_url": "https://example.com/b",
            "active": False,
            "dtmf_type": "Inband",
            "inbound": {"channel_limit": 3, "junk": 1},
            "tags": ["a"],
        }
    )
    assert (fields.name, fields.webhook_url) == ("router", "https://example.com/a")
    assert fields.webhook_failover_url == "https://example.com/b"
    assert (fields.webhook_timeout_ms, fields.active) == (5000, False)
    assert fields.document == {
        "dtmf_type": "Inband",
        "inbound": {"channel_limit": 3},
        "tags": ["a"],
    }


def test_application_patch_changes_only_what_is_given():
    base = stored(
        requests.parse_application(
            APPLICATION
            | {
                "webhook_timeout_secs": 5,
                "webhook_event_failover_url": "https://example.com/b",
                "active": False,
                "inbound": {"channel_limit": 3},
            }
        )
    )
    kept = requests.parse_application(APPLICATION | {"application_name": "new"}, base)
    assert kept.name == "new"
    assert (kept.webhook_timeout_ms, kept.active) == (5000, False)
    assert kept.webhook_failover_url == "https://example.com/b"
    changed = requests.parse_application(
        APPLICATION
        | {
            "webhook_event_failover_url": None,
            "webhook_timeout_secs": None,
            "inbound": {"sip_subdomain": "x"},
        },
        base,
    )
    assert changed.webhook_failover_url is None
    assert changed.webhook_timeout_ms is None
    assert changed.document["inbound"] == {"channel_limit": 3, "sip_subdomain": "x"}


def test_application_faults_reach_into_objects():
    assert faults(
        requests.parse_application,
        {
            "webhook_event_url": "nowhere",
            "webhook_timeout_secs": 31,
            "anchorsite_override": "Mars",
            "inbound": {"channel_limit": "x", "shaken_stir_enabled": 1},
            "tags": "a",
        },
    ) == [
        ("10004", "/application_name"),
        ("10003", "/webhook_event_url"),
        ("10033", "/webhook_timeout_secs"),
        ("10032", "/anchorsite_override"),
        ("10026", "/inbound/channel_limit"),
        ("10026", "/inbound/shaken_stir_enabled"),
        ("10026", "/tags"),
    ]


def test_numbers_and_bulk_delete():
    assert requests.parse_number("+18005550100", {"connection_id": "1"}) == ("+18005550100", "1")
    assert faults(lambda body: requests.parse_number("+1", body), {}) == [
        ("10004", "/connection_id")
    ]
    for address in ("", "a" * 129, "a@b", " a", "a\nb"):
        with pytest.raises(CallerError):
            requests.parse_number(address, {"connection_id": "1"})
    assert requests.parse_recording_ids({"ids": ["A", "b"]}) == ("a", "b")
    assert faults(requests.parse_recording_ids, {}) == [("10004", "/ids")]
    assert faults(requests.parse_recording_ids, {"ids": "x"}) == [("10026", "/ids")]
    assert faults(requests.parse_recording_ids, {"ids": []}) == [("10015", "/ids")]
    assert faults(requests.parse_recording_ids, {"ids": [1]}) == [("10026", "/ids/0")]


def test_what_the_parties_hear_is_read_alike_for_dial_and_transfer():
    heard = {
        "audio_url": "http://files.test/a.mp3", "media_name": "b.wav", "mute_dtmf": "both",
        "play_ringtone": True, "ringtone": "uk", "preferred_codecs": "g722, PCMA,,VP8",
    }  # fmt: skip
    base = {"to": "sip:a@b.test", "from": "sip:c@d.test", "connection_id": "1"}
    for command in (
        requests.parse_dial(base | heard),
        requests.parse_transfer({"to": base["to"]} | heard),
    ):
        assert command.audio == FromUrl("http://files.test/a.mp3")
        assert (command.mute_dtmf, command.ringtone) == ("both", "uk")
        assert command.preferred_codecs == ("G722", "PCMA", "VP8")
    named = requests.parse_transfer({"to": base["to"], "media_name": "b.wav", "ringtone": "uk"})
    assert (named.audio, named.ringtone, named.mute_dtmf) == (FromFolder("b.wav"), None, "none")
    bridge = requests.parse_bridge(
        {"call_control_id": "v3:x", "play_ringtone": True, "mute_dtmf": "self"}
    )
    assert (bridge.ringtone, bridge.mute_dtmf, bridge.park_after_unbridge) == ("us", "self", False)
    assert requests.parse_bridge(
        {"call_control_id": "x", "hold_after_unbridge": True}
    ).park_after_unbridge
    with pytest.raises(CallerError) as refused:
        requests.parse_bridge({"call_control_id": "x", "ringtone": "xx", "mute_dtmf": "all"})
    assert [fault.code for fault in refused.value.faults] == ["10032", "10032"]
