"""A small world of events (who did what to which thing, where, when, why) and the ways to put one in words."""

from typing import Any, NamedTuple

from glue_demo import words
from glue_demo.draw import Draw

OPTIONAL_PARTS = ("trait", "quality", "place", "time", "purpose")


class Scene(NamedTuple):
    """One event. An optional part that is empty is not mentioned."""

    agent: str
    action: words.Action
    verb: words.Verb
    thing: words.Thing
    trait: str
    quality: str
    place: str
    time: str
    purpose: str

    @property
    def subject(self) -> str:
        """The one who acts, with a definite article."""
        return join("the", self.trait, self.agent)

    @property
    def item(self) -> str:
        """The thing with its quality, without an article."""
        return join(self.quality, self.thing.noun)

    @property
    def details(self) -> str:
        """Purpose, place and time, as far as mentioned."""
        return join(self.purpose, self.place, self.time)

    def without(self, *parts: str) -> "Scene":
        """The same event, saying less."""
        unsaid: dict[str, Any] = dict.fromkeys(parts, "")
        return self._replace(**unsaid)

    def telling(self, full: "Scene", part: str) -> "Scene":
        """The same event, saying one part that `full` says."""
        said: dict[str, Any] = {part: getattr(full, part)}
        return self._replace(**said)


def draw_scene(draw: Draw) -> Scene:
    """An event with all its parts."""
    action = draw.one(words.ACTIONS)
    return Scene(
        agent=draw.one(words.AGENTS),
        action=action,
        verb=action.verb,
        thing=draw.one(words.THINGS),
        trait=draw.one(words.TRAITS),
        quality=draw.one(words.QUALITIES).word,
        place=draw.one(words.PLACES),
        time=draw.one(words.TIMES),
        purpose=draw.one(words.PURPOSES),
    )


def join(*parts: str) -> str:
    """The parts that are not empty, with a space between."""
    return " ".join([part for part in parts if part])


def article(noun_phrase: str) -> str:
    """The phrase after `a` or `an`."""
    return ("an " if noun_phrase[0] in "aeiou" else "a ") + noun_phrase


def sentence(*parts: str, end: str = ".") -> str:
    """The parts as one sentence: capital letter, full stop."""
    text = join(*parts)
    return text[0].upper() + text[1:] + end


def active(scene: Scene) -> str:
    """`The young pilot bought an old car at the market on Monday.`"""
    return sentence(scene.subject, scene.verb.past, article(scene.item), scene.details)


def passive(scene: Scene) -> str:
    """`An old car was bought by the young pilot at the market on Monday.`"""
    return sentence(article(scene.item), "was", scene.verb.participle, "by", scene.subject, scene.details)


def fronted(scene: Scene) -> str:
    """The active voice with the time first, where the event has one."""
    if not scene.time:
        return active(scene)
    return sentence(scene.time + ",", active(scene.without("time"))[:-1].replace("The", "the", 1))


def negated(scene: Scene) -> str:
    """`The young pilot did not buy an old car at the market on Monday.`"""
    return sentence(scene.subject, "did not", scene.verb.base, article(scene.item), scene.details)


def cleft(scene: Scene) -> str:
    """`It was the young pilot who bought an old car at the market on Monday.`"""
    return sentence("it was", scene.subject, "who", scene.verb.past, article(scene.item), scene.details)


WORDINGS = (active, passive, fronted, cleft)
"""Ways to say the same; the first is the plain one."""
