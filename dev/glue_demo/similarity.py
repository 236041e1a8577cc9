"""Tasks on how alike two texts are: MRPC, QQP and STS-B."""

from glue_demo import words
from glue_demo.draw import Draw
from glue_demo.row import Row
from glue_demo.scenes import WORDINGS, Scene, active, draw_scene, fronted, join

_NOT_EQUIVALENT, _NOT_DUPLICATE = 0, 0


def mrpc(draw: Draw, stratum: int) -> Row:
    """The same news in other words (1), or with one or two facts changed (0); tokens apart, as in the original."""
    scene = draw_scene(draw).without("purpose", *draw.shuffled(("trait", "quality", "place"))[:1])
    told = scene
    if stratum == _NOT_EQUIVALENT:
        for part in draw.shuffled(("agent", "verb", "thing", "time"))[: draw.one((1, 2, 2))]:
            told = changed(draw, told, part)
    if draw.chance(0.5):
        told = told._replace(verb=told.action.synonym)
    first, second = draw.shuffled(WORDINGS)[:2]
    source = draw.one(("", "", " , officials said", " , police said", " , according to a witness"))
    return Row((_news(first(scene), source), _news(second(told), "")), stratum)


def _news(text: str, source: str) -> str:
    return f"{text[:-1].replace(',', ' ,')}{source} ."


def changed(draw: Draw, scene: Scene, part: str) -> Scene:
    """The event with another agent, verb, thing, place or time."""
    match part:
        case "agent":
            return scene._replace(agent=draw.other(words.AGENTS, scene.agent))
        case "verb":
            action = draw.other(words.ACTIONS, scene.action)
            return scene._replace(action=action, verb=action.verb)
        case "thing":
            return scene._replace(thing=draw.other(words.THINGS, scene.thing))
        case "place":
            return scene._replace(place=draw.other(words.PLACES, scene.place))
        case _:
            return scene._replace(time=draw.other(words.TIMES, scene.time))


_WEIGHTS = {"agent": 1.25, "verb": 1.25, "thing": 1.25, "place": 0.75, "time": 0.5}
"""What each shared part is worth; 5 together."""
STSB_STRATA = len(_WEIGHTS) + 1


def stsb(draw: Draw, stratum: int) -> Row:
    """Two events that differ in `stratum` of five parts: 5 for the same, 0 for nothing shared."""
    scene = draw_scene(draw).without("purpose", "trait", "quality")
    told, score = scene, 5.0
    for part in draw.shuffled(tuple(_WEIGHTS))[:stratum]:
        told, score = changed(draw, told, part), score - _WEIGHTS[part]
    if score and draw.chance(0.3):
        told, score = told._replace(verb=told.action.synonym), score - 0.1
    wording = draw.one((active, active, fronted))
    return Row((active(scene), wording(told)), max(0.0, round(score, 3)))


_QUESTIONS = {
    "way": (
        "How can I {}?",
        "What is the best way to {}?",
        "How do I {}?",
        "What are the steps to {}?",
    ),
    "cost": (
        "How much does it cost to {}?",
        "How much money do I need to {}?",
        "What is the price if I want to {}?",
    ),
    "time": (
        "How long does it take to {}?",
        "How much time do I need to {}?",
        "How many hours are needed to {}?",
    ),
    "reason": (
        "Why do so many people {}?",
        "What is the reason that people {}?",
        "Why would anyone {}?",
    ),
    "danger": (
        "Is it dangerous to {}?",
        "What are the risks if I {}?",
        "How risky is it to {}?",
    ),
}
_TOPICS = tuple(_QUESTIONS)


def qqp(draw: Draw, stratum: int) -> Row:
    """The same question in other words (1), or another topic, pursuit or country in it (0)."""
    topic, pursuit = draw.one(_TOPICS), draw.one(words.PURSUITS)
    country, manner = draw.one(words.COUNTRIES), draw.one(words.MANNERS)
    form = draw.one(_QUESTIONS[topic])
    first = form.format(join(pursuit, "in " + country, manner))
    if stratum == _NOT_DUPLICATE:
        part = draw.one(("topic", "pursuit", "pursuit", "country"))
        topic = draw.other(_TOPICS, topic) if part == "topic" else topic
        pursuit = draw.other(words.PURSUITS, pursuit) if part == "pursuit" else pursuit
        country = draw.other(words.COUNTRIES, country) if part == "country" else country
    form = draw.other(_QUESTIONS[topic], form)
    return Row((first, form.format(join(pursuit, manner, "in " + country))), stratum)
