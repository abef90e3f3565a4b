"""What the use cases of live calls reach, in one value that is handed to each of them."""

from collections.abc import Callable
from dataclasses import dataclass

from onrecord.calls.records import CommandRecord, Leg, RecordingParams
from onrecord.core.clock import Clock
from onrecord.core.ids import RecordingId, new_uuid
from onrecord.core.settings import Settings
from onrecord.service.announcements import Announcements
from onrecord.service.background import Background
from onrecord.service.delivery import Delivery
from onrecord.service.ports import Listening, MediaPlane, Prompts, Signalling, Store, Unit
from onrecord.service.registry import Registry
from onrecord.service.spools import Spools


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


def kept_state(leg: Leg, client_state: str | None) -> str | None:
    """The client_state that a leg has after a command: the command's, if it gave one."""
    return leg.client_state if client_state is None else client_state
