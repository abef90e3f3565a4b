"""What the kernel says of processes: their CPU time, their memory, their children."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ProcessEndedError(Exception):
    """A process is not there any more, so its figures are lost."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Kilobytes of one process."""

    rss: int
    pss: int
    """Its share: pages that several processes map are divided between them."""


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, and of the children that it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(text) for text in fields[11:15]) / TICKS_PER_S


def memory(pid: int) -> Memory:
    """Resident and proportional set size."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return Memory(sizes["Rss"], sizes["Pss"])


def most_memory(pid: int) -> int:
    """The most resident memory that a process has had so far, kilobytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def descendants(pid: int) -> list[int]:
    """Every process below ``pid``, parents first; none for one that has ended."""
    found = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *descendants(child)]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def command_line(pid: int) -> str:
    """The arguments of a process, joined by blanks."""
    return (
        Path(f"/proc/{pid}/cmdline")
        .read_bytes()
        .replace(b"\0", b" ")
        .decode(errors="replace")
        .strip()
    )


def cpu_of(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds by role; raises ``ProcessEndedError``."""
    return {role: _while_alive(role, cpu_seconds, pid) for role, pid in pids.items()}


def memory_of(pids: Mapping[str, int]) -> dict[str, Memory]:
    """Memory by role; raises ``ProcessEndedError``."""
    return {role: _while_alive(role, memory, pid) for role, pid in pids.items()}


def _while_alive(role: str, measure: Callable[[int], T], pid: int) -> T:
    try:
        return measure(pid)
    except OSError as error:
        raise ProcessEndedError(f"the {role} process ended while it was measured") from error


def load_average() -> str:
    """The one, five and fifteen minute load of the machine."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def processor() -> str:
    """The name of the processor, and how many of its threads this machine has."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} x {names[0] if names else 'unknown processor'}"


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which ``share`` of the values lie; not a number when there are none."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
