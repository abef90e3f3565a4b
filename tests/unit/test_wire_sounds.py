"""Bodies of playback_start, playback_stop, speak and send_dtmf, their faults, and dial's digits."""

import base64

import pytest

from onrecord.calls.commands import PlaybackStart, PlaybackStop, SendDtmf
from onrecord.calls.media import FromContent, FromFolder, FromUrl, Spoken
from onrecord.core.errors import CallerError
from onrecord.wire.bodies.sounds import LANGUAGES
from onrecord.wire.requests import parse_dial, parse_transfer
from onrecord.wire.sound_requests import (
    parse_playback_start,
    parse_playback_stop,
    parse_send_dtmf,
    parse_speak,
)

URL = "https://example.com/a.mp3"


def faults(parse, body):
    with pytest.raises(CallerError) as caught:
        parse(body)
    assert caught.value.status == 422
    return [(fault.code, fault.pointer) for fault in caught.value.faults]


def test_playback_start_takes_one_source():
    assert parse_playback_start({"audio_url": URL}) == PlaybackStart(FromUrl(URL))
    assert parse_playback_start({"media_name": "a.wav", "audio_url": None}) == PlaybackStart(
        FromFolder("a.wav")
    )
    content = base64.b64encode(b"RIFF").decode()
    whole = {
        "playback_content": content,
        "audio_type": "wav",
        "loop": 3,
        "overlay": True,
        "stop": "all",
        "target_legs": "both",
        "cache_audio": False,
        "client_state": "YQ==",
        "command_id": "c",
    }
    assert parse_playback_start(whole) == PlaybackStart(
        FromContent(b"RIFF"), 3, True, "all", "both", "YQ==", "c"
    )
    assert parse_playback_start({"audio_url": URL, "loop": "infinity"}).loops is None
    assert parse_playback_start({"audio_url": URL, "loop": 2.0}).loops == 2
    assert parse_playback_start({"audio_url": URL, "loop": "100"}).loops == 100


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("10004", "/audio_url")]),
        ({"audio_url": URL, "media_name": "a"}, [("10015", "/media_name")]),
        ({"audio_url": "ftp://x/a"}, [("10003", "/audio_url")]),
        ({"playback_content": "no base64!"}, [("10015", "/playback_content")]),
        ({"playback_content": ""}, [("10025", "/playback_content")]),
        ({"media_name": ""}, [("10025", "/media_name")]),
        ({"audio_url": URL, "audio_type": "ogg"}, [("10032", "/audio_type")]),
        *[
            ({"audio_url": URL, "loop": n}, [("90009", "/loop")])
            for n in (0, 101, "0", "101", "3.0", "٣", "x", True, 1.5)
        ],
        ({"audio_url": URL, "stop": "both"}, [("90016", "/stop")]),
        ({"audio_url": URL, "stop": 1}, [("10026", "/stop")]),
        ({"audio_url": URL, "target_legs": "all"}, [("10032", "/target_legs")]),
        (
            {"audio_url": 1, "loop": -1, "stop": "x", "client_state": "?"},
            [
                ("10026", "/audio_url"),
                ("90009", "/loop"),
                ("90016", "/stop"),
                ("10015", "/client_state"),
            ],
        ),
    ],
)
def test_faults_of_playback_start(body, expected):
    assert faults(parse_playback_start, body) == expected


def test_playback_stop():
    assert parse_playback_stop({}) == PlaybackStop()
    assert parse_playback_stop({"stop": "current", "overlay": True}) == PlaybackStop(
        "current", overlay=True
    )
    assert faults(parse_playback_stop, {"stop": "x"}) == [("90016", "/stop")]


def test_speak():
    assert parse_speak({"payload": "Hi", "voice": "male"}) == PlaybackStart(
        Spoken("Hi", "male", "en-US")
    )
    for voice in ("AWS.Polly.Joanna-Neural", "Azure.en-US-Ava:DragonHDLatestNeural", "Telnyx"):
        assert parse_speak({"payload": "x", "voice": voice}).source.voice == voice
    ssml = '<speak>a <break time="1s"/> <prosody rate="slow">b</prosody></speak>'
    asked = {"payload": ssml, "voice": "female", "payload_type": "ssml", "language": "de-DE"}
    assert parse_speak(asked).source == Spoken(ssml, "female", "de-DE", ssml=True)
    assert parse_speak({"payload": "1 < 2", "voice": "male"}).source.text == "1 < 2"
    assert len(LANGUAGES) == 29


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"payload": None}, "10004"),
        ({"payload": " "}, "10004"),
        ({"payload": "x" * 3001}, "90010"),
        ({"payload": "<audio src='x'/>", "payload_type": "ssml"}, "90010"),
        ({"payload": "a </ x:y> b", "payload_type": "ssml"}, "90010"),
        ({"voice": None}, "10004"),
        ({"voice": "-x"}, "90012"),
        ({"language": "xx-XX"}, "90013"),
        ({"payload_type": "html"}, "90011"),
        ({"service_level": "gold"}, "90030"),
        ({"loop": 0}, "90009"),
        ({"stop": "x"}, "90016"),
    ],
)
def test_faults_of_speak(change, code):
    body = {"payload": "x", "voice": "male"} | change
    assert [fault[0] for fault in faults(parse_speak, body)] == [code]


def test_send_dtmf():
    assert parse_send_dtmf({"digits": "1wW#*D"}) == SendDtmf("1wW#*D", 250)
    assert parse_send_dtmf({"digits": "1", "duration_millis": 500}).duration_ms == 500
    for wrong in ("", None):
        assert faults(parse_send_dtmf, {"digits": wrong}) == [("10004", "/digits")]
    for wrong in ("12a", "E", "1 2", "ww"):
        assert faults(parse_send_dtmf, {"digits": wrong}) == [("90014", "/digits")]
    for wrong in (99, 501):
        body = {"digits": "1", "duration_millis": wrong}
        assert faults(parse_send_dtmf, body) == [("90027", "/duration_millis")]


@pytest.mark.parametrize(
    ("to", "explicit", "address", "digits"),
    [
        ("+18004247767,200", None, "+18004247767", "200"),
        ("+18004247767,200", "w9", "+18004247767", "w9"),
        ("sip:bob@192.0.2.1:5070;transport=tcp,1w#", None,
         "sip:bob@192.0.2.1:5070;transport=tcp", "1w#"),
        (["sip:bob@192.0.2.1"], "7", "sip:bob@192.0.2.1", "7"),
        ("sip:a,b@192.0.2.1", None, "sip:a,b@192.0.2.1", ""),
    ],
)  # fmt: skip
def test_digits_on_answer(to, explicit, address, digits):
    body = {"connection_id": "1", "to": to, "from": "+15550100"}
    body |= {"send_digits_on_answer": explicit}
    for command in (parse_dial(body), parse_transfer(body)):
        assert (command.to, command.send_digits) == (address, digits)
    assert faults(parse_dial, body | {"to": "+18004247767,20x"}) == [("10016", "/to")]
    assert faults(parse_dial, body | {"send_digits_on_answer": "x"}) == [
        ("90014", "/send_digits_on_answer")
    ]
