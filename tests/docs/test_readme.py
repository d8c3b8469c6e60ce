"""The README's commands are run as a reader would type them; what it says of settings and commands is complete."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from optimizer.settings import Settings

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 300  # for what takes half a minute where nothing else runs
README = (ROOT / "README.md").read_text()


def console(title: str) -> str:
    """The commands of the console blocks under a heading, as one script."""
    section = README.split(f"### {title}", 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return "\n".join(line.removeprefix("$ ") for block in blocks for line in block.splitlines())


def free_port() -> int:
    """A port below those that systems give to whoever asks for any: it is still free when the script gets to it."""
    for port in range(20_000 + os.getpid() % 10_000, 32_768):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def run_script(script: str, folder: Path) -> str:
    """Run a script in a session of its own and end whatever it leaves behind; returns everything it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPTIMIZER_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    output = folder / "output.txt"
    with output.open("wb") as printed:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=environment,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout=PATIENCE_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)  # the service it started in the background
            process.wait()
    text = output.read_text()
    assert status == 0, text
    return text


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's engineer types curl, which is not here")
@pytest.mark.slow
def test_the_three_short_paths_work_as_typed(tmp_path: Path) -> None:
    port = free_port()
    wait = f"for _ in $(seq 300); do curl -sf localhost:{port}/readyz >/dev/null && break; sleep .1; done"
    engineer = console("Engineer: ask, then report").replace("8080", str(port)).replace("&\n", f"&\n{wait}\n", 1)
    script = "\n".join(
        [
            console("Marketer: say what is allowed"),
            engineer,
            console("Analyst: rehearse it, see what was learned, and prove it"),
        ]
    )
    printed = run_script(script, tmp_path)
    assert '"variant":"' in printed, printed
    assert '"status":"accepted"' in printed, printed
    assert (tmp_path / "shop" / "report.json").stat().st_size > 0


def test_the_finding_it_shows_is_the_finding_one_gets(tmp_path: Path) -> None:
    shown = re.search(r"```text\n(campaigns/winback\.yaml:.*?)\n```", README, re.DOTALL)
    assert shown is not None
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "200",
    }
    subprocess.run(["optimizer", "init", str(tmp_path / "shop")], env=environment, check=True, capture_output=True)
    campaign = tmp_path / "shop" / "campaigns" / "winback.yaml"
    before, _, after = campaign.read_text().partition('subject: "See what is new"')
    campaign.write_text(f'{before}subjct: "See what is new"{after}')
    done = subprocess.run(
        ["optimizer", "check", "--workspace", str(tmp_path / "shop")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert shown[1] in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "name",
    [str(field.validation_alias or f"OPTIMIZER_{name.upper()}") for name, field in Settings.model_fields.items()],
)
def test_every_setting_is_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("path", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_every_link_leads_somewhere(path: str) -> None:
    assert (ROOT / path).exists()
