"""The command line of the bench: who races, how often, what is measured, where the figures go.

Talk goes to standard error, the report to standard output. A want that is not met fails nothing; exit codes are 0,
2 for a wrong command line, 130 when interrupted (what was measured until then is printed).
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType

from bench import report
from bench.measures import rows
from bench.peers import PEERS, SUBJECT
from bench.peers.port import Tools
from bench.processes import adopt_orphans, end_descendants
from bench.programs import NoCompiler, compiled
from bench.race import LETTERS, QUICK, Race, Settings
from bench.session import Scratch


def main(words: list[str] | None = None) -> int:
    """Runs the bench; gives the exit code."""
    asked = _parser().parse_args(words)
    settings = _settings(asked)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    _raise_limits()
    adopt_orphans()
    began = time.monotonic()
    code = 0
    try:
        with Scratch.lent(asked.folder) as scratch:
            programs = compiled(scratch.disk)
            tools = Tools(tuple(asked.tools), programs.cfloor)
            peers = _present(asked.peers, tools)
            race = Race(settings, tools, programs, scratch)
            try:
                race.run(list(peers))
            except KeyboardInterrupt:
                print("interrupted; what was measured so far:", file=sys.stderr)
                code = 130
            finally:
                end_descendants()
    except NoCompiler as error:
        print(error, file=sys.stderr)
        return 2
    table = rows(race.results, list(peers), SUBJECT)
    print(report.text(table, peers, SUBJECT, settings, race.results))
    print(f"took {time.monotonic() - began:.0f} s", file=sys.stderr)
    if asked.json:
        found = {
            "machine": report.machine(),
            "peers": peers,
            "settings": asdict(settings),
            "interrupted": code == 130,
            "failures": race.results.failures,
            "others_cores": race.results.others_cores,
            "rows": [row.as_json() for row in table],
            "samples": race.results.samples,
        }
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    return code


def _parser() -> argparse.ArgumentParser:
    about = "Beeyard against its peers, in ratios, measured now."
    parser = argparse.ArgumentParser("python -m bench", description=about)
    add = parser.add_argument
    add("--rounds", type=_positive, help="how often each peer has its turn (3)")
    add("--workers", type=_positive, metavar="N", help="how many workers `all` are (1000)")
    add("--quick", action="store_true", help="a smoke run: 20 workers, one round, a flood of 20 MB")
    add("--only", type=_letters, metavar="A,B…", help="of the letters in bench/README.md, such as A for start")
    add("--peers", type=_names, default=list(PEERS), metavar="NAME,…", help=f"of {', '.join(PEERS)}")
    add("--json", type=Path, metavar="FILE", help="write every figure and every sample there, too")
    add("--tools", type=Path, action="append", default=[], metavar="FOLDER", help="look for peers' programs here first")
    add("--folder", type=Path, help="where the scratch folder with all logs is made (the temporary folder)")
    return parser


def _settings(asked: argparse.Namespace) -> Settings:
    settings = QUICK if asked.quick else Settings()
    given = {"rounds": asked.rounds, "large": asked.workers, "only": asked.only}
    return replace(settings, **{key: value for key, value in given.items() if value is not None})


def _positive(word: str) -> int:
    if (number := int(word)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _letters(word: str) -> str:
    letters = word.upper().replace(",", "")
    if not letters or set(letters) - set(LETTERS):
        raise argparse.ArgumentTypeError(f"letters of {LETTERS}, not {word}")
    return letters


def _names(word: str) -> list[str]:
    names = list(dict.fromkeys(word.split(",")))
    if unknown := [name for name in names if name not in PEERS]:
        raise argparse.ArgumentTypeError(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return names


def _present(names: list[str], tools: Tools) -> dict[str, str]:
    """The peers whose programs are here, with their versions; says which are not."""
    found: dict[str, str] = {}
    for name in names:
        tool = tools.find(PEERS[name].tool)
        if tool is None:
            print(f"{name} is left out: no program `{PEERS[name].tool}`", file=sys.stderr)
            continue
        found[name] = ""
        if words := PEERS[name].version_words:
            with suppress(OSError, subprocess.SubprocessError):
                said = subprocess.run([tool, *words], capture_output=True, text=True, timeout=30, check=False).stdout
                found[name] = said.split()[-1] if said.split() else ""
    if not found:
        raise SystemExit("no peer is here")
    return found


def _interrupt(number: int, _frame: FrameType | None) -> None:
    """The first one unwinds the run; further ones would only disturb the clearing up."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)


def _raise_limits() -> None:
    """A thousand workers need some four thousand descriptors in one supervisor."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
