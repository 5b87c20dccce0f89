"""Kittens: one per seed, each unlike the others, drawn with nothing but shapes."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duestream.kittens import kitten
from duestream.kittens.breeds import BREEDS, breed
from duestream.kittens.chance import Chance
from duestream.kittens.coats import COATS, coat
from duestream.kittens.poses import POSES

SEEDS = [f"cats/{number}" for number in range(200)]
SVG = "{http://www.w3.org/2000/svg}"
DRAWN = {"svg", "title", "g", "path", "ellipse", "clipPath"}
ATTRIBUTES = {"viewBox", "role", "id", "d", "cx", "cy", "rx", "ry", "fill", "transform", "clip-path"} | {
    "opacity",
    "stroke",
    "stroke-width",
    "stroke-opacity",
    "stroke-linecap",
    "stroke-linejoin",
}


@pytest.fixture(scope="module")
def drawings() -> list[str]:
    return [kitten(seed) for seed in SEEDS]


def _title(drawing: str) -> str:
    return ElementTree.fromstring(drawing).findtext(f"{SVG}title") or ""


def test_a_seed_always_gives_the_same_kitten(drawings: list[str]) -> None:
    assert [kitten(seed) for seed in SEEDS] == drawings


def test_a_seed_gives_the_kitten_that_it_gave_in_every_process() -> None:
    assert _title(kitten("cats/7")) == "a fluffy cream kitten, loafing"


def test_no_two_of_many_seeds_share_a_kitten(drawings: list[str]) -> None:
    assert len(set(drawings)) == len(SEEDS)


def test_every_breed_coat_and_pose_comes_up() -> None:
    chances = [Chance(seed) for seed in SEEDS]

    assert {breed(chance.about("breed")).name for chance in chances} == {each.name for each in BREEDS}
    assert {coat(chance.about("coat")).pattern for chance in chances} == set(COATS)
    assert {chance.about("pose").pick(POSES).name for chance in chances} == {each.name for each in POSES}


def test_every_colour_of_every_coat_comes_up() -> None:
    names = {coat(Chance(f"many/{number}").about("coat")).name for number in range(1000)}

    assert names == {each.name for coats in COATS.values() for each in coats}


def test_its_title_says_in_plain_words_what_is_drawn(drawings: list[str]) -> None:
    for drawing in drawings:
        assert re.fullmatch(r"an? [a-z -]+ kitten, [a-z ]+", _title(drawing))
    assert any(_title(drawing).endswith("tabby kitten, sitting") for drawing in drawings)


def test_it_is_made_of_shapes_and_refers_to_nothing_outside_itself(drawings: list[str]) -> None:
    for drawing in drawings:
        elements = list(ElementTree.fromstring(drawing).iter())
        assert {element.tag.removeprefix(SVG) for element in elements} <= DRAWN
        assert {name for element in elements for name in element.attrib} <= ATTRIBUTES
        ids = {element.get("id") for element in elements} - {None}
        assert set(re.findall(r"url\((.*?)\)", drawing)) == {f"#{id}" for id in ids}
        assert drawing.count("://") == 1  # the namespace


def test_it_is_square_and_a_few_kilobytes_long(drawings: list[str]) -> None:
    for drawing in drawings:
        assert ElementTree.fromstring(drawing).get("viewBox") == "0 0 480 480"
        assert 3_000 < len(drawing.encode()) < 14_000


@given(st.text(st.characters()))
def test_any_text_is_a_seed_and_none_of_it_gets_into_the_picture(seed: str) -> None:
    marked = f"{seed}<script>&"

    drawing = kitten(marked)

    ElementTree.fromstring(drawing)
    assert "<script" not in drawing
    assert "&" not in drawing


def test_one_more_choice_about_one_thing_changes_nothing_about_another() -> None:
    chance = Chance("cats/1")
    before = chance.about("eyes").between(0, 1)

    chance.about("coat").between(0, 1)
    chance.between(0, 1)

    assert chance.about("eyes").between(0, 1) == before
