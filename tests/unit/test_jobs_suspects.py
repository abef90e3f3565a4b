"""Deaths of the process during one job are counted, and survive it."""

from onrecord.jobs.names import RETRY_SECS, deliver_id, finish_id, spool_queue
from onrecord.jobs.suspects import MOST_DEATHS, DeathCount


def test_a_job_may_kill_the_process_only_so_often(tmp_path):
    allowed = [DeathCount(tmp_path, "finish.a").begin() for _ in range(MOST_DEATHS + 1)]
    assert allowed == [True] * (MOST_DEATHS - 1) + [False] * 2
    assert DeathCount(tmp_path, "finish.b").begin()


def test_a_survived_run_is_forgotten(tmp_path):
    count = DeathCount(tmp_path, "finish.a")
    for _ in range(MOST_DEATHS * 2):
        assert count.begin()
        count.end()
    count.end()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_count_starts_anew(tmp_path):
    (tmp_path / "finish.a.deaths").write_text("no number")
    assert DeathCount(tmp_path, "finish.a").begin()
    assert (tmp_path / "finish.a.deaths").read_text() == "1"


def test_ids_are_fixed_and_tell_tries_apart():
    assert finish_id("r", 0) == "finish.r"
    assert finish_id("r", 2) == "finish.r.2"
    assert deliver_id("e", 3, 0) == "deliver.e.3"
    assert deliver_id("e", 3, 1) == "deliver.e.3.1"
    assert spool_queue("n1") == "spool.n1"
    assert list(RETRY_SECS) == sorted(RETRY_SECS)
