"""Tasks on one sentence: acceptability (CoLA) and sentiment (SST-2)."""

from collections.abc import Callable

from glue_demo import words
from glue_demo.draw import Draw
from glue_demo.row import Row
from glue_demo.scenes import WORDINGS, Scene, article, draw_scene, join, sentence

_UNACCEPTABLE, _NEGATIVE = 0, 0


def cola(draw: Draw, stratum: int) -> Row:
    """Acceptable (1) or not (0): words out of order, or a verb in a form that its place does not allow."""
    acceptable = stratum != _UNACCEPTABLE
    if draw.chance(0.5):
        return Row((draw.one(_VERB_FORMS)(draw, acceptable),), stratum)
    text = draw.one(WORDINGS)(_short_scene(draw))
    return Row((text if acceptable else _disordered(draw, text),), stratum)


def _short_scene(draw: Draw) -> Scene:
    scene = draw_scene(draw).without("purpose")
    return scene.without(*(part for part in ("trait", "quality", "place", "time") if draw.chance(0.5)))


def _disordered(draw: Draw, text: str) -> str:
    """The sentence with its articles behind their nouns, or with a run of five words shuffled."""
    tokens = (text[0].lower() + text[1:-1]).split()
    start = draw.one(range(max(1, len(tokens) - 5)))
    part = tokens[start : start + 5]
    while (mixed := draw.shuffled(part)) == part:
        pass
    if draw.chance(0.4) and (nouns := [i for i, token in enumerate(tokens[:-1]) if token in {"the", "a", "an"}]):
        at = draw.one(nouns)
        return sentence(*tokens[:at], tokens[at + 1], tokens[at], *tokens[at + 2 :])
    return sentence(*tokens[:start], *mixed, *tokens[start + 5 :])


def _agreement(draw: Draw, acceptable: bool) -> str:
    scene, plural = _short_scene(draw), draw.chance(0.5)
    verb = scene.verb.base if plural == acceptable else scene.verb.third
    return sentence(scene.subject + "s" * plural, verb, article(scene.item), scene.place, "every day")


def _question(draw: Draw, acceptable: bool) -> str:
    scene = _short_scene(draw)
    verb = scene.verb.base if acceptable else draw.one((scene.verb.past, scene.verb.gerund))
    return sentence("did", scene.subject, verb, article(scene.item), scene.details, end="?")


def _modal(draw: Draw, acceptable: bool) -> str:
    scene, modal = _short_scene(draw), draw.one(("can", "must", "should", "will"))
    verb = scene.verb.base if acceptable else draw.one((scene.verb.past, "to " + scene.verb.base))
    return sentence(scene.subject, modal, verb, article(scene.item), scene.place)


def _perfect(draw: Draw, acceptable: bool) -> str:
    scene = _short_scene(draw)
    verb = scene.verb.participle if acceptable else scene.verb.base
    return sentence(scene.subject, "has", draw.one(("never", "already", "often")), verb, article(scene.item))


_VERB_FORMS: tuple[Callable[[Draw, bool], str], ...] = (_agreement, _question, _modal, _perfect)


def sst2(draw: Draw, stratum: int) -> Row:
    """Positive (1) or negative (0) words about films; lower case and a space at the end, as in the original."""
    right, wrong = (words.BAD, words.GOOD) if stratum == _NEGATIVE else (words.GOOD, words.BAD)
    text = draw.one(_OPINIONS)(draw, right, wrong)
    return Row((f"{text} .".replace(" ,", ",") + " ",), stratum)


Opinion = Callable[[Draw, tuple[str, ...], tuple[str, ...]], str]


def _plain(draw: Draw, right: tuple[str, ...], _wrong: tuple[str, ...]) -> str:
    what = draw.one(words.WORKS) if draw.chance(0.5) else f"{draw.one(words.ASPECTS)} of this {draw.one(words.WORKS)}"
    return join("the", what, "is", draw.one(words.DEGREES), draw.one(right))


def _double(draw: Draw, right: tuple[str, ...], _wrong: tuple[str, ...]) -> str:
    first = draw.one(right)
    aspect = draw.one(words.ASPECTS)
    return join(article(first), "and", draw.other(right, first), draw.one(words.WORKS), "with", draw.one(right), aspect)


def _contrast(draw: Draw, right: tuple[str, ...], wrong: tuple[str, ...]) -> str:
    flaw = f"despite its {draw.one(wrong)} {draw.one(words.ASPECTS)}"
    return join(flaw, ", the", draw.one(words.WORKS), "is", draw.one(words.DEGREES), draw.one(right), "overall")


def _list(draw: Draw, right: tuple[str, ...], _wrong: tuple[str, ...]) -> str:
    first, second, third = (f"{draw.one(right)} {aspect}" for aspect in draw.shuffled(words.ASPECTS)[:3])
    return f"{first}, {second} and {article(third)}"


_OPINIONS: tuple[Opinion, ...] = (_plain, _double, _contrast, _list)
