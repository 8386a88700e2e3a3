"""The laptop's compose file: its schema, and that what it mounts and names
fits together. No container is started."""

import json
import re
import shutil

import jsonschema
import pytest
import yaml

from conftest import DASHBOARD, DEPLOY, ROOT, run

FOLDER = DEPLOY / "compose"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
SCHEMA = yaml.safe_load((ROOT / "tests/deploy/compose.schema.yaml").read_text())
VOLUMES = [(service, *volume.split(":"))
           for service, item in SERVICES.items()
           for volume in item.get("volumes", [])]


def provisioned(kind):
    return yaml.safe_load((FOLDER / f"grafana/{kind}/cooper.yml").read_text())


def test_the_file_is_valid():
    jsonschema.Draft202012Validator(SCHEMA).validate(COMPOSE)


@pytest.mark.parametrize("change", [
    {"port": []}, {"ports": ["8001:8001"]}, {"image": "cooper-server"},
    {"image": "cooper-server:latest"}, {"stop_grace_period": 40},
    {"privileged": True}])
def test_the_schema_refuses_what_is_wrong(change):
    broken = json.loads(json.dumps(COMPOSE))
    broken["services"]["server"].update(change)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(broken)


@pytest.mark.parametrize("volume", VOLUMES, ids=":".join)
def test_what_is_mounted_is_there_and_cannot_be_written(volume):
    _, source, _, *mode = volume
    if source in COMPOSE["volumes"]:
        return
    assert (FOLDER / source).exists()
    assert mode == ["ro"]


def test_services_that_are_named_are_there():
    for item in SERVICES.values():
        assert set(item.get("depends_on", {})) <= set(SERVICES)
    (source,) = provisioned("datasources")["datasources"]
    host, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()
    assert f"127.0.0.1:{port}:{port}" in SERVICES[host]["ports"]


def test_the_server_is_built_from_here_and_runs_without_rights():
    server = SERVICES["server"]
    assert (FOLDER / server["build"]["context"]).resolve() == ROOT
    dockerfile = (ROOT / "Dockerfile").read_text()
    for argument in server["build"]["args"]:
        assert re.search(rf"^ARG {argument}\b", dockerfile, re.M)
    for port in re.search(r"^EXPOSE (.*)$", dockerfile, re.M)[1].split():
        assert f"127.0.0.1:{port}:{port}" in server["ports"]
    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]
    assert server["security_opt"] == ["no-new-privileges:true"]
    assert int(server["stop_grace_period"][:-1]) > 30


def test_prometheus_accepts_its_files_where_they_are_mounted(tmp_path):
    for service, source, target, *_ in VOLUMES:
        if service == "prometheus" and source not in COMPOSE["volumes"]:
            place = tmp_path / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (FOLDER / source).is_dir() else shutil.copy
            copy(FOLDER / source, place)
    (config,) = [argument.split("=")[1]
                 for argument in SERVICES["prometheus"]["command"]
                 if argument.startswith("--config.file=")]
    said = run("promtool", "check", "config", tmp_path / config.lstrip("/"))
    assert "1 rule files found" in said


def test_prometheus_scrapes_the_server():
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "cooper"
    assert job["static_configs"] == [{"targets": ["server:8002"]}]


def test_grafana_finds_data_source_and_dashboard():
    (source,) = provisioned("datasources")["datasources"]
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    assert source["type"] == "prometheus"
    assert (source["jsonData"]["timeInterval"]
            == config["global"]["scrape_interval"])
    (provider,) = provisioned("dashboards")["providers"]
    mounted = {target: FOLDER / origin for service, origin, target, *_ in VOLUMES
               if service == "grafana"}
    home = SERVICES["grafana"]["environment"][
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert mounted[home].resolve() == DASHBOARD
    assert home.startswith(provider["options"]["path"] + "/")
    for kind in ("datasources", "dashboards"):
        assert f"/etc/grafana/provisioning/{kind}" in mounted
