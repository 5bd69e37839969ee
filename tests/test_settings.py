"""Settings: each by variable and by flag, the flag wins, and one clear sentence for each value that cannot be used."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from playground import flags
from playground.errors import PlaygroundError
from playground.flags import flag, variable
from playground.settings import Settings, read

# name: (as written in a variable or after a flag, as read). Values differ from the defaults.
WRITTEN = {
    "cache_dir": ("/tmp/somewhere", Path("/tmp/somewhere")),
    "device": ("cuda:1", "cuda:1"),
    "dtype": ("float16", "float16"),
    "memory_budget": ("6GB", 6_000_000_000),
    "threads": ("3", 3),
    "default_models": ("starter:a, org/b@main", ("starter:a", "org/b@main")),
    "organisations": ("one,two", ("one", "two")),
    "offline": ("true", True),
    "public": ("1", True),
    "local_paths": ("false", False),
    "remote_code": ("yes", True),
    "host": ("0.0.0.0", "0.0.0.0"),
    "port": ("0", 0),
    "allowed_hosts": ("Chat.example.org,[::2]", ("chat.example.org", "[::2]")),
    "auth": ("ann:a:b,bob:c", ("ann:a:b", "bob:c")),
    "endpoints": ("a=http://127.0.0.1:8080/v1, b=https://x/v1/", ("a=http://127.0.0.1:8080/v1", "b=https://x/v1/")),
    "endpoint_keys": ("a=k=1,b=l", ("a=k=1", "b=l")),
    "concurrency": ("7", 7),
    "queue_size": ("5", 5),
    "conversation_memory": ("1GB", 10**9),
    "upload_limit": ("2MiB", 2 * 1024**2),
    "collections_dir": ("/tmp/documents", Path("/tmp/documents")),
    "shared_collections": ("false", False),
    "collections_limit": ("1GB", 10**9),
    "web_addresses": ("true", True),
    "request_limit": ("1MB", 10**6),
    "rate_limit": ("30", 30),
    "visitor_limit": ("2", 2),
    "prompt_limit": ("100", 100),
    "token_limit": ("50", 50),
    "proxies": ("2", 2),
    "mcp": ("false", False),
    "metrics_token": ("sesame", "sesame"),
    "log": ("json", "json"),
    "log_text": ("true", True),
    "grace": ("5", 5),
}

WRONG = [
    ("port", "x", "give a whole number"),
    ("port", "65536", "the most is 65535"),
    ("port", "-1", "the least is 0"),
    ("rate_limit", "-1", "the least is 0"),
    ("log", "xml", "choose text or json"),
    ("threads", "1.5", "give a whole number"),
    ("threads", "-2", "the least is 0"),
    ("concurrency", "0", "the least is 1"),
    ("queue_size", "999999", "the most is 10000"),
    ("memory_budget", "lots", "write a size like 500MB or 6GB"),
    ("memory_budget", "0", "it must be more than 0"),
    ("memory_budget", "-4GB", "write a size like 500MB or 6GB"),
    ("upload_limit", "5 parsecs", "write a size like 500MB or 6GB"),
    ("dtype", "int4", "choose auto, float32, bfloat16 or float16"),
    ("device", "tpu", "choose auto, cpu, cuda, cuda:1 or mps"),
    ("device", "cuda:x", "choose auto, cpu, cuda, cuda:1 or mps"),
    ("default_models", ",", "name at least one"),
    ("allowed_hosts", "http://a", "write each name without http:// and without a port, like chat.example.org"),
    ("allowed_hosts", "a:80", "write each name without http:// and without a port, like chat.example.org"),
    ("auth", "bob", "write each log-in as user:password"),
    ("auth", "ann:secret,:nobody", "write each log-in as user:password"),
    ("endpoints", "http://x/v1", "write each endpoint as name=http://host:port/v1, the name of letters and digits"),
    ("endpoints", "a b=http://x/v1", "write each endpoint as name=http://host:port/v1, the name of letters and digits"),
    ("endpoints", "a=http://x/v1,a=http://y/v1", "give each endpoint a name of its own"),
    ("endpoints", "a=x:8080/v1", "an endpoint's address is http://host:port/v1 or https://host/v1"),
    ("endpoints", "a=file:///etc/passwd", "an endpoint's address is http://host:port/v1 or https://host/v1"),
    ("endpoints", "a=http://x:99999/v1", "an endpoint's address is http://host:port/v1 or https://host/v1"),
    ("endpoints", "a=http://[::1/v1", "an endpoint's address is http://host:port/v1 or https://host/v1"),
    (
        "endpoints",
        "a=http://u:p@x/v1",
        "an address has no user, ? or # in it; a key belongs in PLAYGROUND_ENDPOINT_KEYS",
    ),
    ("endpoint_keys", "sesame", "write each key as name=key"),
    ("endpoint_keys", "a=ses ame\x07", "a key has only letters, digits and signs of ASCII"),
    ("endpoint_keys", "c=sesame", "each key belongs to an endpoint that is set: name=key"),
]
SECRET = {"endpoint_keys", "metrics_token"}  # no flags: every user of the machine can read them


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch):
    for name in os.environ:
        if name.startswith(("PLAYGROUND_", "GRADIO_SERVER_")) or name == "SPACE_ID":
            monkeypatch.delenv(name)


def arguments(name: str, text: str) -> list[str]:
    value = WRITTEN[name][1]
    if isinstance(value, bool):
        return [flag(name) if value else flag(name).replace("--", "--no-")]
    return [f"{flag(name)}={text}"]


def test_every_setting_is_tried_here():
    assert set(WRITTEN) == set(Settings.model_fields)


@pytest.mark.parametrize("name", WRITTEN)
def test_by_variable_and_by_flag(name, monkeypatch):
    text, value = WRITTEN[name]
    if name == "endpoint_keys":
        monkeypatch.setenv("PLAYGROUND_ENDPOINTS", WRITTEN["endpoints"][0])
    assert getattr(read(), name) != value
    if name not in SECRET:
        assert getattr(read(arguments(name, text)), name) == value
    monkeypatch.setenv(variable(name), text)
    assert getattr(read(), name) == value
    assert getattr(Settings(), name) == value


@pytest.mark.parametrize("name", [name for name in WRITTEN if name not in SECRET])
def test_a_flag_wins_over_a_variable(name, monkeypatch):
    text, value = WRITTEN[name]
    opposite = {"true": "false", "1": "0", "yes": "no", "false": "true"}
    other = {"device": "cpu", "dtype": "float32", "auth": "x:y", "memory_budget": "1GB", "upload_limit": "1GB"}
    other |= {"endpoints": "c=http://z", "log": "text"}
    monkeypatch.setenv(variable(name), other.get(name, opposite.get(text, "9")))
    assert getattr(read(), name) != value
    assert getattr(read(arguments(name, text)), name) == value


@pytest.mark.parametrize(("name", "text", "reason"), WRONG)
def test_a_wrong_value_gets_one_sentence(name, text, reason, monkeypatch):
    monkeypatch.setenv(variable(name), text)
    with pytest.raises(PlaygroundError) as by_variable:
        read()
    sentence = str(by_variable.value)
    if name in SECRET:
        assert sentence.startswith(f"{variable(name)} cannot be the value given")
    else:
        monkeypatch.delenv(variable(name))
        with pytest.raises(PlaygroundError) as by_flag:
            read([f"{flag(name)}={text}"])
        assert str(by_flag.value) == sentence
        assert sentence.startswith(f"{flag(name)} (or {variable(name)}) cannot be ")
    assert sentence.endswith(f"{reason}.")
    assert "\n" not in sentence


def test_a_wrong_switch_names_its_choices(monkeypatch):
    monkeypatch.setenv("PLAYGROUND_OFFLINE", "maybe")
    with pytest.raises(PlaygroundError, match=r"--offline .*'maybe': write true or false"):
        read()


def test_two_wrong_values_get_a_sentence_each():
    with pytest.raises(PlaygroundError) as error:
        read(["--port=x", "--dtype=y"])
    assert str(error.value).count("cannot be") == 2


def test_a_password_is_shown_nowhere():
    with pytest.raises(PlaygroundError) as error:
        read(["--auth", "ann:sesame,bob"])
    assert "sesame" not in str(error.value)
    good = read(["--auth", "ann:sesame"])
    assert good.logins == [("ann", "sesame")]
    assert "sesame" not in repr(good)
    assert "sesame" not in str(good)


def test_a_key_is_shown_nowhere_and_is_no_flag(monkeypatch, capsys):
    monkeypatch.setenv("PLAYGROUND_ENDPOINTS", "a=http://127.0.0.1/v1/")
    monkeypatch.setenv("PLAYGROUND_ENDPOINT_KEYS", "a=sesame")
    good = read()
    assert good.keys_of_endpoints == {"a": "sesame"}
    assert good.urls_of_endpoints == {"a": "http://127.0.0.1/v1"}
    assert "sesame" not in repr(good)
    monkeypatch.setenv("PLAYGROUND_ENDPOINT_KEYS", "a:sesame")
    with pytest.raises(PlaygroundError) as error:
        read()
    assert "sesame" not in str(error.value)
    with pytest.raises(SystemExit):
        read(["--endpoint-keys", "a=sesame"])
    assert "none: a secret" in flags.table(Settings)


def test_offline_endpoints_are_those_of_this_machine():
    for url in ("http://127.0.0.1:1/v1", "http://localhost/v1", "http://[::1]:1/v1"):
        assert read(["--offline", f"--endpoints=a={url}"]).offline
    for url in ("http://10.0.0.1:1/v1", "https://127.0.0.1.example.org/v1", "http://127.example.org"):
        with pytest.raises(PlaygroundError, match=r"Endpoint a is not on this machine.*--offline"):
            read(["--offline", f"--endpoints=a={url}"])


def test_strangers_get_limits_unless_the_operator_says_otherwise():
    here, public = read(), read(["--public"])
    names = ("requests_a_minute", "requests_at_once", "most_prompt_tokens", "most_new_tokens")
    assert [getattr(here, name) for name in names] == [None] * 4
    assert [getattr(public, name) for name in names] == [60, 4, 8192, 1024]
    assert read(["--public", "--rate-limit=0"]).requests_a_minute is None
    assert read(["--token-limit=7"]).most_new_tokens == 7


def test_a_mistyped_variable_is_refused(monkeypatch):
    monkeypatch.setenv("PLAYGROUND_PUBLC", "1")
    with pytest.raises(PlaygroundError, match=r"no setting PLAYGROUND_PUBLC\. Did you mean PLAYGROUND_PUBLIC\?"):
        read()
    monkeypatch.delenv("PLAYGROUND_PUBLC")
    monkeypatch.setenv("PLAYGROUND_TEST_ANYTHING", "1")
    assert read()


def test_an_unknown_flag_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        read(["--prot", "80"])
    assert stop.value.code == 2
    assert "--prot" in capsys.readouterr().err


def test_an_empty_variable_is_as_good_as_none(monkeypatch):
    monkeypatch.setenv("PLAYGROUND_MEMORY_BUDGET", "")
    monkeypatch.setenv("PLAYGROUND_DEFAULT_MODELS", "")
    assert read() == read([])
    assert read().memory_budget is None
    assert read().default_models


def test_a_space_is_public_and_says_where_to_listen(monkeypatch):
    assert not read().public
    assert read().may_read_local_paths
    monkeypatch.setenv("SPACE_ID", "someone/playground")
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    monkeypatch.setenv("GRADIO_SERVER_PORT", "7861")
    on_space = read()
    assert (on_space.public, on_space.host, on_space.port) == (True, "0.0.0.0", 7861)
    assert not on_space.may_read_local_paths
    assert read(["--local-paths"]).may_read_local_paths
    assert read(["--no-public"]).may_read_local_paths


def test_a_wrong_port_from_gradio_gets_its_sentence_too(monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_PORT", "abc")
    with pytest.raises(PlaygroundError, match="'abc': give a whole number"):
        read()


@pytest.mark.parametrize(
    ("host", "allowed", "by", "not_by"),
    [
        ("127.0.0.1", "", ["localhost", "127.0.0.1", "[::1]"], ["evil.example", "0.0.0.0", ""]),
        ("::1", "a.example", ["localhost", "a.example"], ["evil.example"]),
        ("127.0.0.2", "", ["127.0.0.2"], ["evil.example"]),
        ("0.0.0.0", "a.example", ["localhost", "a.example"], ["b.a.example", "0.0.0.0"]),
        ("10.0.0.5", "a.example", ["10.0.0.5", "a.example"], ["10.0.0.6"]),
    ],
)
def test_the_names_that_a_page_is_reached_by(host, allowed, by, not_by):
    hosts = read(["--host", host, *(["--allowed-hosts", allowed] if allowed else [])]).hosts
    assert hosts.issuperset(by) and hosts.isdisjoint(not_by)
    assert read(["--host", "0.0.0.0"]).hosts is None


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        read().port = 1


def test_the_cache_folder_is_absolute_and_the_home_folder_is_meant(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read(["--cache-dir=~/models"]).cache_dir == tmp_path / "models"
    assert read(["--cache-dir=models"]).cache_dir == Path.cwd() / "models"


def test_help_explains_all(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as stop:
        read(["--help"])
    assert stop.value.code == 0
    shown = re.sub(r"\s+", " ", capsys.readouterr().out)
    for name, field in Settings.model_fields.items():
        if name in SECRET:
            continue
        assert flag(name) in shown
        assert field.description in shown
    assert "--cache-dir is PLAYGROUND_CACHE_DIR" in shown
    for word in ("tuple[", "lambda", "null", "None", "ByteSize", "==SUPPRESS=="):
        assert word not in shown


def test_the_table_has_a_row_for_each_setting_and_nothing_of_this_machine():
    rows = flags.table(Settings).splitlines()[2:]
    assert len(rows) == len(Settings.model_fields)
    assert all(row.count("|") == 5 for row in rows)
    assert str(Path.home()) not in flags.table(Settings)


def test_help_answers_at_once_without_torch_or_gradio():
    code = "import sys, playground.settings; print({'torch', 'gradio'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.strip() == "set()"


def test_app_answers_help_and_refuses_in_one_line():
    app = [sys.executable, Path(__file__).parent.parent / "app.py"]
    shown = subprocess.run([*app, "--help"], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0
    assert "--cache-dir" in shown.stdout
    refused = subprocess.run([*app, "--port", "x"], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert refused.stderr == "--port (or PLAYGROUND_PORT) cannot be 'x': give a whole number.\n"


def test_addresses_are_fetched_only_where_asked_for_and_never_offline():
    assert not Settings().may_fetch_addresses
    assert Settings(web_addresses=True).may_fetch_addresses
    assert not Settings(web_addresses=True, offline=True).may_fetch_addresses
