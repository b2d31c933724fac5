"""Reads scenario files; README.md explains the grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

WORKERS = (1, 2, 4)
PATIENCE_SECS = 15.0
# Waiting longer than this is done beside everything else.
SLOW_SECS = 20.0

_BRACES = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_WORDS = re.compile(rf"(?:{_BRACES}|\S)+")
_ITEMS = re.compile(rf",((?:{_BRACES}|[^,])*)")
_FOR = re.compile(rf"for (\w+) in ((?:{_BRACES}|\S)+) (.*)")
_RANGE = re.compile(r"(\d+)-(\d+)")


class BadScenario(Exception):
    """A file, a line and what is wrong there."""


@dataclass(frozen=True)
class Line:
    """One line of a file, without its indentation."""

    number: int
    text: str


@dataclass
class Step:
    """Something to do, and what is expected of it."""

    line: Line
    block: list[Line] = field(default_factory=list)
    # `for NAME in RANGE`
    name: str = ""
    values: list[str] = field(default_factory=lambda: [""])
    # `eventually within N s`
    retry_secs: float = 0.0
    # What is left: `http on c from 127.0.0.2 announce A port=1` in its words.
    actor: str = ""
    options: dict[str, str] = field(default_factory=dict)
    verb: str = ""
    rest: str = ""

    @property
    def words(self) -> list[str]:
        return _WORDS.findall(self.rest)


@dataclass
class Scenario:
    """A file: how to start a tracker, and what to do with it."""

    name: str
    title: str = ""
    settings: list[str] = field(default_factory=list)
    files: dict[str, list[str]] = field(default_factory=dict)
    workers: tuple[int, ...] = WORKERS
    feature: str = ""
    alone: bool = False
    # The exit code of a tracker that refuses to start, and a part of what it says.
    refusal: tuple[int, str] | None = None
    steps: list[Step] = field(default_factory=list)

    @property
    def is_slow(self) -> bool:
        return any(step.retry_secs >= SLOW_SECS for step in self.steps)

    @property
    def needs_ipv6(self) -> bool:
        """Whether anything in it asks from an IPv6 address."""
        froms = (step.options.get("from", "") for step in self.steps)
        values = (value for step in self.steps for value in step.values)
        return any(":" in text for text in (*froms, *values))

    @property
    def has_own_tracker(self) -> bool:
        """Not shared with scenarios of the same settings: files and signals would meet."""
        return self.alone or bool(self.files) or self.refusal is not None or any(
            step.actor in ("file", "reload", "pipe") for step in self.steps)


def load(path: Path, root: Path) -> Scenario:
    """The scenario of a file; named by its path below `root`, without the suffix."""
    name = str(path.relative_to(root).with_suffix(""))
    return parse(path.read_text(), name)


def parse(text: str, name: str) -> Scenario:
    """The scenario that a text describes."""
    scenario = Scenario(name)
    titled = True
    for line, block in _paragraphs(text, name):
        if line.text.startswith("#"):
            if titled:
                scenario.title = f"{scenario.title} {line.text.lstrip('# ')}".strip()
            continue
        titled = False
        try:
            if not _setting(scenario, line, block):
                scenario.steps.append(_step(line, block))
        except ValueError as error:
            raise BadScenario(f"{name}.txt:{line.number}: {error}") from None
    if not scenario.title or bool(scenario.steps) == (scenario.refusal is not None):
        raise BadScenario(
            f"{name}.txt: a scenario begins with a comment on it, and has steps or is refused")
    return scenario


def seconds(text: str) -> float:
    """`1.5 s` as a number."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) s", text)
    if not match:
        raise ValueError(f"'{text}' is no time such as '1.5 s'")
    return float(match[1])


def _paragraphs(text: str, name: str):
    """Lines that begin at the margin, with the indented ones below them."""
    found: list[tuple[Line, list[Line]]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = Line(number, raw.strip())
        if not line.text:
            continue
        if not raw[0].isspace():
            found.append((line, []))
        elif line.text.startswith("#") and not (found and found[-1][0].text.startswith("file ")):
            continue
        elif not found or found[-1][0].text.startswith("#"):
            raise BadScenario(f"{name}.txt:{number}: nothing stands above this indented line")
        else:
            found[-1][1].append(line)
    return found


def _setting(scenario: Scenario, line: Line, block: list[Line]) -> bool:
    """Takes what is said about the tracker to start; False for a step."""
    word, _, rest = line.text.partition(" ")
    if word == "setting":
        scenario.settings.append(rest)
    elif word == "workers":
        scenario.workers = tuple(map(int, rest.split()))
    elif word == "feature":
        scenario.feature = rest
    elif word == "alone":
        scenario.alone = True
    elif word == "refused":
        code, _, part = rest.partition(" ")
        scenario.refusal = int(code), part
    elif word == "file" and not scenario.steps:
        if rest in scenario.files or rest == "trackerd.conf":
            raise ValueError(f"'{rest}' is there already; it can be changed after a first step")
        scenario.files[rest] = [line.text for line in block]
        return True
    else:
        return False
    if scenario.steps:
        raise ValueError(f"'{word}' stands before the first step")
    if block:
        raise ValueError(f"nothing can be expected of '{word}'")
    return True


def _step(line: Line, block: list[Line]) -> Step:
    step = Step(line, block)
    text = line.text
    match = _FOR.match(text)
    if match:
        step.name, step.values, text = match[1], _values(match[2]), match[3]
    match = re.match(r"eventually (?:within (\S+ s) )?(.*)", text)
    if match:
        step.retry_secs = seconds(match[1]) if match[1] else PATIENCE_SECS
        text = match[2]
    step.actor, _, text = text.partition(" ")
    if step.actor in ("http", "udp"):
        while True:
            match = re.match(r"(from|on|to) (\S+) (.*)", text)
            if not match:
                break
            step.options[match[1]], text = match[2], match[3]
        step.verb, _, text = text.partition(" ")
    elif step.actor == "api":
        step.verb, _, text = text.partition(" ")
    elif step.actor not in ("file", "pipe", "reload", "log"):
        raise ValueError(f"unknown step '{step.actor}'")
    step.rest = text
    return step


def _values(text: str) -> list[str]:
    match = _RANGE.fullmatch(text)
    if match:
        return [str(n) for n in range(int(match[1]), int(match[2]) + 1)]
    return _ITEMS.findall("," + text)
