"""What gpu-check finds on a host: a GPU, torch, the archive."""

import ctypes
import importlib.util
import pathlib
import re
import sys
import tarfile

NO_GPU = 77


def stop(code, message):
    print(f"gpu-check: {message}", file=sys.stderr)
    sys.exit(code)


def why_no_gpu():
    """None where the driver has a GPU, else the reason in a line."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no GPU here: the driver's libcuda.so.1 cannot be loaded"
    status = driver.cuInit(0)
    if status != 0:
        return f"no usable GPU here: cuInit says {status}"
    count = ctypes.c_int(0)
    status = driver.cuDeviceGetCount(ctypes.byref(count))
    if status != 0 or count.value == 0:
        return "no GPU here: the driver has none"
    return None


def find_torch(given):
    """Folder of the torch package; it is not imported."""
    if given:
        return given
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        stop(2, "python3 has no torch here; name its folder with --torch")
    return pathlib.Path(next(iter(spec.submodule_search_locations)))


def torch_version(torch):
    found = re.search(r"__version__ = '([^']+)'",
                      (torch / "version.py").read_text())
    return found.group(1) if found else "unknown"


def check_version(archive, torch):
    """Returns the host's version; libtorch has no stable interface."""
    built = re.search(r"^Torch (\S+)$", (archive / "VERSION").read_text(),
                      re.MULTILINE).group(1)
    here = torch_version(torch)
    if built.split(".")[:2] != here.split(".")[:2]:
        stop(2, f"the archive is for torch {built}, this host has torch {here};"
             " build another with gpu-check bundle --torch-version")
    return here


def unpack(archive, folder):
    with tarfile.open(archive) as tar:
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(folder, **safe)
    return folder
