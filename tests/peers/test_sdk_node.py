"""Telnyx's SDK for Node: a program that knows nothing but base URL and keys records a call."""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from listening import read_bytes, tone_ms
from onrecord.phone import TestPhone, tone
from running import API_KEY, RunningServer

PROGRAM = Path(__file__).parent / "node"

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program with its packages beside it, outside the tree."""
    folder = tmp_path_factory.mktemp("node") / "flow"
    shutil.copytree(PROGRAM, folder)
    installed = subprocess.run(
        [
            "npm",
            "ci",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--cache",
            str(folder / "cache"),
        ],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert installed.returncode == 0, installed.stderr
    return folder / "flow.mjs"


async def told(process: asyncio.subprocess.Process, name: str) -> Any:
    """The next fact of the program, which must be this one."""
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(20):
        line = await process.stdout.readline()
    assert line, (await process.stderr.read()).decode()
    return json.loads(line)[name]


async def test_a_call_is_recorded_by_node(
    server: RunningServer, program: Path, tmp_path: Path
) -> None:
    async with TestPhone("ann") as ann, TestPhone("bob") as bob:
        environment = os.environ | {
            "TELNYX_BASE_URL": server.base_url,
            "TELNYX_API_KEY": API_KEY,
            "TELNYX_PUBLIC_KEY": server.public_key(),
            "BOB": bob.uri,
            "FILE": str(tmp_path / "node.wav"),
        }
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            "node", str(program), env=environment, stdin=pipe, stdout=pipe, stderr=pipe
        )
        try:
            user = await told(process, "dial")
            await ann.call(f"sip:{user}@127.0.0.1:{server.sip_port}")
            await bob.answer()
            await told(process, "talk")
            await ann.play(tone(440, 0.5))
            await bob.play(tone(700, 0.5))
            await asyncio.sleep(0.1)
            assert process.stdin is not None
            process.stdin.write(b"\n")
            facts = await told(process, "done")
            assert await process.wait() == 0
            await ann.wait_ended()
            await bob.wait_ended()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            process.stdin.close()

    samples, rate = read_bytes((tmp_path / "node.wav").read_bytes(), tmp_path, "wav")
    assert (rate, samples.shape[1]) == (8000, 2)
    assert 440 <= tone_ms(samples[:, 0], 440) <= 540
    assert 440 <= tone_ms(samples[:, 1], 700) <= 540
    assert sorted(facts.pop("events")) == [
        *["call.answered"] * 2,
        *["call.bridged"] * 2,
        *["call.hangup"] * 2,
        *["call.initiated"] * 2,
        "call.recording.saved",
    ]
    assert facts["recordings"] == [facts.pop("saved")]
    facts.pop("recordings")
    assert facts == {
        "alive": True,
        "client_state": "bm9kZQ==",
        "webhook_timeout_secs": 5,
        "status": "completed",
        "left": 0,
        "withoutChannels": {"class": "UnprocessableEntityError", "status": 422, "code": "10004"},
        "gone": {"class": "NotFoundError", "status": 404, "code": "10005"},
        "again": {"class": "UnprocessableEntityError", "status": 422, "code": "90018"},
        "stranger": {"class": "AuthenticationError", "status": 401, "code": "10009"},
        "forged": {"class": "TelnyxWebhookVerificationError"},
    }
