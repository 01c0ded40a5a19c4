"""Where the master is served: addresses that come and go, TLS with certificates that are renewed, the socket always."""

import os
import pty
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from beeyard.entrypoints.http.binding import PORTS
from tests.end_to_end.calls import Caller, certificate, listen, url_of
from tests.yard import Yard, eventually, yard


def free_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def network(of: Yard) -> str:
    """How the master says it is with its address."""
    return str(of.ask("info")["network"])


def shown(url: str, trust: ssl.SSLContext) -> str:
    """The name in the certificate that is shown there."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    with (
        socket.create_connection((host or "", port or 0)) as plain,
        trust.wrap_socket(plain, server_hostname=host) as tls,
    ):
        subject = (tls.getpeercert() or {}).get("subject", ())
    return next(str(value) for part in subject for key, value in part if key == "commonName")  # type: ignore[str-unpack]


def test_masters_on_one_host_each_find_a_port_and_keep_it(fresh_yard: Yard, tmp_path: Path) -> None:
    """The next one that is free; and after a restart the one of before, where links and bookmarks lead."""
    first = url_of(fresh_yard)
    assert urlsplit(first).hostname == "127.0.0.1"
    assert urlsplit(first).port in PORTS
    with yard(tmp_path / "other") as other:
        second = url_of(other)
        assert second != first
        assert urlsplit(second).port in PORTS
        fresh_yard.down()
        before = other.pid("master")
        os.kill(before, signal.SIGTERM)
        eventually(lambda: other.pid("master") != before and other.answers(), "another master")
        assert url_of(other) == second


def test_an_address_changes_while_all_goes_on(fresh_yard: Yard) -> None:
    """Who is connected to the old one gets an answer still; `none` leaves the socket."""
    old, port = url_of(fresh_yard), free_port()
    token = fresh_yard.ask("token_create", name="t")["token"]
    listen(fresh_yard, address=f"127.0.0.1:{port}")
    new = eventually(lambda: network(fresh_yard) == "ok" and url_of(fresh_yard), "the new address")
    assert new == f"http://127.0.0.1:{port}"
    assert Caller(str(new)).ask("GET", "/v1/workers", token).status == 200
    with pytest.raises(ConnectionRefusedError):
        Caller(old).ask("GET", "/healthz")
    listen(fresh_yard, address="none")
    eventually(lambda: network(fresh_yard) == "off", "no address")
    assert fresh_yard.ask("info")["url"] is None
    with pytest.raises(ConnectionRefusedError):
        Caller(str(new)).ask("GET", "/healthz")


def test_an_address_that_is_taken_is_tried_again(fresh_yard: Yard) -> None:
    """Meanwhile the socket serves, and the reason is told."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        listen(fresh_yard, address=f"127.0.0.1:{port}")
        eventually(lambda: network(fresh_yard) == f"127.0.0.1:{port}: address already in use", "the reason")
        assert fresh_yard.ask("info")["url"] is None
    assert url_of(fresh_yard) == f"http://127.0.0.1:{port}"


def test_up_prints_the_address_and_on_a_terminal_a_link(tmp_path: Path) -> None:
    """Which logs in once. A file that says no more of the master takes the address back."""
    port = free_port()
    file = tmp_path / "beeyard.yaml"
    file.write_text(f"master: {{listen: '127.0.0.1:{port}'}}\nworkers: []\n", "utf-8")
    command = [sys.executable, "-m", "beeyard", "--state-dir", str(tmp_path / "s"), "up", "-d", str(file)]
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(command, stderr=theirs, stdout=subprocess.PIPE, text=True, check=True)
        shown = os.read(ours, 10_000).decode()
        said = re.search(rf"(http://127.0.0.1:{port}), to log in once: (\1/login#(bee_\S+))\r\n", shown)
        assert said, shown
        assert "bee_" not in done.stdout
        answers = [Caller(said[1]).ask("POST", "/v1/login", body={"token": said[3]}).status for _ in range(2)]
        assert answers == [200, 401]
        quiet = subprocess.run([*command, "--json"], stderr=theirs, stdout=subprocess.PIPE, text=True, check=True)
        assert "http" not in quiet.stdout
        file.write_text("workers: []\n", "utf-8")
        plain = subprocess.run(command, capture_output=True, text=True, check=True)
        first = plain.stderr.splitlines()[0]
        assert re.fullmatch(r"http://127\.0\.0\.1:86\d\d", first)
        assert not select.select([ours], [], [], 0)[0]
    finally:
        Yard(tmp_path / "s").end()
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("address", ["0.0.0.0:{}", "[::]:{}"])
def test_without_tls_nobody_else_is_let_near(fresh_yard: Yard, address: str) -> None:
    """Also when the wish came from a program, which no worker file has checked."""
    where = address.format(free_port())
    listen(fresh_yard, address=where)
    eventually(lambda: "is not loopback, and anywhere else `tls` is needed" in network(fresh_yard), "a refusal")
    assert fresh_yard.ask("info")["url"] is None


def test_tls_is_spoken_and_certificates_are_renewed(fresh_yard: Yard, tmp_path: Path) -> None:
    """By replacing the files; those that don't fit together are left aside until they do."""
    trust = certificate(tmp_path, "ca")
    certificate(tmp_path, "old", by="ca")
    for end in ("crt", "key"):
        (tmp_path / f"old.{end}").rename(tmp_path / f"yard.{end}")
    files = {"certificate": str(tmp_path / "yard.crt"), "key": str(tmp_path / "yard.key")}
    listen(fresh_yard, address=f"127.0.0.1:{free_port()}", **files)
    url = eventually(lambda: network(fresh_yard) == "ok" and url_of(fresh_yard), "the new address")
    assert str(url).startswith("https://")
    token = fresh_yard.ask("token_create", name="t")["token"]
    assert Caller(str(url), trust).ask("GET", "/v1/workers", token).status == 200
    assert shown(str(url), trust) == "old"
    cookie = Caller(str(url), trust).ask(
        "POST", "/v1/login", body={"token": fresh_yard.ask("token_link")["url"].partition("#")[2]}
    )
    assert "Secure" in cookie.headers["Set-Cookie"].split("; ")

    wish = fresh_yard.ask("info")["url"]
    certificate(tmp_path, "new", by="ca")
    (tmp_path / "new.key").rename(tmp_path / "yard.key")
    again = {"address": urlsplit(wish).netloc, **files}
    listen(fresh_yard, **again)
    eventually(lambda: network(fresh_yard).endswith("the key of another certificate"), "word of half a renewal")
    assert shown(str(url), trust) == "old"
    (tmp_path / "new.crt").rename(tmp_path / "yard.crt")
    listen(fresh_yard, **again)
    eventually(lambda: shown(str(url), trust) == "new", "the new certificate")
    assert network(fresh_yard) == "ok"


def test_with_a_client_ca_only_its_clients_come_in_and_need_a_token(fresh_yard: Yard, tmp_path: Path) -> None:
    """And the journal knows whose certificate it was."""
    trust = certificate(tmp_path, "yard")
    certificate(tmp_path, "clients")
    certificate(tmp_path, "eve")
    certificate(tmp_path, "ann", by="clients")
    listen(
        fresh_yard,
        address=f"127.0.0.1:{free_port()}",
        certificate=str(tmp_path / "yard.crt"),
        key=str(tmp_path / "yard.key"),
        client_ca=str(tmp_path / "clients.crt"),
    )
    url = str(eventually(lambda: network(fresh_yard) == "ok" and url_of(fresh_yard), "the new address"))
    for _ in range(2):
        with pytest.raises(OSError, match=r"closed|required|unknown ca|reset|EOF"):
            Caller(url, trust).ask("GET", "/healthz")
        trust.load_cert_chain(tmp_path / "eve.crt", tmp_path / "eve.key")  # By no authority that we know.
    trust.load_cert_chain(tmp_path / "ann.crt", tmp_path / "ann.key")
    assert Caller(url, trust).ask("GET", "/healthz").status == 200
    assert Caller(url, trust).ask("GET", "/v1/workers").status == 401
    token = fresh_yard.ask("token_create", name="t", role="admin")["token"]
    assert Caller(url, trust).operate("token_create", token, name="u").status == 200
    assert fresh_yard.ask("audit_log")[0]["record"]["origin"] == "127.0.0.1, certificate ann"


def test_what_is_no_tls_gets_nothing_and_fills_no_log(fresh_yard: Yard, tmp_path: Path) -> None:
    """What strangers do wrong in a handshake is theirs to know."""
    certificate(tmp_path, "yard")
    files = {"certificate": str(tmp_path / "yard.crt"), "key": str(tmp_path / "yard.key")}
    listen(fresh_yard, address=f"127.0.0.1:{free_port()}", **files)
    url = str(eventually(lambda: network(fresh_yard) == "ok" and url_of(fresh_yard), "the new address"))
    before = fresh_yard.said()
    with pytest.raises(OSError, match=r"closed|reset"):
        Caller(url).ask("GET", "/healthz")
    with Caller(url).open().sock as sock:
        sock.sendall(b"\x16\x03\x01\xff\xff" + os.urandom(5000))
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(1000):
            pass
    assert fresh_yard.answers()
    assert fresh_yard.said() == before
