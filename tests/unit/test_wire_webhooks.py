"""The webhook members of dial and of every command of a call."""

import pytest

from onrecord.calls.records import WebhookTarget
from onrecord.core.errors import CallerError
from onrecord.wire import requests, sound_requests

DIAL = {"connection_id": "1", "to": "sip:b@h", "from": "+15550001"}


def target(**given):
    return requests.parse_dial(DIAL | given).webhook


def fault(**given):
    with pytest.raises(CallerError) as raised:
        requests.parse_dial(DIAL | given)
    (found,) = raised.value.faults
    return found.code, found.pointer


def test_all_members_of_the_family():
    assert target() == WebhookTarget()
    assert target(
        webhook_url="http://a/",
        webhook_url_method="GET",
        webhook_urls={"call.hangup": "http://b/", "call.answered": ["http://c/", "http://d/"]},
        webhook_urls_method="GET",
        webhook_retries_policies={"call.hangup": {"retries_ms": [0, 100, 59900]}},
    ) == WebhookTarget(
        url="http://a/",
        method="GET",
        urls={"call.hangup": ("http://b/",), "call.answered": ("http://c/", "http://d/")},
        urls_method="GET",
        retry_ms={"call.hangup": (0, 100, 59900)},
    )


def test_a_later_command_changes_only_what_it_gives():
    first = target(webhook_url="http://a/", webhook_urls={"call.hangup": "http://b/"})
    later = requests.parse_answer({"webhook_url": "http://x/", "webhook_url_method": "GET"})
    changed = first.changed(later.webhook)
    assert (changed.url, changed.method, changed.urls) == ("http://x/", "GET", first.urls)
    assert first.changed(requests.parse_answer({}).webhook) == first
    assert first.changed(None) == first


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"webhook_urls": {"no type": "http://a/"}}, ("90057", "/webhook_urls")),
        ({"webhook_urls": []}, ("10026", "/webhook_urls")),
        ({"webhook_urls": {"a.b": "no"}}, ("10003", "/webhook_urls/a.b")),
        ({"webhook_urls": {"a.b": []}}, ("10015", "/webhook_urls/a.b")),
        ({"webhook_urls": {"a.b": ["http://a/"] * 3}}, ("10015", "/webhook_urls/a.b")),
        ({"webhook_urls_method": "PUT"}, ("10032", "/webhook_urls_method")),
        (
            {"webhook_retries_policies": {"a.b": {}}},
            ("10004", "/webhook_retries_policies/a.b/retries_ms"),
        ),
        (
            {"webhook_retries_policies": {"a.b": {"retries_ms": [1] * 6}}},
            ("10015", "/webhook_retries_policies/a.b/retries_ms"),
        ),
        (
            {"webhook_retries_policies": {"a.b": {"retries_ms": [30000, 30001]}}},
            ("10033", "/webhook_retries_policies"),
        ),
        ({"record_timeout_secs": -1}, ("90049", "/record_timeout_secs")),
    ],
)
def test_what_is_refused(given, expected):
    assert fault(**given) == expected


COMMANDS = [
    (requests.parse_answer, {}),
    (requests.parse_reject, {"cause": "USER_BUSY"}),
    (requests.parse_hangup, {}),
    (requests.parse_bridge, {"call_control_id": "v3:other"}),
    (requests.parse_transfer, {"to": "sip:b@h"}),
    (requests.parse_record_start, {"format": "wav", "channels": "dual"}),
    (requests.parse_record_stop, {}),
    (requests.parse_record_pause, {}),
    (requests.parse_record_resume, {}),
    (sound_requests.parse_playback_start, {"media_name": "a.wav"}),
    (sound_requests.parse_playback_stop, {}),
    (sound_requests.parse_speak, {"payload": "Hello.", "voice": "female"}),
    (sound_requests.parse_send_dtmf, {"digits": "1"}),
]


@pytest.mark.parametrize(
    ("parse", "needed"), COMMANDS, ids=lambda part: getattr(part, "__name__", "")
)
def test_every_command_may_say_where_the_webhooks_go(parse, needed):
    assert parse(needed).webhook is None
    assert parse(needed | {"webhook_url": "http://a/"}).webhook == WebhookTarget(url="http://a/")
    with pytest.raises(CallerError, match="10033"):
        parse(needed | {"webhook_retries_policies": {"a.b": {"retries_ms": [60_000, 1]}}})
