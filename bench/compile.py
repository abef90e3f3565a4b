"""Builds the two C programs of the benchmark with the machine's own compiler."""

import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parent
BUILD = SOURCE / "build"
FLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra"]


def compiled(name: str) -> Path:
    """The path of the program ``name``, built anew when its source is younger."""
    source, program = SOURCE / f"{name}.c", BUILD / name
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        sys.exit(
            "The benchmark needs a C compiler (cc, gcc or clang); on Debian: apt install gcc libc6-dev"
        )
    BUILD.mkdir(exist_ok=True)
    subprocess.run([compiler, *FLAGS, "-o", str(program), str(source)], check=True)
    return program
