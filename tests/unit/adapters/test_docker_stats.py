"""What the engine tells of a container's usage, in both forms: as version 20.10 answered, on a host of version 1 of
control groups; and as the engine's `statsV2` writes it (daemon_unix.go), for version 2."""

from typing import Any

from beeyard.adapters.providers.docker.stats import measure
from beeyard.domain.watching import Measure

ONE: dict[str, Any] = {
    "pids_stats": {"current": 3},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"major": 254, "minor": 0, "op": "Read", "value": 4096},
            {"major": 254, "minor": 0, "op": "Write", "value": 36864},
            {"major": 254, "minor": 0, "op": "Total", "value": 40960},
            {"major": 254, "minor": 16, "op": "Read", "value": 1024},
        ],
        "io_serviced_recursive": [
            {"major": 254, "minor": 0, "op": "Read", "value": 1},
            {"major": 254, "minor": 0, "op": "Write", "value": 10},
        ],
    },
    "num_procs": 0,
    "cpu_stats": {
        "cpu_usage": {"total_usage": 137196421, "usage_in_kernelmode": 20000000, "usage_in_usermode": 110000000},
        "system_cpu_usage": 113485310000000,
        "online_cpus": 2,
    },
    "memory_stats": {
        "usage": 3428352,
        "stats": {"rss": 1, "mapped_file": 1, "total_rss": 57344, "total_mapped_file": 8192, "total_cache": 3002368},
    },
}
TWO: dict[str, Any] = {
    "pids_stats": {"current": 2, "limit": 4000},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"major": 8, "minor": 0, "op": "read", "value": 512},
            {"major": 8, "minor": 0, "op": "write", "value": 1024},
        ],
        "io_serviced_recursive": None,
    },
    "cpu_stats": {"cpu_usage": {"total_usage": 250000000, "usage_in_usermode": 200000000}},
    "memory_stats": {"usage": 9000, "stats": {"anon": 5000, "file": 3000, "file_mapped": 700, "inactive_file": 100}},
}


def test_version_one_is_understood() -> None:
    """Sums over all below it, and over all devices; the cache is not the worker's."""
    assert measure(ONE) == Measure(0.137196421, 65536, 3, read_bytes=5120, write_bytes=36864, read_ops=1, write_ops=10)


def test_version_two_is_understood() -> None:
    """It counts no operations."""
    assert measure(TWO) == Measure(0.25, 5700, 2, read_bytes=512, write_bytes=1024)


def test_of_one_that_does_not_run_there_is_nothing() -> None:
    """The engine answers all the same."""
    gone = {"pids_stats": {}, "blkio_stats": {"io_service_bytes_recursive": None}, "memory_stats": {}}
    assert measure(gone | {"cpu_stats": {"cpu_usage": {"total_usage": 0}}}) is None
