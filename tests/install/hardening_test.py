"""What the linker and the compiler put into programs against attackers."""

import os
import pathlib
import re
import shutil

import pytest

from conftest import ROOT, install, run

WITH_SERVER = os.environ["COOPER_WITH_SERVER"] == "1"
PROGRAMS = ["cooper", *(["cooper_server"] if WITH_SERVER else [])]

pytestmark = pytest.mark.skipif(shutil.which("readelf") is None,
                                reason="readelf is not installed")


@pytest.fixture(scope="session", name="installed")
def fixture_installed(tmp_path_factory):
    components = ["client", *(["server"] if WITH_SERVER else [])]
    return install(tmp_path_factory.mktemp("all"), *components) / "bin"


def built():
    return pathlib.Path(os.environ["COOPER_BIN"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_addresses_are_random_and_the_got_is_read_only(program):
    binary = built() / program
    assert re.search(r"Type:\s+DYN \(Position-Independent Executable",
                     run("readelf", "-hW", binary))
    headers = run("readelf", "-lW", binary)
    assert "GNU_RELRO" in headers
    (stack,) = re.findall(r"GNU_STACK.*", headers)
    assert " RW " in stack and "RWE" not in stack
    assert not re.search(r"LOAD.* RWE ", headers)
    dynamic = run("readelf", "-dW", binary)
    assert re.search(r"\bBIND_NOW\b", dynamic)
    assert re.search(r"FLAGS_1.*\bNOW\b.*\bPIE\b", dynamic)
    assert "TEXTREL" not in dynamic


@pytest.mark.parametrize("program", PROGRAMS)
def test_overflows_end_the_process(program):
    symbols = run("readelf", "--dyn-syms", "-W", built() / program)
    assert "__stack_chk_fail" in symbols
    assert re.search(r"\b__\w+_chk\b", symbols)
    assert "__glibcxx_assert_fail" in run("readelf", "-sW", built() / program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_installed_program_loads_nothing_from_the_build_tree(program,
                                                                installed):
    dynamic = run("readelf", "-dW", installed / program)
    paths = re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", dynamic)
    for path in ":".join(paths).split(":"):
        assert not path or path.startswith("$ORIGIN"), path
    assert str(ROOT) not in dynamic
