"""The real server asked by the real command line tool."""

import json
import signal
import subprocess

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
