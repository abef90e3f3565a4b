"""The outside of the use cases, scripted: media, SIP, receivers, storage; and a bench that wires them."""

import asyncio
import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from onrecord.calls.commands import Answer, ApplicationFields
from onrecord.calls.media import Beep, Clip, PromptFailed
from onrecord.calls.records import Attempt
from onrecord.core.clock import SystemClock
from onrecord.core.errors import CapacityError
from onrecord.core.ids import LegId, new_uuid
from onrecord.core.settings import Settings
from onrecord.database import Database
from onrecord.rtp.stats import LegStats
from onrecord.sdp.negotiation import RtpAddress
from onrecord.service.announcements import Announcements
from onrecord.service.applications import Applications
from onrecord.service.background import Background
from onrecord.service.calls import Calls
from onrecord.service.delivery import Delivery
from onrecord.service.destinations import Destinations
from onrecord.service.edges import Edges
from onrecord.service.finishing import Finishing
from onrecord.service.moving import Moving
from onrecord.service.recordings import Recordings
from onrecord.service.registry import Registry
from onrecord.service.spools import Spools
from onrecord.service.transcribing import TranscriptionFiles
from onrecord.service.vault import Vault
from onrecord.sip.backend import Answered, Ended, IncomingCall
from onrecord.storage import Links
from onrecord.storage.buckets import Buckets
from onrecord.webhooks import policy
from reported import gappy

OFFER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
)
HOLD = OFFER.replace("a=sendrecv", "a=sendonly")
VIDEO_ONLY = OFFER.replace("m=audio", "m=video")
ANSWER = OFFER.replace("8 0 101", "0 101")


class ShiftClock(SystemClock):
    """The system's clocks, moved on by ``shift_ns``."""

    shift_ns = 0

    def monotonic_ns(self):
        return super().monotonic_ns() + self.shift_ns

    def utc_ns(self):
        return super().utc_ns() + self.shift_ns


@dataclass
class ScriptedMedia:
    """A media process that has ``ports`` ports."""

    clock: SystemClock
    ports: int = 1000
    legs: dict = field(default_factory=dict)
    bridges: set = field(default_factory=set)
    capturing: dict = field(default_factory=dict)
    paused: set = field(default_factory=set)
    closed: Counter = field(default_factory=Counter)
    fails: str | None = None
    played: list = field(default_factory=list)
    silenced: list = field(default_factory=list)
    pressed: list = field(default_factory=list)
    beeps: list = field(default_factory=list)
    overlaid: list = field(default_factory=list)
    deaf: set = field(default_factory=set)

    def _check(self, what):
        if self.fails == what:
            raise ConnectionError(f"{what}: the media process is gone")

    async def open_leg(self, leg, *, may_transcode=False):
        self._check("open_leg")
        if leg not in self.legs:
            if len(self.legs) >= self.ports:
                raise CapacityError("no port")
            self.legs[leg] = None
        return RtpAddress("192.0.2.1", 10000, 10001)

    async def connect_leg(self, leg, media, *, silence_when_idle=False):
        self._check("connect_leg")
        assert leg in self.legs
        self.legs[leg] = (media, silence_when_idle)

    async def close_leg(self, leg):
        if leg in self.legs:
            del self.legs[leg]
            assert leg not in self.capturing.values(), "recordings are stopped first"
            self.closed[leg] += 1
        self.bridges = {pair for pair in self.bridges if leg not in pair}
        self._check("close_leg")
        return LegStats(packets_received=50, packets_sent=49)

    async def bridge(self, first, second, *, deaf_to_digits=()):
        self._check("bridge")
        self.deaf = set(deaf_to_digits)
        assert self.legs[first]
        assert self.legs[second]
        self.bridges.add(frozenset((first, second)))

    async def unbridge(self, leg):
        self.bridges = {pair for pair in self.bridges if leg not in pair}

    async def play(self, leg, playback, clip, loops, *, overlay=False):
        self._check("play")
        self.overlaid += [playback] * overlay
        assert self.legs[leg], "the leg has audio"
        self.played.append((leg, playback, clip, loops))

    async def stop_playback(self, leg, playback):
        self.silenced.append((leg, playback))

    async def press(self, leg, digits, duration_ms):
        self._check("press")
        self.pressed.append((leg, digits, duration_ms))

    async def start_recording(self, header, path, beep=None):
        self._check("start_recording")
        assert self.legs[header.leg_id], "the leg has audio"
        assert path.stat().st_size > 0, "the spool holds its header"
        self.capturing[header.recording_id] = header.leg_id
        self.beeps.append(beep)
        return self.clock.monotonic_ns()

    async def pause_recording(self, recording_id):
        self._check("pause_recording")
        assert recording_id in self.capturing
        self.paused.add(recording_id)
        return self.clock.monotonic_ns()

    async def resume_recording(self, recording_id):
        self._check("resume_recording")
        self.paused.remove(recording_id)
        return self.clock.monotonic_ns()

    async def stop_recording(self, recording_id):
        self.capturing.pop(recording_id, None)  # a process that is gone captures nothing
        self._check("stop_recording")
        return self.clock.monotonic_ns()


class ScriptedListening:
    """Hears that a recording is silent when it is told so: ``wanted[recording_id]()``."""

    def __init__(self):
        self.wanted = {}
        self.asked = {}

    def listen(self, recording_id, path, *, timeout_secs, track, silent):
        assert path.stat().st_size > 0, "the spool holds its header"
        self.wanted[recording_id] = silent
        self.asked[recording_id] = (timeout_secs, track)

    def forget(self, recording_id):
        self.wanted.pop(recording_id, None)


@dataclass
class ScriptedPrompts:
    """Has the files in ``files`` by URL or name and takes as long as ``gates`` says."""

    files: dict = field(default_factory=dict)
    gates: dict = field(default_factory=dict)
    discarded: list = field(default_factory=list)
    loaded: list = field(default_factory=list)
    speaks: bool = True

    def plays(self, content):
        return content.startswith(b"RIFF")

    async def load(self, source):
        self.loaded.append(source)
        key = getattr(source, "url", None) or getattr(source, "name", None)
        if key in self.gates:
            await self.gates[key].wait()
        if key is not None and key not in self.files:
            raise PromptFailed(f"no {key}", missing=True)
        return self.files.get(key, b"RIFF")

    async def clip(self, content, codec):
        if content == b"bad":
            raise PromptFailed("not decodable")
        return Clip(Path(f"/clips/{new_uuid()}"), codec.name)

    async def beep(self, codec):
        return Beep(Clip(Path("/clips/beep"), codec.name), 1400, 300, -12.0)

    def discard(self, clip):
        self.discarded.append(clip)


@dataclass
class ScriptedSignalling:
    """Keeps what it is told; ``verbs`` are (verb, leg, argument)."""

    verbs: list = field(default_factory=list)
    full: bool = False

    def of(self, leg):
        return [(verb, argument) for verb, which, argument in self.verbs if which == leg]

    def dial(self, leg, request):
        if self.full:
            raise CapacityError("too many dialogs")
        if "@nowhere" in request.target:
            raise ValueError("no such host")
        self.verbs.append(("dial", leg, request))
        return f"sip-{leg}"

    def ring(self, leg):
        self.verbs.append(("ring", leg, None))

    def answer(self, leg, sdp, headers=()):
        self.verbs.append(("answer", leg, sdp))

    def reject(self, leg, status):
        self.verbs.append(("reject", leg, status))

    def hangup(self, leg, headers=()):
        self.verbs.append(("hangup", leg, tuple(headers)))

    def accept_offer(self, leg, sdp):
        self.verbs.append(("accept_offer", leg, sdp))

    def reoffer(self, leg, sdp):
        self.verbs.append(("reoffer", leg, sdp))

    def refuse_offer(self, leg, status):
        self.verbs.append(("refuse_offer", leg, status))


@dataclass
class ScriptedReceiver:
    """A webhook receiver that answers with the next of ``statuses``, then 200."""

    clock: SystemClock
    statuses: list = field(default_factory=list)
    got: list = field(default_factory=list)
    delay: float = 0.0

    async def send(self, event, number, url):
        self.got.append((event, number, url))
        await asyncio.sleep(self.delay)
        status = self.statuses.pop(0) if self.statuses else 200
        now = self.clock.utc_ns()
        return Attempt(event.id, number, url, now, now, status)

    def events(self, leg_id=None):
        """(type, payload) of what came, in order, each event once."""
        seen = {event.id: event for event, _, _ in self.got if leg_id in {None, event.leg_id}}
        return [(event.type, json.loads(event.body)["payload"]) for event in seen.values()]

    def types(self, leg_id=None):
        return [kind for kind, _ in self.events(leg_id)]


@dataclass
class FolderStorage:
    """Finished files in a folder."""

    folder: Path
    fails: Exception | None = None

    async def put(self, key, source):
        if self.fails:
            raise self.fails
        target = self.folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())

    async def delete(self, key):
        (self.folder / key).unlink(missing_ok=True)

    def path(self, key):
        return self.folder / key

    def link(self, key, now_ns):
        return f"http://files/{key}?expires={now_ns}"


class CopyMastering:
    """Says that every spool holds one second of audio."""

    def master(self, spool, target):
        target.write_bytes(b"file of " + spool.read_bytes()[:4])
        return SimpleNamespace(
            duration_ms=1000,
            size_bytes=12,
            started_utc_ns=5_000_000_000,
            ended_utc_ns=6_000_000_000,
            trimmed=None,
            report=gappy(),
        )


class HandTimers:
    """Timers that fire when told to."""

    def __init__(self):
        self.armed = []

    def __call__(self, delay, callback, /):
        handle = SimpleNamespace(delay=delay, callback=callback)
        handle.cancel = lambda: self.armed.remove(handle) if handle in self.armed else None
        self.armed.append(handle)
        return handle

    def fire(self, delay):
        """Fire all that were armed with ``delay`` seconds; returns how many."""
        due = [handle for handle in self.armed if handle.delay == delay]
        for handle in due:
            self.armed.remove(handle)
            handle.callback()
        return len(due)


class JobTable:
    """Durable jobs as rows of a table of the same database, so that a rollback undoes them."""

    def __init__(self, path):
        self._path = path

    def prepare(self):
        with sqlite3.connect(self._path) as connection:
            connection.execute("create table if not exists test_jobs (kind, id, number, delay)")
        connection.close()

    def enqueue_finish(self, connection, node, recording_id, delay_secs):
        self._put(connection, "finish", recording_id, None, delay_secs)

    def enqueue_delivery(self, connection, event_id, number, delay_secs):
        self._put(connection, "deliver", event_id, number, delay_secs)

    def enqueue_move(self, connection, node, recording_id, since_ns, delay_secs):
        self._put(connection, "move", recording_id, since_ns, delay_secs)

    def enqueue_transcription(self, connection, node, transcription_id):
        self._put(connection, "transcribe", transcription_id, None, 0.0)

    def waiting(self, connection, node, within_secs):
        return False

    def _put(self, connection, *values):
        connection.exec_driver_sql("insert into test_jobs values (?, ?, ?, ?)", values)

    def all(self, kind):
        connection = sqlite3.connect(self._path)
        try:
            found = connection.execute("select * from test_jobs where kind = ?", (kind,))
            return [row[1:] for row in found]
        finally:
            connection.close()


class Bench:
    """The use cases over a real database in ``folder``, and a scripted outside."""

    def __init__(self, folder, **settings):
        self.folder = folder
        self.settings = Settings(
            data=folder, webhook_retry_secs=(2, 8), external_address="192.0.2.1", **settings
        )
        self.clock = ShiftClock()
        self.jobs = JobTable(folder / "onrecord.db")
        self.database = Database(folder / "onrecord.db", jobs=self.jobs)
        self.outside()

    def outside(self):
        """A fresh outside and fresh use cases, as after a restart."""
        clock, settings = self.clock, self.settings
        self.media = ScriptedMedia(clock)
        self.prompts = ScriptedPrompts()
        self.sip = ScriptedSignalling()
        self.receiver = ScriptedReceiver(clock)
        self.timers = HandTimers()
        self.storage = FolderStorage(self.folder / "recordings")
        self.background = Background(self.timers)
        self.spools = Spools(self.folder / "spool")
        self.announcements = Announcements(clock, settings.webhook_timeout_ms)
        self.delivery = Delivery(
            store=self.database,
            sender=self.receiver,
            policy=policy,
            clock=clock,
            background=self.background,
            delays=settings.webhook_retry_secs,
            patience_secs=0,
        )
        self.listening = ScriptedListening()
        self.no_transcription = None  # why record_start refuses them
        self.told = []  # what the worker was told to finish
        self.edges = Edges(
            settings=settings,
            clock=clock,
            store=self.database,
            media=self.media,
            prompts=self.prompts,
            signalling=self.sip,
            delivery=self.delivery,
            spools=self.spools,
            background=self.background,
            registry=Registry(),
            listening=self.listening,
            announcements=self.announcements,
            transcription_refusal=lambda params: self.no_transcription,
            boot_id="boot",
            finish_soon=self.told.append,
        )
        self.calls = Calls(self.edges)
        (self.folder / "transcriptions").mkdir(exist_ok=True)
        self.transcription_files = TranscriptionFiles(self.folder / "transcriptions")
        self.destinations = Destinations(
            store=self.database,
            storage=self.storage,
            buckets=Buckets(600),
            vault=Vault(self.folder / "keys" / "storage.key"),
            clock=clock,
        )
        links = Links("http://127.0.0.1", b"s" * 32, 600)
        self.recordings = Recordings(
            self.database, self.destinations, links, clock, self.transcription_files
        )
        self.finishing = Finishing(
            store=self.database,
            storage=self.storage,
            destinations=self.destinations,
            mastering=CopyMastering(),
            spools=self.spools,
            delivery=self.delivery,
            announcements=self.announcements,
            clock=clock,
            transcriptions=self.transcription_files,
        )
        self.moving = Moving(
            store=self.database,
            storage=self.storage,
            destinations=self.destinations,
            delivery=self.delivery,
            announcements=self.announcements,
            clock=clock,
        )
        self.applications = Applications(self.database, clock)

    async def start(self):
        await self.database.start()
        self.jobs.prepare()
        self.application = await self.applications.create(
            ApplicationFields("app", "http://receiver/primary")
        )

    async def settle(self):
        """Until nothing is under way any more."""
        await self.background.drain(10)

    async def incoming(self, offer=OFFER, to="sip:+15550001@192.0.2.1", **more):
        """An INVITE comes; returns its leg id."""
        leg = LegId(new_uuid())
        call = {
            "sip_call_id": f"call-{leg}",
            "request_uri": to,
            "from_uri": "sip:alice@example.com:5062",
            "from_name": "Alice",
            "to_uri": to,
            "headers": (("X-Ticket", "7"), ("User-to-User", "abc"), ("Diversion", "<sip:d@e>")),
            "source": "192.0.2.9:5060",
        }
        self.calls.on_sip_event(IncomingCall(leg=leg, offer=offer, **{**call, **more}))
        await self.settle()
        return leg

    async def row(self, leg_id):
        return await self.database.read(lambda unit: unit.leg_by_id(leg_id))

    async def token(self, leg_id):
        return (await self.row(leg_id)).call_control_id

    async def recording(self, recording_id):
        return await self.database.read(lambda unit: unit.recording(recording_id))

    async def far_answers(self, leg_id, sdp=ANSWER):
        self.calls.on_sip_event(Answered(leg_id, sdp))
        await self.settle()

    async def far_ends(self, leg_id, status=200, reason="bye", by_remote=True):
        self.calls.on_sip_event(Ended(leg_id, status, by_remote, reason))
        await self.settle()

    async def finish_all(self):
        for recording_id, _, _ in self.jobs.all("finish"):
            await self.finishing.finish(recording_id)
        await self.settle()

    async def move_all(self):
        for recording_id, *_ in self.jobs.all("move"):
            await self.moving.move(recording_id)
        await self.settle()

    async def answered(self, offer=OFFER, command=None):
        """An incoming call that was answered; returns its leg id and token."""
        leg = await self.incoming(offer)
        token = await self.token(leg)
        await self.calls.answer(token, command or Answer())
        if offer is not None:
            await self.far_answers(leg, None)
        return leg, token

    async def events_in_database(self, leg_id):
        """Types of the leg's events, oldest first."""
        ids = {event.id for event, _, _ in self.receiver.got if event.leg_id == leg_id}
        rows = await self.database.read(lambda unit: [unit.event(i) for i in ids])
        return sorted(rows, key=lambda event: event.occurred_ns)
