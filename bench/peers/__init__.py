"""The peers. To add one: a file here that fulfils `port.Peer`, and a line in the table."""

from bench.peers.beeyard import Beeyard
from bench.peers.cfloor import CFloor
from bench.peers.circus import Circus
from bench.peers.port import Peer
from bench.peers.supervisord import Supervisord

SUBJECT = "beeyard"
"""Whose ratios are printed."""

_TABLE: tuple[type[Peer], ...] = (
    Beeyard,
    Supervisord,
    Circus,
    CFloor,
)

PEERS = {peer.name: peer for peer in _TABLE}
