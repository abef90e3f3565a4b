"""Phones that others wrote, recorded by a real server: sipp over UDP and TCP, and the softphone baresip."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from conftest import next_rtp_ports
from listening import onset_ms, read_bytes, tone_ms
from onrecord.audio.g711 import encode_ulaw
from onrecord.phone.clips import tone
from running import API_KEY, Receiver, RunningServer, running

SCENARIOS = Path(__file__).parent / "sipp"


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("phones") / "data", next_rtp_ports()) as started:
        yield started


@pytest.fixture
async def api(own_server: RunningServer, receiver: Receiver) -> AsyncIterator[httpx.AsyncClient]:
    """The API, with an application for the number ``phones``."""
    async with httpx.AsyncClient(
        base_url=own_server.base_url, headers={"Authorization": f"Bearer {API_KEY}"}
    ) as client:
        made = await client.post(
            "/call_control_applications",
            json={"application_name": "phones", "webhook_event_url": receiver.url},
        )
        await client.patch(
            "/phone_numbers/phones", json={"connection_id": made.json()["data"]["id"]}
        )
        yield client


async def record_the_next_call(api: httpx.AsyncClient, receiver: Receiver) -> dict[str, object]:
    """Answer and record whatever calls; returns the payload of call.initiated."""
    initiated = await asyncio.to_thread(receiver.wait, "call.initiated")
    actions = f"/calls/{initiated.payload['call_control_id']}/actions"
    (await api.post(f"{actions}/answer")).raise_for_status()
    await asyncio.to_thread(receiver.wait, "call.answered")
    started = await api.post(f"{actions}/record_start", json={"format": "wav", "channels": "dual"})
    started.raise_for_status()
    return initiated.payload


async def the_recording(receiver: Receiver, folder: Path) -> np.ndarray:
    saved = await asyncio.to_thread(receiver.wait, "call.recording.saved")
    urls = saved.payload["recording_urls"]
    assert isinstance(urls, dict)
    async with httpx.AsyncClient() as http:
        samples, rate = read_bytes((await http.get(urls["wav"])).content, folder, "wav")
    assert rate == 8000
    return samples


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_sipp(
    transport: str,
    own_server: RunningServer,
    api: httpx.AsyncClient,
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    audio = tmp_path / "tone.ulaw"
    audio.write_bytes(encode_ulaw(tone(440, 2.0)).tobytes())
    sipp = await asyncio.create_subprocess_exec(
        *("sipp", "-sf", str(SCENARIOS / "call_with_audio.xml"), "-s", "phones", "-m", "1"),
        *("-t", transport, "-i", "127.0.0.1", "-mi", "127.0.0.1"),
        *("-nostdin", "-timeout", "20", "-timeout_error", f"127.0.0.1:{own_server.sip_port}"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.DEVNULL,
    )
    initiated = await record_the_next_call(api, receiver)
    assert await asyncio.wait_for(sipp.wait(), 20) == 0
    assert initiated["custom_headers"] == [{"name": "X-Test", "value": "from sipp"}]
    assert initiated["sip_headers"] == [{"name": "User-to-User", "value": "616263;encoding=hex"}]
    hangup = await asyncio.to_thread(receiver.wait, "call.hangup")
    assert (hangup.payload["hangup_cause"], hangup.payload["hangup_source"]) == (
        "normal_clearing",
        "caller",
    )
    samples = await the_recording(receiver, tmp_path)
    assert tone_ms(samples[:, 0], 440) >= 1900
    assert not samples[:, 1].any()


@contextlib.asynccontextmanager
async def baresip(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A baresip that says a tone of 440 Hz; its commands go to its standard input."""
    sound = folder / "said.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(tone(440, 10.0).tobytes())
    modules = next(
        path for path in Path("/usr/lib").glob("**/baresip/modules") if (path / "g711.so").exists()
    )
    (folder / "config").write_text(
        "poll_method epoll\nsip_listen 127.0.0.1:0\n"
        f"audio_player aufile,{folder}/heard.wav\naudio_source aufile,{sound}\n"
        f"audio_alert aufile,{folder}/alert.wav\nausrc_srate 8000\nauplay_srate 8000\n"
        "ausrc_channels 1\nauplay_channels 1\nrtp_ports 41000-41100\n"
        f"module_path {modules}\nmodule g711.so\nmodule aufile.so\nmodule stdio.so\n"
        "module_tmp account.so\nmodule_app menu.so\n"
    )
    (folder / "accounts").write_text("<sip:baresip@127.0.0.1>;regint=0;audio_codecs=PCMU\n")
    (folder / "contacts").touch()
    process = await asyncio.create_subprocess_exec(
        *("baresip", "-f", str(folder), "-t", "20"),
        env={**os.environ, "TERM": "dumb"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


@pytest.mark.skipif(
    not any(
        line.split()[:1] != ["lo:"] and ":" in line
        for line in subprocess.run(
            ["cat", "/proc/net/dev"], capture_output=True, text=True, check=True
        ).stdout.splitlines()[2:]
    ),
    reason="baresip does not start on a machine whose only network is loopback",
)
async def test_baresip(
    own_server: RunningServer, api: httpx.AsyncClient, receiver: Receiver, tmp_path: Path
) -> None:
    assert shutil.which("baresip")
    async with baresip(tmp_path) as phone:
        assert phone.stdin is not None
        phone.stdin.write(f"/dial sip:phones@127.0.0.1:{own_server.sip_port}\n".encode())
        initiated = await record_the_next_call(api, receiver)
        await asyncio.sleep(2)
        phone.stdin.write(b"/hangup\n")
        await asyncio.to_thread(receiver.wait, "call.hangup")
        assert initiated["direction"] == "incoming"
        samples = await the_recording(receiver, tmp_path)
    first = onset_ms(samples[:, 0], 440)
    assert first < 500
    assert tone_ms(samples[:, 0], 440) >= 1900 - first
