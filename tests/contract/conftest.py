"""Fixtures that several of the contract tests use."""

import pytest

from media_peer import Peer
from service_fakes import Bench


@pytest.fixture
async def bench(tmp_path):
    """The service over a real database, with edges of the tests' own."""
    bench = Bench(tmp_path)
    await bench.start()
    yield bench
    await bench.settle()
    await bench.database.close()


@pytest.fixture
def peers():
    """Three peers with sockets of their own."""
    made = [Peer(ssrc=7), Peer(ssrc=8), Peer(ssrc=9)]
    yield made
    for peer in made:
        peer.close()
