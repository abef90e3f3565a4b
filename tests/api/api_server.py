"""A real uvicorn server on an ephemeral port, in a thread, round the scripted use cases."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from api.fake_services import FakeFiles, Fakes
from onrecord.api.app import create_api
from onrecord.api.protocol import BoundedHttp
from onrecord.core.errors import OnrecordError
from onrecord.core.settings import Settings


@dataclass
class Running:
    """A server that is up."""

    base: str
    port: int
    fakes: Fakes
    not_ready: list[str] = field(default_factory=list)

    def headers(self) -> dict[str, str]:
        return {"Authorization": "Bearer KEY_test"}


@contextlib.contextmanager
def running_api(folder: Path, **settings: object) -> Iterator[Running]:
    fakes = Fakes(FakeFiles(folder))
    not_ready: list[str] = []

    def readiness() -> None:
        if not_ready:
            raise OnrecordError(not_ready[0])

    app = create_api(
        fakes.services(),
        Settings(**settings),
        readiness=readiness,
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            app, log_config=None, lifespan="off", http=BoundedHttp, loop="uvloop", ws="none"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.started
        try:
            yield Running(f"http://127.0.0.1:{port}", port, fakes, not_ready)
        finally:
            server.should_exit = True
            thread.join(10)
