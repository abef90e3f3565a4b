"""The edge of the API, spoken to in plain HTTP: keys, methods, bodies, limits and failures."""

import contextlib
import json
import socket
import threading
import time

import httpx
import pytest
import structlog
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from api.api_server import running_api
from api.fake_services import make_leg
from api.record_start_violations import GOOD, VIOLATIONS
from onrecord.api import edge
from onrecord.calls.records import LegState
from onrecord.core.errors import CapacityError, DestinationError

LIMIT = 2000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_api(tmp_path_factory.mktemp("files"), max_body_bytes=LIMIT) as server:
        yield server


@pytest.fixture(scope="module")
def http(server):
    with httpx.Client(base_url=server.base, headers=server.headers()) as http:
        yield http


@pytest.fixture(scope="module")
def stranger(server):
    """A client without an API key."""
    with httpx.Client(base_url=server.base) as stranger:
        yield stranger


@pytest.fixture
def leg(server):
    server.fakes.calls.legs.clear()
    server.fakes.calls.asked.clear()
    server.fakes.calls.fail = None
    yield server.fakes.calls.add(make_leg(state=LegState.ANSWERED))
    server.fakes.calls.fail = None


def start(leg):
    return f"/v2/calls/{leg.call_control_id}/actions/record_start"


def refusal(response, status):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    (entry,) = response.json()["errors"]
    return entry["code"]


def speak(server, data, *, wait=5.0):
    """Send bytes and return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as peer:
        received = b""
        with contextlib.suppress(ConnectionError):
            peer.sendall(data)
            while chunk := peer.recv(65536):
                received += chunk
        return received


KEYLESS = [
    {},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer wrong"},
    {"Authorization": "Basic KEY_test"},
    {"Authorization": "KEY_test"},
]


@pytest.mark.parametrize("headers", KEYLESS)
@pytest.mark.parametrize("path", ["/v2", "/v2/calls/x", "/v2/nothing/here", "/v2/public_key"])
def test_every_path_of_v2_wants_a_key_before_anything_else(stranger, headers, path):
    for method in ("GET", "POST", "PATCH"):
        response = stranger.request(method, path, headers=headers)
        assert refusal(response, 401) == "10009"
        assert response.headers["www-authenticate"] == "Bearer"


def test_the_scheme_of_the_key_is_read_in_any_case(stranger):
    headers = {"Authorization": "bearer   KEY_test"}
    assert stranger.get("/v2/public_key", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path", ["/health/live", "/metrics", "/docs", "/docs/errors", "/openapi.json"]
)
def test_what_is_open_to_all(stranger, path):
    assert stranger.get(path).status_code == 200


def test_unknown_paths_and_commands(http, leg):
    assert refusal(http.get("/v2/conferences"), 404) == "10005"
    assert refusal(http.get("/v2/calls/"), 404) == "10005"
    assert refusal(http.get("/nothing"), 404) == "10005"
    response = http.post(f"/v2/calls/{leg.call_control_id}/actions/gather", json={})
    assert refusal(response, 404) == "10005"
    assert "onrecord does not have the call command 'gather'" in response.text
    response = http.post(f"/v2/calls/{leg.call_control_id}/actions/client_state_update", json={})
    assert refusal(response, 405) == "10030"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v2/calls", "POST"),
        ("DELETE", "/v2/calls/x", "GET"),
        ("GET", "/v2/calls/x/actions/record_start", "POST"),
        ("PUT", "/v2/recordings/x", "DELETE, GET"),
        ("PUT", "/v2/call_control_applications/x", "DELETE, GET, PATCH"),
        ("DELETE", "/v2/call_control_applications", "GET, POST"),
        ("POST", "/v2/phone_numbers/x", "PATCH"),
        ("POST", "/files/x", "GET, HEAD"),
        ("OPTIONS", "/v2/recordings", "GET"),
    ],
)
def test_wrong_methods_are_told_the_right_ones(http, method, path, allowed):
    response = http.request(method, path)
    assert refusal(response, 405) == "10030"
    assert response.headers["allow"] == allowed


def test_the_token_may_be_percent_encoded(server, http, leg):
    for token in (leg.call_control_id, leg.call_control_id.replace(":", "%3A")):
        response = http.post(f"/v2/calls/{token}/actions/record_start", json=GOOD)
        assert response.status_code == 200
        assert response.json()["data"]["call_control_id"] == leg.call_control_id
    assert {token for token, _ in server.fakes.calls.asked} == {leg.call_control_id}


def test_empty_bodies_will_do_where_nothing_is_required(http, leg):
    json_type = {"Content-Type": "application/json"}
    for name in ("answer", "record_stop", "hangup"):
        url = f"/v2/calls/{leg.call_control_id}/actions/{name}"
        assert http.post(url, headers=json_type).status_code == 200
    assert refusal(http.delete("/v2/recordings/x", headers=json_type), 404) == "10005"


@pytest.mark.parametrize(("changes", "code", "pointer"), VIOLATIONS)
def test_each_violation_of_record_start_over_http(server, http, leg, changes, code, pointer):
    response = http.post(start(leg), content=json.dumps(GOOD | changes))
    assert refusal(response, 422) == code
    entry = response.json()["errors"][0]
    assert entry["source"] == {"pointer": pointer}
    assert entry["title"]
    assert server.fakes.calls.asked == []


def test_a_start_without_anything_lists_both_faults(http, leg):
    response = http.post(start(leg))
    assert response.status_code == 422
    found = [(entry["code"], entry["source"]["pointer"]) for entry in response.json()["errors"]]
    assert found == [("10004", "/format"), ("10004", "/channels")]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/vnd.api+json", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
    ],
)
def test_media_types(http, leg, kind, status):
    body = json.dumps(GOOD).encode()
    response = http.post(start(leg), content=body, headers={"Content-Type": kind})
    assert response.status_code == status
    if status == 415:
        assert refusal(response, 415) == "10014"


def test_a_body_without_a_type_is_taken_for_json_and_a_compressed_one_refused(http, leg):
    body = json.dumps(GOOD).encode()
    assert http.post(start(leg), content=body).status_code == 200
    response = http.post(start(leg), content=body, headers={"Content-Encoding": "gzip"})
    assert refusal(response, 415) == "10014"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "10023"),
        (b"[]", "10015"),
        (b'"x"', "10015"),
        (b"null", "10015"),
        (b"[" * 1500, "10023"),
        (b'{"format": "\xff"}', "10028"),
        (b'{"format": "\\ud800"}', "10028"),
    ],
)
def test_malformed_bodies(http, leg, body, code):
    response = http.post(start(leg), content=body, headers={"Content-Type": "application/json"})
    assert refusal(response, 400) == code


def test_a_large_body_is_refused_before_it_is_read(server, http, leg):
    exactly = json.dumps(GOOD | {"pad": ""}).encode()
    exactly = exactly[:-2] + b"x" * (LIMIT - len(exactly)) + exactly[-2:]
    assert len(exactly) == LIMIT
    assert http.post(start(leg), content=exactly).status_code == 200
    assert refusal(http.post(start(leg), content=exactly + b" "), 413) == "10015"
    head = (
        f"POST {start(leg)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY_test\r\n"
        "Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n"
    )
    answer = speak(server, head.encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


def test_an_endless_chunked_body_is_cut_off(server, leg):
    head = (
        f"POST {start(leg)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY_test\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"3e8\r\n" + b"a" * 1000 + b"\r\n"
    answer = speak(server, head.encode() + 3 * chunk)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_slow_body_is_given_up(server, leg, monkeypatch):
    monkeypatch.setattr(edge, "BODY_TIMEOUT_SECS", 0.05)
    head = (
        f"POST {start(leg)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY_test\r\n"
        "Content-Length: 100\r\n\r\n{"
    )
    assert speak(server, head.encode()).startswith(b"HTTP/1.1 408 ")


def test_a_caller_who_leaves_in_the_middle_harms_nobody(server, http, leg):
    head = (
        f"POST {start(leg)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY_test\r\n"
        "Content-Length: 100\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.sendall(head.encode())
    assert http.post(start(leg), json=GOOD).status_code == 200
    assert len(server.fakes.calls.asked) == 1


HOSTILE = {
    "big header": b"GET /v2/x HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 2_000_000,
    "many headers": b"GET /v2/x HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200_000,
    "long path": b"GET /" + b"a" * 500_000,
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    "not ascii": b"GET /v2/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": (
        b"POST /v2/calls HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "negative length": b"POST /v2/calls HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n",
    "unknown method": b"FROB /v2/calls HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_http_is_refused_and_the_server_lives(server, http, name):
    answer = speak(server, HOSTILE[name])
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    if answer:
        body = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert body["errors"][0]["code"] == "10015"
    assert http.get("/health/live").json() == {"status": "ok"}


def test_a_head_that_never_ends_is_given_up(server, monkeypatch):
    monkeypatch.setattr("onrecord.api.protocol.HEAD_SECS", 0.1)
    began = time.monotonic()
    assert speak(server, b"GET /v2/x HTTP/1.1\r\nHost: ") == b""
    assert time.monotonic() - began < 4


def test_an_unexpected_failure_is_one_log_line_and_a_counter(server, http, leg):
    server.fakes.calls.fail = ZeroDivisionError("secret")
    name, labels = "onrecord_api_errors_total", {"code": "10007"}
    before = REGISTRY.get_sample_value(name, labels) or 0
    structlog.reset_defaults()
    with capture_logs() as lines:
        response = http.post(start(leg), json=GOOD)
    assert refusal(response, 500) == "10007"
    assert "secret" not in response.text
    assert REGISTRY.get_sample_value(name, labels) == before + 1
    failed = [line for line in lines if line["event"] == "api_failed"]
    assert len(failed) == 1
    assert failed[0]["path"] == "/v2/calls/{call_control_id}/actions/record_start"
    assert http.get("/health/live").status_code == 200


@pytest.mark.parametrize("failure", [CapacityError("no RTP ports"), DestinationError("disk")])
def test_no_room_is_503_with_retry_after(server, http, leg, failure):
    server.fakes.calls.fail = failure
    response = http.post(start(leg), json=GOOD)
    assert refusal(response, 503) == "10037"
    assert int(response.headers["retry-after"]) >= 1


def test_refusals_are_counted_by_code(server, http, leg):
    name, labels = "onrecord_api_errors_total", {"code": "10032"}
    before = REGISTRY.get_sample_value(name, labels) or 0
    http.post(start(leg), json=GOOD | {"format": "x"})
    assert REGISTRY.get_sample_value(name, labels) == before + 1


def test_pages_and_filters_in_the_query(http):
    assert http.get("/v2/recordings?page_number=2&page_size=5").json()["meta"] == {
        "page_number": 2,
        "page_size": 5,
        "total_pages": 0,
        "total_results": 0,
    }
    for query, parameter in (
        ("page[size]=-1", "page[size]"),
        ("page[number]=x", "page[number]"),
        ("filter[created_at][gte]=x", "filter[created_at][gte]"),
        ("filter[colour]=red", "filter[colour]"),
    ):
        response = http.get(f"/v2/recordings?{query}")
        assert response.status_code == 400
        assert response.json()["errors"][0]["source"] == {"parameter": parameter}
    assert http.get("/v2/recordings?%FF%00=%FE&page[size").status_code == 200


def test_a_number_in_the_path_may_be_encoded(server, http):
    for path in ("+18005550100", "%2B18005550100"):
        response = http.patch(f"/v2/phone_numbers/{path}", json={"connection_id": "1"})
        assert response.json()["data"]["phone_number"] == "+18005550100"
    assert list(server.fakes.numbers.rows) == ["+18005550100"]
    assert refusal(http.patch("/v2/phone_numbers/a%0Ab", json={"connection_id": "1"}), 422)


def test_lenient_channels_follow_the_setting(tmp_path, leg):
    with running_api(tmp_path, strict_channels=False) as lenient:
        lenient.fakes.calls.add(leg)
        response = httpx.post(
            lenient.base + start(leg), json={"format": "mp3"}, headers=lenient.headers()
        )
        assert response.status_code == 200
        assert lenient.fakes.calls.asked[0][1].params.channels == "single"


def test_health_tells_why_the_server_is_not_ready(server, stranger):
    assert stranger.get("/health/ready").json() == {"status": "ok"}
    server.not_ready.append("media is starting")
    try:
        response = stranger.get("/health/ready")
        assert response.status_code == 503
        assert response.json() == {"status": "unavailable", "reason": "media is starting"}
        assert response.headers["retry-after"] == "1"
        assert stranger.get("/health/live").status_code == 200
    finally:
        server.not_ready.clear()


def test_metrics_are_prometheus_text(http):
    response = http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert "# TYPE onrecord_api_errors_total counter" in response.text


def test_requests_at_the_same_time_do_not_mix(server, http, leg):
    answers = []

    def call(at):
        body = {"connection_id": "1", "to": "sip:a@h", "from": f"+1800555{at:04}"}
        made = http.post("/v2/calls", json=body).json()["data"]
        answers.append((made["call_control_id"], f"+1800555{at:04}"))

    threads = [threading.Thread(target=call, args=(at,)) for at in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(answers) == 16
    for token, number in answers:
        assert server.fakes.calls.legs[token].from_ == number
