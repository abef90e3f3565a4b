"""Prompts as the use cases get them: fetched within bounds, read from the folder, spoken, encoded."""

import asyncio
import contextlib
import shutil
import wave

import numpy as np
import pytest

from onrecord.audio.g711 import decode_alaw
from onrecord.calls.media import FromContent, FromFolder, FromUrl, PromptFailed, Spoken
from onrecord.core.settings import Settings
from onrecord.prompts.espeak import engine_voice
from onrecord.prompts.preparing import Prompts
from onrecord.sdp.codecs import G722, OPUS, PCMA, PCMU, Codec


def frames(path):
    content, found = path.read_bytes(), []
    while content:
        size = int.from_bytes(content[:2], "big")
        found.append(content[2 : 2 + size])
        content = content[2 + size :]
    return found


@pytest.fixture
async def prompts(tmp_path):
    for name in ("media", "clips"):
        (tmp_path / name).mkdir()
    made = Prompts(
        Settings(data=tmp_path, playback_max_bytes=20_000, playback_fetch_secs=0.5),
        tmp_path / "media",
        tmp_path / "clips",
    )
    yield made
    await made.close()


def wav_file(path, samples):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(samples.astype("<i2").tobytes())
    return path.read_bytes()


@contextlib.asynccontextmanager
async def web(answer):
    """A server on loopback that answers every request with ``answer``, or None: never."""

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            if answer is None:
                await reader.read()  # until the client gives up
            else:
                writer.write(answer)
                await writer.drain()
            writer.close()
            await writer.wait_closed()
        done.set()

    done = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.wav"
    finally:
        await asyncio.wait_for(done.wait(), 5)
        server.close()


async def test_a_file_is_fetched(prompts):
    async with web(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nRIFF") as url:
        assert await prompts.load(FromUrl(url)) == b"RIFF"


@pytest.mark.parametrize(
    ("answer", "reason", "missing"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answered 404", True),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "answered 500", False),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(30_000), "more than 20000 bytes", False),
        (b"nonsense\r\n\r\n", "not fetched", False),
        (None, "within 0.5 s", False),
    ],
)
async def test_what_cannot_be_fetched_is_told(prompts, answer, reason, missing):
    async with web(answer) as url:
        with pytest.raises(PromptFailed, match=reason) as failed:
            await prompts.load(FromUrl(url))
    assert failed.value.missing == missing


async def test_redirects_end(prompts):
    async with web(b"HTTP/1.1 302 Go\r\nLocation: /a.wav\r\nContent-Length: 0\r\n\r\n") as url:
        with pytest.raises(PromptFailed, match="not fetched"):
            await prompts.load(FromUrl(url))


@pytest.mark.parametrize("host", ["xn--", "xn--a", "\u2603.example", "a..b", "a" * 300, "[::1"])
async def test_a_host_that_is_none_is_told(prompts, host):
    with pytest.raises(PromptFailed, match="not fetched"):
        await prompts.load(FromUrl(f"http://{host}/a.wav"))
    moved = f"HTTP/1.1 302 Go\r\nLocation: http://{host}/\r\nContent-Length: 0\r\n\r\n"
    async with web(moved.encode()) as url:
        with pytest.raises(PromptFailed, match="not fetched"):
            await prompts.load(FromUrl(url))


async def test_the_media_folder_gives_its_own_files_only(prompts, tmp_path):
    (tmp_path / "media" / "a.wav").write_bytes(b"RIFF")
    (tmp_path / "media" / "long").write_bytes(bytes(20_001))
    (tmp_path / "secret").write_bytes(b"RIFF")
    assert await prompts.load(FromFolder("a.wav")) == b"RIFF"
    for name in ("absent", "../secret", str(tmp_path / "secret"), "..", "."):
        with pytest.raises(PromptFailed) as failed:
            await prompts.load(FromFolder(name))
        assert failed.value.missing
    with pytest.raises(PromptFailed, match="bytes"):
        await prompts.load(FromFolder("long"))


@pytest.mark.parametrize(
    ("codec", "size"), [(PCMU, 160), (PCMA, 160), (G722, 160), (Codec("L16", 16000), 640)]
)
async def test_a_clip_has_frames_of_its_codec(prompts, tmp_path, codec, size):
    content = wav_file(tmp_path / "a", 8000 * np.sin(np.arange(1700) / 4))
    clip = await prompts.clip(content, codec)
    assert clip.codec == codec.name
    made = frames(clip.path)
    assert {len(frame) for frame in made} == {size}
    assert len(made) == 11  # 212 ms, filled up
    if codec == PCMA:
        samples = decode_alaw(np.frombuffer(b"".join(made), np.uint8))
        assert np.abs(samples[:1700]).max() > 7000
        assert np.abs(samples[1700:]).max() < 20
    prompts.discard(clip)
    assert not clip.path.exists()
    prompts.discard(clip)


async def test_opus_frames_differ_in_length(prompts, tmp_path):
    noise = np.random.default_rng(1).normal(0, 3000, 8000)
    made = frames((await prompts.clip(wav_file(tmp_path / "a", noise), OPUS)).path)
    assert 50 <= len(made) <= 52
    assert len({len(frame) for frame in made}) > 1


async def test_what_is_left_behind_is_removed_and_the_beep_is_made_once(prompts, tmp_path):
    (tmp_path / "clips" / "old").write_bytes(b"x")
    prompts.begin()
    beep = await prompts.beep(PCMU)
    assert await prompts.beep(PCMU) is beep
    assert (beep.hz, beep.ms, beep.level_dbfs) == (1400, 300, -12.0)
    assert len(frames(beep.clip.path)) == 15
    assert list((tmp_path / "clips").iterdir()) == [beep.clip.path]


async def test_content_that_is_no_audio_is_refused(prompts):
    assert await prompts.load(FromContent(b"x")) == b"x"
    assert not prompts.plays(b"x")
    with pytest.raises(PromptFailed, match="neither"):
        await prompts.clip(b"x", PCMU)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no speech engine here")
async def test_a_text_becomes_a_clip(prompts):
    assert prompts.speaks
    spoken = await prompts.load(Spoken("one two three", "female", "en-GB"))
    made = frames((await prompts.clip(spoken, PCMU)).path)
    assert 25 < len(made) < 150


async def test_without_an_engine_nothing_is_spoken(tmp_path):
    none = Prompts(Settings(data=tmp_path, speech_program=""), tmp_path, tmp_path)
    assert not none.speaks
    with pytest.raises(PromptFailed, match="installed"):
        await none.load(Spoken("x", "male", "en-US"))


async def test_an_engine_that_fails_is_told(tmp_path):
    failing = Prompts(Settings(data=tmp_path, speech_program="false"), tmp_path, tmp_path)
    with pytest.raises(PromptFailed, match="failed with 1"):
        await failing.load(Spoken("x" * 3000, "male", "en-US"))


@pytest.mark.parametrize(
    ("language", "voice", "expected"),
    [
        ("en-US", "male", "en-us"),
        ("en-AU", "female", "en+f3"),
        ("arb", "x", "ar"),
        ("cmn-CN", "x", "cmn"),
        ("en-GB-WLS", "Female", "en-gb+f3"),
        ("es-MX", "x", "es-419"),
        ("fr-CA", "x", "fr"),
        ("pt-BR", "x", "pt-br"),
        ("nb-NO", "x", "nb"),
    ],
)
def test_voices_of_the_engine(language, voice, expected):
    assert engine_voice(language, voice) == expected


async def test_a_name_that_no_file_can_have_is_not_there(prompts):
    with pytest.raises(PromptFailed) as told:
        await prompts.load(FromFolder("ü" * 200 + ".wav"))
    assert told.value.missing


async def test_a_file_that_cannot_be_read_is_told(prompts, tmp_path, monkeypatch):
    (tmp_path / "media" / "closed.wav").write_bytes(b"RIFF")

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(PromptFailed, match="Permission denied") as told:
        await prompts.load(FromFolder("closed.wav"))
    assert not told.value.missing
