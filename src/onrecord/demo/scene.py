"""The scene: Ann calls, Bob is dialled and bridged, they talk, two recordings are fetched and checked."""

import asyncio
import base64
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape

from onrecord.core.clock import SystemClock
from onrecord.core.errors import OnrecordError
from onrecord.demo.api import Api, download
from onrecord.demo.checks import Finding
from onrecord.demo.receiver import Receiver
from onrecord.demo.report import Heard, Saved, findings_of, show_files
from onrecord.demo.webhooks import Inbox, Webhook
from onrecord.phone import TestPhone, read_clip

TIMEOUT_SECS = 60.0
TRANSCRIPT_SECS = 25.0
"""Of those; without a transcript the demo goes on."""
CLIPS = Path(__file__).parent / "clips"
NUMBER = "demo"
CALLER_ID = "+15555550100"

_BREATH_SECS = 0.25
_RING_SECS = 0.4


async def run(
    base_url: str,
    api_key: str,
    sip_port: int,
    output: Path,
    *,
    bind: str = "127.0.0.1",
    console: Console,
    transcription: bool = False,
) -> int:
    """Play the scene against a running server; files and a picture go into the folder ``output``.

    Returns 0 when every check holds, 1 when one does not or something was missing after
    ``TIMEOUT_SECS``; what that was is printed. Never raises on what the server does.
    """
    number = f"sip:{NUMBER}@{f'[{bind}]' if ':' in bind else bind}:{sip_port}"
    scene = Scene(
        Api(base_url, api_key),
        number,
        output,
        bind=bind,
        console=console,
        transcription=transcription,
    )
    try:
        async with asyncio.timeout(TIMEOUT_SECS), AsyncExitStack() as stack:
            findings = await scene.play(stack)
    except TimeoutError:
        console.print(f"\n[bold red]Gave up:[/] {scene.missing}")
        return 1
    except OnrecordError as error:
        console.print(f"\n[bold red]Failed[/] while {scene.step}:", end=" ")
        console.print(str(error), markup=False)
        return 1
    for finding in findings:
        console.print("  [green]✓[/]" if finding.holds else "  [bold red]✗[/]", finding.what)
    return 0 if all(finding.holds for finding in findings) else 1


class Scene:
    """One performance."""

    def __init__(
        self,
        api: Api,
        number: str,
        output: Path,
        *,
        bind: str,
        console: Console,
        transcription: bool,
    ) -> None:
        """``number`` is the SIP URI that Ann dials."""
        self._transcription = transcription
        self.step = "starting"
        self._number = number
        self._output = output
        self._console = console
        self._bind = bind
        self._api = api
        self._ann = TestPhone("ann", bind=bind)
        self._bob = TestPhone("bob", bind=bind)
        self._names: dict[str, str] = {}
        self._began = time.monotonic()
        self._inbox: Inbox | None = None

    @property
    def missing(self) -> str:
        """What the scene was waiting for, for people."""
        waiting = self._inbox.waiting_for if self._inbox is not None else ""
        return f"while {self.step}" + (f", no webhook {waiting} came" if waiting else "")

    async def play(self, stack: AsyncExitStack) -> Sequence[Finding]:
        """All of it; what is opened is closed with ``stack``.

        Raises:
            OnrecordError: the server refused something, or a phone could not call.
            TimeoutError: something did not happen; see ``missing``.
        """
        stack.push_async_callback(self._api.close)
        inbox = self._inbox = await self._public_key()
        receiver = await stack.enter_async_context(Receiver(self._bind, inbox.put))
        for phone in (self._ann, self._bob):
            await stack.enter_async_context(phone)
        application = await self._application(receiver.url)
        ann = await self._ann_calls(inbox)
        bob = await self._bob_is_dialled(inbox, application, ann)
        await self._bridge(inbox, ann, bob)
        await self._record(ann)
        await self._talk()
        await self._hang_up(inbox, ann, bob)
        saved = [await self._fetch(inbox, ann, form) for form in ("wav", "mp3")]
        if self._transcription:
            await self._read_transcript(inbox, ann)
        return self._judge(inbox, saved)

    async def _public_key(self) -> Inbox:
        self._say("fetching the public key of the webhooks' signatures")
        data = await self._api.get("/public_key")
        try:
            raw = base64.b64decode(str(data.get("public_key")), validate=True)
            key = Ed25519PublicKey.from_public_bytes(raw)
        except ValueError as error:
            raise OnrecordError("the server's public key is not base64 of 32 bytes") from error
        return Inbox(key, SystemClock(), self._on_webhook)

    async def _application(self, webhook_url: str) -> str:
        self._say("making a call control application")
        body = {"application_name": "onrecord demo", "webhook_event_url": webhook_url}
        data = await self._api.post("/call_control_applications", body)
        application = str(data["id"])
        await self._api.patch(f"/phone_numbers/{NUMBER}", {"connection_id": application})
        return application

    async def _ann_calls(self, inbox: Inbox) -> str:
        self._say(f"Ann's phone calls {self._number}")
        await self._ann.dial(self._number, name="Ann")
        webhook = await inbox.wait("call.initiated", "Ann's call", direction="incoming")
        ann = str(webhook.payload["call_control_id"])
        self._say("answering Ann")
        await self._api.command(ann, "answer", {})
        await self._ann.wait_answered()
        await inbox.wait("call.answered", "Ann's call", call_control_id=ann)
        return ann

    async def _bob_is_dialled(self, inbox: Inbox, application: str, ann: str) -> str:
        self._say("dialling Bob's phone")
        data = await self._api.post(
            "/calls",
            {
                "connection_id": application,
                "to": self._bob.uri,
                "from": CALLER_ID,
                "link_to": ann,
            },
        )
        bob = str(data["call_control_id"])
        await self._bob.wait_incoming()
        await asyncio.sleep(_RING_SECS)
        self._say("Bob picks up")
        await self._bob.answer()
        await inbox.wait("call.answered", "Bob's call", call_control_id=bob)
        return bob

    async def _bridge(self, inbox: Inbox, ann: str, bob: str) -> None:
        self._say("bridging the two calls")
        await self._api.command(ann, "bridge", {"call_control_id": bob})
        for name, leg in (("Ann", ann), ("Bob", bob)):
            await inbox.wait("call.bridged", f"{name}'s call", call_control_id=leg)

    async def _record(self, ann: str) -> None:
        self._say("starting two recordings: WAV with two channels, MP3 with one")
        for form, channels in (("wav", "dual"), ("mp3", "single")):
            body: dict[str, object] = {
                "format": form,
                "channels": channels,
                "custom_file_name": "demo",
            }
            if form == "wav" and self._transcription:
                body |= {"transcription": True, "transcription_engine": "B"}
            await self._api.command(ann, "record_start", body)

    async def _talk(self) -> None:
        self._say("Ann and Bob talk")
        for turn in (1, 2):
            for phone in (self._ann, self._bob):
                await asyncio.sleep(_BREATH_SECS)
                await phone.play(read_clip(CLIPS / f"{phone.user}-{turn}.wav"))
        await asyncio.sleep(_BREATH_SECS)

    async def _hang_up(self, inbox: Inbox, ann: str, bob: str) -> None:
        self._say("Ann hangs up")
        await self._ann.hangup()
        await self._bob.wait_ended()
        for name, leg in (("Ann", ann), ("Bob", bob)):
            await inbox.wait("call.hangup", f"{name}'s call", call_control_id=leg)

    async def _fetch(self, inbox: Inbox, ann: str, form: str) -> Saved:
        self._say(f"fetching the {form.upper()} file")
        webhook = await inbox.wait(
            "call.recording.saved", f"the {form.upper()} file", call_control_id=ann, format=form
        )
        urls: Mapping[str, str] = webhook.payload.get("recording_urls") or {}
        if form not in urls:
            raise OnrecordError(f"recording_urls has no {form}")
        name, content = await download(urls[form])
        return Saved.read(form, _kept(self._output / name, content), webhook.payload)

    async def _read_transcript(self, inbox: Inbox, ann: str) -> None:
        """Print what was said, with who said it; a slow machine goes without."""
        self._say("waiting for the transcript")
        kind = "call.recording.transcription.saved"
        try:
            async with asyncio.timeout(TRANSCRIPT_SECS):
                webhook = await inbox.wait(kind, "the transcript", call_control_id=ann)
        except TimeoutError:
            self._console.print(f"  [yellow]no transcript within {TRANSCRIPT_SECS:.0f} s[/]")
            return
        wanted = webhook.payload.get("recording_transcription_id")
        segments = await self._api.get_list(f"/recording_transcriptions/{wanted}/segments")
        self._console.print("\n[bold]Transcript[/] (Whisper tiny.en, on this machine)")
        for segment in segments:
            who = ("Ann", "Bob")[int(segment["channel"]) % 2]
            self._console.print(f"  {who}: {segment['text']}", markup=False, highlight=False)

    def _judge(self, inbox: Inbox, saved: Sequence[Saved]) -> Sequence[Finding]:
        self.step = "checking the files"
        ann = Heard("Ann", _clips("ann"), self._ann.heard())
        bob = Heard("Bob", _clips("bob"), self._bob.heard())
        show_files(self._console, self._output, saved, (ann, bob))
        self._console.print("\n[bold]Checks[/]")
        return findings_of(inbox, saved, (ann, bob))

    def _say(self, step: str) -> None:
        self.step = step
        elapsed = time.monotonic() - self._began
        self._console.print(f"[dim]{elapsed:6.2f} s[/]  {escape(step[0].upper() + step[1:])}")

    def _on_webhook(self, webhook: Webhook) -> None:
        payload = webhook.payload
        leg = str(payload.get("call_control_id"))
        if webhook.type == "call.initiated":
            self._names[leg] = "Ann" if payload.get("direction") == "incoming" else "Bob"
        mark = "[green]✓ signed[/]" if webhook.verified else "[bold red]✗ not signed[/]"
        again = f" attempt {webhook.attempt}" if webhook.attempt > 1 else ""
        detail = _detail(webhook)
        elapsed = time.monotonic() - self._began
        self._console.print(
            f"[dim]{elapsed:6.2f} s[/]    [cyan]← {webhook.type:<22}[/] "
            f"{self._names.get(leg, '?'):<4} {mark}{again} [dim]{detail}[/]",
            highlight=False,
        )


def _detail(webhook: Webhook) -> str:
    """The member of the payload that is worth a look."""
    shown = {
        "call.initiated": "direction",
        "call.answered": "codec",
        "call.hangup": "hangup_cause",
        "call.recording.saved": "format",
    }
    value = webhook.payload.get(shown.get(webhook.type, ""))
    return "" if value is None else str(value)


def _kept(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _clips(user: str) -> Sequence[NDArray[np.int16]]:
    return [read_clip(CLIPS / f"{user}-{turn}.wav") for turn in (1, 2)]
