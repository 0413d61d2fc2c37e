"""What stands in README.md and docs/ is true: every snippet is read, and run where it can be."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from click.testing import CliRunner

from cuebird.cli import main
from cuebird.commands.init import STARTER
from cuebird.settings.config import Settings
from cuebird.settings.layers import build, file_layer
from ingress.connections.frames import Ev, Frame, Hello
from ingress.messages.messages import Normalizer
from ingress.principals.keys import KeyRing, ProofKey, WriteKey
from ingress.principals.principal import Principal
from language.compiler.compile import compile_site
from language.load import load_site
from language.site.scenarios import ScenarioFile, load_scenarios
from language.site.shapes import CampaignFile, PolicyFile, ProfileFile
from language.site.yaml import Mapping, Sequence, load_yaml
from replay.run_scenario import run_scenario
from templating.templates import compiled
from tests.unit.delivery.making import sources

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

NOW: Final = 1_767_607_200_000

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Snippet(msgspec.Struct, frozen=True):
    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def snippets(*languages: str) -> list[Snippet]:
    return [found for page in PAGES for found in _of(page) if found.language in languages]


def _of(page: Path) -> Iterator[Snippet]:
    text = page.read_text()
    for fence in _FENCE.finditer(text):
        yield Snippet(page, text.count("\n", 0, fence.start()) + 2, fence[1], fence[2])


def keys(text: str) -> set[str]:
    value = load_yaml("snippet", text)
    one = value.items[0] if isinstance(value, Sequence) else value
    assert isinstance(one, Mapping)
    return set(one.values)


def is_a(shape: type[msgspec.Struct], snippet: Snippet) -> bool:
    return keys(snippet.text) <= {field.encode_name for field in msgspec.structs.fields(shape)}


# --- YAML ---------------------------------------------------------------------------------------------------------


def site_of(snippet: Snippet, directory: Path) -> None:
    """The site of a snippet: what its page says of campaigns and profile, else the starter site."""
    (directory / "campaigns").mkdir()
    if is_a(CampaignFile, snippet):
        stem = re.search(r"^campaign: (\w+)", snippet.text, re.MULTILINE)
        (directory / "campaigns" / f"{stem[1] if stem else 'snippet'}.yaml").write_text(snippet.text)
        shutil.copyfile(STARTER / "profile.yaml", directory / "profile.yaml")
        return
    for shape, name in ((PolicyFile, "policy.yaml"), (ProfileFile, "profile.yaml")):
        if is_a(shape, snippet):
            (directory / "campaigns" / "any.yaml").write_text("why: x\nentry: {event: a}\nsteps: [{exit: b}]\n")
            (directory / name).write_text(snippet.text)
            return
    assert is_a(ScenarioFile, snippet), f"{snippet}: neither a campaign nor a policy, profile or scenario"
    told = [one for one in _of(snippet.page) if one.language == "yaml" and is_a(CampaignFile, one)]
    if told:
        (directory / "campaigns" / "cart_reminder.yaml").write_text(told[0].text)
    else:
        shutil.copytree(STARTER / "campaigns", directory / "campaigns", dirs_exist_ok=True)
        for name in ("policy.yaml", "profile.yaml"):
            shutil.copyfile(STARTER / name, directory / name)
    (directory / "scenarios").mkdir()
    (directory / "scenarios" / "snippet.yaml").write_text(snippet.text)


@pytest.mark.parametrize("snippet", snippets("yaml"), ids=str)
def test_each_yaml_snippet_is_read_and_each_scenario_passes(snippet: Snippet, tmp_path: Path) -> None:
    site_of(snippet, tmp_path)
    site = load_site(tmp_path)
    compile_site(site)
    scenarios = load_scenarios(tmp_path, site)
    assert bool(scenarios) is is_a(ScenarioFile, snippet)
    for scenario in scenarios:
        outcome = run_scenario(scenario, lambda only: compile_site(site, only=None if only is None else tuple(only)))
        assert outcome.passed, "\n".join(str(difference) for difference in outcome.differences)


@pytest.mark.parametrize("snippet", [one for one in snippets("html") if one.text.startswith("---")], ids=str)
def test_each_template_compiles(snippet: Snippet, tmp_path: Path) -> None:
    (tmp_path / "letter.html").write_text(snippet.text)
    (tmp_path / "layouts").mkdir()
    for other in _of(snippet.page):
        if "{% block content %}" in other.text:
            (tmp_path / "layouts" / "shop.html").write_text(other.text)
    emails, _ = compiled(sources(tmp_path))
    assert emails["letter"].html is not None


# --- Python and commands ------------------------------------------------------------------------------------------


@pytest.fixture
def beside_a_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(STARTER, tmp_path / "shop")
    shutil.copytree(ROOT / "templates" / "demo" / "site", tmp_path / "templates" / "demo" / "site")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("snippet", [one for one in snippets("python") if "Simulation" in one.text], ids=str)
def test_python_with_the_simulation_runs(snippet: Snippet, beside_a_shop: Path) -> None:
    exec(compile(snippet.text, str(snippet), "exec"), {})


@pytest.mark.parametrize("snippet", snippets("python"), ids=str)
def test_python_is_python(snippet: Snippet) -> None:
    compile(snippet.text, str(snippet), "exec")


def commands() -> list[str]:
    lines = [line for one in snippets("sh") for line in one.text.replace("\\\n", " ").splitlines()]
    return sorted({found[1] for line in lines if (found := re.search(r"(?:^|/|\| )(cuebird .*)", line))})


@pytest.mark.parametrize("line", commands())
def test_each_command_line_is_understood(line: str) -> None:
    """By click, with its options: `--help` at the end keeps it from being done."""
    words = shlex.split(line.split(" #")[0].split(" > ")[0], comments=True)[1:]
    result = CliRunner().invoke(main, [*words, "--help"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    options = {word.split("=")[0] for word in words if word.startswith("-") and word != "-"}
    assert options <= set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", result.output)), result.output


# --- ways in ------------------------------------------------------------------------------------------------------


def bodies() -> list[tuple[str, str]]:
    """(place, JSON) of what the pages send to us with curl."""
    found = []
    for one in snippets("sh", ""):
        for part in re.split(r"(?=\bcurl )", one.text):
            data = re.search(r"(?:-d|--data-binary) '(.*?)'", part, re.DOTALL)
            if part.startswith("curl ") and data:
                found.append((str(one), data[1]))
    return found


@pytest.mark.parametrize(("place", "body"), bodies())
def test_what_is_sent_with_curl_is_taken(place: str, body: str) -> None:
    batch = Normalizer().batch(body, received_at=NOW)
    assert batch.rejected == [], place
    assert batch.events


@pytest.mark.parametrize("snippet", snippets("json"), ids=str)
def test_messages_and_frames_are_taken(snippet: Snippet) -> None:
    value = json.loads(snippet.text)
    if isinstance(value, list) and all(isinstance(one, dict) and "t" in one for one in value):
        frames = msgspec.json.decode(snippet.text, type=list[Frame])
        assert {type(frame) for frame in frames} >= {Hello, Ev}
        return
    batch = Normalizer().batch(snippet.text, received_at=NOW, speaker=Principal())
    assert batch.rejected == []
    assert batch.events


def test_the_loose_message_of_the_page_is_the_event_that_it_says() -> None:
    text = next(body for _, body in bodies() if "add_to_cart" in body)
    (event,) = Normalizer().batch(text, received_at=NOW).events
    assert (event.user, event.name) == ("12345", "product_added")


# --- proofs -------------------------------------------------------------------------------------------------------

PROOF_SECRET: Final = "a proof secret of the shop, 32 bytes or more"
ARGUMENTS: Final = ("ann/ü?", "ann@example.test", PROOF_SECRET)


def proof_snippet(language: str) -> str:
    (found,) = [one.text for one in snippets(language) if re.search(r"proof_?of", one.text, re.IGNORECASE)]
    return found


def run_proof(program: str, *arguments: str, stdin: str = "") -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not on this machine: the proof of docs/sending-events.md was NOT run in it")
    return subprocess.run(
        [found, *arguments], input=stdin, capture_output=True, text=True, timeout=30, check=True
    ).stdout


def proof_in_python() -> str:
    made: dict[str, Any] = {}
    exec(proof_snippet("python"), made)
    proof: str = made["proof_of"](*ARGUMENTS)
    return proof


def proof_in_node() -> str:
    call = f"\nprocess.stdout.write(proofOf(...{json.dumps(ARGUMENTS)}));"
    return run_proof("node", "--input-type=module", "-", stdin=proof_snippet("js") + call)


def proof_in_php() -> str:
    call = f"\necho proof_of(...json_decode({json.dumps(json.dumps(ARGUMENTS))}));"
    return run_proof("php", stdin="<?php\n" + proof_snippet("php") + call)


@pytest.mark.parametrize(
    "make",
    [
        proof_in_python,
        pytest.param(proof_in_node, marks=pytest.mark.slow),
        pytest.param(proof_in_php, marks=pytest.mark.slow),
    ],
)
def test_the_proof_of_the_page_vouches_for_the_user_and_the_address(make: Callable[[], str]) -> None:
    keys = KeyRing(proofs=(ProofKey(key=PROOF_SECRET),), write_keys=(WriteKey(name="web", value="wk_1"),))
    speaker = keys.speaker("wk_1", proof=make(), now=int(time.time() * 1000))
    assert (speaker.proven, speaker.email) == ARGUMENTS[:2]


# --- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snippet", [one for one in snippets("toml") if "tool.pytest" not in one.text], ids=str)
def test_each_toml_snippet_holds_settings(snippet: Snippet, tmp_path: Path) -> None:
    tomllib.loads(snippet.text)
    (tmp_path / "cuebird.toml").write_text(snippet.text)
    build(Settings, [file_layer(tmp_path / "cuebird.toml", "cuebird.toml")])


def test_the_table_of_settings_is_that_of_the_structs() -> None:
    made: dict[str, Any] = {"__file__": str(ROOT / "docs" / "settings_table.py"), "__name__": "settings_table"}
    exec((ROOT / "docs" / "settings_table.py").read_text(), made)
    page = (ROOT / "docs" / "operating.md").read_text()
    assert made["with_table"](page) == page, "run .venv/bin/python docs/settings_table.py"


# --- links --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = _FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert "://" in target or (page.parent / target).exists(), target
