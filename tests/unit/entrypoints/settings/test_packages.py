"""`package_manager:` and `package:`: every key is understood or refused with its line, and no password is let in."""

from pathlib import Path

import pytest

from beeyard.domain.errors import Invalid
from beeyard.domain.locked import Lock, Locked
from beeyard.domain.packages import REF_EXPECTED
from beeyard.domain.sources import Credentials, Mirror, PackagePolicies, PackagesSpec, RepositorySpec
from beeyard.domain.values import Duration, Memory
from beeyard.entrypoints.settings import lock_file
from tests.repositories import a_root
from tests.unit.entrypoints.settings.conftest import SHELL, Errors, Load

SECRETS = "secrets: {pw: {env: PW}}\n"
BLOCK = "package_manager:\n  repositories:\n  - name: hive\n"
WEB = "{name: hive, url: https://packages.example.org, trust: unsigned, "
A_PACKAGE = f"expected {REF_EXPECTED}"
A_REFERENCE = (
    "expected ${secret:NAME} alone (name it under `secrets:`, with where it is fetched from; no password belongs into "
    "a worker file)"
)
A_URL = "expected a URL such as https://packages.example.org/workers; `path` takes a folder"
A_ROOT = "expected the root.json of its owner, or `trust: unsigned`"
IN_PACKAGE = "expected a path in the package, without '..', such as bin/tool"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The file's folder, with the files that repositories name."""
    for name in ("bee.crt", "bee.key", "netrc"):
        (tmp_path / name).touch()
    (tmp_path / "hive.root.json").write_bytes(a_root())
    return tmp_path


def repository(load: Load, entry: str) -> RepositorySpec:
    """The one of a file with this entry."""
    (spec,) = load(f"{SECRETS}package_manager: {{repositories: [{entry}]}}\n{SHELL}").master.packages.repositories
    return spec


def packaged(keys: str) -> str:
    """A file with one worker of these keys."""
    return f"workers:\n- id: web\n  {keys}\n"


def test_without_the_block_there_are_no_repositories(load: Load) -> None:
    """Nor with an empty one; the policies are the usual ones."""
    for text in ("", "package_manager:\n", "package_manager: {repositories: [], policies: {}}\n"):
        assert load(text + SHELL).master.packages == PackagesSpec()


def test_the_whole_block_is_read(load: Load, folder: Path) -> None:
    """Paths start at the file's folder, and one place has one spelling."""
    text = """
secrets: {pw: {env: PW}}
package_manager:
  repositories:
  - {name: official, url: "https://packages.example.org:8443/workers/", root: hive.root.json, packages: ["*", caddy],
     username: bee, password: "${secret:pw}", certificate: bee.crt, key: bee.key, auth_required: true, trusted: true,
     serve: 2GB, mirrors: ["https://near.example.org/", {url: "https://far.example.org", token: "${secret:pw}"},
     {neighbour: "https://hive-2:8600/", token: "${secret:pw}"}]}
  - {name: local, path: ./repository, trust: unsigned, packages: "dev-*"}
  - {name: built, path: out, manager: directory, trust: unsigned}
  policies: {auto_update: true, allow_downgrades: true, installation_timeout: 5m, max_concurrent_installs: 1,
             required_trust: checksum}
"""
    shown = Credentials("bee", "${secret:pw}", certificate=f"{folder}/bee.crt", key=f"{folder}/bee.key")
    assert load(text + SHELL).master.packages == PackagesSpec(
        (
            RepositorySpec(
                "official",
                url="https://packages.example.org:8443/workers",
                mirrors=(
                    Mirror("https://near.example.org"),
                    Mirror("https://far.example.org", credentials=Credentials(token="${secret:pw}")),
                    Mirror("https://hive-2:8600", neighbour=True, credentials=Credentials(token="${secret:pw}")),
                ),
                serve=Memory(2 * 2**30),
                root=f"{folder}/hive.root.json",
                packages=("*", "caddy"),
                credentials=shown,
            ),
            RepositorySpec("local", path=f"{folder}/repository", packages=("dev-*",), trust="unsigned"),
            RepositorySpec("built", path=f"{folder}/out", manager="directory", trust="unsigned"),
        ),
        PackagePolicies(True, True, Duration(300.0), 1, "checksum"),
    )


def test_the_type_of_the_block_is_the_manager_of_those_that_say_none(load: Load) -> None:
    """Their own word wins."""
    text = "{type: directory, repositories: [{name: a, path: a, trust: unsigned}, "
    text += "{name: b, path: b, trust: unsigned, manager: binary}]}"
    found = load(f"package_manager: {text}\n{SHELL}").master.packages.repositories
    assert [spec.manager for spec in found] == ["directory", "binary"]


@pytest.mark.parametrize("older", ["docker", "oci"])
def test_the_older_block_for_images_names_one_registry(load: Load, older: str) -> None:
    """All packages come from there; where what was fetched lies is not for the file to say."""
    config = "{registry: 'registry.example.org:5000', namespace: team/workers, localCache: true}"
    found = load(f"package_manager: {{type: {older}, config: {config}}}\n{SHELL}").master.packages.repositories
    url = "https://registry.example.org:5000/team/workers"
    assert found == (RepositorySpec("registry", "oci", url, trust="unsigned"),)


def test_signed_images_name_their_key(load: Load, folder: Path) -> None:
    """Then `trust` need not be written."""
    key = folder / "cosign.pub"
    key.write_text("-----BEGIN PUBLIC KEY-----\n")
    found = repository(load, "{name: a, manager: docker, url: 'https://h/team', root: cosign.pub}")
    assert found == RepositorySpec("a", "oci", "https://h/team", root=str(key), trust="cosign")


def test_packages_of_a_system_name_their_key_and_suite_or_nothing(load: Load, folder: Path) -> None:
    """Nothing means what the host has itself."""
    (folder / "owner.asc").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    written = (
        "{name: a, manager: apt, url: https://h, root: owner.asc, suite: stable, components: [main], packages: [a*]}"
    )
    block = f"package_manager: {{type: dnf, repositories: [{written}, {{name: own, unpacked: true}}]}}\n"
    assert load(f"{block}{SHELL}").master.packages.repositories == (
        RepositorySpec(
            "a",
            "apt",
            "https://h",
            root=f"{folder}/owner.asc",
            suite="stable",
            components=("main",),
            packages=("a*",),
            trust="gpg",
        ),
        RepositorySpec("own", "dnf", trust="gpg", unpacked=True),
    )


@pytest.mark.parametrize(
    ("tools", "kind"), [(["apt-get"], "apt"), (["apt-get", "dnf"], "apt"), (["dnf"], "dnf"), ([], "apt")]
)
def test_system_is_whichever_the_host_has(
    load: Load, monkeypatch: pytest.MonkeyPatch, tools: list[str], kind: str
) -> None:
    """An older word; with both, apt is the host's own."""
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name in tools else None)
    (found,) = load(
        f"package_manager: {{type: system, repositories: [{{name: own}}]}}\n{SHELL}"
    ).master.packages.repositories
    assert (found.manager, found.trust) == (kind, "gpg")


def test_other_ways_to_be_let_in(load: Load, folder: Path) -> None:
    """A token, or a netrc file."""
    assert repository(load, WEB + "token: '${secret:pw}'}").credentials == Credentials(token="${secret:pw}")
    assert repository(load, WEB + "netrc: netrc}").credentials == Credentials(netrc=f"{folder}/netrc")


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("url: https://h", f"3 root: found nothing, {A_ROOT}"),
        ("root: hive.root.json", "3 : found no place, expected one of `url` and `path`"),
        ("url: https://h, path: p, trust: unsigned",
         "3 : found both `url` and `path`, expected one of `url` and `path`"),
        ("url: https://h, root: no.json",
         "5 root: found 'no.json', no such file, expected an existing file (FOLDER/no.json)"),
        ("url: https://h, trust: unsigned, root: hive.root.json",
         "6 root: found `root`, expected no such key beside `trust: unsigned` (no signature is looked at)"),
        ("url: https://h, root: hive.root.json, trust: pgp",
         "6 trust: found 'pgp', expected tuf, cosign, gpg or unsigned (did you mean 'gpg'?)"),
        ("url: https://h, root: hive.root.json, trust: gpg",
         "6 trust: found 'gpg', expected tuf or unsigned (so are packages of a system signed: `manager: apt`)"),
        ("url: https://h, trust: unsigned, mirrors: [https://m]",
         "6 mirrors: found `mirrors`, expected no such key without `manager: binary` and `trust: tuf` (whoever runs "
         "one could change what is there)"),
        ("url: https://h, root: hive.root.json, mirrors: [m]",
         "6 mirrors[0]: found 'm', expected a URL such as https://packages.example.org/workers; `path` takes a folder"),
        ("url: https://h, root: hive.root.json, mirrors: [{token: '${secret:pw}'}]",
         "6 mirrors[0]: found no place, expected one of `url` and `neighbour`"),
        ("url: https://h, root: hive.root.json, mirrors: [{neighbour: 'https://m',url: 'https://m'}]",
         "6 mirrors[0]: found both `url` and `neighbour`, expected one of `url` and `neighbour`"),
        ("url: https://h, root: hive.root.json, mirrors: [{url: 'https://m',token: s3cret}]",
         f"6 mirrors[0].token: found something else, {A_REFERENCE}"),
        ("url: https://h, trust: unsigned, serve: 1GB",
         "6 serve: found `serve`, expected no such key without `manager: binary` and `trust: tuf` (no neighbour could "
         "tell whether it is right)"),
        ("url: https://h, trusted: true", f"3 root: found nothing, {A_ROOT}"),
        ("url: https://h, trusted: false",
         "5 trusted: found false, expected `trust: tuf` with a `root`, or `trust: unsigned` (what is not signed is "
         "only taken where that is written)"),
        ("url: https://h, trust: unsigned, trusted: true",
         "6 trusted: found true, expected no such key, as line 5 says `unsigned`"),
        ("url: https://h, trust: unsigned, auth_required: true",
         "6 auth_required: found true, expected a `token`, a `username` with its `password`, a `netrc` or a "
         "`certificate` beside it"),
        ("path: p, manager: directory",
         "3 : found `manager: directory`, expected `trust: unsigned` beside it (nobody signs a folder)"),
        ("url: https://h, manager: directory, trust: unsigned",
         "4 url: found `url`, expected `path`: a directory is taken as it stands"),
        ("url: https://h, manager: apt",
         "3 root: found nothing, expected the public key of its owner, or `trust: unsigned`"),
        ("url: https://h, manager: dnf, suite: stable, trust: unsigned",
         "6 suite: found `suite`, expected no such key beside `manager: dnf`"),
        ("url: https://h, trust: unsigned, unpacked: true",
         "6 unpacked: found `unpacked`, expected no such key beside `manager: binary`"),
        ("manager: apt, components: [main]",
         "5 components: found `components`, expected a `url` or `path` beside it (else it is the host's own)"),
        ("manager: apt, trust: unsigned",
         "5 trust: found 'unsigned', expected gpg, or nothing (the host says itself what it trusts)"),
        ("url: https://h, manager: dnf, trust: tuf",
         "6 trust: found 'tuf', expected gpg or unsigned (no packages of this kind are signed so)"),
        ("url: https://h, manager: apt, trust: unsigned, root: hive.root.json",
         "7 root: found `root`, expected no such key beside `trust: unsigned` (no signature is looked at)"),
        ("path: p, trust: unsigned, manager: oci", "4 path: found `path`, expected the `url` of a registry"),
        ("url: https://h, manager: oci",
         "3 root: found nothing, expected the cosign.pub of its owner, or `trust: unsigned`"),
        ("url: https://h, manager: oci, root: hive.root.json",
         "6 root: found what is no public key in PEM, expected the cosign.pub of its owner"),
        ("url: https://h, manager: oci, trust: tuf",
         "6 trust: found 'tuf', expected cosign or unsigned (no images are signed so)"),
        ("url: https://h, manager: oci, trust: unsigned, root: hive.root.json",
         "7 root: found `root`, expected no such key beside `trust: unsigned` (no signature is looked at)"),
        ("url: https://h, root: hive.root.json, trust: cosign",
         "6 trust: found 'cosign', expected tuf or unsigned (so are images signed: `manager: oci`)"),
        ("path: p, trust: unsigned, manager: binry",
         "6 manager: found 'binry', expected binary, directory, oci, apt, dnf or python (did you mean 'binary'?)"),
        *[(f"path: p, trust: unsigned, packages: {text!r}",
           f"6 packages: found {text!r}, expected a package's name, or its beginning and '*'")
          for text in ("Caddy", "*-dev", "", "-dev")],
        ("path: p, trust: unsigned, netrc: netrc",
         "6 netrc: found `netrc`, expected no such key beside `path` (a folder asks nobody who they are)"),
        ("url: ftp://h, trust: unsigned", f"4 url: found 'ftp://h', {A_URL}"),
        ("url: https://h:99999, trust: unsigned", f"4 url: found 'https://h:99999', {A_URL}"),
        ("url: https://, trust: unsigned", f"4 url: found 'https://', {A_URL}"),
        ("path: p, trust: unsigned, pasword: x",
         "6 pasword: found 'pasword', expected a known key (did you mean 'password'?)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_repository_is_told(errors: Errors, folder: Path, keys: str, error: str) -> None:
    """On the line of the key, or on that of the repository where one is missing; the keys begin on line 4."""
    line, _, text = error.partition(" ")
    where = "package_manager.repositories[0]" + ("" if text[0] == ":" else ".")
    below = "".join(f"    {key}\n" for key in keys.split(", "))
    assert errors(BLOCK + below + SHELL) == [f"beeyard.yaml:{line}: {where}{text}".replace("FOLDER", str(folder))]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "what is no root of a repository: Input data was truncated"),
        (b"<html>", "what is no root of a repository: JSON is malformed: "),
        (b"\xff", "what is no root of a repository: "),
        (a_root().replace(b'"root",', b'"snapshot",', 1),
         "what is no root of a repository: Invalid value 'snapshot' - at `$.signed._type`"),
        (a_root().replace(b'"timestamp"', b'"x"'),
         "what is no root of a repository: Object missing required field `timestamp` - at `$.signed.roles`"),
        (a_root() + b" " * 512_000, "more than 512000 bytes"),
        (None, "a file that can't be read: Input/output error"),
    ],
    ids=["empty", "page", "bytes", "other role", "no role", "endless", "broken"],
)  # fmt: skip
def test_a_root_that_is_none_is_told_before_it_is_needed(
    errors: Errors, folder: Path, content: bytes | None, found: str
) -> None:
    """With what it is instead; a page that was saved in its place, say."""
    file = folder / "hive.root.json"
    file.unlink()
    file.symlink_to("/proc/self/mem") if content is None else file.write_bytes(content)
    (told,) = errors(f"{BLOCK}    url: https://h\n    root: hive.root.json\n{SHELL}")
    where, _, rest = told.partition("found ")
    assert where == "beeyard.yaml:5: package_manager.repositories[0].root: "
    assert rest.startswith(found)
    assert rest.endswith(", expected the 1.root.json of its owner")


@pytest.mark.parametrize(
    ("required", "most", "repositories"),
    [
        (
            "tuf",
            "checksum",
            "{name: a, path: a, trust: unsigned}, {name: b, path: b, trust: unsigned, manager: directory}",
        ),
        ("signature", "checksum", "{name: a, path: a, trust: unsigned}"),
        ("checksum", "none", "{name: b, path: b, trust: unsigned, manager: directory}"),
    ],
)
def test_a_trust_that_no_repository_has_is_told(
    load: Load, errors: Errors, folder: Path, required: str, most: str, repositories: str
) -> None:
    """Nothing could ever be installed; with one that has it there is something."""
    block = f"package_manager:\n  policies: {{required_trust: {required}}}\n  repositories: [{repositories}%s]\n{SHELL}"
    assert errors(block % "") == [
        f"beeyard.yaml:2: package_manager.policies.required_trust: found '{required}', and no repository has more than "
        f"{most}: nothing could be installed, expected {most} at most, or a repository with more"
    ]
    assert (
        load(block % ", {name: c, path: c, root: hive.root.json}").master.packages.policies.required_trust == required
    )
    assert load(f"package_manager: {{policies: {{required_trust: {required}}}}}\n{SHELL}").workers


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("username: bee", "password: found nothing, expected a value: there is a `username`"),
        ("password: '${secret:pw}'", "username: found nothing, expected a value: there is a `password`"),
        ("key: bee.key", "certificate: found nothing, expected a value: there is a `key`"),
        ("token: '${secret:pw}', netrc: netrc",
         "netrc: found `netrc` beside `token`, expected one of `token`, `username` and `netrc`"),
        ("username: 'a:b', password: '${secret:pw}'", "username: found 'a:b', expected the name of an account, without "
         "':'"),
        ("username: bee, password: hunter2", f"password: found something else, {A_REFERENCE}"),
        ("username: bee, password: '${PW}'", f"password: found something else, {A_REFERENCE}"),
        ("username: bee, password: '$${secret:pw}'", f"password: found something else, {A_REFERENCE}"),
        ("username: bee, password: 'x${secret:pw}'", f"password: found something else, {A_REFERENCE}"),
        ("username: bee, password: [hunter2]", f"password: found something else, {A_REFERENCE}"),
        ("token: hunter2", f"token: found something else, {A_REFERENCE}"),
        ("token: '${secret:pq}'", "token: found the secret 'pq', expected one that `secrets:` names (known: pw)"),
    ],
)  # fmt: skip
def test_credentials_are_named_and_never_quoted(errors: Errors, folder: Path, keys: str, error: str) -> None:
    """Nor is a password taken that stands in the file, or in a variable: it would be stored with the rest."""
    text = f"{SECRETS}package_manager: {{repositories: [{WEB}{keys}}}]}}\n{SHELL}"
    assert errors(text, PW="hunter2") == [f"beeyard.yaml:2: package_manager.repositories[0].{error}"]
    assert "hunter2" not in error


@pytest.mark.parametrize(
    "url", ["https://me:hunter2@h", "me:hunter2@h", "https://h/?token=hunter2", "https://h#hunter2"]
)
def test_a_url_with_more_in_it_than_a_place_is_not_quoted(errors: Errors, url: str) -> None:
    """It may be a password."""
    assert errors(f"{BLOCK}    url: '{url}'\n    trust: unsigned\n{SHELL}") == [
        "beeyard.yaml:4: package_manager.repositories[0].url: found more than a place, expected a URL without '@', '?' "
        "and '#' (a name and a password have keys of their own)"
    ]


def test_two_repositories_of_one_name(errors: Errors) -> None:
    """The second one is told."""
    text = "package_manager:\n  repositories:\n"
    text += "  - {name: hive, path: a, trust: unsigned}\n  - {name: hive, path: b, trust: unsigned}\n"
    assert errors(text + SHELL) == [
        "beeyard.yaml:4: package_manager.repositories[1].name: found 'hive' again, after line 3, expected a name of "
        "its own"
    ]


@pytest.mark.parametrize(
    ("policy", "error"),
    [
        ("installation_timeout: 0s", "installation_timeout: found '0s', expected a duration above 0"),
        ("max_concurrent_installs: 0", "max_concurrent_installs: found 0, expected a whole number from 1 to 100"),
        ("required_trust: full", "required_trust: found 'full', expected none, checksum, signature or tuf"),
        ("auto_update: weekly", "auto_update: found 'weekly', expected true or false"),
    ],
)
def test_what_is_wrong_with_a_policy_is_told(errors: Errors, policy: str, error: str) -> None:
    """As everywhere."""
    assert errors(f"package_manager: {{policies: {{{policy}}}}}\n{SHELL}") == [
        f"beeyard.yaml:1: package_manager.policies.{error}"
    ]


def test_what_has_no_list_of_repositories_is_told(errors: Errors) -> None:
    """Nor is one for names alone."""
    assert errors(f"package_manager: {{repositories: hive}}\n{SHELL}") == [
        "beeyard.yaml:1: package_manager.repositories: found 'hive', expected a list of repositories"
    ]
    assert errors(f"package_manager: {{repositories: [hive]}}\n{SHELL}") == [
        "beeyard.yaml:1: package_manager.repositories[0]: found 'hive', expected a mapping"
    ]


@pytest.mark.parametrize(
    ("written", "package"),
    [
        ("caddy", "caddy"),
        ("caddy:latest", "caddy"),
        ("'caddy:'", "caddy"),
        ("caddy:2.11", "caddy:==2.11"),
        ("caddy:v2.11-RC.1", "caddy:==2.11rc1"),
        ("caddy:>=2.11,<3", "caddy:>=2.11,<3"),
        ("'caddy: <3, >=2.11'", "caddy:>=2.11,<3"),
        ("''", None),
        ("Caddy", None),
        ("caddy:stable", "caddy:stable"),
        ("caddy:Stable", None),
        ("caddy:2_x", None),
        ("caddy:===a_b", None),
        ("[caddy]", None),
    ],
)
def test_a_package_has_one_spelling(load: Load, errors: Errors, written: str, package: str | None) -> None:
    """A version alone means just that one."""
    text = packaged(f"package: {written}")
    if package:
        assert load(text).workers[0].package == package
    else:
        found = "a list" if written[0] == "[" else f"'{written.strip(chr(39))}'"
        assert errors(text) == [f"beeyard.yaml:3: workers[0].package: found {found}, {A_PACKAGE}"]


def test_a_package_that_two_repositories_may_have_is_refused(load: Load, errors: Errors) -> None:
    """Here, and not when it is to be installed; the operator decides."""
    both = "{name: a, path: a, trust: unsigned}, {name: b, path: b, trust: unsigned%s}"
    block = f"package_manager: {{repositories: [{both}]}}\n"
    assert errors(block % "" + packaged("package: caddy:2")) == [
        "beeyard.yaml:4: workers[0].package: found caddy could come from a and from b, expected a package of one "
        "repository (write caddy into `packages:` of the one that it is to come from)"
    ]
    assert load(block % ", packages: [caddy]" + packaged("package: caddy:2")).workers[0].package == "caddy:==2"


@pytest.mark.parametrize(
    ("execution", "run"),
    [
        ("", {}),
        ("{args: [run]}", {"args": ["run"]}),
        ("{working_directory: .}", {}),
        ("{working_directory: ''}", {}),
        ("{executable_path: caddy}", {"executable_path": "caddy"}),
        ("{executable_path: ./bin//caddy, working_directory: etc/}",
         {"executable_path": "bin/caddy", "working_directory": "etc"}),
        ("{executable_path: /no/such/../caddy, working_directory: /no/such}",
         {"executable_path": "/no/caddy", "working_directory": "/no/such"}),
        ("{env_file: [netrc], pid_file: web.pid}", {"env_file": ["FOLDER/netrc"], "pid_file": "FOLDER/web.pid"}),
    ],
)  # fmt: skip
def test_a_package_supplies_what_is_not_said(load: Load, folder: Path, execution: str, run: dict[str, object]) -> None:
    """Its program and its folder begin in the package and are not looked for; other paths begin at the file."""
    (spec,) = load(packaged(f"package: caddy\n  execution: {execution}")).workers
    assert str(spec.run) == str(run).replace("FOLDER", str(folder))


@pytest.mark.parametrize(
    ("execution", "error"),
    [
        ("executable_path: ../caddy", f"executable_path: found '../caddy', {IN_PACKAGE}"),
        ("executable_path: bin/../caddy", f"executable_path: found 'bin/../caddy', {IN_PACKAGE}"),
        ("executable_path: .", f"executable_path: found '.', {IN_PACKAGE}"),
        ("executable_path: ''", f"executable_path: found '', {IN_PACKAGE}"),
        ("working_directory: a/..", "working_directory: found 'a/..', expected a folder in the package, without '..'"),
    ],
)
def test_no_path_leads_out_of_a_package(errors: Errors, execution: str, error: str) -> None:
    """Not even one that comes back."""
    assert errors(packaged(f"package: caddy\n  execution: {{{execution}}}")) == [
        f"beeyard.yaml:4: workers[0].execution.{error}"
    ]


def test_a_wrong_package_is_one_problem(errors: Errors) -> None:
    """That its program is not on this host is none."""
    text = packaged("package: Caddy\n  execution: {executable_path: no-such-program}")
    assert errors(text) == [f"beeyard.yaml:3: workers[0].package: found 'Caddy', {A_PACKAGE}"]


def test_limits_and_stops_hold_for_a_worker_whose_execution_is_its_package_s(load: Load) -> None:
    """As for others."""
    (spec,) = load(packaged("package: caddy\n  kind: integrated\n  limits: {priority: 5}")).workers
    assert spec.run == {"nice": 5, "kind": "integrated"}
    assert spec.stop[0].wait == Duration(20.0)
    assert "grpc" in spec.endpoints


def test_an_unmanaged_worker_has_no_package(load: Load, errors: Errors) -> None:
    """Its own is refused, that of the defaults is for others."""
    found = "kind: unmanaged\n  discovery: {method: port, port: 80}"
    assert errors(packaged(f"package: caddy\n  {found}")) == [
        "beeyard.yaml:3: workers[0].package: found `package`, expected no such key for an unmanaged worker (it is not "
        "Beeyard that starts it, so nothing is installed for it)"
    ]
    assert load("defaults: {package: caddy}\n" + packaged(found)).workers[0].package == ""


def test_toml_has_them_too(load: Load, folder: Path) -> None:
    """In its own spelling."""
    text = '[[package_manager.repositories]]\nname = "hive"\npath = "p"\nroot = "hive.root.json"\n'
    text += '[[workers]]\nid = "web"\npackage = "caddy"\n'
    loaded = load(text, "beeyard.toml")
    assert loaded.master.packages.repositories == (
        RepositorySpec("hive", path=f"{folder}/p", root=f"{folder}/hive.root.json"),
    )
    assert loaded.workers[0].package == "caddy"


LOCKED = Locked("web", "1.0", "any", "a" * 64, "hive", "tuf")


def test_the_lock_file_beside_a_worker_file_is_read_with_it(load: Load, folder: Path) -> None:
    """One without packages leaves it alone: it is about the packages of another."""
    lock_file.save(str(folder / "beeyard.lock"), Lock((LOCKED,)))
    block = "package_manager: {repositories: [{name: hive, path: ., root: hive.root.json}]}\n"
    assert load(f"{block}{SHELL}").master.packages.locked == Lock((LOCKED,))
    assert load(SHELL).master.packages == PackagesSpec()


def test_a_mistake_in_the_lock_file_is_told_by_its_line(load: Load, folder: Path) -> None:
    """Nothing of the worker file is applied then."""
    (folder / "beeyard.lock").write_text("format = 2\n")
    with pytest.raises(Invalid) as caught:
        load(f"package_manager: {{repositories: [{{name: hive, path: ., root: hive.root.json}}]}}\n{SHELL}")
    assert [(Path(found.file).name, found.line) for found in caught.value.problems] == [("beeyard.lock", 1)]
