"""What a recorded call costs: the real server under real calls, beside the floor.

``python -m bench.run`` prints a Markdown table for each number of calls that come and go evenly, and
one for a burst. Everything stays on 127.0.0.1. Other work on the machine shows in the floor: it runs before and after, alone.
"""

import argparse
import asyncio
import json
import platform
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import audio, commands, load, processes
from bench.scenario import Application, Pattern, Result, burst, recorded_calls, steady
from bench.server import Server, allow_descriptors, free_ports
from bench.web import ApiError

ROLES = ("control", "media", "worker")
IDLE_S = 20
MOST_FLOOR_S = 20
SPARE_LEGS = 16
LEAST_FLOOR_RUNS = 2


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--calls", default="50,200,500,1000", help="numbers of calls, joined by commas"
    )
    parser.add_argument("--seconds", type=int, default=60, help="length of each call (default 60)")
    parser.add_argument(
        "--burst",
        type=int,
        default=200,
        metavar="CALLS",
        help="calls of the burst, which all end within seconds; 0 leaves it out (default 200)",
    )
    parser.add_argument(
        "--rate", type=float, default=50, help="calls of the burst begun each second (default 50)"
    )
    parser.add_argument("--base-port", type=int, help="first of the UDP ports used")
    parser.add_argument(
        "--floor-seconds", type=int, help="length of a floor run (default --seconds, at most 20)"
    )
    parser.add_argument(
        "--commands", action="store_true", help="measure record_start instead of calls"
    )
    parser.add_argument(
        "--no-idle", action="store_true", help="leave out the 20 s of the idle server"
    )
    parser.add_argument("--json", type=Path, help="file for all figures")
    given = parser.parse_args()
    given.calls = [int(text) for text in given.calls.split(",")]
    given.floor_seconds = given.floor_seconds or min(given.seconds, MOST_FLOOR_S)
    if not all(1 <= n <= 2000 for n in (*given.calls, given.burst or 1)):
        parser.error("--calls and --burst must be 1 to 2000")
    if not 1 <= given.seconds <= 900:
        parser.error("--seconds must be 1 to 900")
    return given


def patterns(given: argparse.Namespace) -> list[Pattern]:
    """What is to be measured."""
    wanted = [steady(calls, given.seconds) for calls in given.calls]
    if given.burst:
        wanted.append(burst(given.burst, given.seconds, given.rate))
    return wanted


def ports(given: argparse.Namespace, legs: int, phones: int) -> tuple[int, int, int]:
    """The first port for the server's RTP, for the phones, and for the floor."""
    first = given.base_port or free_ports(4 * legs + 2 * phones)
    return first, first + 2 * legs, first + 2 * legs + 2 * phones


def row(*cells: object) -> None:
    """One line of a Markdown table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def ms(seconds: float) -> str:
    """Milliseconds with one decimal."""
    return f"{seconds * 1000:.1f} ms"


async def idle(server: Server) -> dict[str, Any]:
    """CPU and memory of a server that nobody calls."""
    await asyncio.sleep(3)
    before = processes.cpu_of(server.pids)
    await asyncio.sleep(IDLE_S)
    after = processes.cpu_of(server.pids)
    sizes = processes.memory_of(server.pids)
    print(f"\nIdle, over {IDLE_S} s:\n")
    row("process", "CPU of one core", "RSS MB", "PSS MB")
    row("---", "---", "---", "---")
    for role in ROLES:
        share = (after[role] - before[role]) / IDLE_S
        row(role, f"{share:.2%}", f"{sizes[role].rss / 1024:.1f}", f"{sizes[role].pss / 1024:.1f}")
    return {
        role: {"cpu_share": (after[role] - before[role]) / IDLE_S, **asdict(sizes[role])}
        for role in ROLES
    }


def check_files(server: Server, result: Result, sound: Any) -> dict[str, int]:
    """What of the sound is in the finished files, in frames of one packet each."""
    totals = {"files": 0, "exact": 0, "silent": 0, "other": 0}
    for saved in result.recordings:
        for path in server.recording_files(saved["recording_id"]):
            found = audio.content(path, sound)
            totals["files"] += 1
            totals["exact"] += found.exact
            totals["silent"] += found.silent
            totals["other"] += found.other
    return totals


async def measure(given: argparse.Namespace, pattern: Pattern, sound_file: Path) -> dict[str, Any]:
    """One pattern of calls: floor, server, floor."""
    legs = pattern.up + pattern.up // 20 + SPARE_LEGS
    rtp_port, phone_port, floor_port = ports(given, legs, pattern.total)
    floors = [load.floor(pattern.up, given.floor_seconds, floor_port, sound_file)]
    server = Server(legs, rtp_port)
    try:
        report: dict[str, Any] = asdict(pattern) | {"minutes": pattern.minutes}
        if not given.no_idle:
            report["idle"] = await idle(server)
        application = Application(server)
        await application.open()
        result = await recorded_calls(application, sound_file, pattern, phone_port, floor_port)
        await application.close()
        content = check_files(server, result, audio.continuous_sound())
    finally:
        server.stop()
        keep_log_of(server)
    floors.append(load.floor(pattern.up, given.floor_seconds, floor_port, sound_file))
    report |= {"floors": floors, "content": content, "load_average": processes.load_average()}
    report |= {
        name: getattr(result, name)
        for name in (
            "record_start_s",
            "saved_after_s",
            "load",
            "cpu",
            "received",
            "dropped",
            "resent",
            "beside",
        )
    }
    report["failures"] = dict(result.failures)
    report["memory"] = {role: asdict(size) for role, size in result.memory.items()}
    show(report)
    return report


def keep_log_of(server: Server) -> None:
    """Removes the server's folder but keeps its log beside the programs."""
    log = Path(__file__).parent / "build" / "server.log"
    log.parent.mkdir(exist_ok=True)
    shutil.copy(server.log, log)
    shutil.rmtree(server.folder, ignore_errors=True)


def show(report: dict[str, Any]) -> None:
    """The table of one pattern of calls."""
    minutes = report["minutes"]
    each = [run["cpu_s_per_call_minute"] for run in report["floors"]]
    floor = statistics.median(each)
    costs = {role: report["cpu"][role] / minutes for role in ROLES}
    total = sum(costs.values())
    content = report["content"]

    print(
        f"\n{report['name'].capitalize()}: {report['up']} calls of {report['seconds']} s up at once, "
        f"{report['rate']:.3g} begun and ended each second, {report['total']} in all:\n"
    )
    row("figure", "value")
    row("---", "---")
    row("call-minutes of the figures of CPU", f"{minutes:.1f}")
    for role in ROLES:
        row(f"CPU-s per call-minute, {role}", f"{costs[role]:.4f}")
    row("CPU-s per call-minute, sum", f"{total:.4f}")
    row("CPU-s per call-minute, floor before / after", " / ".join(f"{value:.4f}" for value in each))
    row("media / floor that had the machine to itself", f"{costs['media'] / floor:.2f}")
    if beside := report["beside"]:
        both = f"{beside['media_us']:.2f} / {beside['floor_us']:.2f} µs a packet"
        ratio = beside["media_us"] / beside["floor_us"]
        row("media / floor that ran beside it", f"{both} = {ratio:.2f}")
    row("sum / floor", f"{total / floor:.2f}")
    row("media, µs a packet", f"{costs['media'] / 3000 * 1e6:.2f}")
    row("calls at once that one core of media would carry", f"{60 / costs['media']:.0f}")
    row(
        "packets sent / received by the server",
        f"{report['load']['packets']} / {sum(report['received'].values()):.0f}",
    )
    dropped = ", ".join(f"{count:.0f} {why}" for why, count in report["dropped"].items())
    row("datagrams not kept", dropped or "none")
    row("frames in the files: exact / silent inside / other",
        f"{content['exact']} / {content['silent']} / {content['other']}")  # fmt: skip
    for role in ("control", "worker"):
        row(f"CPU ms a call, {role}", f"{report['cpu'][role] / report['up'] * 1000:.1f}")
    row("calls saved / failed", f"{content['files']} / {sum(report['failures'].values())}")
    row("record_start p50 / p99", latencies(report["record_start_s"]))
    row("BYE sent to call.recording.saved received p50 / p99", latencies(report["saved_after_s"]))
    for role, size in report["memory"].items():
        row(
            f"memory in the calls, {role}: RSS / PSS",
            f"{size['rss'] / 1024:.1f} / {size['pss'] / 1024:.1f} MB",
        )
    row("load generator: late p50 / p99 / max",
        " / ".join(ms(report["load"][f"late_us_{name}"] / 1e6) for name in ("p50", "p99", "max")))  # fmt: skip
    row("SIP requests sent again", report["resent"])
    row("load average at the end", report["load_average"])
    for text, count in report["failures"].items():
        row(f"failed calls: {text}", count)


def latencies(times: list[float]) -> str:
    """The median and the 99th percentile."""
    return f"{ms(processes.percentile(times, 0.5))} / {ms(processes.percentile(times, 0.99))}"


async def measure_commands(given: argparse.Namespace) -> dict[str, Any]:
    """The latency and throughput of record_start."""
    legs = commands.CALLS + SPARE_LEGS
    rtp_port, phone_port, _ = ports(given, legs, commands.CALLS)
    server = Server(legs, rtp_port)
    try:
        application = Application(server)
        await application.open()
        found = await commands.measure(application, phone_port)
        await application.close()
    finally:
        server.stop()
        keep_log_of(server)
    print()
    row("record_start (each followed by record_stop)", "count", "a second", "p50", "p99")
    row("---", "---", "---", "---", "---")
    for name, latency in found.items():
        row(name, latency.count, f"{latency.per_s:.0f}", ms(latency.p50), ms(latency.p99))
    return {name: asdict(latency) for name, latency in found.items()}


async def main() -> None:
    """Everything that the command line asks for."""
    given = arguments()
    allow_descriptors()
    print(
        f"{processes.processor()}, Linux {platform.release()}, Python {platform.python_version()},"
    )
    print(f"{time.strftime('%Y-%m-%d %H:%M')} UTC, load average {processes.load_average()}")
    reports: list[dict[str, Any]] = []
    if given.commands:
        reports.append(await measure_commands(given))
    else:
        with tempfile.TemporaryDirectory(prefix="onrecord-sound-") as folder:
            sound_file = Path(folder) / "sound.ulaw"
            sound_file.write_bytes(audio.continuous_sound().tobytes())
            for pattern in patterns(given):
                reports.append(await measure(given, pattern, sound_file))
                given.no_idle = True
        each = [run["us_per_packet"] for report in reports for run in report["floors"]]
        if len(each) >= LEAST_FLOOR_RUNS:
            print(f"\nFloor, µs a packet over all runs: min {min(each):.2f}, "
                  f"median {statistics.median(each):.2f}, max {max(each):.2f}")  # fmt: skip
    if given.json:
        given.json.write_text(json.dumps(reports, indent=1))
    if any(report.get("failures") for report in reports):
        sys.exit("Some calls failed; the server's log is bench/build/server.log")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (processes.ProcessEndedError, RuntimeError, ApiError, OSError, EOFError) as error:
        sys.exit(f"{error}\nThe server's log is bench/build/server.log")
