"""What doctor says, and why record_start refuses a transcription."""

import socket

from onrecord.app.doctor import examine
from onrecord.app.engines import Engines
from onrecord.calls.records import RecordingParams
from onrecord.core.settings import Settings


def a_model(folder):
    (folder / "models" / "small").mkdir(parents=True)
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (folder / "models" / "small" / name).write_text("")


def asked(engine, language="en-US"):
    return RecordingParams(
        "wav",
        "dual",
        transcription=True,
        transcription_engine=engine,
        transcription_language=language,
    )


def test_refusals_name_what_would_do(tmp_path):
    engines = Engines(Settings(data=tmp_path, engine_fallback="none", deepgram_api_key="x"))
    assert engines.usable() == ["deepgram/nova-3"]
    assert engines.refusal(asked("deepgram/nova-3")) is None
    assert engines.refusal(asked("A")) == (
        "Transcription engine A is not configured on this server: set google_credentials;"
        " en-US is known to deepgram/nova-3."
    )
    assert engines.refusal(asked("B", "de-DE")).endswith("set transcription_model.")
    a_model(tmp_path)
    assert engines.usable() == ["B", "deepgram/nova-3"], "a pulled model counts at once"
    assert engines.refusal(asked("deepgram/nova-3", "de-DE")).endswith("de-DE is known to B.")


def test_the_local_engine_stands_in(tmp_path):
    engines = Engines(Settings(data=tmp_path))
    assert "onrecord models pull small" in engines.refusal(asked("A"))
    a_model(tmp_path)
    assert engines.refusal(asked("A")) is None


def test_doctor_finds_what_is_in_the_way(tmp_path):
    a_model(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = Settings(data=tmp_path, http_port=port, sip_port=0)
        found = {check.what: check for check in examine(settings)}
    assert [what for what, check in found.items() if not check.ok] == ["HTTP port"]
    assert found["transcription engines"].found == "B"
    assert found["models"].found == f"{tmp_path / 'models'}: small"
