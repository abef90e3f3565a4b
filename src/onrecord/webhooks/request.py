"""The HTTP request of one attempt. Pure."""

import json
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from onrecord.calls.records import Event
from onrecord.webhooks.signing import Signer

USER_AGENT = "telnyx-webhooks"
_FIXED_HEADERS = {"Content-Type": "application/json", "User-Agent": USER_AGENT}


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """What goes out."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


def build_request(
    event: Event, number: int, url: str, signer: Signer, utc_secs: int
) -> WebhookRequest:
    """Sign and lay out attempt ``number`` to ``url``; the event's JSON text goes in as it is.

    Raises:
        ValueError: a GET of an event whose body is not a JSON object.
    """
    if event.method == "GET":
        headers = {**_FIXED_HEADERS, **signer.headers(b"", utc_secs)}
        return WebhookRequest("GET", _with_query(url, event, number), headers, b"")
    meta = f'{{"attempt":{number},"delivered_to":{json.dumps(url)}}}'
    body = f'{{"data":{event.body},"meta":{meta}}}'.encode()
    return WebhookRequest("POST", url, {**_FIXED_HEADERS, **signer.headers(body, utc_secs)}, body)


def url_fault(url: str) -> str | None:
    """Why nothing can be sent to ``url``; None when something can. Never raises."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
        url.encode()
    except ValueError as error:
        return str(error)
    return None if usable else "it must begin with http:// or https:// and name a host"


def _with_query(url: str, event: Event, number: int) -> str:
    data = json.loads(event.body)
    payload = data.get("payload") or {}
    fields = {
        "event_type": event.type,
        "id": event.id,
        "occurred_at": data.get("occurred_at"),
        "attempt": number,
        **payload,
    }
    query = urlencode({name: _text(value) for name, value in fields.items()})
    return f"{url}{'&' if urlsplit(url).query else '?'}{query}"


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
