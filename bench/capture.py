"""What capturing alone costs, beside the floor: ``python -m bench.capture 200 500 1000``.

The media process, driven without the rest of the server, gets the streams that the floor gets, on as many legs,
each of them recorded. Both have the machine to themselves and the load generator, so their ratio says what the loop, the fold and
the spools add to receiving. In a whole server (``bench.run``) other processes push its code and data out of the caches.
"""

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import audio, load, processes
from bench.server import allow_descriptors, free_ports
from onrecord.core.ids import CallControlId, LegId, NodeId, RecordingId
from onrecord.core.settings import Settings
from onrecord.media.plane import MediaPlane
from onrecord.sdp.codecs import PCMU
from onrecord.sdp.negotiation import Media, MediaDirection, RtpAddress
from onrecord.spool.header import SpoolHeader
from onrecord.spool.writer import create_spool

WARM_S = 3
"""The first packets are of legs that learn their source."""


async def recorded_leg(plane: MediaPlane, spools: Path, number: int, phone_port: int) -> int:
    """A leg to ``phone_port`` that is recorded; returns its RTP port."""
    leg = LegId(f"leg-{number}")
    address = await plane.open_leg(leg)
    remote = RtpAddress("127.0.0.1", phone_port, phone_port + 1)
    await plane.connect_leg(leg, Media(remote, {0: PCMU}, 0, PCMU, MediaDirection.SENDRECV))
    name, now = f"recording-{number}", time.monotonic_ns()
    ids = (RecordingId(name), leg, CallControlId(name), NodeId("bench"))
    header = SpoolHeader(*ids, "wav", "dual", "both", "inbound", now, time.time_ns(), "bench")
    path = spools / f"{name}.spool"
    create_spool(path, header)
    await plane.start_recording(header, path)
    return address.port


async def captured(streams: int, seconds: int, sound: Path, base_port: int) -> dict[str, Any]:
    """CPU seconds, and packets counted against those sent, over ``seconds`` of steady streams."""
    folder = Path(tempfile.mkdtemp(prefix="onrecord-capture-"))
    spools = folder / "spool"
    spools.mkdir()
    ports = f"{base_port}-{base_port + 2 * streams - 1}"
    plane = MediaPlane(Settings(data=folder, rtp_ports=ports, log_level="error"))
    phones = base_port + 2 * streams
    await plane.start()
    try:
        generator = await load.Load.start(sound, load.PACKETS_PER_S * (seconds + 2 * WARM_S))
        for number in range(streams):
            port = await recorded_leg(plane, spools, number, phones + 2 * number)
            generator.add("127.0.0.1", port, phones + 2 * number)
        await asyncio.sleep(WARM_S)
        assert plane.pid is not None
        before = processes.cpu_seconds(plane.pid)
        await asyncio.sleep(seconds)
        spent = processes.cpu_seconds(plane.pid) - before
        sent = (await generator.finish())["packets"]
        await asyncio.sleep(0.1)
        legs = [await plane.leg_stats(LegId(f"leg-{number}")) for number in range(streams)]
        received = sum(leg.packets_received for leg in legs)
    finally:
        await plane.close()
        shutil.rmtree(folder, ignore_errors=True)
    return {"cpu_s": spent, "sent": sent, "received": received}


def measure(streams: int, seconds: int, sound: Path) -> dict[str, Any]:
    """Floor, media process, floor."""
    base_port = free_ports(4 * streams)
    floors = [load.floor(streams, seconds, base_port, sound)]
    media = asyncio.run(captured(streams, seconds, sound, base_port))
    floors.append(load.floor(streams, seconds, base_port, sound))
    # 3,000 packets are a call-minute.
    floor = sum(run["cpu_s_per_call_minute"] for run in floors) / len(floors) / 3000
    each = media["cpu_s"] / (seconds * load.PACKETS_PER_S * streams)
    return {
        "streams": streams,
        "floor_us": [round(run["cpu_s_per_call_minute"] / 3000 * 1e6, 2) for run in floors],
        "media_us": round(each * 1e6, 2),
        "ratio": round(each / floor, 2),
        "sent": media["sent"],
        "received": media["received"],
    }


def main() -> None:
    """Print the figures of each number of streams, as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("streams", type=int, nargs="*", default=[200, 500, 1000])
    parser.add_argument("--seconds", type=int, default=15)
    given = parser.parse_args()
    allow_descriptors()
    print(json.dumps({"machine": processes.processor(), "load": processes.load_average()}))
    with tempfile.TemporaryDirectory(prefix="onrecord-sound-") as folder:
        sound = Path(folder) / "sound"
        sound.write_bytes(audio.continuous_sound().tobytes())
        for streams in given.streams:
            print(json.dumps(measure(streams, given.seconds, sound)), flush=True)


if __name__ == "__main__":
    main()
