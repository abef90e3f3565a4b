"""What the use cases of live calls reach, in one value that is handed to each of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from onrecord.calls.records import CommandRecord, Leg, RecordingParams, WebhookTarget
from onrecord.core.clock import Clock
from onrecord.core.ids import RecordingId, new_uuid
from onrecord.core.settings import Settings
from onrecord.service.announcements import Announcements
from onrecord.service.background import Background
from onrecord.service.delivery import Delivery
from onrecord.service.ports import Listening, MediaPlane, Prompts, Signalling, Store, Unit
from onrecord.service.registry import LiveLeg, Registry
from onrecord.service.spools import Spools


class Command(Protocol):
    """What every command of a call may carry."""

    @property
    def client_state(self) -> str | None:
        """Of the call from now on; None leaves it as it is."""
        ...

    @property
    def command_id(self) -> str | None:
        """What makes the command safe to repeat."""
        ...

    @property
    def webhook(self) -> WebhookTarget | None:
        """Where the call's webhooks go from now on; None leaves them as they are."""
        ...


class Repeated(Exception):  # noqa: N818 -- not an error: the command has been carried out before
    """A command_id was found taken by the transaction that claims it."""


@dataclass(frozen=True, slots=True)
class Edges:
    """The ports and the few objects that all use cases of calls share."""

    settings: Settings
    clock: Clock
    store: Store
    media: MediaPlane
    prompts: Prompts
    signalling: Signalling
    delivery: Delivery
    spools: Spools
    background: Background
    registry: Registry
    listening: Listening
    announcements: Announcements
    transcription_refusal: Callable[[RecordingParams], str | None]
    """Why this server cannot transcribe as asked, for people; None where it can."""
    boot_id: str
    """Names this boot of the machine: the scope of monotonic times."""
    finish_soon: Callable[[RecordingId], None]
    """Tells the worker of a recording whose job is committed; what is lost of that, the job makes good."""

    async def tell(self, live: LiveLeg, name: str, command: Command) -> Leg:
        """Write a command, and what it told of the leg, where nothing else is written; the leg as it is now.

        Raises:
            Repeated: the command_id is taken.
        """
        leg = leg_told(live.leg, command)

        def work(unit: Unit) -> None:
            self.note(unit, name, leg, command.command_id)
            if leg != live.leg:
                unit.save_leg(leg)

        await self.store.write(work)
        live.leg = leg
        return leg

    def note(
        self, unit: Unit, name: str, leg: Leg, command_id: str | None, scope: str | None = None
    ) -> None:
        """Write the command in the transaction of what it does, which uses up its command_id.

        Raises:
            Repeated: the id is taken in ``scope``, by default that of the leg.
        """
        command = CommandRecord(
            id=new_uuid(),
            scope=scope or leg.call_control_id,
            command_id=command_id,
            name=name,
            leg_id=leg.id,
            session_id=leg.session_id,
            application_id=leg.application_id,
            created_ns=self.clock.utc_ns(),
        )
        if not unit.add_command(command):
            raise Repeated(command_id)

    def utc_of(self, monotonic_ns: int) -> int:
        """The UTC time of a moment on this boot's monotonic clock."""
        return self.clock.utc_ns() - (self.clock.monotonic_ns() - monotonic_ns)


def leg_told(leg: Leg, command: Command) -> Leg:
    """The leg with the client_state and the webhooks that a command gave, if it gave any."""
    given = command.client_state
    return replace(
        leg,
        client_state=leg.client_state if given is None else given,
        webhook=leg.webhook.changed(command.webhook),
    )
