"""A real server as a child process, and a receiver for its webhooks: what the system tests talk to."""

import base64
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

API_KEY = "KEYsystem-test-0123456789"
START_SECS = 30.0


class RunningServer:
    """``onrecord serve`` on free loopback ports and a data folder of its own."""

    def __init__(self, data: Path, rtp_ports: str, **environment: str) -> None:
        self.data = data
        self.rtp_ports = rtp_ports
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None
        self.log = data.parent / f"{data.name}.log"

    def start(self) -> "RunningServer":
        (self.data / "run.json").unlink(missing_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ONRECORD_")}
        environment |= {"ONRECORD_API_KEY": API_KEY, "ONRECORD_LOG_LEVEL": "info"} | {
            f"ONRECORD_{name.upper()}": value for name, value in self.environment.items()
        }
        arguments = ["--data", str(self.data), "--http-port", "0", "--sip-port", "0"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "onrecord",
                    "serve",
                    *arguments,
                    "--rtp-ports",
                    self.rtp_ports,
                ],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._await_ready()
        return self

    def _await_ready(self) -> None:
        end = time.monotonic() + START_SECS
        while time.monotonic() < end:
            if self.process is None or self.process.poll() is not None:
                raise AssertionError(f"the server ended while starting:\n{self.log.read_text()}")
            with contextlib.suppress(OSError, ValueError, KeyError, httpx.HTTPError):
                told = json.loads((self.data / "run.json").read_text())
                self.http_url, self.sip_port = told["http_url"], told["sip_port"]
                if httpx.get(f"{self.http_url}/health/ready").status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the server was not ready in time:\n{self.log.read_text()}")

    @property
    def base_url(self) -> str:
        return f"{self.http_url}/v2"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def children(self) -> list[int]:
        return [
            int(pid)
            for task in Path(f"/proc/{self.pid}/task").iterdir()
            for pid in (task / "children").read_text().split()
        ]

    def kill(self) -> None:
        """SIGKILL to the whole group: control, media and worker at once."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def kill_control(self) -> None:
        """SIGKILL to the control process alone; its children must end by themselves."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process is None or self.process.poll() is not None:
            return 0 if self.process is None else self.process.returncode
        self.process.terminate()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end:\n{self.log.read_text()}") from None

    def api(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.base_url, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=20
        )

    def public_key(self) -> str:
        with self.api() as api:
            key: str = api.get("/public_key").json()["data"]["public_key"]
        assert len(base64.b64decode(key)) == 32
        return key


@dataclass
class Delivered:
    """One webhook as it arrived."""

    body: str
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic)

    @property
    def event(self) -> dict[str, object]:
        data: dict[str, object] = json.loads(self.body)["data"]
        return data

    @property
    def type(self) -> str:
        return str(self.event["event_type"])

    @property
    def payload(self) -> dict[str, object]:
        payload = self.event["payload"]
        assert isinstance(payload, dict)
        return payload


class Receiver:
    """A webhook receiver on a free loopback port; what arrives waits in order until it is taken."""

    def __init__(self, port: int = 0) -> None:
        self.arrived: list[Delivered] = []
        self._waiting: queue.Queue[Delivered] = queue.Queue()
        self._kept: list[Delivered] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                delivered = Delivered(body, dict(self.headers.items()))
                outer.arrived.append(delivered)
                outer._waiting.put(delivered)
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None: ...

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def wait(self, event_type: str, wait_secs: float = 15.0, **payload: object) -> Delivered:
        """The first event of this type (and payload members) that was not taken before."""
        end = time.monotonic() + wait_secs
        for kept in self._kept:
            if self._fits(kept, event_type, payload):
                self._kept.remove(kept)
                return kept
        while True:
            try:
                delivered = self._waiting.get(timeout=max(end - time.monotonic(), 0.01))
            except queue.Empty:
                seen = [one.type for one in self.arrived]
                raise AssertionError(
                    f"no {event_type} {payload} in {wait_secs} s; came: {seen}"
                ) from None
            if self._fits(delivered, event_type, payload):
                return delivered
            self._kept.append(delivered)

    @staticmethod
    def _fits(delivered: Delivered, event_type: str, payload: dict[str, object]) -> bool:
        return delivered.type == event_type and all(
            delivered.payload.get(name) == value for name, value in payload.items()
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def running(data: Path, rtp_ports: str, **environment: str) -> Iterator[RunningServer]:
    server = RunningServer(data, rtp_ports, **environment).start()
    try:
        yield server
    finally:
        server.stop()
