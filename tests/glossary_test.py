"""Words that docs/glossary.md gave up do not come back into the code."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Word -> what to say instead. Identifiers and their parts, not prose alone.
GIVEN_UP = {
    r"[Ww]aves?(?![a-z])": "batch",
    r"Append(Item|Step|Op|Batch)|BeginAppend|kAppend\b|append_(rows|tokens)":
        "prefill",
    r"(Begin|Start|On|k|Fake|Torch)Flow(Step|Start)?\b|flow_(steps?|rows|ms)\b":
        "denoise",
    r"DecodeLatents|decode_latents\b|kLatents\b|BeginLatents": "VAE decode",
    r"codec_ms|kDiffusion|diffusion_(steps?|step_duration)": "vae_ms, denoise",
    r"EngineSlot|Entrance\b|EndIfStalled|SendAway|Happening":
        "ServingState, CallerCheck, OnTick, AbortCall, LifecycleEvent",
    r"TellEnd|TakeWishes|\bObey\b|\bSettle\(":
        "ReportEnd, ApplySteering, HandleCommand, Advance",
    r"(Reason|EstimateDepth|Segment|GenerateImage|Converse)Response\b":
        "Event",
}
FOLDERS = ("base", "proto", "model", "server", "client", "deploy", "examples")
# A benchmark's name for one of libtorch's operators, and the protocol of others.
EXCEPT = {"proto/inference", "proto/google", "proto/grpc", "proto/released.binpb",
          "model/demo", "deploy/grafana/cooper.json"}
SUFFIXES = {".h", ".cc", ".cu", ".cuh", ".proto", ".py", ".yml", ".yaml", ".js"}


def sources():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            name = str(path.relative_to(ROOT))
            if path.suffix in SUFFIXES and \
                    not any(name.startswith(part) for part in EXCEPT):
                yield path


def found_in(name, text):
    """Lines with a word that was given up, and what to say instead."""
    return [f"{name}:{number}: {match.group()} -> {instead}"
            for number, line in enumerate(text.splitlines(), 1)
            for word, instead in GIVEN_UP.items()
            for match in [re.search(word, line)] if match]


def test_no_word_that_was_given_up_is_in_the_code():
    found = []
    assert len(list(sources())) > 400
    for path in sources():
        found += found_in(path.relative_to(ROOT), path.read_text())
    assert found == []


@pytest.mark.parametrize("line", [
    "class WaveRunner {", "// A wave under way.", "model_->BeginAppend(items)",
    "case State::kFlowStep:", "usage.flow_ms()", "DecodeLatentsItem item;",
    "const EngineSlot* slot", "v1::ReasonResponse event;",
])
def test_a_word_that_was_given_up_is_found(line):
    assert found_in("x.cc", line)


@pytest.mark.parametrize("line", [
    "absl::StrAppend(&text, piece);", "v1::FlowOptions flow;",
    "const at::Tensor latents = denoiser->Latents(estimate);",
    "grpc::health::v1::HealthCheckResponse response;", "waveform",
])
def test_what_has_that_name_in_the_field_is_not_found(line):
    assert found_in("x.cc", line) == []


def test_the_glossary_names_every_phase():
    text = (ROOT / "docs/glossary.md").read_text()
    names = re.findall(r'return "(\w+)";',
                       (ROOT / "server/engine/core/phase.cc").read_text())
    assert len(names) == 10
    for name in names:
        assert name in text, name
