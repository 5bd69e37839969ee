"""All that an operator can set: PLAYGROUND_* variables and the flags of `app.py`.

Knows nothing about torch or Gradio, so that `--help` answers at once.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import ByteSize, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from playground import flags
from playground.errors import PlaygroundError

SMOLLM2 = "starter:smollm2-135m-instruct"
MINILM = "starter:all-minilm-l6-v2"

Names = Annotated[tuple[str, ...], NoDecode]  # written as "a,b"


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")  # of an endpoint
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")  # a name, or an address
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")  # as browsers write them


def _on_a_space() -> bool:
    return "SPACE_ID" in os.environ


def _proxies_of_a_space() -> int:
    return int(_on_a_space())


def _gradio_host() -> str:
    return os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")  # a Space sets these two


def _gradio_port() -> str:
    return os.environ.get("GRADIO_SERVER_PORT", "7860")


class Settings(BaseSettings):
    """Pick a transformer, talk to it, look inside it, change it and test it, on one page.

    A field's title is what the help calls its value.
    """

    model_config = SettingsConfigDict(env_prefix=flags.PREFIX, env_ignore_empty=True, frozen=True)

    # Defaults that this machine decides, as the help and the README write them.
    DECIDED_HERE: ClassVar = {
        "cache_dir": "the user's cache folder",
        "memory_budget": "by the device",
        "public": "off; on when on a Space",
        "local_paths": "on unless public",
        "host": "127.0.0.1",
        "port": "7860",
        "conversation_memory": "500MB",
        "upload_limit": "50MB",
        "collections_dir": "`collections` in the cache folder",
        "shared_collections": "on unless public",
        "collections_limit": "2GB",
        "request_limit": "8MB",
        "rate_limit": "0; 60 when public",
        "visitor_limit": "0; 4 when public",
        "prompt_limit": "0; 8192 when public",
        "token_limit": "0; 1024 when public",
        "proxies": "0; 1 when on a Space",
    }

    cache_dir: Path = Field(
        Path(platformdirs.user_cache_dir("playground", appauthor=False)),
        title="FOLDER",
        description="Folder for starters and converted GGUF files. Models from the hub are kept in the hub's own "
        "cache, which HF_HOME moves.",
    )
    device: str = Field(
        "auto",
        title="DEVICE",
        description="Where models run: auto (the GPU if there is one), cpu, cuda, cuda:1 or mps.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        title="DTYPE",
        description="Precision of the weights: auto (the fastest that this device computes well), "
        "float32, bfloat16 or float16.",
    )
    memory_budget: ByteSize | None = Field(
        None,
        gt=0,
        title="SIZE",
        description="Most memory that loaded models may hold, like 6GB. "
        "Not set: three quarters of what the device has free.",
    )
    conversation_memory: ByteSize = Field(
        ByteSize(500_000_000),
        ge=0,
        description="Memory a model, besides its weights, for what it has read of conversations, so that a new turn "
        "does not read the whole of it anew.",
    )
    threads: int = Field(
        0, ge=0, le=1024, title="N", description="CPU threads for computing. 0: measured on this machine."
    )
    default_models: Names = Field(
        (SMOLLM2, MINILM),
        min_length=1,
        title="A,B",
        description="Models made ready at start, separated by commas. The page opens on the first.",
    )
    organisations: Names = Field(
        (),
        title="A,B",
        description="Hub organisations that models may come from, separated by commas. "
        "Empty: any; in public mode, those of the catalog.",
    )
    offline: bool = Field(False, description="Never use the network: only models that are already on disk.")
    public: bool = Field(
        default_factory=_on_a_space,
        description="Strangers use this page: no local paths, organisations limited.",
    )
    local_paths: bool | None = Field(None, description="Allow folders and GGUF files of this machine as models.")
    remote_code: bool = Field(
        False, description="Allow models that bring Python code of their own. It runs unconfined."
    )
    host: str = Field(
        default_factory=_gradio_host,
        title="ADDRESS",
        description="Address to listen on. 0.0.0.0: every network interface.",
    )
    port: int = Field(
        default_factory=_gradio_port,
        validate_default=True,
        ge=0,
        le=65535,
        title="N",
        description="Port to listen on. 0: any free one.",
    )
    allowed_hosts: Names = Field(
        (),
        title="A,B",
        description="Names that this page is reached by, separated by commas, like chat.example.org. Others are "
        "refused, but for localhost. Empty: any; just localhost when listening there.",
    )
    auth: Names = Field(
        (),
        repr=False,
        title="USER:PASSWORD",
        description="Log-ins, separated by commas. Better as a variable: other users of the machine can read flags. "
        "Empty: no log-in.",
    )
    endpoints: Names = Field(
        (),
        repr=False,
        title="NAME=URL",
        description="Servers of models that speak OpenAI's protocol, separated by commas: "
        "local=http://127.0.0.1:8080/v1. Their models are in the picker.",
    )
    endpoint_keys: Names = Field(
        (),
        repr=False,
        json_schema_extra=flags.VARIABLE_ONLY,
        title="NAME=KEY",
        description="Keys that endpoints ask for, separated by commas: local=secret.",
    )
    concurrency: int = Field(
        4, ge=1, le=256, title="N", description="Requests that run models at the same time; others wait."
    )
    queue_size: int = Field(64, ge=1, le=10_000, title="N", description="Requests that may wait; more are turned away.")
    upload_limit: ByteSize = Field(
        ByteSize(50_000_000), gt=0, title="SIZE", description="Largest file that may be uploaded."
    )
    request_limit: ByteSize = Field(
        ByteSize(8_000_000), gt=0, title="SIZE", description="Largest request, files that are uploaded apart."
    )
    rate_limit: int | None = Field(
        None, ge=0, title="N", description="Requests a minute that run models, of one visitor. 0: any number."
    )
    visitor_limit: int | None = Field(
        None,
        ge=0,
        title="N",
        description="Requests that run models which one visitor may have waiting and running at once. 0: any number.",
    )
    prompt_limit: int | None = Field(
        None, ge=0, title="N", description="Most tokens of a text that a model is given. 0: as many as it holds."
    )
    token_limit: int | None = Field(
        None, ge=0, title="N", description="Most tokens that a model writes for one request. 0: as many as it holds."
    )
    proxies: int = Field(
        default_factory=_proxies_of_a_space,
        ge=0,
        le=10,
        title="N",
        description="Reverse proxies before this server, each of which adds to X-Forwarded-For: so many addresses are "
        "believed, counted from the right. Others could be made up.",
    )
    mcp: bool = Field(
        True, description="Offer every endpoint as a tool of the Model Context Protocol, at /gradio_api/mcp/."
    )
    metrics_token: str = Field(
        "",
        repr=False,
        json_schema_extra=flags.VARIABLE_ONLY,
        title="TOKEN",
        description="What /metrics asks for as a bearer token. Without one a log-in opens it, or, where there are no "
        "log-ins, it is open unless public.",
    )
    log: Literal["text", "json"] = Field(
        "text",
        title="FORM",
        description="How the log is written: text, or json, one object a line and one line for each request, "
        "without addresses and without what people write.",
    )
    log_text: bool = Field(
        False, description="Allow what people write in the log that is JSON: their requests, and whole error messages."
    )
    grace: int = Field(
        30,
        ge=0,
        le=3600,
        title="SECONDS",
        description="How long requests that are under way may go on after SIGTERM, while new ones are refused.",
    )

    collections_dir: Path | None = Field(
        None,
        title="FOLDER",
        description="Folder for collections of documents in the Search tab.",
    )
    shared_collections: bool | None = Field(
        None, description="Allow collections that every visitor can search and change."
    )
    collections_limit: ByteSize = Field(
        ByteSize(2_000_000_000), gt=0, title="SIZE", description="Most that one visitor's own collections take on disk."
    )

    web_addresses: bool = Field(
        False,
        description="Allow documents from addresses on the web in the Search tab. Only public addresses are fetched, "
        "but of those all, so keep off the web what trusts this machine's address. Not with `--offline`.",
    )

    @field_validator(
        "default_models", "organisations", "allowed_hosts", "auth", "endpoints", "endpoint_keys", mode="before"
    )
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            value = [value]
        if isinstance(value, Sequence):
            return tuple(part.strip() for item in value for part in str(item).split(",") if part.strip())
        return value

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        kind, _, number = value.partition(":")
        if value not in ("auto", "cpu", "cuda", "mps") and not (kind == "cuda" and number.isdecimal()):
            raise ValueError("choose auto, cpu, cuda, cuda:1 or mps")
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _only_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not _HOST.fullmatch(host) for host in value):
            raise ValueError("write each name without http:// and without a port, like chat.example.org")
        return tuple(host.lower() for host in value)

    @field_validator("auth")
    @classmethod
    def _user_and_password(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not all(pair.partition(":")[::2]) for pair in value):
            raise ValueError("write each log-in as user:password")
        return value

    @field_validator("endpoints")
    @classmethod
    def _names_and_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pair in value:
            name, _, url = pair.partition("=")
            if not _NAME.fullmatch(name) or not url:
                raise ValueError("write each endpoint as name=http://host:port/v1, the name of letters and digits")
            _check_address(url)
        if len({pair.partition("=")[0] for pair in value}) < len(value):
            raise ValueError("give each endpoint a name of its own")
        return value

    @field_validator("endpoint_keys")
    @classmethod
    def _names_and_keys(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = [pair.partition("=")[0] for pair in info.data.get("endpoints", ())]
        for pair in value:
            name, _, key = pair.partition("=")
            if not name or not key:
                raise ValueError("write each key as name=key")
            if not key.isascii() or not key.isprintable():
                raise ValueError("a key has only letters, digits and signs of ASCII")
            if "endpoints" in info.data and name not in known:  # a key without its sign of equality may be the "name"
                raise ValueError("each key belongs to an endpoint that is set: name=key")
        return value

    @model_validator(mode="after")
    def _offline_stays_here(self) -> "Settings":
        away = [name for name, url in self.urls_of_endpoints.items() if not on_this_machine(url)]
        if self.offline and away:
            raise PlaygroundError(
                f"Endpoint {away[0]} is not on this machine, and --offline (or PLAYGROUND_OFFLINE) forbids the "
                "network. Leave one of them out."
            )
        return self

    @field_validator("cache_dir", "collections_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @property
    def may_read_local_paths(self) -> bool:
        return not self.public if self.local_paths is None else self.local_paths

    @property
    def may_share_collections(self) -> bool:
        return not self.public if self.shared_collections is None else self.shared_collections

    @property
    def may_fetch_addresses(self) -> bool:
        return self.web_addresses and not self.offline

    @property
    def listens_here_only(self) -> bool:
        """Nobody but this machine reaches the page, unless something passes requests on."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def hosts(self) -> frozenset[str] | None:
        """Names by which the page may be asked, without a port; None: any."""
        if not self.allowed_hosts and not self.listens_here_only:
            return None
        own = f"[{self.host}]" if ":" in self.host else self.host
        return frozenset((*LOCAL_HOSTS, own.lower(), *self.allowed_hosts)) - {"0.0.0.0"}

    @property
    def requests_a_minute(self) -> int | None:
        """Of one visitor; None: any number."""
        return self._limit(self.rate_limit, 60)

    @property
    def requests_at_once(self) -> int | None:
        """Of one visitor; None: any number."""
        return self._limit(self.visitor_limit, 4)

    @property
    def most_prompt_tokens(self) -> int | None:
        return self._limit(self.prompt_limit, 8192)

    @property
    def most_new_tokens(self) -> int | None:
        return self._limit(self.token_limit, 1024)

    def _limit(self, given: int | None, for_strangers: int) -> int | None:
        return ((for_strangers if self.public else 0) if given is None else given) or None

    @property
    def urls_of_endpoints(self) -> dict[str, str]:
        """By name, without a slash at the end."""
        return {name: url.rstrip("/") for name, _, url in (pair.partition("=") for pair in self.endpoints)}

    @property
    def keys_of_endpoints(self) -> dict[str, str]:
        return {name: key for name, _, key in (pair.partition("=") for pair in self.endpoint_keys)}

    @property
    def logins(self) -> list[tuple[str, str]]:
        return [(name, password) for name, _, password in (pair.partition(":") for pair in self.auth)]


def on_this_machine(url: str) -> bool:
    """Whether an address is one of this machine's own: nothing that is sent there leaves it."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127(\.\d{1,3}){3}", host))


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("an endpoint's address is http://host:port/v1 or https://host/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("an address has no user, ? or # in it; a key belongs in PLAYGROUND_ENDPOINT_KEYS")


def read(arguments: Sequence[str] = ()) -> Settings:
    """Settings from the environment and from command-line `arguments`, which win.

    Raises:
        PlaygroundError: a value cannot be used, or a PLAYGROUND_ variable is unknown; says which and why.
        SystemExit: for --help and unknown flags, as argparse does.
    """
    given = vars(flags.parser(Settings).parse_args(list(arguments)))
    flags.refuse_unknown_variables(Settings, os.environ)
    try:
        return Settings(**given)
    except ValidationError as error:
        raise PlaygroundError(" ".join(flags.sentence(Settings, details) for details in error.errors())) from None
