import contextlib
import dataclasses
import json
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stance.errors import ConfigError, StanceError
from stance.pipeline import Pipeline
from training.annotations import parse_marked, read_annotated, set_name, to_row
from training.cli import FLOORS, main
from training.evaluate import Evaluation
from training.gate import Floor, Floors, fallen, figures, fingerprint, measure, raised, report, write
from training.metrics import stance_score, total

# A margin that a float holds exactly, so that "exactly the margin" is what it says
MARGIN = 0.03125
LESS = {"speaker wrong", "target wrong", "calibration error"}
MORE = {"quotes F1", "claim F1", "target close", "accuracy at 80% coverage"}
HARBOUR = "“The crane was sound when we left it,” Ottilie Marsk told the harbour board on Friday.\n"
SCHOOL = "Parents accused the caterer, Dunmore Foods, of serving the same soup for nine days.\n"

MARKED = """{c1:“The crane was sound,”} {s1:Ottilie Marsk} {u1:said}. {s2:She} {u2:denied} {c2:any fault}.
---
1 | J | Ottilie Marsk | -
2 | D | Ottilie Marsk | -
"""

# Figure, floor, measured -> whether it has fallen
FALLEN = {
    "the same": ("claim F1", 0.5, 0.5, False),
    "better": ("claim F1", 0.5, 0.75, False),
    "worse by less than the margin": ("claim F1", 0.5, 0.484375, False),
    "worse by exactly the margin": ("claim F1", 0.5, 0.46875, False),
    "worse by more than the margin": ("claim F1", 0.5, 0.4687, True),
    "nothing left": ("claim F1", 0.5, 0.0, True),
    "fewer wrong speakers": ("speaker wrong", 0.5, 0.25, False),
    "a few more wrong speakers": ("speaker wrong", 0.5, 0.53125, False),
    "too many wrong speakers": ("speaker wrong", 0.5, 0.5313, True),
    "fewer wrong targets": ("target wrong", 0.5, 0.25, False),
    "too many wrong targets": ("target wrong", 0.5, 0.75, True),
    "less calibration error": ("calibration error", 0.125, 0.0, False),
    "too much calibration error": ("calibration error", 0.125, 0.25, True),
}


@pytest.mark.parametrize(("name", "reached", "now", "falls"), FALLEN.values(), ids=FALLEN)
def test_a_figure_falls_where_it_is_worse_by_more_than_the_margin(
    name: str, reached: float, now: float, falls: bool
) -> None:
    assert fallen(_floor({name: reached}), {name: now}, MARGIN) == [name] * falls


def test_a_figure_that_was_not_measured_has_fallen() -> None:
    floor = _floor({"claim F1": 0.5, "speaker wrong": 0.25})
    assert fallen(floor, {}, MARGIN) == ["claim F1", "speaker wrong"]
    assert fallen(floor, {"claim F1": 0.5}, MARGIN) == ["speaker wrong"]


def test_a_figure_that_is_no_number_has_fallen() -> None:
    floor = _floor({"claim F1": 0.5, "calibration error": 0.125})
    measured = {"claim F1": float("nan"), "calibration error": float("nan")}
    assert fallen(floor, measured, MARGIN) == ["claim F1", "calibration error"]


def test_a_figure_without_a_floor_cannot_fall() -> None:
    assert fallen(_floor({"claim F1": 0.5}), {"claim F1": 0.5, "quotes F1": 0.0}, MARGIN) == []


# Figures are kept in ten-thousandths
@given(st.sampled_from(sorted(MORE | LESS)), st.integers(500, 9500), st.sampled_from([0, 100, 500]))
@example("claim F1", 8000, 100)
def test_to_the_last_digit_the_margin_passes_and_no_more(name: str, reached: int, margin: int) -> None:
    worse = 1 if name in LESS else -1
    floor = _floor({name: reached / 10_000})
    assert fallen(floor, {name: (reached + worse * (margin + 1)) / 10_000}, margin / 10_000) == [name]
    assert fallen(floor, {name: (reached + worse * margin) / 10_000}, margin / 10_000) == []


@given(st.dictionaries(st.sampled_from(sorted(MORE | LESS)), st.floats(0, 1)), st.floats(0, 0.05))
def test_what_was_reached_is_reached(values: dict[str, float], margin: float) -> None:
    assert fallen(_floor(values), values, margin) == []


def test_the_figures_of_an_evaluation_are_rounded_and_all_of_them_kept() -> None:
    one = _evaluation()
    found = figures(one)
    assert found["calibration error"] == 0.1235
    assert found["accuracy at 80% coverage"] == 0.9877
    assert found["speaker wrong"] == 0.3333
    assert found.keys() == {*one.figures(), "calibration error", "accuracy at 80% coverage"}


def test_every_figure_of_an_evaluation_counts_in_its_own_direction() -> None:
    names = figures(_evaluation()).keys()
    assert names >= LESS | MORE
    floor = _floor(dict.fromkeys(names, 0.5))
    assert set(fallen(floor, dict.fromkeys(names, 0.75), MARGIN)) == LESS
    assert set(fallen(floor, dict.fromkeys(names, 0.25), MARGIN)) == names - LESS


def test_the_report_marks_what_has_fallen_and_what_is_missing() -> None:
    floor = _floor({"claim F1": 0.5, "speaker wrong": 0.5, "quotes F1": 0.5})
    table = report(floor, {"claim F1": 0.25, "speaker wrong": 0.25}, MARGIN)
    name, was, now, verdict = (list(column.cells) for column in table.columns)
    assert name == ["claim F1", "speaker wrong", "quotes F1"]
    assert was == ["0.5000"] * 3
    assert now == ["0.2500", "0.2500", "–"]
    assert [bool(one) for one in verdict] == [True, False, True]


NAMES = {
    "training/corpus/held.jsonl": "corpus-held",
    "training/corpus/held.jsonl.gz": "corpus-held",
    "corpus/train.jsonl": "corpus-train",
    "elsewhere/held.jsonl": "held",
    "corpus/old/held.jsonl": "held",
    "corpus.jsonl": "corpus",
    "held": "held",
}


@pytest.mark.parametrize(("path", "name"), NAMES.items(), ids=NAMES)
def test_a_set_is_named_by_its_file_and_the_corpus(path: str, name: str) -> None:
    assert set_name(Path(path)) == name


def test_a_fingerprint_is_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "abc.jsonl"
    path.write_bytes(b"abc")
    # the example of FIPS 180
    assert fingerprint(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len({fingerprint(_data(tmp_path, "ends.jsonl", text)) for text in ("a\n", "a\r\n", "a")}) == 3


def test_a_floor_is_found_by_the_data_whatever_its_file_is_called(tmp_path: Path) -> None:
    harbour, school = _data(tmp_path, "harbour.jsonl", HARBOUR), _data(tmp_path, "school.jsonl", SCHOOL)
    floors = _floors(_floor({"claim F1": 0.5}, harbour), _floor({"claim F1": 0.25}, school))
    assert floors.of(harbour).name == "harbour"
    assert floors.of(school).figures == {"claim F1": 0.25}
    assert floors.of(_data(tmp_path, "copy.jsonl", SCHOOL)).name == "school"


@pytest.mark.parametrize(
    "changed",
    [HARBOUR.replace("Friday", "Monday"), HARBOUR + "\n", HARBOUR.replace("\n", "\r\n"), ""],
    ids=["a word", "a line more", "line ends", "empty"],
)
def test_changed_data_are_refused(tmp_path: Path, changed: str) -> None:
    path = _data(tmp_path, "harbour.jsonl", HARBOUR)
    school = _data(tmp_path, "school.jsonl", SCHOOL)
    floors = _floors(_floor({"claim F1": 0.5}, path), _floor({"claim F1": 0.5}, school))
    _data(tmp_path, "harbour.jsonl", changed)
    with pytest.raises(ConfigError) as error:
        floors.of(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "harbour, school" in str(error.value)


def test_data_that_are_not_there_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    floors = _floors(_floor({"claim F1": 0.5}))
    with pytest.raises(StanceError, match="nowhere"):
        floors.of(tmp_path / "nowhere.jsonl")


# What is wrong with the file -> its text, the place and what the message says
SHA = "0" * 64
UNREADABLE = {
    "empty": ("", "not JSON"),
    "cut short": ('{"sets": [', "not JSON"),
    "a list": ("[]", "object"),
    "a field is missing": ('{"margin": 0.01}', "sets: "),
    "an unknown field": ('{"sets": [], "margins": 0.01}', "margins: "),
    "a negative margin": ('{"sets": [], "margin": -0.01}', "margin: "),
    "a margin that lets all pass": ('{"sets": [], "margin": 0.5}', "margin: "),
    "a short hash": ('{"sets": [{"name": "a", "model": "m", "sha256": "00", "figures": {}}]}', "sets.0.sha256: "),
    "a hash in capitals": (
        f'{{"sets": [{{"name": "a", "model": "m", "sha256": "{"A" * 64}", "figures": {{}}}}]}}',
        "sets.0.sha256: ",
    ),
    "a figure in words": (
        f'{{"sets": [{{"name": "a", "model": "m", "sha256": "{SHA}", "figures": {{"claim F1": "good"}}}}]}}',
        "sets.0.figures.claim F1: ",
    ),
    "no figures": (f'{{"sets": [{{"name": "a", "model": "m", "sha256": "{SHA}"}}]}}', "sets.0.figures: "),
}


@pytest.mark.parametrize(("text", "says"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_does_not_hold_floors_is_named_with_the_place(tmp_path: Path, text: str, says: str) -> None:
    path = _data(tmp_path, "floors.json", text)
    with pytest.raises(ConfigError) as error:
        Floors.read(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize("kind", ["missing", "folder", "other encoding"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "floors.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "other encoding":
        path.write_bytes("“sound”".encode("cp1252"))
    with pytest.raises(ConfigError) as error:
        Floors.read(path)
    assert str(error.value).startswith(f"{path}: cannot be read: ")


def test_a_file_without_a_margin_has_one_hundredth(tmp_path: Path) -> None:
    assert Floors.read(_data(tmp_path, "floors.json", '{"sets": []}')) == Floors(sets=())
    assert Floors(sets=()).margin == 0.01


_FLOORS = st.builds(
    Floors,
    margin=st.floats(0, 0.05),
    sets=st.lists(
        st.builds(
            Floor,
            name=st.text(),
            model=st.text(),
            sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
            figures=st.dictionaries(st.text(), st.floats(0, 1)),
            reason=st.text(),
        ),
        max_size=3,
    ).map(tuple),
)


@given(_FLOORS)
def test_floors_survive_their_file(tmp_path_factory: pytest.TempPathFactory, floors: Floors) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip-floors.json"
    write(floors, path)
    assert Floors.read(path) == floors


def test_the_file_is_for_people_too(tmp_path: Path) -> None:
    path = tmp_path / "floors.json"
    write(_floors(_floor({"claim F1": 0.5, "quotes F1": 0.75})), path)
    text = path.read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert any(line.strip() == '"claim F1": 0.5,' for line in text.split("\n"))
    assert list(json.loads(text)) == ["margin", "sets"]


def test_better_figures_raise_the_floor_of_their_set_alone(tmp_path: Path) -> None:
    harbour, school = _data(tmp_path, "harbour.jsonl", HARBOUR), _data(tmp_path, "school.jsonl", SCHOOL)
    old = _floors(_floor({"claim F1": 0.5}, harbour), _floor({"claim F1": 0.25}, school))
    new = raised(old, "newer", {harbour: {"claim F1": 0.75, "quotes F1": 0.875}}, "")
    assert ([one.model for one in new.sets], new.margin) == (["newer", "older"], MARGIN)
    assert [one.name for one in new.sets] == ["harbour", "school"]
    assert new.of(harbour).figures == {"claim F1": 0.75, "quotes F1": 0.875}
    assert new.of(school) == old.of(school)
    # the old ones are values, and stay
    assert old.of(harbour).figures == {"claim F1": 0.5}


LOWERED = {
    "less is worse": {"claim F1": 0.25, "speaker wrong": 0.125},
    "more is worse": {"claim F1": 0.5, "speaker wrong": 0.5},
    "better in the one does not make up for the other": {"claim F1": 1.0, "speaker wrong": 0.5},
    "not measured": {"claim F1": 0.5},
}


@pytest.mark.parametrize("measured", LOWERED.values(), ids=LOWERED)
def test_lowering_takes_a_reason_which_is_written_down(tmp_path: Path, measured: dict[str, float]) -> None:
    path = _data(tmp_path, "harbour.jsonl", HARBOUR)
    old = _floors(_floor({"claim F1": 0.5, "speaker wrong": 0.125}, path))
    [low] = fallen(old.of(path), measured, MARGIN)
    with pytest.raises(ConfigError) as error:
        raised(old, "newer", {path: measured}, "")
    assert str(error.value).startswith(f"{path}: {low} would be lowered")
    new = raised(old, "newer", {path: measured}, "a smaller encoder, twice as fast")
    assert new.of(path).figures == measured
    assert new.of(path).reason == "a smaller encoder, twice as fast"
    write(new, tmp_path / "floors.json")
    assert Floors.read(tmp_path / "floors.json").of(path).reason == "a smaller encoder, twice as fast"


def test_one_lowered_set_refuses_them_all(tmp_path: Path) -> None:
    harbour, school = _data(tmp_path, "harbour.jsonl", HARBOUR), _data(tmp_path, "school.jsonl", SCHOOL)
    old = _floors(_floor({"claim F1": 0.5}, harbour), _floor({"claim F1": 0.5}, school))
    measured = {harbour: {"claim F1": 0.75}, school: {"claim F1": 0.25}}
    with pytest.raises(ConfigError, match="school"):
        raised(old, "newer", measured, "")
    # the reason stands only where something was lowered
    new = raised(old, "newer", measured, "school meals are judged more strictly now")
    assert new.of(harbour).reason == ""
    assert new.of(school).reason == "school meals are judged more strictly now"
    # and goes with the next figures that lower nothing
    assert raised(new, "newest", {school: {"claim F1": 0.5}}, "").of(school).reason == ""


@given(st.lists(st.integers(26, 38), min_size=1, max_size=6))
@example([31, 29])
def test_without_a_reason_no_chain_of_models_lowers_a_floor_by_more_than_the_margin(
    tmp_path_factory: pytest.TempPathFactory, chain: list[int]
) -> None:
    path = _data(tmp_path_factory.getbasetemp(), "chain.jsonl", HARBOUR)
    floors = _floors(_floor({"claim F1": 0.5}, path))
    for step in chain:
        with contextlib.suppress(ConfigError):
            floors = raised(floors, f"model {step}", {path: {"claim F1": step / 64}}, "")
    assert floors.of(path).figures["claim F1"] >= 0.5 - MARGIN


def test_a_set_without_a_floor_gets_one_without_a_reason(tmp_path: Path) -> None:
    harbour, school = _data(tmp_path, "harbour.jsonl", HARBOUR), _data(tmp_path, "school.jsonl", SCHOOL)
    new = raised(_floors(_floor({"claim F1": 0.5}, harbour)), "newer", {school: {"claim F1": 0.0}}, "none needed")
    assert [one.name for one in new.sets] == ["harbour", "school"]
    assert new.of(school) == Floor(name="school", model="newer", sha256=fingerprint(school), figures={"claim F1": 0.0})


def test_changed_data_take_the_place_of_the_old(tmp_path: Path) -> None:
    path = _data(tmp_path, "harbour.jsonl", HARBOUR)
    old = _floors(_floor({"claim F1": 0.5}, path))
    _data(tmp_path, "harbour.jsonl", HARBOUR + SCHOOL)
    with pytest.raises(ConfigError, match="harbour' are of another text of it, expected a reason"):
        raised(old, "newer", {path: {"claim F1": 0.25}}, "")
    new = raised(old, "newer", {path: {"claim F1": 0.25}}, "twice as many articles")
    assert [(one.name, one.sha256, one.figures, one.reason) for one in new.sets] == [
        ("harbour", fingerprint(path), {"claim F1": 0.25}, "twice as many articles")
    ]


def test_a_renamed_file_keeps_its_one_floor(tmp_path: Path) -> None:
    old = _floors(_floor({"claim F1": 0.5}, _data(tmp_path, "harbour.jsonl", HARBOUR)))
    path = _data(tmp_path, "port.jsonl", HARBOUR)
    with pytest.raises(ConfigError, match="claim F1 would be lowered"):
        raised(old, "newer", {path: {"claim F1": 0.25}}, "")
    new = raised(old, "newer", {path: {"claim F1": 0.75}}, "")
    assert [(one.name, one.figures) for one in new.sets] == [("port", {"claim F1": 0.75})]


def test_a_file_moved_over_another_keeps_what_was_measured(tmp_path: Path) -> None:
    harbour, school = _data(tmp_path, "harbour.jsonl", HARBOUR), _data(tmp_path, "school.jsonl", SCHOOL)
    old = _floors(_floor({"claim F1": 0.5}, harbour), _floor({"claim F1": 0.5}, school))
    harbour.rename(school)
    new = raised(old, "newer", {school: {"claim F1": 0.75}}, "")
    assert new.of(school) == Floor(name="school", model="newer", sha256=fingerprint(school), figures={"claim F1": 0.75})


@pytest.mark.slow
def test_the_model_that_ships_reaches_its_floors_on_the_corpus(pipeline: Pipeline, corpus: Path) -> None:
    path = corpus / "held.jsonl"
    floors = Floors.read(FLOORS)
    assert floors.of(path).model == pipeline.model
    assert fallen(floors.of(path), measure(pipeline, "corpus-held", list(read_annotated([path]))), floors.margin) == []


def test_the_command_fails_below_a_floor_and_says_which(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*more: str) -> int:
        monkeypatch.setattr(sys, "argv", ["training", "gate", *options, *more])
        with pytest.raises(SystemExit) as stopped:
            main()
        return int(stopped.value.code or 0)

    data = tmp_path / "harbour.jsonl"
    data.write_text(json.dumps(to_row(parse_marked(MARKED))) + "\n", encoding="utf-8")
    floors = tmp_path / "floors.json"
    options = ["--data", str(data), "--model", str(tiny_model), "--floors", str(floors), "--device", "cpu"]
    assert run() == 2  # there are no floors yet
    assert run("--write") == 0
    assert run() == 0
    [floor] = Floors.read(floors).sets
    assert (floor.name, floor.model) == ("harbour", "tiny")
    high = floor.model_copy(update={"figures": floor.figures | {"claim F1": 0.9}})
    write(Floors(sets=(high,)), floors)
    assert run() == 1
    assert "worse" in capsys.readouterr().out
    assert run("--write") == 2  # not without a reason
    assert run("--write", "--reason", "a toy") == 0
    assert Floors.read(floors).sets[0].reason == "a toy"
    assert run("--reason", "alone") == 2


def _data(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def _floor(values: dict[str, float], path: Path | None = None) -> Floor:
    return Floor(
        name=set_name(path) if path else "harbour",
        model="older",
        sha256=fingerprint(path) if path else SHA,
        figures=values,
    )


def _floors(*sets: Floor) -> Floors:
    return Floors(margin=MARGIN, sets=sets)


def _evaluation() -> Evaluation:
    whole = dataclasses.replace(total([]), speaker_wrong=1 / 3)
    return Evaluation(
        "harbour", 1, 3, whole, stance_score([]), 0.123456, 0.1, {1.0: (0.5, 0.25), 0.8: (0.98765, 0.5)}, {}
    )
