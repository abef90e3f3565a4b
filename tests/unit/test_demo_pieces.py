"""The demo's own parts: pictures, checks, webhook receiver and signature check."""

import asyncio
import base64
import io
import json
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image
from rich.console import Console

import onrecord.demo
from onrecord.audio.g711 import decode_ulaw, encode_ulaw
from onrecord.audio.level import level_of
from onrecord.core.clock import SystemClock
from onrecord.core.errors import OnrecordError
from onrecord.demo.checks import find, length_matches, speaks_on
from onrecord.demo.receiver import Delivery, Receiver
from onrecord.demo.report import PICTURE, Heard, Saved, findings_of, show_files
from onrecord.demo.scene import run
from onrecord.demo.waveform import Track, bars, image, terminal
from onrecord.demo.webhooks import Inbox, read, verified
from onrecord.phone import read_clip, tone

CLIPS = Path(onrecord.demo.__file__).parent / "clips"
RATE = 8000
SECOND = 1_000_000_000


def clip(name):
    return read_clip(CLIPS / f"{name}.wav")


def law(samples):
    return decode_ulaw(encode_ulaw(samples))


def conversation():
    """Channels A and B of the scene as it should be recorded."""
    ann, bob = ([clip(f"{who}-{turn}") for turn in (1, 2)] for who in ("ann", "bob"))
    gap = np.zeros(2000, np.int16)
    still = [np.zeros_like(c) for c in (*ann, *bob)]
    a = np.concatenate([gap, ann[0], gap, still[2], gap, ann[1], gap, still[3], gap])
    b = np.concatenate([gap, still[0], gap, bob[0], gap, still[1], gap, bob[1], gap])
    return law(a), law(b), ann, bob


def test_the_clips_are_a_short_talk():
    seconds = {n: len(clip(n)) / RATE for n in ("ann-1", "bob-1", "ann-2", "bob-2")}
    assert 8 < sum(seconds.values()) < 11
    assert all(-26 < level_of(clip(n)).rms_dbfs < -14 for n in seconds)
    assert sum(f.stat().st_size for f in CLIPS.glob("*.wav")) < 250_000


def test_bars_show_where_it_is_loud():
    samples = np.concatenate([np.zeros(800, np.int16), tone(400, 0.1, 32767)])
    assert bars(samples, 4, rows=2) == ["  ██", "  ██"]
    assert bars(samples[:2], 5) == ["     "] * 2
    assert bars(samples[:0], 3) == ["   "] * 2


def test_terminal_picture_has_names_and_seconds():
    a, b, *_ = conversation()
    tracks = [Track("Ann", "A", a, "#112233"), Track("Bob", "B", b, "#332211")]
    lines = terminal(tracks, RATE, 60).plain.split("\n")
    assert [line[:3] for line in lines] == ["   ", "Ann", "   ", "Bob", "   "]
    assert lines[4].split() == [x for n in range(12) for x in (str(n), "s")]
    assert "█" in lines[1][:25]
    assert "█" not in lines[3][:20]
    assert terminal([], RATE, 60).plain


def test_image_shows_each_voice_in_its_panel_and_time():
    a, b, *_ = conversation()
    tracks = [Track("Ann", "A", a, "#0f8b8d"), Track("Bob", "B", b, "#d9622b")]
    pixels = np.asarray(image(tracks, RATE, "title", "subtitle")).astype(int)
    teal = np.abs(pixels - [0x0F, 0x8B, 0x8D]).sum(axis=2) < 60
    orange = np.abs(pixels - [0xD9, 0x62, 0x2B]).sum(axis=2) < 60
    panel = slice(260, None)
    first, second = teal[:300, panel].sum(axis=0), orange[300:, panel].sum(axis=0)
    assert orange[:300].sum() == teal[320:].sum() == 0
    # Ann's first turn is in the first third, Bob's follows
    assert first[:300].mean() > 10 > 4 > first[350:580].mean()
    assert second[350:580].mean() > 8 > 4 > second[:300].mean()


def test_image_of_silence_and_of_nothing():
    silent = Track("Ann", "A", np.zeros(800, np.int16), "#0f8b8d")
    assert image([silent], RATE, "t").size[0] == image([], RATE, "t").size[0] == 1440


def test_clips_are_found_on_their_channel_only():
    a, b, ann, bob = conversation()
    for channel, own, other in ((a, ann, bob), (b, bob, ann)):
        assert all(find(c, channel).likeness > 0.97 for c in own)
        assert all(find(c, channel).likeness < 0.5 for c in other)
    assert find(ann[0], a).at_samples == 2000
    assert find(ann[0], a[:100]).likeness == 0
    assert find(ann[0], np.zeros_like(a)).likeness == 0
    assert all(f.holds for f in speaks_on("Ann", "A", ann, a, RATE))
    assert [f.holds for f in speaks_on("Ann", "B", ann, b, RATE)] == [False, False]
    both = a + b
    assert [f.holds for f in speaks_on("Ann", "A", ann, both, RATE)] == [True, False]
    assert not speaks_on("Ann", "A", ann[::-1], a, RATE)[0].holds


def test_length():
    assert length_matches("x", 10.2, 10.0).holds
    assert not length_matches("x", 10.6, 10.0).holds


KEY = Ed25519PrivateKey.generate()


def signed(document, now=1_700_000_000, key=KEY):
    body = json.dumps(document).encode()
    signature = key.sign(f"{now}|".encode() + body)
    return Delivery(
        body,
        {
            "telnyx-timestamp": str(now),
            "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
        },
    )


def event(kind="call.answered", **payload):
    return {
        "data": {"event_type": kind, "id": "e1", "payload": payload},
        "meta": {"attempt": 2, "delivered_to": "x"},
    }


def test_signatures():
    now = 1_700_000_000
    good = signed(event(), now)
    assert verified(KEY.public_key(), good, now * SECOND)
    assert verified(KEY.public_key(), good, (now + 299) * SECOND)
    assert not verified(KEY.public_key(), good, (now + 301) * SECOND)
    assert not verified(Ed25519PrivateKey.generate().public_key(), good, now * SECOND)
    assert not verified(KEY.public_key(), Delivery(good.body + b" ", good.headers), now * SECOND)
    for broken in (
        {},
        {**good.headers, "telnyx-signature-ed25519": "?"},
        {"telnyx-timestamp": "x"},
    ):
        assert not verified(KEY.public_key(), Delivery(good.body, broken), now * SECOND)


def test_reading_a_webhook():
    now = 1_700_000_000
    webhook = read(KEY.public_key(), signed(event(a=1), now), now * SECOND)
    assert (webhook.type, webhook.payload, webhook.attempt) == ("call.answered", {"a": 1}, 2)
    assert webhook.verified
    for body in (b"", b"[]", b"{}", b'{"data": {}}', b"\xff"):
        with pytest.raises(ValueError, match="not an event"):
            read(KEY.public_key(), Delivery(body, {}), 0)


async def test_inbox_waits_for_the_right_one():
    inbox = Inbox(KEY.public_key(), SystemClock(), lambda _: None)
    task = asyncio.create_task(inbox.wait("call.hangup", "Bob", call_control_id="b"))
    await asyncio.sleep(0)
    assert inbox.waiting_for == "call.hangup (Bob)"
    for document in (
        event("call.hangup", call_control_id="a"),
        event("call.answered", call_control_id="b"),
        event("call.hangup", call_control_id="b", n=1),
    ):
        assert not task.done()
        inbox.put(signed(document))
    inbox.put(Delivery(b"junk", {}))
    assert (await task).payload["n"] == 1
    assert inbox.waiting_for == ""
    assert (len(inbox.webhooks), inbox.unreadable) == (3, 1)


async def test_receiver_over_http():
    got = []
    async with (
        Receiver("127.0.0.1", got.append) as receiver,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        for n in range(3):
            headers = {"Telnyx-Timestamp": str(n)}
            answer = await client.post(receiver.url, content=b"x" * n, headers=headers)
            assert answer.status_code == 200
        assert (await client.get(receiver.url)).status_code == 400
        big = await client.post(receiver.url, content=b"x" * 1_000_001)
        assert big.status_code == 400
    assert [(d.body, d.headers["telnyx-timestamp"]) for d in got] == [
        (b"", "0"),
        (b"x", "1"),
        (b"xx", "2"),
    ]


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -4\r\n\r\n",
        b"POST / HTTP/1.1\r\nX: " + b"y" * 40_000,
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nshort",
        b"POST / HT",
    ],
)
async def test_receiver_survives_garbage(sent):
    got = []
    async with Receiver("127.0.0.1", got.append) as receiver:
        url = httpx.URL(receiver.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(sent)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 400")
    assert got == []


def recorded(path, *channels):
    """A WAV file of these channels as the scene downloads it, and its webhook's payload."""
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.stack(channels, axis=1).tobytes())
    payload = {
        "recording_started_at": "2026-01-01T00:00:00.000000Z",
        "recording_ended_at": f"2026-01-01T00:00:{len(channels[0]) / RATE:09.6f}Z",
        "fidelity": {"mos": 4.2, "loss_percent": 1.25, "gaps": 2, "gaps_millis": 80, "x": 1},
    }
    return Saved.read(path.suffix[1:], path, payload)


def outcome(tmp_path, *channels):
    a, b, ann, bob = conversation()
    mix = recorded(tmp_path / "mix.wav", (a // 2 + b // 2).astype(np.int16))
    saved = [recorded(tmp_path / "talk.wav", *channels), mix]
    speakers = (Heard("Ann", ann, b), Heard("Bob", bob, a))
    inbox = Inbox(KEY.public_key(), SystemClock(), lambda _: None)
    inbox.put(signed(event(), int(time.time())))
    return saved, speakers, findings_of(inbox, saved, speakers)


def test_a_good_talk_passes_every_check_and_is_shown(tmp_path):
    a, b, *_ = conversation()
    saved, speakers, findings = outcome(tmp_path, a, b)
    assert [f.what for f in findings if not f.holds] == []
    assert len(findings) == 11
    console = Console(width=80, file=io.StringIO())
    show_files(console, tmp_path, saved, speakers)
    shown = console.file.getvalue()
    assert str(tmp_path / "talk.wav") in shown.replace("\n", "")
    assert "two channels" in shown
    assert "channel B, right: peak -" in shown
    assert "1.25 % of packets lost, 2 gaps (80 ms), estimated MOS 4.2\n" in shown
    assert max(map(len, shown.splitlines())) <= 80
    with Image.open(tmp_path / PICTURE) as picture:
        assert picture.size[0] == 1440


def test_swapped_channels_and_one_channel_are_noticed(tmp_path):
    a, b, *_ = conversation()
    *_, findings = outcome(tmp_path, b, a)
    assert [f.holds for f in findings] == [True] * 4 + [False] * 4 + [True] * 3
    *_, findings = outcome(tmp_path, a)
    assert [f.what for f in findings if not f.holds][:1] == ["the WAV file has two channels"]


def test_an_unsigned_webhook_fails_the_demo(tmp_path):
    a, b, *_ = conversation()
    saved, speakers, _ = outcome(tmp_path, a, b)
    inbox = Inbox(KEY.public_key(), SystemClock(), lambda _: None)
    inbox.put(signed(event(), int(time.time()), Ed25519PrivateKey.generate()))
    assert not findings_of(inbox, saved, speakers)[0].holds


def test_a_file_that_is_no_audio(tmp_path):
    (tmp_path / "x.mp3").write_bytes(b"nothing")
    with pytest.raises(OnrecordError, match=r"x\.mp3"):
        Saved.read("mp3", tmp_path / "x.mp3", {})


async def test_nobody_serves(tmp_path):
    console = Console(width=100, file=io.StringIO())
    code = await run("http://127.0.0.1:9", "KEY", 9, tmp_path, console=console)
    assert code == 1
    assert "GET /public_key" in console.file.getvalue()
