"""The Kubernetes manifests: rendered, valid, and in agreement with each other.
What the operations checklist wants of them is in policy.py."""

import copy
import functools
import json
import re

import jsonschema
import kubernetes_validate
import pytest
import yaml

from conftest import DEPLOY, KUBERNETES, ROOT, objects, run

# The oldest release whose fields the manifests use, and the newest known.
VERSIONS = ["1.32", "1.37"]
OVERLAYS = sorted(f"overlays/{folder.name}"
                  for folder in (KUBERNETES / "overlays").iterdir())
# These are parts of overlays, which cover them.
PARTS = {"gpu", "weights-claim", "weights-copy", "weights-image"}
VARIANTS = ["base", *OVERLAYS,
            *sorted(f"base+{folder.name}"
                    for folder in (KUBERNETES / "components").iterdir()
                    if folder.name not in PARTS)]
SCHEMAS = {path.stem: yaml.safe_load(path.read_text())
           for path in (ROOT / "tests/deploy/schemas").glob("*.yaml")}


@functools.cache
def check(text, version):
    """Validates an object, given as JSON: most are in many variants."""
    item = json.loads(text)
    if item["kind"] in SCHEMAS:
        check_custom(item)
    else:
        kubernetes_validate.validate(item, version, strict=True)


def check_custom(item):
    """Validates a custom resource by our schema of its kind."""
    schema = SCHEMAS[item["kind"]]
    jsonschema.Draft202012Validator(schema).validate(item)
    assert item["apiVersion"] in schema["versions"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_object_is_valid_strictly(name, version):
    for item in objects(name):
        check(json.dumps(item), version)


def test_a_predictor_is_a_valid_pod():
    (service,) = objects("overlays/kserve", "InferenceService")
    own = {"minReplicas", "maxReplicas", "labels"}
    spec = {key: value for key, value in service["spec"]["predictor"].items()
            if key not in own}
    kubernetes_validate.validate(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"},
         "spec": spec}, "1.37", strict=True)


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_a_schema_refuses_a_misspelt_field(kind):
    (item, *_) = [item for name in VARIANTS for item in objects(name, kind)]
    item = copy.deepcopy(item)
    check_custom(item)
    field = next(iter(item["spec"]))
    item["spec"][field + "x"] = item["spec"].pop(field)
    with pytest.raises(jsonschema.ValidationError):
        check_custom(item)


@pytest.mark.parametrize("name", VARIANTS)
def test_no_two_objects_have_one_name(name):
    names = [(item["apiVersion"], item["kind"], item["metadata"]["name"])
             for item in objects(name)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", VARIANTS)
def test_selectors_find_the_pods_and_ports_exist(name):
    if name == "overlays/kserve":
        (service,) = objects(name, "InferenceService")
        labels = service["spec"]["predictor"]["labels"]
        selectors = []
    else:
        (deployment,) = objects(name, "Deployment")
        template = deployment["spec"]["template"]
        labels = template["metadata"]["labels"]
        selectors = [deployment["spec"]["selector"]["matchLabels"]]
        ports = {port["name"] for container in template["spec"]["containers"]
                 for port in container["ports"]}
        for service in objects(name, "Service"):
            selectors.append(service["spec"]["selector"])
            assert {p["targetPort"] for p in service["spec"]["ports"]} <= ports
    for kind, key in (("PodDisruptionBudget", "selector"),
                      ("NetworkPolicy", "podSelector"),
                      ("PodMonitor", "selector"), ("InferencePool", "selector")):
        selectors += [item["spec"][key]["matchLabels"]
                      for item in objects(name, kind)]
    assert selectors
    for selector in selectors:
        assert selector.items() <= labels.items()


@pytest.mark.parametrize("name", VARIANTS)
def test_what_an_object_refers_to_is_there(name):
    there = {(item["kind"], item["metadata"]["name"]) for item in objects(name)}
    ports = {(item["metadata"]["name"], port["port"])
             for item in objects(name, "Service")
             for port in item["spec"]["ports"]}
    for kind in ("ScaledObject", "HorizontalPodAutoscaler"):
        for item in objects(name, kind):
            target = item["spec"]["scaleTargetRef"]
            assert (target["kind"], target["name"]) in there
            (deployment,) = objects(name, "Deployment")
            assert "replicas" not in deployment["spec"], "set by two"
    for item in objects(name, "GRPCRoute"):
        for rule in item["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                assert (backend["name"], backend["port"]) in ports
            for match in rule["matches"]:
                package, _, service = match["method"]["service"].rpartition(".")
                proto = ROOT / "proto" / package.replace(".", "/")
                assert any(f"service {service} " in path.read_text()
                           for path in proto.glob("*.proto"))
    if name != "base+sticky-envoy":  # Rests on the component gateway.
        for item in objects(name, "BackendTrafficPolicy"):
            for target in item["spec"]["targetRefs"]:
                assert (target["kind"], target["name"]) in there
    for item in objects(name, "ServiceMonitor"):
        wanted = item["spec"]["selector"]["matchLabels"]
        (port,) = [endpoint["port"] for endpoint in item["spec"]["endpoints"]]
        assert [service["metadata"]["name"]
                for service in objects(name, "Service")
                if wanted.items() <= service["metadata"]["labels"].items()
                and port in {p["name"] for p in service["spec"]["ports"]}] == [
                    "cooper-server-metrics"]


@pytest.mark.parametrize("name", VARIANTS)
def test_the_job_is_called_cooper(name):
    for item in objects(name, "ServiceMonitor"):
        label = item["spec"]["jobLabel"]
        assert {service["metadata"]["labels"][label]
                for service in objects(name, "Service")} == {"cooper"}
    for item in objects(name, "PodMonitor"):
        (deployment,) = objects(name, "Deployment")
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert labels[item["spec"]["jobLabel"]] == "cooper"


def test_the_rule_object_is_what_its_script_writes():
    folder = DEPLOY / "prometheus"
    written = run("python3", folder / "rule_object.py", "--print")
    assert written == (folder / "prometheusrule.yaml").read_text()
    groups = yaml.safe_load((folder / "rules/cooper.rules.yml").read_text())
    assert yaml.safe_load(written)["spec"] == groups


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_is_in_the_manual_and_says_what_it_is_for(name):
    assert f"`deploy/kubernetes/{name}`" in (ROOT / "docs/deploy.md").read_text()
    text = (KUBERNETES / name / "kustomization.yaml").read_text()
    assert re.match(r"# [A-Z]", text)


@pytest.mark.parametrize("name", sorted(
    folder.name for folder in (KUBERNETES / "components").iterdir()))
def test_a_component_is_in_the_manual_and_says_what_it_is_for(name):
    assert f"`{name}`" in (ROOT / "docs/deploy.md").read_text()
    text = (KUBERNETES / "components" / name / "kustomization.yaml").read_text()
    assert re.match(r"# [A-Z]", text)
