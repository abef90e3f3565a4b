"""The command line: ``onrecord serve``, ``demo`` and ``keys``."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from onrecord import __version__
from onrecord.core.errors import OnrecordError
from onrecord.core.settings import Settings, load_settings
from onrecord.core.units import iso_millis

T = TypeVar("T")

app = typer.Typer(
    name="onrecord",
    help="A self-hosted call recording server.",
    no_args_is_help=True,
    add_completion=False,
)
keys = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
app.add_typer(keys, name="keys")

Data = Annotated[Path | None, typer.Option("--data", help="Folder for all that the server keeps.")]


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"onrecord {__version__}")
        raise typer.Exit


@app.command()
def serve(  # noqa: PLR0917 -- typer makes options of all of them
    data: Data = None,
    bind: Annotated[str | None, typer.Option(help="IP address to listen on.")] = None,
    http_port: Annotated[int | None, typer.Option(help="TCP port of the HTTP API.")] = None,
    sip_port: Annotated[int | None, typer.Option(help="UDP and TCP port for SIP.")] = None,
    rtp_ports: Annotated[str | None, typer.Option(help="UDP ports for RTP, first-last.")] = None,
    external_address: Annotated[str | None, typer.Option(help="IP address to tell peers.")] = None,
    public_url: Annotated[str | None, typer.Option(help="Base of the links to files.")] = None,
    node: Annotated[str | None, typer.Option(help="Name of this machine.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning, error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="json or text.")] = None,
) -> None:
    """Run the server until it is interrupted.

    Every setting can also stand in the environment (ONRECORD_HTTP_PORT=8081) or in onrecord.toml.
    """
    from onrecord.app.control import run_control

    settings = _settings(
        data=data,
        bind=bind,
        http_port=http_port,
        sip_port=sip_port,
        rtp_ports=rtp_ports,
        external_address=external_address,
        public_url=public_url,
        node=node,
        log_level=log_level,
        log_format=log_format or ("text" if sys.stderr.isatty() else None),
    )
    _run_or_say(lambda: run_control(settings))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running.")] = False,
    output: Annotated[Path, typer.Option(help="Folder for the files and the picture.")] = Path(
        "demo-output"
    ),
) -> None:
    """Place a real call between two phones through a server of its own, and record it."""
    from onrecord.demo.show import show

    raise typer.Exit(asyncio.run(show(output, keep=keep)))


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="What the key is for.")] = "key", data: Data = None
) -> None:
    """Make a key and print it; it is not kept and cannot be shown again."""
    from onrecord.app.keys import with_keys

    settings = _settings(data=data)
    _, plaintext = _asked(lambda: with_keys(settings, lambda k: k.create(name)))
    print(plaintext)


@keys.command("list")
def keys_list(data: Data = None) -> None:
    """Show all keys: their beginnings, never the keys."""
    from onrecord.app.keys import with_keys

    settings = _settings(data=data)
    table = Table("id", "name", "begins with", "made", "revoked")
    for key in _asked(lambda: with_keys(settings, lambda k: k.list())):
        revoked = iso_millis(key.revoked_ns) if key.revoked_ns else ""
        table.add_row(key.id, key.name, key.hint, iso_millis(key.created_ns), revoked)
    Console().print(table)


@keys.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, as list shows it.")],
    data: Data = None,
) -> None:
    """Make a key invalid from now on."""
    from onrecord.app.keys import with_keys

    settings = _settings(data=data)
    _asked(lambda: with_keys(settings, lambda k: k.revoke(key_id)))
    print(f"revoked {key_id}")


def _settings(**given: object) -> Settings:
    try:
        return load_settings(**given)
    except OnrecordError as error:
        raise _spoken(error) from error


def _run_or_say(run: Callable[[], None]) -> None:
    try:
        run()
    except (OnrecordError, OSError) as error:
        raise _spoken(error) from error


def _asked(ask: Callable[[], Awaitable[T]]) -> T:
    async def answer() -> T:
        return await ask()

    try:
        return asyncio.run(answer())
    except (OnrecordError, OSError) as error:
        raise _spoken(error) from error


def _spoken(error: Exception) -> typer.Exit:
    print(f"onrecord: {error}", file=sys.stderr)
    return typer.Exit(2)


def main() -> None:
    """Entry point of the ``onrecord`` command."""
    app()
