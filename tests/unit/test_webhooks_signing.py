"""Signatures, checked by another library and by the SDK; and the layout of a request."""

import base64
import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import telnyx
from nacl.signing import VerifyKey

from onrecord.webhooks import Signer
from onrecord.webhooks.request import build_request, url_fault
from stored_records import an_event

# RFC 8032 section 7.1, test 1.
SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
URL = "http://127.0.0.1/hook?a=b"


def test_the_public_key_is_that_of_the_rfc():
    assert Signer(SECRET).public_key == PUBLIC


def test_a_key_of_another_length_is_refused():
    with pytest.raises(ValueError):
        Signer(b"short")


def test_the_signature_is_over_timestamp_bar_body_in_strict_base64():
    headers = Signer(SECRET).headers(b'{"a":"\xc3\xbc"}', 1_700_000_000)
    assert headers["Telnyx-Timestamp"] == "1700000000"
    text = headers["Telnyx-Signature-Ed25519"]
    signature = base64.b64decode(text, validate=True)
    assert len(signature) == 64
    assert text.endswith("==")
    VerifyKey(PUBLIC).verify(b'1700000000|{"a":"\xc3\xbc"}', signature)


def test_the_sdk_unwraps_what_is_sent():
    body = json.dumps(
        {
            "record_type": "event",
            "event_type": "call.initiated",
            "id": "4a1b2c3d-0000-4000-8000-000000000000",
            "occurred_at": "2026-01-01T00:00:00.000000Z",
            "payload": {"call_leg_id": "l", "state": "parked", "from": "Ü"},
        },
        ensure_ascii=False,
    )
    event = an_event(body=body)
    request = build_request(event, 3, URL, Signer(SECRET), int(time.time()))
    key = base64.b64encode(PUBLIC).decode()
    client = telnyx.Telnyx(api_key="KEY", public_key=key)
    got = client.webhooks.unwrap(request.body.decode(), headers=request.headers)
    assert got.data.event_type == "call.initiated"
    assert got.data.payload.state == "parked"
    changed = request.body.decode().replace("parked", "bridging")
    with pytest.raises(Exception, match=r"(?i)signature"):
        client.webhooks.unwrap(changed, headers=request.headers)
    client.close()


def test_the_body_is_the_events_text_as_it_is_and_what_this_attempt_is():
    body = '{"payload": {"n": 1.50, "s": "\\u00fc"} }'
    request = build_request(an_event(body=body), 2, URL, Signer(SECRET), 1)
    assert request.method == "POST"
    assert request.url == URL
    assert request.body.startswith(b'{"data":' + body.encode() + b',"meta":')
    assert json.loads(request.body)["meta"] == {"attempt": 2, "delivered_to": URL}
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["User-Agent"] == "telnyx-webhooks"


def test_each_attempt_is_signed_anew():
    first = build_request(an_event(), 1, URL, Signer(SECRET), 1)
    second = build_request(an_event(), 1, URL, Signer(SECRET), 2)
    assert first.headers != second.headers


def test_a_get_carries_the_payload_as_its_query():
    body = '{"occurred_at": "t", "payload": {"from": "+1", "tags": ["a"], "client_state": null}}'
    event = an_event(method="GET", body=body)
    request = build_request(event, 1, URL, Signer(SECRET), 1)
    assert (request.method, request.body) == ("GET", b"")
    assert parse_qs(urlsplit(request.url).query, keep_blank_values=True) == {
        "a": ["b"],
        "event_type": ["call.initiated"],
        "id": ["event-1"],
        "occurred_at": ["t"],
        "attempt": ["1"],
        "from": ["+1"],
        "tags": ['["a"]'],
        "client_state": [""],
    }
    assert "?" in build_request(event, 1, "http://h", Signer(SECRET), 1).url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "/hook",
        "http://",
        "http:///path",
        "ftp://host/",
        "file:///etc/passwd",
        "http://host:port/",
        "http://host:99999/",
        "http://[::1",
        "http://\udcff/",
    ],
)
def test_urls_to_which_nothing_can_be_sent(url):
    assert url_fault(url)


@pytest.mark.parametrize("url", ["http://host", "https://host:1/p?q", "http://[::1]:80/"])
def test_urls_that_can_be_used(url):
    assert url_fault(url) is None
