"""Tasks on what follows from what: MNLI and AX, RTE, QNLI, WNLI."""

from collections.abc import Callable

from glue_demo import words
from glue_demo.draw import Draw
from glue_demo.row import Row
from glue_demo.scenes import (
    OPTIONAL_PARTS,
    WORDINGS,
    Scene,
    active,
    article,
    draw_scene,
    join,
    negated,
    passive,
    sentence,
)
from glue_demo.similarity import changed

ENTAILMENT, NEUTRAL, CONTRADICTION = 0, 1, 2

MATCHED = {"fiction": "", "telephone": "yeah well you know ", "travel": "Visitors are told this: "}
MISMATCHED = {"letters": "Dear reader, ", "facetoface": "So I said to them, ", "verbatim": "By the way: "}


def nli(genres: dict[str, str]) -> Callable[[Draw, int], Row]:
    """The grammar of MNLI in these genres: each maps to the words that its premises begin with."""

    def make(draw: Draw, stratum: int) -> Row:
        genre = draw.one(tuple(genres))
        premise, hypothesis = _statements(draw, stratum)
        return Row((genres[genre] + premise, hypothesis), stratum, genre)

    return make


def _statements(draw: Draw, stratum: int) -> tuple[str, str]:
    """A premise that tells some parts of an event, and a hypothesis that follows, may be, or cannot be."""
    full = draw_scene(draw)
    open_part = draw.one(("purpose", "purpose", "place", "time"))
    premise = full.without(open_part, draw.one(OPTIONAL_PARTS))
    hypothesis = premise.without(*(part for part in OPTIONAL_PARTS if draw.chance(0.6)))
    if stratum == NEUTRAL:
        hypothesis = hypothesis.telling(full, open_part)
    text = _contradicted(draw, hypothesis) if stratum == CONTRADICTION else _implied(draw, hypothesis)
    return active(premise), text


def _implied(draw: Draw, scene: Scene) -> str:
    """What follows from the event: said again, or said more generally."""
    match draw.one(("same", "passive", "somebody", "kind")):
        case "same":
            return active(scene)
        case "passive":
            return passive(scene)
        case "somebody":
            return sentence("somebody", scene.verb.past, article(scene.item), scene.details)
        case _:
            kind = article(scene.thing.kind)
            return sentence(scene.subject, scene.verb.past, kind, scene.details)


def _contradicted(draw: Draw, scene: Scene) -> str:
    """What cannot be when the event happened."""
    match draw.one(("not", "nobody", "opposite")):
        case "not":
            return negated(scene)
        case "nobody":
            return sentence("nobody", scene.verb.past, article(scene.item), scene.details)
        case _:
            return active(scene._replace(verb=scene.action.antonym))


def rte(draw: Draw, stratum: int) -> Row:
    """A short text of two events, and a statement that follows from it (0) or does not (1)."""
    scene, aside = draw_scene(draw), draw_scene(draw)
    events = [draw.one(WORDINGS)(scene), active(aside.without("purpose", "trait"))]
    claim = scene.without("purpose", *draw.shuffled(("trait", "quality", "place", "time"))[:3])
    if stratum == ENTAILMENT:
        return Row((" ".join(draw.shuffled(events)), _implied(draw, claim)), stratum)
    if draw.chance(0.5):
        return Row((" ".join(draw.shuffled(events)), _contradicted(draw, claim)), stratum)
    for part in ("agent", "thing"):
        claim = changed(draw, claim, part)
    return Row((" ".join(draw.shuffled(events)), _implied(draw, claim)), stratum)


_ASKED = {"who": "agent", "where": "place", "when": "time", "why": "purpose"}


def qnli(draw: Draw, stratum: int) -> Row:
    """A question about an event, and a sentence that holds the answer (0) or does not (1)."""
    word = draw.one(tuple(_ASKED))
    scene = draw_scene(draw).without("trait", *(part for part in ("quality", "purpose") if word != "why"))
    answer = scene
    if stratum != ENTAILMENT:
        missing = _ASKED[word]
        if missing != "agent" and draw.chance(0.4):
            answer = scene.without(missing)
        else:
            answer = changed(draw, changed(draw, scene, "verb"), "thing")
            answer = answer if word == "who" else changed(draw, answer, "agent")
    return Row((_question(word, scene), draw.one(WORDINGS)(answer)), stratum)


def _question(word: str, scene: Scene) -> str:
    if word == "who":
        return sentence("who", scene.verb.past, "the", scene.item, end="?")
    return sentence(word, "did", scene.subject, scene.verb.base, "the", scene.item, end="?")


_RIDDLES = (
    # (text with A, B and a reason, reasons that are about A, reasons that are about B)
    ("The {a} paid the {b} because this person {why}.", ("had lost the bet", "owed money"), ("did good work",)),
    ("The {a} thanked the {b} because this person {why}.", ("was grateful",), ("had helped", "was generous")),
    ("The {a} visited the {b} because this person {why}.", ("was curious",), ("was ill", "had sent a letter")),
    ("The {a} scolded the {b} because this person {why}.", ("was angry",), ("was late", "had made a mistake")),
    ("The {a} hired the {b} because this person {why}.", ("needed help",), ("needed work", "was skilled")),
    ("The {a} followed the {b} because this person {why}.", ("was lost",), ("knew the way", "was the leader")),
)


def wnli(draw: Draw, stratum: int) -> Row:
    """A sentence with an open reference, and one with the reference filled in, rightly (1) or wrongly (0)."""
    first = draw.one(words.AGENTS)
    second = draw.other(words.AGENTS, first)
    text, about_first, about_second = draw.one(_RIDDLES)
    is_first = draw.chance(0.5)
    why = draw.one(about_first if is_first else about_second)
    named = first if is_first == bool(stratum) else second
    when = join(draw.one(words.TIMES) + ",") if draw.chance(0.5) else ""
    riddle = text.format(a=first, b=second, why=why)
    riddle = sentence(when, "the" + riddle[3:-1]) if when else riddle
    return Row((riddle, sentence("the", named, why)), stratum)
