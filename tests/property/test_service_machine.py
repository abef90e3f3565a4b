"""Any order of commands, SIP events, timers and faults leaves every leg and recording accounted for."""

import asyncio
import itertools
import tempfile
from collections import Counter
from pathlib import Path

import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from onrecord.calls.commands import (
    Answer,
    Bridge,
    Dial,
    Hangup,
    RecordStart,
    RecordStop,
    Reject,
    Transfer,
)
from onrecord.calls.records import LegState, RecordingParams, RecordingState
from onrecord.core.errors import CallerError
from onrecord.core.ids import RecordingId
from onrecord.sip.backend import Answered, Ended, OfferAnswered, OfferReceived, Ringing
from service_fakes import ANSWER, HOLD, OFFER, VIDEO_ONLY, Bench

IDS = st.sampled_from([None, None, "a", "b"])
STATES = st.sampled_from([None, "YQ==", "Yg=="])
PARAMS = st.sampled_from(
    [RecordingParams("wav", "dual"), RecordingParams("mp3", "single", max_length_secs=5)]
)


class World:
    """One loop and one database for all examples; each example has its own use cases."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.bench = Bench(Path(self.folder.name))
        self.loop.run_until_complete(self.bench.start())

    def run(self, work):
        return self.loop.run_until_complete(work)

    def close(self):
        self.run(self.bench.database.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()


WORLD = []
NAMES = itertools.count()


class CallsMachine(RuleBasedStateMachine):
    """Legs are (leg id, token)."""

    legs = Bundle("legs")
    recordings = Bundle("recordings")

    def __init__(self):
        super().__init__()
        self.world = WORLD[0]
        self.world.bench.outside()
        self.bench = self.world.bench
        self.name = next(NAMES)
        self.ours = []
        self.started = set()
        self.first_results = {}
        self.dials = {}

    def do(self, work):
        """Await ``work`` and all that follows; a CallerError is None, anything else fails the test."""

        async def whole():
            try:
                return await work
            except CallerError:
                return None
            finally:
                await self.bench.settle()

        return self.world.run(whole())

    def tell(self, event):
        async def whole():
            self.bench.calls.on_sip_event(event)
            await self.bench.settle()

        self.world.run(whole())

    def command(self, name, leg, command):
        """Carry it out; a command_id that was accepted answers the same and does nothing."""
        key = (leg[1], command.command_id)
        before = len(self.bench.sip.verbs), len(self.bench.media.capturing)
        result = self.do(getattr(self.bench.calls, name)(leg[1], command))
        if command.command_id and key in self.first_results:
            assert result is not None
            assert result.call_control_id == leg[1]
            assert (len(self.bench.sip.verbs), len(self.bench.media.capturing)) == before
        elif result is not None:
            if command.command_id:
                self.first_results[key] = result
            if result.recording_id is not None:
                return result.recording_id
        return None

    # Legs come

    @rule(target=legs, offer=st.sampled_from([OFFER, None]))
    def incoming(self, offer):
        leg_id = self.world.run(self.bench.incoming(offer))
        leg = (leg_id, self.world.run(self.bench.token(leg_id)))
        self.ours.append(leg)
        return leg

    @rule(target=legs, command_id=IDS, record=st.one_of(st.none(), PARAMS), other=st.data())
    def dial(self, command_id, record, other):
        link = other.draw(st.sampled_from([None, *(token for _, token in self.ours[-3:])]))
        command = Dial(
            self.bench.application.id,
            "sip:b@h",
            "+1555",
            command_id=command_id and f"{self.name}-{command_id}",
            record=record,
            link_to=link,
            bridge_on_answer=link is not None,
        )
        made = self.do(self.bench.calls.dial(command))
        if made is None:
            assert link is not None
            return self.incoming(OFFER)
        leg = (made.id, made.call_control_id)
        if command.command_id:
            assert self.dials.setdefault(command.command_id, leg) == leg
        if leg not in self.ours:
            self.ours.append(leg)
        return leg

    @rule(target=legs)
    def answered(self):
        leg = self.world.run(self.bench.answered())
        self.ours.append(leg)
        return leg

    @rule(target=legs, other=legs, record=st.one_of(st.none(), PARAMS))
    def answered_and_bridged(self, other, record):
        leg = self.answered()
        self.bridge(leg, other, None, record)
        return leg

    # Commands

    @rule(leg=legs, command_id=IDS, state=STATES, record=st.one_of(st.none(), PARAMS))
    def answer(self, leg, command_id, state, record):
        self.command("answer", leg, Answer(state, command_id, record=record))

    @rule(leg=legs, command_id=IDS, cause=st.sampled_from(["USER_BUSY", "CALL_REJECTED"]))
    def reject(self, leg, command_id, cause):
        self.command("reject", leg, Reject(cause, None, command_id))

    @rule(leg=legs, command_id=IDS, state=STATES)
    def hangup(self, leg, command_id, state):
        self.command("hangup", leg, Hangup(state, command_id))

    @rule(target=recordings, leg=legs, command_id=IDS, state=STATES, params=PARAMS)
    def record_start(self, leg, command_id, state, params):
        started = self.command("record_start", leg, RecordStart(params, state, command_id))
        return started or RecordingId("none")

    @rule(leg=legs, command_id=IDS, state=STATES)
    def record_stop_all(self, leg, command_id, state):
        self.command("record_stop", leg, RecordStop(None, state, command_id))

    @rule(leg=legs, recording=consumes(recordings), command_id=IDS)
    def record_stop(self, leg, recording, command_id):
        self.command("record_stop", leg, RecordStop(recording, None, command_id))

    @rule(leg=legs, other=legs, command_id=IDS, record=st.one_of(st.none(), PARAMS))
    def bridge(self, leg, other, command_id, record):
        self.command("bridge", leg, Bridge(other[1], None, command_id, record))

    @rule(leg=legs, other=legs, park=st.booleans(), prevent=st.booleans())
    def bridge_choosy(self, leg, other, park, prevent):
        choosy = Bridge(other[1], park_after_unbridge=park, prevent_double_bridge=prevent)
        self.command("bridge", leg, choosy)

    @rule(
        target=legs,
        leg=legs,
        command_id=IDS,
        record=st.one_of(st.none(), PARAMS),
        park=st.booleans(),
    )
    def transfer(self, leg, command_id, record, park):
        known = {live.leg.id for live in self.bench.edges.registry.all()}
        self.command(
            "transfer",
            leg,
            Transfer("sip:c@h", command_id=command_id, record=record, park_after_unbridge=park),
        )
        fresh = [live for live in self.bench.edges.registry.all() if live.leg.id not in known]
        if not fresh:
            return leg
        target = (fresh[0].leg.id, fresh[0].leg.call_control_id)
        self.ours.append(target)
        return target

    # The far side, timers, faults

    @rule(leg=legs, sdp=st.sampled_from([ANSWER, None, VIDEO_ONLY]))
    def far_answers(self, leg, sdp):
        self.tell(Answered(leg[0], sdp))

    @rule(leg=legs, sdp=st.sampled_from([ANSWER, None]))
    def far_rings(self, leg, sdp):
        self.tell(Ringing(leg[0], sdp))

    @rule(leg=legs, sdp=st.sampled_from([OFFER, HOLD, None, VIDEO_ONLY, "nonsense"]))
    def far_offers(self, leg, sdp):
        self.tell(OfferReceived(leg[0], sdp))
        self.tell(OfferAnswered(leg[0], ANSWER))

    @rule(leg=legs, status=st.sampled_from([None, 200, 486, 487, 603]), by_remote=st.booleans())
    def far_ends(self, leg, status, by_remote):
        self.tell(Ended(leg[0], status, by_remote, "bye"))

    @rule(secs=st.sampled_from([5, 30, 120, 14400]))
    def time_passes(self, secs):
        async def whole():
            self.bench.timers.fire(secs)
            await self.bench.settle()

        self.world.run(whole())

    @rule(
        leg=legs,
        what=st.sampled_from(["stop_recording", "close_leg", "connect_leg", "start_recording"]),
    )
    def media_process_dies(self, leg, what):
        """While it is gone the far side re-invites and hangs up."""
        self.bench.media.fails = what
        self.tell(OfferReceived(leg[0], HOLD))
        self.tell(Ended(leg[0], 200, True, "bye"))
        self.bench.media.fails = None

    # What must hold

    @invariant()
    def every_leg_tells_its_end_once(self):
        rows = self.world.run(self.rows())
        hangups = Counter(
            event.leg_id
            for event in {event.id: event for event, _, _ in self.bench.receiver.got}.values()
            if event.type == "call.hangup"
        )
        for row in rows:
            over = row.state is LegState.ENDED
            assert hangups[row.id] == int(over)
            assert (row.hangup_cause is not None) == over
            assert self.bench.edges.registry.knows(row.id) == (not over)

    @invariant()
    def live_and_durable_agree(self):
        for row in self.world.run(self.rows()):
            live = self.bench.edges.registry.by_id(row.id)
            if live is None:
                continue
            assert live.leg.state == row.state
            assert live.leg.client_state == row.client_state
            assert live.leg.bridged_to == row.bridged_to

    @invariant()
    def bridged_legs_are_bridged_with_each_other(self):
        live = {live.leg.id: live.leg for live in self.bench.edges.registry.all()}
        for leg in live.values():
            assert (leg.state is LegState.BRIDGED) == (leg.bridged_to is not None)
            if leg.bridged_to is not None:
                assert live[leg.bridged_to].bridged_to == leg.id

    @invariant()
    def what_is_captured_is_recording(self):
        unfinished = self.world.run(
            self.bench.database.read(
                lambda unit: unit.recordings_unfinished(self.bench.settings.node)
            )
        )
        mine = {token for _, token in self.ours}
        running = {
            each.id
            for each in unfinished
            if each.call_control_id in mine and each.state is RecordingState.RECORDING
        }
        assert running == set(self.bench.media.capturing)

    async def rows(self):
        ids = [leg_id for leg_id, _ in self.ours]
        return await self.bench.database.read(lambda unit: [unit.leg_by_id(i) for i in ids])

    def teardown(self):
        self.world.run(self.bench.calls.close())
        self.every_leg_tells_its_end_once()
        assert not self.bench.media.capturing
        assert not self.bench.media.legs
        assert not self.bench.timers.armed
        assert len(self.bench.edges.registry) == 0
        self.every_recording_stopped_once()

    def every_recording_stopped_once(self):
        mine = {token for _, token in self.ours}
        unfinished = self.world.run(
            self.bench.database.read(
                lambda unit: unit.recordings_unfinished(self.bench.settings.node)
            )
        )
        jobs = Counter(job[0] for job in self.bench.jobs.all("finish"))
        for recording in unfinished:
            if recording.call_control_id in mine:
                assert recording.state is RecordingState.STOPPED
                assert recording.stop_reason is not None
                assert jobs[recording.id] == 1


def test_calls_machine():
    world = World()
    WORLD.append(world)
    try:
        with structlog.testing.capture_logs():
            run = settings(
                max_examples=60,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )
            run_state_machine_as_test(CallsMachine, settings=run)
    finally:
        WORLD.remove(world)
        world.close()
