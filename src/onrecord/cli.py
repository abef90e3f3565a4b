"""The command line: ``onrecord serve``, ``demo``, ``doctor``, ``keys`` and ``models``."""

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
models = typer.Typer(help="Fetch and list models for local transcription.", no_args_is_help=True)
app.add_typer(models, name="models")

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


@app.command()
def doctor(data: Data = None) -> None:
    """Say what the server would work with; exit code 1 when something is in its way."""
    from onrecord.app.doctor import examine

    checks = list(examine(_settings(data=data)))
    for check in checks:
        print(f"{'ok ' if check.ok else 'BAD'} {check.what}: {check.found}")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@models.command("pull")
def models_pull(
    name: Annotated[str, typer.Argument(help="For example small; list shows all.")],
    data: Data = None,
) -> None:
    """Fetch a model from huggingface.co, or the mirror in HF_ENDPOINT, and check its hash."""
    from onrecord.app.doctor import models_folder
    from onrecord.speech import pull_model

    folder = models_folder(_settings(data=data))
    _run_or_say(lambda: print(f"{pull_model(name, folder).path}"))


@models.command("list")
def models_list(data: Data = None) -> None:
    """Show the models that can be pulled and those that are there."""
    from onrecord.app.doctor import models_folder
    from onrecord.speech import CATALOGUE, list_models

    settings = _settings(data=data)
    there = {model.name: model for model in list_models(models_folder(settings))}
    table = Table("name", "MB", "on this machine", "used")
    for name in [*CATALOGUE, *(there.keys() - CATALOGUE.keys())]:
        model = there.get(name)
        size = CATALOGUE[name].size_mb if name in CATALOGUE else there[name].size_bytes // 1_000_000
        used = "yes" if name == settings.transcription_model else ""
        table.add_row(name, str(size), str(model.path) if model else "", used)
    Console().print(table)


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
