"""Things that exist, for tests that name things that do not: calls with a phone at the other end, recordings, …"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from onrecord.phone import TestPhone
from running import Receiver

Json = dict[str, Any]
USER = "sdk"
WAIT_SECS = 10.0


class NotMade(Exception):
    """The server refused to make what a test needs; the text is its status and codes."""


class Existing:
    """Makes what a test asks for on a running server; ``clean`` hangs up all that it made."""

    def __init__(self, base_url: str, sip_port: int, key: str) -> None:
        self.receiver = Receiver()
        self._sip = f"sip:{USER}@127.0.0.1:{sip_port}"
        self._api = httpx.Client(
            base_url=base_url, headers={"Authorization": f"Bearer {key}"}, timeout=20
        )
        self._loop = asyncio.new_event_loop()
        self._phones: list[TestPhone] = []
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.application = self.new_application()
        self._ask("PATCH", f"/phone_numbers/{USER}", {"connection_id": self.application})
        self.recording = self.new_recording()

    def new_application(self) -> str:
        """Id of a call control application."""
        fields = {"application_name": "sdk tests", "webhook_event_url": self.receiver.url}
        return str(self._ask("POST", "/call_control_applications", fields)["data"]["id"])

    def phone(self) -> TestPhone:
        """A phone that can be called."""
        phone = TestPhone(USER)
        self._run(phone.start())
        self._phones.append(phone)
        return phone

    def ringing(self) -> str:
        """call_control_id of an incoming call that rings."""
        self._run(self.phone().dial(self._sip))
        return str(
            self.receiver.wait("call.initiated", direction="incoming").payload["call_control_id"]
        )

    def answered(self) -> str:
        """call_control_id of an incoming call that is up."""
        token = self.ringing()
        self.command(token, "answer")
        self._run(self._phones[-1].wait_answered())
        return token

    def recorded(self, **options: Any) -> tuple[str, str]:
        """call_control_id and recording_id of a call that is being recorded."""
        token = self.answered()
        return token, self._record(token, **options)

    def paused(self) -> tuple[str, str]:
        """The same, with the recording paused."""
        token, recording = self.recorded()
        self.command(token, "record_pause")
        return token, recording

    def new_recording(self, **options: Any) -> str:
        """Id of a recording that is saved."""
        token, recording = self.recorded(**options)
        time.sleep(0.1)
        self.command(token, "hangup")
        self.receiver.wait("call.recording.saved", recording_id=recording)
        return recording

    def storage(self) -> str:
        """Id of an application that has storage credentials."""
        application = self.new_application()
        bucket = {"backend": "gcs", "bucket": "a", "credentials": "{}"}
        fields = {"backend": "gcs", "configuration": bucket}
        self._ask("POST", f"/custom_storage_credentials/{application}", fields)
        return application

    def delivery(self) -> str:
        """Id of a webhook delivery."""
        return str(self._ask("GET", "/webhook_deliveries")["data"][0]["id"])

    def transcription(self) -> str:
        """Id of a recording transcription, finished or not."""
        engine = {"transcription_engine": "B", "transcription_language": "en"}
        recording = self.new_recording(transcription=True, **engine)
        asked = f"/recording_transcriptions?filter[recording_id]={recording}"
        return str(self._ask("GET", asked)["data"][0]["id"])

    def command(self, token: str, action: str, **fields: Any) -> Json:
        """What a call command answers."""
        return self._ask("POST", f"/calls/{token}/actions/{action}", fields)

    def clean(self) -> None:
        """Hang up, and close the phones."""
        phones, self._phones = self._phones, []
        for phone in phones:
            self._run(phone.close())

    def _record(self, token: str, **options: Any) -> str:
        asked = {"format": "wav", "channels": "single"} | options
        return str(self.command(token, "record_start", **asked)["data"]["recording_id"])

    def _ask(self, method: str, path: str, fields: Json | None = None) -> Json:
        answer = self._api.request(method, path, json=fields)
        if not answer.is_success:
            told = [str(one["code"]) for one in answer.json()["errors"]]
            raise NotMade(" ".join([str(answer.status_code), *told]))
        body: Json = answer.json()
        return body

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_SECS)


def adapted(existing: Existing, method: str, path: str, body: object) -> tuple[str, object]:
    """Path and body of a request with made-up ids and addresses replaced by those of existing things."""
    parts = path.strip("/").split("/")
    resource = parts[0]
    changed = _loopback(existing, body)
    if path == "/calls" and isinstance(changed, dict):
        changed |= {"connection_id": existing.application, "to": existing.phone().uri}
        if "link_to" in changed:
            changed["link_to"] = existing.answered()
    elif resource == "calls" and len(parts) > 1:
        parts[1] = _call(existing, parts[-1], changed)
    elif resource in _BY_RESOURCE and len(parts) > 1 and parts[1] != "actions":
        parts[1] = _BY_RESOURCE[resource](existing, method)
    return "/" + "/".join(parts), changed


def _call(existing: Existing, action: str, body: object) -> str:
    if action in {"answer", "reject"}:
        return existing.ringing()
    if action not in {"record_stop", "record_pause", "record_resume"}:
        if action == "bridge" and isinstance(body, dict):
            body["call_control_id"] = existing.answered()
        if action == "transfer" and isinstance(body, dict):
            body["to"] = existing.phone().uri
        return existing.answered()
    token, recording = existing.paused() if action == "record_resume" else existing.recorded()
    if isinstance(body, dict) and "recording_id" in body:
        body["recording_id"] = recording
    return token


_BY_RESOURCE: dict[str, Callable[[Existing, str], str]] = {
    "recordings": lambda e, method: e.new_recording() if method == "DELETE" else e.recording,
    "call_control_applications": lambda e, _: e.new_application(),
    "connections": lambda e, _: e.application,
    "custom_storage_credentials": lambda e, method: (
        e.new_application() if method == "POST" else e.storage()
    ),
    "recording_transcriptions": lambda e, _: e.transcription(),
    "webhook_deliveries": lambda e, _: e.delivery(),
}


def _loopback(existing: Existing, value: object) -> object:
    if isinstance(value, dict):
        return {name: _loopback(existing, member) for name, member in value.items()}
    if isinstance(value, list):
        return [_loopback(existing, member) for member in value]
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return existing.receiver.url
    return value
