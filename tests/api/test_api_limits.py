"""How many requests a key may make, and what answers tell of it."""

import time

import httpx
import pytest
from telnyx import Telnyx

from api.api_server import running_api
from onrecord.api.limits import Limits
from onrecord.core.units import NS_PER_S


class HandClock:
    now_ns = 0

    def monotonic_ns(self):
        return self.now_ns

    def utc_ns(self):
        return self.now_ns


def test_a_bucket_empties_and_refills():
    clock = HandClock()
    limits = Limits(2, 3, clock)
    standings = [limits.take("a") for _ in range(4)]
    assert [s.allowed for s in standings] == [True, True, True, False]
    assert [s.remaining for s in standings] == [2, 1, 0, 0]
    assert [s.reset_secs for s in standings] == [1, 1, 2, 2]
    assert limits.take("b").allowed
    clock.now_ns += NS_PER_S // 2
    assert limits.take("a").allowed
    assert not limits.take("a").allowed
    clock.now_ns += 1000 * NS_PER_S
    assert limits.take("a").remaining == 2


@pytest.fixture
def server(tmp_path):
    with running_api(tmp_path, rate_per_second=4, rate_burst=3) as server:
        yield server


def test_answers_tell_and_too_many_are_refused(server):
    with httpx.Client(base_url=server.base, headers=server.headers()) as http:
        answers = [http.get("/v2/recordings") for _ in range(5)]
        assert [answer.status_code for answer in answers[:4]] == [200, 200, 200, 429]
        assert answers[0].headers["x-ratelimit-limit"] == "3"
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers[:4]] == list("2100")
        refused = answers[3]
        assert refused.json()["errors"][0]["code"] == "10011"
        assert refused.headers["retry-after"] == "1"
        assert int(refused.headers["x-ratelimit-reset"]) == 1
        assert "x-ratelimit-limit" not in http.get("/health/live").headers
        stranger = http.get("/v2/recordings", headers={"Authorization": "Bearer no"})
        assert (stranger.status_code, "x-ratelimit-limit" in stranger.headers) == (401, False)


def test_the_sdk_waits_and_tries_again(server):
    with Telnyx(api_key="KEY_test", base_url=f"{server.base}/v2", max_retries=2) as client:
        began = time.monotonic()
        for _ in range(5):
            client.recordings.list(page_size=1)
        assert time.monotonic() - began < 5
