"""Run Telnyx's public example applications, unchanged, against a server of ours and a phone; print what came of it.

    .venv/bin/python tests/peers/sdk_suites/applications.py [--repository URL_OR_PATH]

Each gets ``TELNYX_BASE_URL`` and ``TELNYX_API_KEY`` and what its own ``.env.example`` asks for. Their code is
fetched into a temporary folder and not kept. The phone answers every number (``outbound_proxy``).
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))

from onrecord.phone import TestPhone, tone
from running import API_KEY, RunningServer, running

REPOSITORY = "https://github.com/team-telnyx/telnyx-code-examples"
COMMIT = "0d789a6b88ef9ef062fda265ed91f3bc66c01c25"
NUMBER = "+15550123"
WAIT_SECS = 12.0


@dataclass
class Stage:
    """What a scenario acts on: a running application, our server, and a phone."""

    app: httpx.AsyncClient
    api: httpx.AsyncClient
    phone: TestPhone
    server: RunningServer
    connection: str

    async def recordings(self, count: int = 1) -> list[dict[str, Any]]:
        """The connection's recordings, as soon as there are ``count``."""
        end = time.monotonic() + WAIT_SECS
        while True:
            query = {"filter[connection_id]": self.connection}
            found: list[dict[str, Any]] = (await self.api.get("/recordings", params=query)).json()[
                "data"
            ]
            if len(found) >= count or time.monotonic() > end:
                return found
            await asyncio.sleep(0.2)

    async def told(self, kind: str) -> None:
        """Until the application has taken a webhook of this type, or time is up."""
        end = time.monotonic() + WAIT_SECS
        query = {"filter[event_type]": kind, "filter[status][eq]": "delivered"}
        while time.monotonic() < end:
            if (await self.api.get("/webhook_deliveries", params=query)).json()["data"]:
                return
            await asyncio.sleep(0.2)

    async def dialled(self) -> str:
        """Let the application dial the phone, which answers; the call_control_id."""
        answer = await self.app.post("/calls/initiate", json={"to": NUMBER})
        answer.raise_for_status()
        await self.phone.answer()
        await asyncio.sleep(0.5)
        return str(answer.json()["call_control_id"])

    async def talk(self) -> None:
        await self.phone.play(tone(440, 1.0))


async def asked_over_http(stage: Stage) -> dict[str, Any]:
    """Start and stop through the application's own routes."""
    token = await stage.dialled()
    started = await stage.app.post(f"/calls/{token}/recording/start", json={})
    await stage.talk()
    stopped = await stage.app.post(f"/calls/{token}/recording/stop", json={})
    status = (await stage.app.get(f"/calls/{token}/status")).json()
    await stage.phone.hangup()
    return {"started": started.json(), "stopped": stopped.status_code, "status": status}


async def recorded_from_answer(stage: Stage) -> dict[str, Any]:
    """The application dials with record-from-answer."""
    await stage.dialled()
    await stage.talk()
    await stage.phone.hangup()
    await stage.recordings()
    return {"records": (await stage.app.get("/compliance/records")).json()}


async def call_in(stage: Stage) -> dict[str, Any]:
    """The phone calls the application, hears its greeting, talks and hangs up."""
    await stage.phone.call(f"sip:app@127.0.0.1:{stage.server.sip_port}")
    await stage.told("call.speak.ended")
    await asyncio.sleep(1)
    await stage.talk()
    await stage.phone.hangup()
    await stage.recordings()
    return {"voicemails": (await stage.app.get("/voicemails")).json()}


async def dialled_by_us(stage: Stage) -> dict[str, Any]:
    """Somebody else dials on the application's connection; it records what is answered."""
    await dial(stage)
    await asyncio.sleep(1)
    await stage.talk()
    await asyncio.sleep(2)
    await stage.phone.hangup()
    await stage.recordings()
    return {"audit": (await stage.app.get("/audit/results")).json()}


async def recorded_by_us(stage: Stage) -> dict[str, Any]:
    """Somebody else records; the application collects what is saved."""
    token = await dial(stage)
    fields = {"format": "mp3", "channels": "dual"}
    (await stage.api.post(f"/calls/{token}/actions/record_start", json=fields)).raise_for_status()
    await stage.talk()
    await stage.phone.hangup()
    await stage.recordings()
    await asyncio.sleep(0.5)
    return {"collected": (await stage.app.get("/recordings")).json()}


async def dial(stage: Stage) -> str:
    fields = {"connection_id": stage.connection, "from": "+15550100", "to": NUMBER}
    answer = await stage.api.post("/calls", json=fields)
    answer.raise_for_status()
    await stage.phone.answer()
    await asyncio.sleep(0.3)
    return str(answer.json()["data"]["call_control_id"])


@dataclass(frozen=True)
class Program:
    """An example application: how its calls are made, and where it takes webhooks."""

    name: str
    hook: str
    scenario: Callable[[Stage], Awaitable[dict[str, Any]]]
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def is_node(self) -> bool:
        return self.name.endswith("nodejs")


PROGRAMS = (
    Program("record-phone-calls-python", "/webhooks/call-events", asked_over_http),
    Program("call-compliance-python", "/webhooks/voice", recorded_from_answer),
    Program("call-recording-ai-summarizer-python", "/webhooks/voice", recorded_by_us),
    Program("compliance-call-recorder-ai-auditor-python", "/webhooks/voice", dialled_by_us),
    Program("voicemail-python", "/webhooks/voice", call_in),
    Program(
        "record-phone-calls-nodejs",
        "/webhooks/call",
        asked_over_http,
        (("strict_channels", "false"),),
    ),
)


def fetched(repository: str, folder: Path) -> Path:
    """The examples at COMMIT."""
    tree = folder / "examples"
    git = ["git", "-C", str(tree)]
    subprocess.run(["git", "init", "--quiet", str(tree)], check=True)
    subprocess.run([*git, "fetch", "--quiet", "--depth", "1", repository, COMMIT], check=True)
    names = [program.name for program in PROGRAMS]
    subprocess.run([*git, "checkout", "--quiet", COMMIT, "--", *names], check=True)
    return tree


def installed(program: Program, tree: Path, python: Path) -> list[str]:
    """The command that runs the application; its packages are installed as its README says."""
    home = tree / program.name
    if program.is_node:
        subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=home, check=True
        )
        return ["node", "server.js"]
    pip = [str(python), "-m", "pip", "-qqq", "--disable-pip-version-check", "install"]
    # PyNaCl is what the SDK needs to verify webhooks; the examples forget to ask for it.
    subprocess.run([*pip, "-r", str(home / "requirements.txt"), "telnyx[webhooks]"], check=True)
    return [str(python), "-m", "flask", "--app", "app", "run"]


def free_port() -> int:
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        return int(tcp.getsockname()[1])


@asynccontextmanager
async def started(
    program: Program, command: list[str], home: Path, port: int, environment: dict[str, str]
) -> AsyncIterator[Path]:
    """The application as a process; gives the path of what it prints."""
    log = home / "log"
    extra = [] if program.is_node else ["--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *extra], cwd=home, env=environment, stdout=output, stderr=output
        )
    try:
        end = time.monotonic() + WAIT_SECS
        while time.monotonic() < end:
            with socket.socket() as tcp:
                if tcp.connect_ex(("127.0.0.1", port)) == 0:
                    break
            await asyncio.sleep(0.1)
        yield log
    finally:
        process.terminate()
        process.wait(10)


async def run(program: Program, command: list[str], tree: Path, data: Path) -> None:
    """One application, from its start to the file of the call."""
    port = free_port()
    async with TestPhone("anyone") as phone:
        settings = {"outbound_proxy": phone.uri, **dict(program.settings)}
        with running(data, "48000-48999", **settings) as server:
            headers = {"Authorization": f"Bearer {API_KEY}"}
            own = f"http://127.0.0.1:{port}"
            async with (
                httpx.AsyncClient(base_url=server.base_url, headers=headers, timeout=20) as api,
                httpx.AsyncClient(base_url=own, timeout=20) as app,
            ):
                fields = {"application_name": program.name, "webhook_event_url": own + program.hook}
                made = (await api.post("/call_control_applications", json=fields)).json()["data"]
                environment = os.environ | {
                    "TELNYX_BASE_URL": server.base_url,
                    "TELNYX_API_KEY": API_KEY,
                    "TELNYX_PUBLIC_KEY": server.public_key(),
                    "TELNYX_PHONE_NUMBER": "+15550100",
                    "TELNYX_CONNECTION_ID": made["id"],
                    "PORT": str(port),
                }
                home = tree / program.name
                async with started(program, command, home, port, environment) as log:
                    stage = Stage(app, api, phone, server, made["id"])
                    seen = await program.scenario(stage)
                    found = await stage.recordings()
                    for one in found:
                        ((_, url),) = one["download_urls"].items()
                        seen.setdefault("files", []).append(
                            f"{one['channels']} {one['duration_millis']} ms,"
                            f" {len((await api.get(url)).content)} bytes"
                        )
                    seen["events"] = await events(api, server)
    print(
        f"\n=== {program.name}\n{json.dumps(seen, indent=1)}\n--- printed\n{log.read_text()[-6000:]}"
    )


async def events(api: httpx.AsyncClient, server: RunningServer) -> list[str]:
    """What the server logged about webhooks."""
    lines = [
        json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")
    ]
    return [
        " ".join(
            str(line[key]) for key in ("event", "event_type", "status", "attempt") if key in line
        )
        for line in lines
        if "webhook" in line.get("event", "")
    ]


def main() -> None:
    """Run them one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", default=REPOSITORY)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree = fetched(arguments.repository, folder)
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        for program in PROGRAMS:
            if arguments.only not in program.name or (program.is_node and not shutil.which("npm")):
                continue
            command = installed(program, tree, folder / "venv" / "bin" / "python")
            asyncio.run(run(program, command, tree, folder / program.name))


if __name__ == "__main__":
    main()
