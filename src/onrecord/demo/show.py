"""``onrecord demo``: start a server of its own, play the scene against it, and end."""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape

from onrecord.app.folder import DataFolder, Running
from onrecord.core.logs import configure_logs
from onrecord.demo.model import NAME, NoModelError, fetch_model
from onrecord.demo.scene import run

START_SECS = 30.0
STOP_SECS = 15.0


async def show(output: Path, *, keep: bool) -> int:
    """Play the demo; returns the exit code. With ``keep`` the server stays until it is interrupted."""
    console = Console()
    configure_logs("warning", "text", "demo")
    await asyncio.to_thread(output.mkdir, parents=True, exist_ok=True)
    api_key = f"KEY{secrets.token_urlsafe(24)}"
    models = await _models(console)
    with contextlib.ExitStack() as stack:
        data = output / "data" if keep else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        async with _server(data, api_key, output / "server.log", console, models) as running:
            code = await run(
                running.http_url,
                api_key,
                running.sip_port,
                output,
                console=console,
                transcription=models is not None,
            )
            if keep:
                await _until_interrupted(running, api_key, console)
    return code


@contextlib.asynccontextmanager
async def _server(
    data: Path, api_key: str, log: Path, console: Console, models: Path | None
) -> AsyncIterator[Running]:
    console.print("[bold]Starting onrecord[/] (SQLite, local folder, free ports) ...")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ONRECORD_")}
    environment["ONRECORD_API_KEY"] = api_key
    if models is not None:
        environment["ONRECORD_MODELS_FOLDER"] = str(models)
        environment["ONRECORD_TRANSCRIPTION_MODEL"] = NAME
    folder = DataFolder(data)
    folder.run_file.unlink(missing_ok=True)
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "onrecord", "serve", "--data", str(data)),
            *("--http-port", "0", "--sip-port", "0", "--rtp-ports", "30000-30199"),
            env=environment,
            stdout=sink,
            stderr=sink,
        )
    try:
        running = await _ready(folder, process, log)
        console.print(f"  API {running.http_url}/v2, SIP port {running.sip_port}\n")
        yield running
    finally:
        await _end(process)


async def _models(console: Console) -> Path | None:
    """The folder with the speech model; None, which is said, where it cannot be had."""
    try:
        return await asyncio.to_thread(fetch_model)
    except (NoModelError, OSError) as error:
        console.print(f"[yellow]No transcript:[/] {escape(str(error))}")
        return None


async def _ready(folder: DataFolder, process: asyncio.subprocess.Process, log: Path) -> Running:
    loop = asyncio.get_running_loop()
    end = loop.time() + START_SECS
    async with httpx.AsyncClient() as client:
        while loop.time() < end:
            if process.returncode is not None:
                raise RuntimeError(f"the server did not start; see {log}")
            running = folder.running()
            if running is not None:
                with contextlib.suppress(httpx.HTTPError):
                    answer = await client.get(f"{running.http_url}/health/ready")
                    if answer.is_success:
                        return running
            await asyncio.sleep(0.05)
    raise RuntimeError(f"the server was not ready within {START_SECS:.0f} s; see {log}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _until_interrupted(running: Running, api_key: str, console: Console) -> None:
    console.print(
        f"\nThe server keeps running: API {running.http_url}/v2, SIP port {running.sip_port}"
    )
    console.print(f"  export TELNYX_BASE_URL={running.http_url}/v2 TELNYX_API_KEY={api_key}")
    console.print("  Ctrl-C ends it.")
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await stop.wait()
