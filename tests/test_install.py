"""netgen gives the same output however it was installed and wherever it is started."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# What each folder of the checkout is called once installed.
INSTALLED = {"netgen": "netgen", "nets": "netgen/nets", "templates": "netgen/templates"}
SCRIPTS = "Scripts" if os.name == "nt" else "bin"


def clean_environment() -> dict[str, str]:
    """The variables without those that say where Python looks for modules: each test decides that itself."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON") and key != "VIRTUAL_ENV"}


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """The output of a command that must succeed."""
    environment = clean_environment() | variables
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def build(kind: str, tree: Path, out: Path) -> Path:
    """Make a "wheel", "sdist" or "editable" of a source tree through the hooks that pip calls."""
    out.mkdir()
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(out)!r})"
    run(sys.executable, "-c", code, cwd=tree)
    (made,) = out.iterdir()
    return made


def not_ours(folder: str, names: list[str]) -> list[str]:
    """Of the names in a folder of the checkout, those that version control ignores, as a `shutil.copytree` filter."""
    ignored = shutil.ignore_patterns("__pycache__", "build", "dist", "*.egg-info", "*.pyc")(folder, names)
    hidden = [name for name in names if name.startswith(".") and name != ".ci"]
    environments = [name for name in names if os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))]
    return [*ignored, *hidden, *environments]


@dataclass(frozen=True)
class Environment:
    """A virtual environment that has netgen's dependencies, and of netgen itself what a test puts in."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / SCRIPTS / "python"

    @property
    def site_packages(self) -> Path:
        names = {"base": str(self.folder), "platbase": str(self.folder)}
        return Path(sysconfig.get_path("purelib", "venv", names))

    def pip(self, command: str, *arguments: str | Path) -> None:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        run(*pip, "--python", self.python, command, *arguments, cwd=self.folder)

    @classmethod
    def make(cls, folder: Path, *wheels: Path) -> Environment:
        venv.create(folder, symlinks=os.name != "nt", with_pip=False)
        made = cls(folder)
        if wheels:
            made.pip("install", "--no-deps", "--no-index", *wheels)
        # Only now, so that pip cannot see a netgen that is installed beside the dependencies.
        dependencies = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (made.site_packages / "dependencies.pth").write_text("\n".join(dependencies), encoding="utf-8")
        return made


@pytest.fixture(scope="session")
def expected() -> dict[str, str]:
    """What each command of netgen prints when the tests' own Python runs it in the checkout."""
    return {name: run(sys.executable, "-m", "netgen", name, cwd=ROOT) for name in ("peleenet", "list")}


@pytest.fixture(scope="session")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("install")


@pytest.fixture(scope="session")
def tree(space: Path) -> Path:
    """A copy of the checkout, for building leaves files behind."""
    return Path(shutil.copytree(ROOT, space / "tree", ignore=not_ours))


@pytest.fixture(scope="session")
def wheel(space: Path, tree: Path) -> Path:
    return build("wheel", tree, space / "wheel")


@pytest.fixture(scope="session")
def sdist(space: Path, tree: Path) -> Path:
    return build("sdist", tree, space / "sdist")


@pytest.fixture(scope="session")
def wheel_of_sdist(space: Path, sdist: Path) -> Path:
    # As a command: Python 3.11.2 does not know extractall(filter=...), 3.12 warns where it is missing.
    run(sys.executable, "-m", "tarfile", "-e", sdist, space / "unpacked", cwd=space)
    (unpacked,) = (space / "unpacked").iterdir()
    return build("wheel", unpacked, space / "wheel_of_sdist")


@pytest.fixture(scope="session", params=["wheel", "wheel_of_sdist", "editable"])
def installed(request: pytest.FixtureRequest, space: Path, tree: Path) -> Environment:
    name: str = request.param
    made = build(name, tree, space / name) if name == "editable" else request.getfixturevalue(name)
    return Environment.make(space / f"{name}-environment", made)


@pytest.fixture(scope="session")
def bare(space: Path) -> Environment:
    """An environment without netgen."""
    return Environment.make(space / "bare")


def test_an_installed_netgen_works_anywhere(
    installed: Environment, tree: Path, tmp_path: Path, expected: dict[str, str]
) -> None:
    script = installed.folder / SCRIPTS / "netgen"
    for folder in (tmp_path, tree, tree / "nets"):
        assert run(script, "list", cwd=folder) == expected["list"]
        assert run(installed.python, "-m", "netgen", "peleenet", cwd=folder) == expected["peleenet"]


def test_an_installed_netgen_works_on_a_safe_path(
    installed: Environment, tree: Path, tmp_path: Path, expected: dict[str, str]
) -> None:
    for folder in (tmp_path, tree):
        assert run(installed.python, "-P", "-m", "netgen", "peleenet", cwd=folder) == expected["peleenet"]
        by_variable = run(installed.python, "-m", "netgen", "peleenet", cwd=folder, PYTHONSAFEPATH="1")
        assert by_variable == expected["peleenet"]


def test_a_checkout_works_without_an_install(bare: Environment, tree: Path, expected: dict[str, str]) -> None:
    for name, output in expected.items():
        assert run(bare.python, "-m", "netgen", name, cwd=tree) == output


def test_a_checkout_works_on_the_path(bare: Environment, tree: Path, tmp_path: Path, expected: dict[str, str]) -> None:
    output = run(bare.python, "-m", "netgen", "peleenet", cwd=tmp_path, PYTHONPATH=str(tree))
    assert output == expected["peleenet"]


def test_a_checkout_shadows_another_netgen(tree: Path, tmp_path: Path, expected: dict[str, str]) -> None:
    environment = Environment.make(tmp_path / "environment")
    other = environment.site_packages / "netgen"
    for package in (other, other / "nets", other / "templates"):
        package.mkdir()
        (package / "__init__.py").write_text("raise ImportError('the other netgen')\n", encoding="utf-8")
    assert run(environment.python, "-m", "netgen", "peleenet", cwd=tree) == expected["peleenet"]


def test_a_checkout_shadows_another_checkout(tree: Path, tmp_path: Path, expected: dict[str, str]) -> None:
    other = Path(shutil.copytree(tree, tmp_path / "other"))
    environment = Environment.make(tmp_path / "environment", build("editable", other, tmp_path / "editable"))
    for package in ("nets", "templates"):
        (other / package / "__init__.py").write_text("raise ImportError('the other checkout')\n", encoding="utf-8")
    assert run(environment.python, "-m", "netgen", "peleenet", cwd=tree) == expected["peleenet"]


def test_an_uninstall_leaves_nothing(wheel: Path, tmp_path: Path) -> None:
    # A folder that stayed would be an empty netgen, found before one that is installed as editable later.
    environment = Environment.make(tmp_path / "environment", wheel)
    for name in ("peleenet", "list"):
        run(environment.folder / SCRIPTS / "netgen", name, cwd=tmp_path)
    environment.pip("uninstall", "--yes", "netgen")
    left = [path for path in (environment.site_packages / "netgen").rglob("*") if path.is_file()]
    assert left == []


def test_nets_is_no_package_of_its_own(bare: Environment, tree: Path) -> None:
    code = "try:\n    import nets\nexcept ImportError as error:\n    print(error)"
    assert "import netgen.nets instead" in run(bare.python, "-c", code, cwd=tree)


def test_a_wheel_holds_the_packages_and_nothing_else(wheel: Path, tree: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {
        (Path(package) / path.relative_to(tree / folder)).as_posix()
        for folder, package in INSTALLED.items()
        for path in (tree / folder).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert names == files
    assert {"netgen/py.typed", "netgen/proto/caffe.proto", "netgen/nets/peleenet.py"} <= names
    assert {"netgen/templates/net.prototxt.j2", "netgen/templates/vendor/d3.min.js"} <= names


def test_a_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (about,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(about))
        licences = {Path(name).name for name in archive.namelist() if "/licenses/" in name}
    assert metadata["License-Expression"] == "BSD-2-Clause AND ISC AND MIT"
    version = run(sys.executable, "-c", "import netgen; print(netgen.__version__)", cwd=ROOT)
    assert metadata["Version"] == version.strip()
    assert licences == {"LICENSE", "NOTICE", "d3.LICENSE.txt", "dagre.LICENSE.txt"}


def test_a_wheel_of_the_sdist_is_the_wheel_of_the_checkout(wheel: Path, wheel_of_sdist: Path) -> None:
    contents = []
    for path in (wheel, wheel_of_sdist):
        with zipfile.ZipFile(path) as archive:
            contents.append({info.filename: info.CRC for info in archive.infolist()})
    assert contents[0] == contents[1]


def test_an_sdist_holds_what_its_checks_need(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = ["setup.py", "pyproject.toml", "constraints.txt", "README.md", "CHANGELOG.md", "tests/conftest.py"]
    needed += [".ci/run", "benchmarks/__main__.py", "nets/peleenet.py", "templates/net.prototxt.j2"]
    assert set(needed) <= names


def test_a_build_leaves_out_what_was_deleted(tree: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tree, tmp_path / "copy"))
    stale = copy / "nets" / "stale.py"
    stale.write_text("", encoding="utf-8")
    build("wheel", copy, tmp_path / "first")
    stale.unlink()
    with zipfile.ZipFile(build("wheel", copy, tmp_path / "second")) as archive:
        assert "netgen/nets/stale.py" not in archive.namelist()
