"""Numbers and SIP URIs."""

import pytest

from onrecord.calls.addresses import (
    is_e164,
    routing_keys,
    shown_address,
    through_proxy,
    user_of,
)


@pytest.mark.parametrize(
    ("uri", "user", "shown"),
    [
        ("sip:+15551234567@h:5060;user=phone", "+15551234567", "+15551234567"),
        ("<sip:bob:secret@[2001:db8::1]:5060>", "bob", "sip:bob@[2001:db8::1]"),
        ("SIPS:bob@Example.com?subject=x", "bob", "sips:bob@Example.com"),
        ("sip:example.com;lr", None, "sip:example.com"),
        ("sip:5551234@h", "5551234", "sip:5551234@h"),
        ("tel:+15551234567;ext=1", "+15551234567", "+15551234567"),
        ("anonymous", None, "anonymous"),
        ("", None, ""),
    ],
)
def test_user_and_shown_form(uri, user, shown):
    assert user_of(uri) == user
    assert shown_address(uri) == shown


@pytest.mark.parametrize("text", ["+1", "+0123", "15551234567", "+1555123456789012", "+1 555", ""])
def test_what_is_no_number(text):
    assert not is_e164(text)


def test_a_call_is_routed_by_user_and_by_number():
    keys = routing_keys("sip:15551234567@h", "sip:reception@h", "sip:h")
    assert keys == ("15551234567", "+15551234567", "reception")


def test_a_number_is_put_into_the_proxys_uri():
    proxied = through_proxy("+15551234567", "sip:trunk@10.0.0.1:5080;transport=tcp")
    assert proxied == "sip:+15551234567@10.0.0.1:5080;transport=tcp"
    assert through_proxy("+1555", "sip:10.0.0.1") == "sip:+1555@10.0.0.1"
