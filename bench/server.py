"""The server under test: started with a folder of its own, its processes known by role."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench import processes

KEY = "bench-key-0123456789abcdef"
FIRST_PORT = 10000
LAST_PORT = 32768  # where the ports begin that Linux gives away by itself
START_S = 30
STOP_S = 20


def allow_descriptors() -> None:
    """Two sockets a leg are more than the usual soft limit; children inherit the raised one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_ports(count: int) -> int:
    """The first of ``count`` UDP ports of 127.0.0.1 in a row that are all free now."""
    first = FIRST_PORT
    for port in range(FIRST_PORT, LAST_PORT):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                first = port + 1 + port % 2
        if port + 1 - first == count:
            return first
    sys.exit(f"There are no {count} free UDP ports in a row below {LAST_PORT}")


class Server:
    """``onrecord serve`` in a temporary folder, ended with ``stop``."""

    def __init__(self, legs: int, first_rtp_port: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="onrecord-bench-"))
        self.http_port = self.sip_port = 0
        self.log = self.folder / "server.log"
        settings = {
            "DATA": str(self.folder / "data"),
            "HTTP_PORT": "0",
            "SIP_PORT": "0",
            "API_KEY": KEY,
            "MAX_LEGS": str(legs),
            "RTP_PORTS": f"{first_rtp_port}-{first_rtp_port + 2 * legs - 1}",
        }
        # Other settings of the environment hold, so that they can be measured.
        environment = os.environ | {f"ONRECORD_{name}": value for name, value in settings.items()}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).with_name("onrecord")), "serve"],
                env=environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._children: list[int] = []
        self.pids: dict[str, int] = {}
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended at its start:\n{self.log_tail()}")
            if self._find_ports() and self._is_ready() and self._find_roles():
                return
            time.sleep(0.1)
        raise RuntimeError(f"the server was not ready in {START_S} s:\n{self.log_tail()}")

    def _find_ports(self) -> bool:
        """The ports that the server took are in its ``run.json`` once it is ready."""
        try:
            running = json.loads((self.folder / "data" / "run.json").read_text())
        except (OSError, ValueError):
            return False
        self.http_port = int(running["http_url"].rstrip("/").rpartition(":")[2])
        self.sip_port = int(running["sip_port"])
        return True

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.http_port}/health/ready", timeout=5
            ):
                return True
        except OSError:
            return False

    def _find_roles(self) -> bool:
        """The children are known by the module that they run."""
        self._children = processes.descendants(self._process.pid)
        self.pids = {"control": self._process.pid}
        for pid in self._children:
            words = processes.command_line(pid)
            for role in ("media", "worker"):
                if role in words:
                    self.pids.setdefault(role, pid)
        return len(self.pids) == 3

    def recording_files(self, recording_id: str) -> list[Path]:
        """The finished files of one recording."""
        return list((self.folder / "data" / "recordings").glob(f"*/{recording_id}/*"))

    def log_tail(self) -> str:
        """The last lines of the server's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def stop(self) -> None:
        """Ends the server as an operator would, and what is left of it after a while."""
        self._children = self._children or processes.descendants(self._process.pid)
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in self._children:
            try:
                if processes.command_line(pid):
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
