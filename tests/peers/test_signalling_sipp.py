"""Scenarios of sipp against our phone, which is our signalling and our negotiation, over UDP and TCP."""

import asyncio
import shutil
import socket
from pathlib import Path

import pytest

from onrecord.phone import CallFailed, TestPhone

SCENARIOS = Path(__file__).parent / "sipp"
HOST = "127.0.0.1"

pytestmark = pytest.mark.skipif(shutil.which("sipp") is None, reason="sipp is not installed")


def free_port():
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind((HOST, 0))
        udp.bind((HOST, tcp.getsockname()[1]))
        return tcp.getsockname()[1]


class Sipp:
    """One run; ``finished`` tells its exit code and what it complained about."""

    def __init__(self, folder, scenario, callee=None, transport="UDP"):
        self.port = free_port()
        self.errors = folder / "errors.log"
        self.arguments = [
            *([f"{HOST}:{callee.uri.rpartition(':')[2]}"] if callee else []),
            *("-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", HOST, "-p", str(self.port)),
            *("-t", "u1" if transport == "UDP" else "t1", "-m", "1", "-nostdin"),
            *("-timeout", "15s", "-timeout_error", "-mp", str(free_port())),
            *("-trace_err", "-error_file", str(self.errors)),
        ]
        self.folder = folder

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(
            "sipp",
            *self.arguments,
            cwd=self.folder,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return self

    async def __aexit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def finished(self):
        code = await asyncio.wait_for(self.process.wait(), 20)
        return code, self.errors.read_text() if self.errors.exists() else ""

    async def listening(self, transport):
        """Wait until a UAS scenario has bound its port."""
        kind = socket.SOCK_DGRAM if transport == "UDP" else socket.SOCK_STREAM
        async with asyncio.timeout(5):
            while True:
                with socket.socket(socket.AF_INET, kind) as probe:
                    try:
                        probe.bind((HOST, self.port))
                    except OSError:
                        return
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("scenario", ["uac_call", "uac_hold"])
async def test_sipp_calls(tmp_path, scenario, transport):
    async with TestPhone("bob") as bob, Sipp(tmp_path, scenario, bob, transport) as sipp:
        incoming = await bob.wait_incoming()
        assert (incoming.from_name, incoming.from_uri.partition("@")[0]) == ("sipp", "sip:sipp")
        await bob.answer()
        assert bob.stream.media.send_codec.name == "PCMA"
        ended = await bob.wait_ended()
        assert (ended.reason, ended.by_remote) == ("bye", True)
        assert await sipp.finished() == (0, "")


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_sipp_gives_up(tmp_path, transport):
    async with TestPhone("bob") as bob, Sipp(tmp_path, "uac_cancel", bob, transport) as sipp:
        await bob.wait_incoming()
        ended = await bob.wait_ended()
        assert (ended.reason, ended.by_remote) == ("cancel", True)
        assert await sipp.finished() == (0, "")


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_sipp_is_called(tmp_path, transport):
    async with (
        TestPhone("ann", transport=transport) as ann,
        Sipp(tmp_path, "uas_call", transport=transport) as sipp,
    ):
        await sipp.listening(transport)
        await ann.dial(f"sip:sipp@{HOST}:{sipp.port}")
        await ann.wait_ringing()
        await ann.wait_answered()
        assert ann.stream.media.send_codec.name == "PCMA"
        await ann.hangup()
        assert await sipp.finished() == (0, "")


async def test_sipp_is_busy(tmp_path):
    async with TestPhone("ann") as ann, Sipp(tmp_path, "uas_busy") as sipp:
        await sipp.listening("UDP")
        with pytest.raises(CallFailed) as caught:
            await ann.call(f"sip:sipp@{HOST}:{sipp.port}")
        assert (caught.value.ended.status, caught.value.ended.reason) == (486, "rejected")
        assert await sipp.finished() == (0, "")
