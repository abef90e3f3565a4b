"""The control process: settings -> running system. The only place that knows concrete classes."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import structlog
import uvicorn
import uvloop

from onrecord.api.app import create_api
from onrecord.api.protocol import BoundedHttp
from onrecord.api.services import Services
from onrecord.app.children import Child
from onrecord.app.engines import Engines
from onrecord.app.folder import DataFolder, Running
from onrecord.app.listening import Listening
from onrecord.app.parts import Parts, database_url, open_database, open_parts
from onrecord.app.transcripts import RENDERERS
from onrecord.calls.media import MediaEvent
from onrecord.core.errors import OnrecordError
from onrecord.core.ids import RecordingId
from onrecord.core.logs import configure_logs
from onrecord.core.settings import Settings
from onrecord.jobs.client import prepare
from onrecord.media.plane import MediaPlane
from onrecord.media.salvage import salvage
from onrecord.prompts.preparing import Prompts
from onrecord.service.applications import Applications
from onrecord.service.calls import Calls
from onrecord.service.edges import Edges
from onrecord.service.files import Files
from onrecord.service.history import History
from onrecord.service.keys import Keys
from onrecord.service.numbers import Numbers
from onrecord.service.recordings import Recordings
from onrecord.service.recovery import Recovery
from onrecord.service.registry import Registry
from onrecord.service.transcribing import TranscriptionFiles
from onrecord.service.transcriptions import Transcriptions
from onrecord.signalling.edge import Signalling
from onrecord.sip.backend import SipEvent

log = structlog.get_logger()

HTTP_BACKLOG = 2048
HTTP_KEEP_ALIVE_SECS = 30
TICK_SECS = 1.0


def run_control(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        OnrecordError: the data folder is in use, or a port is taken.
    """
    configure_logs(settings.log_level, settings.log_format, "control")
    folder = DataFolder(settings.data)
    folder.prepare()
    with folder.held():
        uvloop.run(_serve(settings, folder))


async def _serve(settings: Settings, folder: DataFolder) -> None:
    await _prepare_database(folder)
    http = _listen(settings)
    http_url = _url(settings.bind, http.getsockname()[1])
    public_url = (settings.public_url or http_url).rstrip("/")
    async with AsyncExitStack() as stack:
        stack.callback(http.close)
        parts = await stack.enter_async_context(open_parts(settings, public_url))
        keys = Keys(parts.store, parts.clock, settings.api_key)
        await _recovery(parts).run()
        worker = Child("worker", "onrecord.app.worker", settings, public_url)
        node = _Node(parts, finish_soon=worker.tell)
        await node.start(stack)
        await worker.start()
        stack.push_async_callback(worker.close)
        server = _http_server(_services(parts, node.calls, keys), settings, node, worker)
        stack.push_async_callback(node.calls.close)
        node.engines.report()
        folder.announce(Running(os.getpid(), http_url, node.signalling.port))
        await _greet(keys, http_url, node.signalling.port)
        # What there is now stays: looking through it again and again would delay commands.
        gc.collect()
        gc.freeze()
        await _until_stopped(server, http)


class _Node:
    """Signalling, media and the calls between them."""

    def __init__(self, parts: Parts, finish_soon: Callable[[RecordingId], None]) -> None:
        settings = parts.settings
        self.engines = Engines(settings)
        self.media = MediaPlane(settings, self._on_media_event)
        self.listening = Listening(settings, parts.background)
        self.prompts = Prompts(settings, parts.folder.media, parts.folder.clips)
        self.signalling = Signalling(
            bind=settings.bind,
            port=settings.sip_port,
            advertised=settings.advertised_address,
            max_calls=settings.max_legs,
            on_event=self._on_sip_event,
            clock=parts.clock,
        )
        self.calls = Calls(
            Edges(
                settings=settings,
                clock=parts.clock,
                store=parts.store,
                media=self.media,
                prompts=self.prompts,
                signalling=self.signalling,
                delivery=parts.delivery,
                spools=parts.spools,
                background=parts.background,
                registry=Registry(),
                listening=self.listening,
                announcements=parts.announcements,
                transcription_refusal=self.engines.refusal,
                boot_id=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
                finish_soon=finish_soon,
            )
        )

    def _on_sip_event(self, event: SipEvent) -> None:
        # Calls is made after the signalling that it speaks through.
        self.calls.on_sip_event(event)

    def _on_media_event(self, event: MediaEvent) -> None:
        self.calls.on_media_event(event)

    async def start(self, stack: AsyncExitStack) -> None:
        """Media first: a call that comes in needs it."""
        self.prompts.begin()
        stack.push_async_callback(self.prompts.close)
        await self.media.start()
        stack.push_async_callback(self.media.close)
        stack.push_async_callback(self.listening.close)
        await self.signalling.start()
        stack.push_async_callback(self.signalling.close)


async def _prepare_database(folder: DataFolder) -> None:
    """Make or migrate both sets of tables, ours first: they set the file's journal mode."""
    store = open_database(folder)
    await store.start()
    await store.close()
    await asyncio.to_thread(prepare, database_url(folder.database))


def _recovery(parts: Parts) -> Recovery:
    return Recovery(
        node=parts.settings.node,
        store=parts.store,
        spools=parts.spools,
        salvage=lambda: salvage(parts.folder.arena, parts.folder.spool),
        announcements=parts.announcements,
        delivery=parts.delivery,
        clock=parts.clock,
    )


def _services(parts: Parts, calls: Calls, keys: Keys) -> Services:
    files = TranscriptionFiles(parts.folder.transcriptions)
    return Services(
        calls=calls,
        applications=Applications(parts.store, parts.clock),
        recordings=Recordings(parts.store, parts.destinations, parts.links, parts.clock, files),
        numbers=Numbers(parts.store, parts.clock),
        keys=keys,
        account=parts.account,
        files=Files(parts.storage, parts.clock),
        history=History(parts.store, parts.clock),
        destinations=parts.destinations,
        transcriptions=Transcriptions(parts.store, files),
        renderers=RENDERERS,
    )


class _HttpServer(uvicorn.Server):
    """Wakes once a second, for the Date header; uvicorn's own loop does ten times, to see whether it is to stop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Take no more requests, and end when those under way are answered."""
        self.should_exit = True
        self._stopped.set()

    async def main_loop(self) -> None:
        """Called by uvicorn once it listens; returns when it is to stop."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), TICK_SECS)


def _http_server(services: Services, settings: Settings, node: _Node, worker: Child) -> _HttpServer:
    def readiness() -> None:
        for role, alive in (("media", node.media.is_ready), ("worker", worker.alive)):
            if not alive:
                raise OnrecordError(f"the {role} process is being started")

    api = create_api(services, settings, readiness=readiness)
    config = uvicorn.Config(
        api,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=HTTP_KEEP_ALIVE_SECS,
        backlog=HTTP_BACKLOG,
        http=BoundedHttp,
        ws="none",
    )
    return _HttpServer(config)


async def _until_stopped(server: _HttpServer, http: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    serving = asyncio.create_task(server._serve(sockets=[http]))  # noqa: SLF001 -- serve() takes the signals
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, server.stop)
    await serving
    log.info("stopping")


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.bind, settings.http_port))
    except OSError as error:
        listening.close()
        place = f"{settings.bind}:{settings.http_port}"
        raise OnrecordError(f"HTTP cannot listen on {place}: {error.strerror}") from error
    return listening


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _greet(keys: Keys, http_url: str, sip_port: int) -> None:
    first = await keys.ensure_first()
    log.info("serving", http=http_url, sip_port=sip_port)
    if first is not None:
        # The one time that a key is shown: on standard output, never in the log.
        print(f"API key (shown once): {first}", flush=True)  # noqa: T201
