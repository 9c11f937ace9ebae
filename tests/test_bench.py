"""The benchmark's own arithmetic; nothing here is timed."""

import importlib.util

import pytest
import torch

from stance.errors import ConfigError
from stance.pipeline import Pipeline
from stance.types import Article
from training import bench


def test_multiply_adds_are_those_of_the_layers(tiny: Pipeline) -> None:
    # One window of 10 tokens and the two special ones; three layers, 32 wide, 64 inside.
    [reading] = tiny.read([Article("a", "one two three four five six seven eight nine ten")])
    length = len(reading.tokens) + 2
    expected = 3 * length * (4 * 32**2 + 2 * 32 * 64 + 2 * length * 32)
    assert bench.multiply_adds(tiny, [Article("a", "one two three four five six seven eight nine ten")]) == expected


def test_every_turn_measures_every_job_and_threads_come_back() -> None:
    seen: list[tuple[str, int]] = []
    jobs = {name: lambda name=name: seen.append((name, torch.get_num_threads())) for name in ("a", "b")}
    before = torch.get_num_threads()
    found = bench.measure(jobs, 3, 1)
    assert [name for name, _ in seen] == ["a", "b"] * 3
    assert {threads for _, threads in seen} == {1}
    assert torch.get_num_threads() == before
    assert found.keys() == {"a", "b"}


def test_the_report_shows_every_ratio_with_its_goal() -> None:
    ratios = {name: 2.0 for name, _, _, _ in bench._GOALS} | {"share of the arithmetic limit": 0.5}
    seconds, compared = bench.report({"whole job": bench.Timing(1.0, 0.5)}, ratios)
    assert seconds.row_count == 1
    assert compared.row_count == len(ratios)


@pytest.mark.skipif(importlib.util.find_spec(bench._SPACY_MODEL) is not None, reason="spaCy is installed")
def test_a_missing_extra_is_named() -> None:
    with pytest.raises(ConfigError, match="expected the extra 'bench'"):
        bench._spacy(["text"])
