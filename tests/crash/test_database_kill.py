"""A writer is killed at random moments: what was acknowledged stays, and nothing is there by half."""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 8


def test_no_acknowledged_write_is_lost_and_none_is_half_there(tmp_path):
    place = tmp_path / "onrecord.db"
    dice = random.Random(7)
    acknowledged: set[int] = set()
    for turn in range(ROUNDS):
        acknowledged |= _written_until_killed(place, turn * 10**6, dice.uniform(0.02, 0.2))
        legs, events = _stored(place)
        assert legs == events
        assert acknowledged <= legs
    assert len(acknowledged) > ROUNDS


def _written_until_killed(place, first, secs):
    child = subprocess.Popen(
        [sys.executable, __file__, str(place), str(first)], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line
    time.sleep(secs)
    child.kill()
    rest = child.stdout.read()
    child.stdout.close()
    child.wait()
    # The last line may be cut.
    return {int(text) for text in (line + rest).split(b"\n")[:-1]}


def _stored(place):
    connection = sqlite3.connect(place)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    legs = {int(i) for (i,) in connection.execute("SELECT id FROM leg")}
    events = {int(i) for (i,) in connection.execute("SELECT id FROM event")}
    connection.close()
    return legs, events


async def _write_for_ever(place: str, first: int) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from onrecord.database import Database
    from stored_records import a_leg, an_event

    database = Database(place, jobs=None)
    await database.start()
    numbers = iter(range(first, first + 10**6))

    async def write_all() -> None:
        for number in numbers:

            def work(unit, number=number):
                unit.add_leg(a_leg(number, id=str(number)))
                unit.add_event(an_event(number, id=str(number)))

            await database.write(work)
            os.write(1, b"%d\n" % number)

    await asyncio.gather(*[write_all() for _ in range(8)])


if __name__ == "__main__":
    asyncio.run(_write_for_ever(sys.argv[1], int(sys.argv[2])))
