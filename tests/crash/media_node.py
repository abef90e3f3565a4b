"""A control process for the crash tests: one leg, one recording, then it waits to be killed.

usage: media_node.py FOLDER FIRST_PORT PEER_PORT; prints the media process's pid and the RTP port.
"""

import asyncio
import sys
from pathlib import Path

from onrecord.core.ids import CallControlId, LegId, NodeId, RecordingId
from onrecord.core.logs import configure_logs
from onrecord.core.settings import Settings
from onrecord.media.plane import MediaPlane
from onrecord.sdp.negotiation import Codec, Media, MediaDirection, RtpAddress
from onrecord.spool.header import SpoolHeader
from onrecord.spool.writer import create_spool


async def main(folder: Path, first_port: int, peer_port: int) -> None:
    ports = f"{first_port}-{first_port + 99}"
    plane = MediaPlane(Settings(data=folder, rtp_ports=ports, fold_ms=2000, log_level="error"))
    await plane.start()
    leg, codec = LegId("leg-a"), Codec("PCMU")
    address = await plane.open_leg(leg)
    remote = RtpAddress("127.0.0.1", peer_port, peer_port + 1)
    media = Media(remote, {0: codec}, 0, codec, MediaDirection.SENDRECV)
    await plane.connect_leg(leg, media)
    header = SpoolHeader(
        recording_id=RecordingId("r"), leg_id=leg, call_control_id=CallControlId("v3:x"),
        node=NodeId("n1"), format="wav", channels="dual", track="both", channel_a="inbound",
        started_utc_ns=1, started_monotonic_ns=1, boot_id="b",
    )  # fmt: skip
    path = folder / "spool" / "r.spool"
    create_spool(path, header)
    await plane.start_recording(header, path)
    sys.stdout.write(f"{plane.pid} {address.port}\n")
    sys.stdout.flush()
    await asyncio.sleep(60)


configure_logs("error", "json", "control")
asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
