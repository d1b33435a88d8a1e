"""API keys: where they are read, when they are refused, and that they are never shown (DESIGN 10)."""

import os
import sys
import threading
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from runtime.command_line import parse
from runtime.keys import Keys, KeysError, ask_keyring, read_keys

KEY, SECRET = "planted-key-1234", "planted-secret-5678"


def key_file(folder: Path, text: str, mode: int = 0o600) -> None:
    path = folder / "keys.yaml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def test_environment_beats_file(tmp_path: Path) -> None:
    """The environment is asked first, the file second."""
    key_file(tmp_path, "api_key: filekey\napi_secret: filesecret\n")
    keys = read_keys({"GREENLIGHT_API_KEY": KEY, "GREENLIGHT_API_SECRET": f" {SECRET}\n"}, tmp_path)
    assert (keys.api_key, keys.api_secret) == (KEY, SECRET)
    assert read_keys({}, tmp_path) == Keys("filekey", "filesecret")


def test_the_keyring_stands_between_environment_and_file(tmp_path: Path) -> None:
    """What the environment holds is not looked up in the keyring, and what the keyring holds not in the file (DESIGN 10)."""
    key_file(tmp_path, "api_key: filekey\napi_secret: filesecret\n")
    kept = {"api_key": "ringkey", "api_secret": "ringsecret"}
    assert read_keys({}, tmp_path, lambda: kept) == Keys("ringkey", "ringsecret")
    assert read_keys({"GREENLIGHT_API_KEY": KEY, "GREENLIGHT_API_SECRET": SECRET}, tmp_path, lambda: kept) == Keys(KEY, SECRET)
    with pytest.raises(KeysError, match="the keyring must hold api_key and api_secret"):
        read_keys({}, tmp_path, lambda: {"api_key": KEY})


def keyring(monkeypatch: pytest.MonkeyPatch, get_password: object) -> None:
    module = ModuleType("keyring")
    module.__spec__ = ModuleSpec("keyring", None)
    module.__dict__["get_password"] = get_password
    monkeypatch.setitem(sys.modules, "keyring", module)


def test_the_keyring_is_asked_where_its_package_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `greenlight`, by the names of the file; a backend that fails is no keyring, and one that waits is not waited for without end."""
    kept = {("greenlight", "api_key"): "ringkey", ("greenlight", "api_secret"): "ringsecret\n"}
    keyring(monkeypatch, lambda service, name: kept.get((service, name)))
    assert ask_keyring() == {"api_key": "ringkey", "api_secret": "ringsecret"}

    def fails(service: str, name: str) -> str:
        raise RuntimeError(SECRET)

    keyring(monkeypatch, fails)
    assert ask_keyring() == {}
    unlocked = threading.Event()
    keyring(monkeypatch, lambda service, name: unlocked.wait(60) and None)
    monkeypatch.setattr("runtime.keys.KEYRING_S", 0.01)
    with pytest.raises(KeysError, match="unlock it"):
        ask_keyring()
    unlocked.set()


def test_keys_are_never_shown() -> None:
    """repr and str of the keys hold neither key nor secret."""
    keys = Keys(KEY, SECRET)
    for text in (repr(keys), str(keys), f"{keys}", repr([keys]), f"{keys!r:>40}"):
        assert KEY not in text and SECRET not in text


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    """A key file open to group or world is refused, with the command that mends it."""
    key_file(tmp_path, f"api_key: {KEY}\napi_secret: {SECRET}\n", mode)
    with pytest.raises(KeysError, match="chmod 600") as caught:
        read_keys({}, tmp_path)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "api_key: a\n", f"{KEY}: {SECRET}\n", f"api_key: {KEY}\napi_secret: [{SECRET}]\n", f"api_key: '{SECRET}\n", "- a\n"]
)
def test_an_unusable_file_is_refused_without_its_content(tmp_path: Path, text: str) -> None:
    """A key file that cannot be used says what it must hold, never what it holds."""
    key_file(tmp_path, text)
    with pytest.raises(KeysError, match="must hold two lines") as caught:
        read_keys({}, tmp_path)
    assert SECRET not in str(caught.value) and KEY not in str(caught.value)


def test_a_key_file_that_cannot_be_read_is_told_as_such(tmp_path: Path) -> None:
    """No permission, or a folder in its place, is no fault of what it holds."""
    (tmp_path / "keys.yaml").mkdir(mode=0o700)
    with pytest.raises(KeysError, match=r"keys\.yaml cannot be read: Is a directory$"):
        read_keys({}, tmp_path)


def test_a_pipe_in_the_key_file_s_place_is_refused(tmp_path: Path) -> None:
    """A start never waits for a writer: what is no plain file is refused unread."""
    os.mkfifo(tmp_path / "keys.yaml", 0o600)
    with pytest.raises(KeysError, match=r"keys\.yaml is no plain file$"):
        read_keys({}, tmp_path)


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    """A key without its secret names the missing one; nothing at all says both ways to give keys."""
    with pytest.raises(KeysError, match="GREENLIGHT_API_SECRET is not set"):
        read_keys({"GREENLIGHT_API_KEY": KEY}, tmp_path)
    with pytest.raises(KeysError, match=r"set GREENLIGHT_API_KEY and GREENLIGHT_API_SECRET, or write .*keys\.yaml \(mode 0600\)"):
        read_keys({}, tmp_path)


@pytest.mark.parametrize("broken", ["planted\nkey", "planted key", "planted\u2026key", "planted\x01key", "planted\udcffkey"])
def test_a_key_that_no_header_can_carry_is_refused_unshown(tmp_path: Path, broken: str) -> None:
    """A line break or an accent copied along is told before a library quotes the key in its own error."""
    for environ in ({"GREENLIGHT_API_KEY": broken, "GREENLIGHT_API_SECRET": SECRET}, {"GREENLIGHT_API_KEY": KEY, "GREENLIGHT_API_SECRET": broken}):
        with pytest.raises(KeysError, match=r"^GREENLIGHT_API_(KEY|SECRET) holds a blank") as caught:
            read_keys(environ, tmp_path)
        assert "planted" not in str(caught.value)
    key_file(tmp_path, "api_key: planted key\napi_secret: other\n")
    with pytest.raises(KeysError, match=r"^api_key in .*keys\.yaml holds a blank"):
        read_keys({}, tmp_path)


PEM = "-----BEGIN PRIVATE KEY-----\nplanted-private-0987\n-----END PRIVATE KEY-----"


def pem_file(folder: Path, text: str = PEM, mode: int = 0o600) -> Path:
    path = folder / "key.pem"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_private_key_takes_the_secrets_place(tmp_path: Path) -> None:
    """The PEM file is named in the environment, or in the key file relative to it; the secret stays empty and nothing is shown."""
    path = pem_file(tmp_path)
    keys = read_keys({"GREENLIGHT_API_KEY": KEY, "GREENLIGHT_PRIVATE_KEY_FILE": str(path)}, tmp_path)
    assert (keys.api_key, keys.api_secret, keys.private_key) == (KEY, "", PEM)
    assert "planted" not in repr(keys)
    key_file(tmp_path, f"api_key: {KEY}\nprivate_key_file: key.pem\n")
    assert read_keys({}, tmp_path) == keys


@pytest.mark.parametrize(("text", "mode", "told"), [(PEM, 0o644, "chmod 600"), ("planted", 0o600, "no PEM file"), (PEM * 20_000, 0o600, "too large")])
def test_an_unusable_private_key(tmp_path: Path, text: str, mode: int, told: str) -> None:
    """A PEM file others can read, or one that is none, is refused without its content."""
    environ = {"GREENLIGHT_API_KEY": KEY, "GREENLIGHT_PRIVATE_KEY_FILE": str(pem_file(tmp_path, text, mode))}
    with pytest.raises(KeysError, match=told) as caught:
        read_keys(environ, tmp_path)
    assert "planted" not in str(caught.value)


def test_one_private_part(tmp_path: Path) -> None:
    """Secret and private key together, or a file that is not there, are refused by name."""
    environ = {"GREENLIGHT_API_KEY": KEY, "GREENLIGHT_API_SECRET": SECRET, "GREENLIGHT_PRIVATE_KEY_FILE": "k"}
    with pytest.raises(KeysError, match="a key has one of them"):
        read_keys(environ, tmp_path)
    with pytest.raises(KeysError, match="does not exist"):
        read_keys({"GREENLIGHT_API_KEY": KEY, "GREENLIGHT_PRIVATE_KEY_FILE": str(tmp_path / "none")}, tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        [SECRET * 2],
        ["--api-secret", SECRET],
        [f"--api-secret={SECRET}"],
        [f"api_secret:{SECRET}"],
        ["status", SECRET * 2],
        ["--run-for", SECRET * 2],
        ["-q", "--secret", "short"],
    ],
    ids=str,
)
def test_a_secret_on_the_command_line_is_not_repeated(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """argparse's own errors name what it did not understand, but not what may be a secret."""
    with pytest.raises(SystemExit) as caught:
        parse(words)
    told = capsys.readouterr().err
    assert caught.value.code == 2 and "***" in told and "secret-5678" not in told and "short" not in told


@pytest.mark.parametrize(("words", "named"), [(["stauts"], "stauts"), (["--run-fr"], "--run-fr"), (["--run-for", "10x"], "10x")])
def test_a_slip_on_the_command_line_is_repeated(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A verb or an option that was mistyped is told, so that it can be mended."""
    with pytest.raises(SystemExit):
        parse(words)
    assert named in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["staus"], "no such verb: staus; did you mean 'status'?"),
        (["--runfor", "3"], "no such option: --runfor; did you mean '--run-for'?"),
        (["--l"], "no such option: --l; did you mean '--live'?"),
        (["status", "--run-for", "3"], "--run-for belongs to run and backtest, not to status"),
        (["check", "--json"], "check has no --json"),
        (["status", "--html"], "--html belongs to report, without --json"),
        (["report", "--html", "--json"], "--html belongs to report, without --json"),
        (["report", "one", "two"], "one word too many: two"),
        (["-q", "-v"], "not allowed with"),
        (["--run-for", "nan"], "'nan' must be above 0"),
    ],
    ids=str,
)
def test_a_slip_on_the_command_line_is_one_line_with_its_mend(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What was meant is named, nothing is passed over in silence, no option is guessed from its beginning."""
    with pytest.raises(SystemExit) as caught:
        parse(words)
    said = capsys.readouterr().err
    assert caught.value.code == 2 and told in said and len(said.splitlines()) == 1
