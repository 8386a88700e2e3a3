"""Build step: the stubs, and in an sdist what they are generated from."""

import pathlib
import sys

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

import generate_stubs  # noqa: E402


class StubsHook(BuildHookInterface):
    """Generates the stubs before any target, the editable one included."""

    def initialize(self, version, build_data):
        proto = generate_stubs.proto_folder()
        generate_stubs.generate(proto)
        tree = ROOT.parents[1]
        if self.target_name == "sdist" and proto == tree / "proto":
            for name in generate_stubs.FILES:
                build_data["force_include"][str(proto / name)] = f"proto/{name}"
            build_data["force_include"][str(tree / "LICENSE")] = "LICENSE"
        if self.target_name == "wheel" and not (ROOT / "LICENSE").exists():
            build_data["force_include"][str(tree / "LICENSE")] = (
                "cooper_client/LICENSE")
