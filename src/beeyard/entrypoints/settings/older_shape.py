"""The blocks of older worker files (`unit:`, `control:`, `log_collection:`), key by key as written.

`older` and its neighbours turn them into the blocks of `shape`; nothing else knows these words.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from beeyard.domain.values import Duration, Memory
from beeyard.entrypoints.settings.shape import Files, Size
from beeyard.entrypoints.settings.tree import Node

KINDS = ("managed", "integrated", "unmanaged")

Port = Annotated[int, Meta(ge=1, le=65535, description="a port from 1 to 65535")]
Amount = Annotated[int, Meta(ge=0, description="a whole number, 0 for no limit")]


class Master(Struct):
    """What `master:` has besides the keys of ours."""

    port: Port | None = None
    log_level: Literal["debug", "info", "warn", "error"] = "info"


class Worker(Struct):
    """One of `workers:` that has a `unit:`."""

    id: Node | None = None
    type: Literal["managed", "integrated", "unmanaged"] | None = None
    profile_type: Node | None = None
    enabled: Node | None = None
    unit: Node | None = None


class Unit(Struct):
    """`unit:`, of which the block that `type` names is there."""

    managed: Node | None = None
    integrated: Node | None = None
    unmanaged: Node | None = None


class Metadata(Struct):
    """`metadata:`, words for people."""

    name: str = ""
    description: str = ""


class Managed(Struct):
    """`unit: {managed: …}`."""

    metadata: Metadata = field(default_factory=Metadata)
    control: Node | None = None
    health_check: Node | None = None


class Integrated(Struct):
    """`unit: {integrated: …}`."""

    metadata: Metadata = field(default_factory=Metadata)
    control: Node | None = None
    health_check_run_options: Node | None = None


class Unmanaged(Struct):
    """`unit: {unmanaged: …}`; all but `metadata` are words of ours."""

    metadata: Metadata = field(default_factory=Metadata)
    discovery: Node | None = None
    control: Node | None = None
    health_check: Node | None = None


class Control(Struct):
    """`control:`; `restart` is what `restart_policy` and `context_aware_restart` were before."""

    execution: Node | None = None
    process_file: Node | None = None
    restart_policy: Node | None = None
    restart: Node | None = None
    context_aware_restart: Node | None = None
    limits: Node | None = None
    log_collection: Node | None = None
    graceful_timeout: Duration | None = None


class Execution(Struct):
    """`execution:` within `control:`."""

    executable_path: Node | None = None
    args: Node | None = None
    environment: Node | None = None
    working_directory: Node | None = None
    wait_delay: Duration | None = None


class ProcessFile(Struct):
    """`process_file:`, where the process id of a worker stands."""

    basedirectory: str = ""
    servicecontext: Literal["system", "user", "session"] | None = None
    appname: str = "hsu-master"
    usesubdirectory: bool = False


class Restart(Struct):
    """`restart:`."""

    policy: Node | None = None
    max_retries: Node | None = None
    retry_delay: Node | None = None
    backoff_rate: Node | None = None


class Rotation(Struct):
    """`rotation:` of a target that is a file."""

    max_size: Size | None = None
    max_files: Files | None = None
    max_age: Duration | None = None


class Authentication(Struct):
    """`authentication:` of a target that is a service."""

    type: Literal["basic", "token", "certificate"] | None = None
    username: str = ""
    password: str = ""
    token: str = ""
    cert_file: str = ""
    key_file: str = ""


class Target(Struct):
    """Where lines go."""

    type: Literal["file", "stdout", "stderr", "syslog", "elasticsearch", "master_stdout"] = "file"
    path: str = ""
    format: Literal["plain", "enhanced_plain", "json", "structured_json"] = "plain"
    prefix: str = ""
    rotation: Rotation = field(default_factory=Rotation)
    authentication: Authentication = field(default_factory=Authentication)
    config: dict[str, Node] = field(default_factory=dict)


class Aggregation(Struct):
    """`global_aggregation:`."""

    enabled: bool = True
    targets: list[Target] = field(default_factory=list)


class Parser(Struct):
    """One of `parsers:`."""

    type: Literal["json", "logfmt", "timestamp_extraction"] | None = None
    config: dict[str, Node] = field(default_factory=dict)
    enabled: bool = True


class Enricher(Struct):
    """One of `enrichers:`."""

    type: Literal["regex", "json_extract", "geo_ip"] | None = None
    config: dict[str, Node] = field(default_factory=dict)
    enabled: bool = True


class LineMetadata(Struct):
    """`enhancement: {metadata: …}`: what stands beside each line."""

    add_master_id: bool = False
    add_hostname: bool = False
    add_timestamp: bool = False
    add_sequence: bool = False
    add_line_number: bool = False


class Enhancement(Struct):
    """`enhancement:`."""

    enabled: bool = True
    parsers: list[Parser] = field(default_factory=list)
    metadata: LineMetadata = field(default_factory=LineMetadata)
    enrichers: list[Enricher] = field(default_factory=list)


class Buffering(Struct):
    """`buffering:`: how much may wait in memory, and how long."""

    size: Memory = Memory(0)
    flush_interval: Duration = Duration(0.0)
    max_lines: Amount = 0


class Filters(Struct):
    """`filters:`."""

    exclude_patterns: tuple[str, ...] = ()
    include_patterns: tuple[str, ...] = ()
    level_filter: str = ""


class Processing(Struct):
    """`processing:`."""

    parse_structured: bool = False
    add_metadata: bool = True
    filters: Filters = field(default_factory=Filters)
    parsers: list[Parser] = field(default_factory=list)


class Separate(Struct):
    """`outputs: {separate: …}`."""

    stdout: list[Target] = field(default_factory=list)
    stderr: list[Target] = field(default_factory=list)


class Outputs(Struct):
    """`outputs:`."""

    separate: Separate = field(default_factory=Separate)
    forwarding: list[Target] = field(default_factory=list)


class WorkerLogs(Struct):
    """`default_worker:`, and `log_collection:` of one worker."""

    enabled: bool = True
    capture_stdout: bool = True
    capture_stderr: bool = True
    buffering: Buffering = field(default_factory=Buffering)
    processing: Processing = field(default_factory=Processing)
    outputs: Outputs = field(default_factory=Outputs)


class Metrics(Struct):
    """`system: {metrics: …}`."""

    enabled: bool = False
    interval: Duration = Duration(60.0)
    targets: list[Target] = field(default_factory=list)


class System(Struct):
    """`log_collection: {system: …}`."""

    worker_directory: str = ""
    buffer_size: Node | None = None
    flush_interval: Duration = Duration(0.0)
    max_workers: Amount = 0
    metrics: Metrics = field(default_factory=Metrics)


class LogCollection(Struct):
    """`log_collection:` of a file."""

    enabled: bool = True
    global_aggregation: Aggregation = field(default_factory=Aggregation)
    enhancement: Enhancement = field(default_factory=Enhancement)
    default_worker: WorkerLogs = field(default_factory=WorkerLogs)
    system: System = field(default_factory=System)
