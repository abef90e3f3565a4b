"""Fixtures that more than one kind of test uses."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import Receiver, RunningServer, running
from s3_server import S3Server

# Each xdist worker takes its own block of RTP ports, each server of a worker its own part of it.
_PORTS_PER_SERVER = 400
_servers = itertools.count()


def next_rtp_ports() -> str:
    """A range of RTP ports that no other server of this test run has."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20000 + worker * 8000 + next(_servers) % 20 * _PORTS_PER_SERVER
    return f"{first}-{first + _PORTS_PER_SERVER - 1}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for the tests of a module."""
    with running(tmp_path_factory.mktemp("server") / "data", next_rtp_ports()) as started:
        yield started


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook receiver."""
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def s3() -> Iterator[S3Server]:
    """A server that speaks S3, with one bucket."""
    made = S3Server()
    yield made
    made.close()


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """A folder for a server of the test's own."""
    return tmp_path / "data"
