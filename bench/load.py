"""Runs the two C programs: the floor with its load, and the load that calls are given."""

import asyncio
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bench.compile import compiled

PACKETS_PER_S = 50


def floor(streams: int, seconds: int, base_port: int, sound: Path) -> dict[str, Any]:
    """What the floor took for this many streams, alone on the machine."""
    folder = Path(tempfile.mkdtemp(prefix="onrecord-floor-"))
    arguments = [str(compiled("floor")), str(base_port), str(streams), str(seconds), str(folder)]
    try:
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout is not None
            if program.stdout.readline() != "ready\n":
                raise RuntimeError("the floor could not open its sockets")
            lines = "".join(f"127.0.0.1 {base_port + 2 * i}\n" for i in range(streams))
            load = subprocess.run(
                [str(compiled("rtpgen")), str(sound), str(PACKETS_PER_S * seconds)],
                input=lines, capture_output=True, text=True, check=True,
            )  # fmt: skip
            result: dict[str, Any] = json.loads(program.stdout.read())
        return result | {"sent": json.loads(load.stdout)["packets"]}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Load:
    """One running load generator; streams are added while it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, sound: Path, packets_each: int) -> "Load":
        """Starts the generator without any stream."""
        return cls(
            await asyncio.create_subprocess_exec(
                str(compiled("rtpgen")), str(sound), str(packets_each),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )
        )  # fmt: skip

    def add(self, host: str, port: int, source_port: int) -> None:
        """Begins a stream now."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{host} {port} {source_port}\n".encode())

    async def finish(self) -> dict[str, Any]:
        """Waits until every stream is done; the generator's figures."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        output, _ = await self._process.communicate()
        if self._process.returncode:
            raise RuntimeError("the load generator failed; its message is above")
        figures: dict[str, Any] = json.loads(output)
        return figures

    def stop(self) -> None:
        """Ends the generator at once."""
        if self._process.returncode is None:
            self._process.kill()
