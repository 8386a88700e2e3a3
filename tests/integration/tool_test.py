"""The real server asked by the real command line tool."""

import json
import os
import signal
import socket
import subprocess
import time

import pytest

from harness import BIN, SCENE, png_of, serving


@pytest.fixture(scope="module", name="server")
def fixture_server():
    with serving() as server:
        yield server


def cooper(server, *arguments):
    """Runs the tool; its exit code, stdout, stderr."""
    done = subprocess.run(
        [BIN / "cooper", *arguments, f"--server={server.address}"], text=True,
        capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def test_ask_streams_text_and_writes_a_report(server, tmp_path):
    code, out, err = cooper(server, "ask", SCENE, "Which one is nearer?",
                            "--num_timesteps=4", f"--out={tmp_path}")
    assert code in (0, 5), err  # 5: the model ended without an answer
    assert out.strip()
    assert (tmp_path / "report.html").stat().st_size > 1000
    server.scrape_at_rest()


def test_ask_prints_one_event_a_line_as_json(server):
    code, out, err = cooper(server, "ask", SCENE, "Which one is nearer?",
                            "--num_timesteps=4", "--json", "--seed=5")
    assert code in (0, 5), err
    events = [json.loads(line) for line in out.splitlines()]
    assert events[0]["started"]["seed"] == "5"
    assert "finished" in events[-1]


@pytest.mark.parametrize("command", ["depth", "segment"])
def test_a_map_is_written_to_a_file(server, command, tmp_path):
    code, _, err = cooper(server, command, SCENE, "--num_timesteps=4",
                          f"--out={tmp_path}")
    assert code == 0, err
    assert list(tmp_path.glob("*.png"))


def test_an_image_comes_from_standard_input_and_quiet_is_quiet(server,
                                                               tmp_path):
    with SCENE.open("rb") as image:
        done = subprocess.run(
            [BIN / "cooper", "depth", "-", "-q", "-s",
             f"http://{server.address}/", "--num-timesteps=4", "-o", tmp_path],
            stdin=image, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(tmp_path.glob("map0-depth-*.png"))


def test_a_map_without_out_is_kept_beside_what_is_there(server, tmp_path):
    for _ in range(2):
        done = subprocess.run(
            [BIN / "cooper", "depth", SCENE, "-s", server.address,
             "--num_timesteps=4", "--roles=values"],
            cwd=tmp_path, capture_output=True, timeout=120, check=True)
    name = f"{SCENE.stem}-depth-values"
    assert f"kept {name}-2.png".encode() in done.stderr
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {f"{name}.png", f"{name}-2.png"}


def test_a_report_asks_the_same_server_again(server, tmp_path):
    cooper(server, "depth", SCENE, "--num_timesteps=4", f"--out={tmp_path}")
    assert (f"--server=&#39;{server.address}&#39;"
            in (tmp_path / "report.html").read_text())


def test_standard_input_without_an_image_is_named(server):
    code, _, err = cooper(server, "depth", "-")
    assert code == 2
    assert "standard input holds no image" in err


def test_wait_lasts_until_the_server_is_there():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
    waits = subprocess.Popen(
        [BIN / "cooper", "health", "--wait=60s", "--connect_timeout=100ms"],
        env={**os.environ, "COOPER_SERVER": address}, stdout=subprocess.PIPE)
    time.sleep(0.5)
    assert waits.poll() is None
    with serving(f"--listen={address}"):
        assert waits.communicate(timeout=60)[0] == b"SERVING\n"
    assert waits.returncode == 0


def test_wait_is_over_in_time():
    done = subprocess.run(
        [BIN / "cooper", "health", "--wait=500ms", "--connect_timeout=100ms",
         "-s", "127.0.0.1:1"], capture_output=True, timeout=30, check=False)
    assert done.returncode == 3


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_flags(shell, tmp_path):
    script = tmp_path / "completion"
    script.write_bytes(subprocess.check_output(
        [BIN / "cooper", "completion", shell]))
    if shell == "bash":
        said = subprocess.check_output(
            ["bash", "-c", f"source {script}; COMP_WORDS=(cooper depth --num);"
             "COMP_CWORD=2; _cooper; echo ${COMPREPLY[@]}"], text=True)
        assert said.strip() == "--num_timesteps"
    else:
        assert "num_timesteps" in script.read_text()


def test_version_and_help_need_no_server():
    for arguments in (["--version"], ["help"], ["help", "depth"], ["-h"]):
        done = subprocess.run([BIN / "cooper", *arguments], text=True,
                              capture_output=True, timeout=60, check=False)
        assert done.returncode == 0 and done.stdout.startswith("cooper")


def test_info_names_the_model(server):
    code, out, _ = cooper(server, "info")
    assert code == 0
    assert server.model in out


def test_health_is_an_exit_code(server):
    assert cooper(server, "health")[0] == 0


def test_a_refused_request_is_exit_code_4(server, tmp_path):
    huge = tmp_path / "huge.png"
    huge.write_bytes(png_of(40000, 40000, b""))
    code, _, err = cooper(server, "depth", huge)
    assert code == 4
    assert "40000" in err


@pytest.mark.parametrize("loop", [
    ["--concurrency=3"],
    ["--rate=40", "--max_outstanding=6", "--clients=2"],
])
def test_bench_counts_what_the_server_counts(server, loop, tmp_path):
    before = server.scrape_at_rest()
    code, out, err = cooper(
        server, "bench", *loop, "--requests=24", "--mix=ask=2,depth,segment",
        f"--image={SCENE}", "--num_timesteps=4", "--max_think_tokens=64",
        f"--samples={tmp_path}/samples", "--json", tmp_path / "bench.json")
    assert code == 0, err
    after = server.scrape_at_rest()

    def moved(name, **labels):
        return after.sum(name, **labels) - before.sum(name, **labels)

    result = json.loads((tmp_path / "bench.json").read_text())
    assert result["schema"] == "cooper.bench/1"
    assert result["model"]["name"] == server.model
    everything = result["all"]
    assert everything["requests"] == everything["ok"] == 24
    for method, kind in [("Reason", "ask"), ("EstimateDepth", "depth"),
                         ("Segment", "segment")]:
        assert moved("cooper_requests_total", method=method, code="OK") == \
            result["methods"][kind]["ok"] > 0
    assert moved("cooper_generation_tokens_total") == \
        everything["output_tokens"] > 0
    assert moved("cooper_images_generated_total") == everything["maps"] > 0
    assert moved("cooper_denoise_steps_total") == everything["denoise_steps"]
    times = everything["measures"]["request_seconds"]
    assert times["count"] == 24
    assert 0 < times["p50"] <= times["p99"] <= times["max"]
    assert "24 requests: 24 ok" in out
    samples = (tmp_path / "samples").read_text().splitlines()
    assert sorted(json.loads(line)["index"] for line in samples) == \
        list(range(24))


def test_bench_tells_cancels_and_deadlines(server):
    code, out, _ = cooper(
        server, "bench", "--requests=8", "--mix=depth", f"--image={SCENE}",
        "--num_timesteps=1000", "--cancel_share=1", "--cancel_within=50ms",
        "--json")
    assert code == 0
    assert json.loads(out)["all"]["cancelled"] == 8
    code, out, _ = cooper(
        server, "bench", "--requests=2", "--mix=depth", f"--image={SCENE}",
        "--num_timesteps=1000", "--deadline=20ms", "--json")
    assert code == 5
    assert json.loads(out)["all"]["errors"][0]["code"] == "DEADLINE_EXCEEDED"
    server.scrape_at_rest()


def test_bench_prints_what_it_has_when_it_is_interrupted(server):
    with subprocess.Popen(
            [BIN / "cooper", "bench", "--duration=1h", "--mix=depth",
             f"--image={SCENE}", "--num_timesteps=4", "--samples=/dev/stderr",
             "--json", f"--server={server.address}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
        tool.stderr.readline()  # a request has ended
        tool.send_signal(signal.SIGINT)
        out, _ = tool.communicate(timeout=60)
    assert tool.returncode == 130
    result = json.loads(out)
    assert result["interrupted"] and result["all"]["ok"] > 0
    server.scrape_at_rest()


def test_a_bad_option_is_refused_by_its_field(server):
    code, _, err = cooper(server, "depth", SCENE, "--num_timesteps=1")
    assert code in (2, 4)
    assert "num_timesteps" in err


def test_a_server_that_ends_midway_is_exit_code_5():
    with serving("--drain_timeout=0s") as server:
        tool = subprocess.Popen(
            [BIN / "cooper", "depth", SCENE, "--num_timesteps=1000", "--json",
             f"--server={server.address}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in tool.stdout:
            if b"map_progress" in line:
                break
        assert tool.poll() is None, tool.stderr.read()
        server.signal(signal.SIGTERM)
        tool.communicate(timeout=60)
        assert tool.returncode == 5
        assert server.wait() == 0


def test_no_server_is_exit_code_3():
    with serving() as server:
        assert server.stop() == 0
        assert cooper(server, "health")[0] == 3
