"""The word lists that every demo sentence is made of: all our own, common enough for a BERT vocabulary."""

from typing import NamedTuple


class Verb(NamedTuple):
    """A transitive verb in the forms that the grammar needs."""

    base: str
    past: str
    participle: str

    @property
    def third(self) -> str:
        """The form after he, she or it."""
        return self.base + ("es" if self.base.endswith(("s", "sh", "ch", "x")) else "s")

    @property
    def gerund(self) -> str:
        """The form in -ing."""
        return self.base.removesuffix("e") + "ing"


class Action(NamedTuple):
    """A verb, one that says the same, and one that cannot hold at the same time."""

    verb: Verb
    synonym: Verb
    antonym: Verb


class Quality(NamedTuple):
    """An adjective of things, one that says the same, and its opposite."""

    word: str
    synonym: str
    antonym: str


class Thing(NamedTuple):
    """An object that can be owned and handled, and the kind of object that it is."""

    noun: str
    kind: str


def _words(text: str, separator: str = " ") -> tuple[str, ...]:
    return tuple(text.split(separator))


def _verb(forms: str) -> Verb:
    base, past, *participle = forms.split()
    return Verb(base, past, participle[0] if participle else past)


def _action(verb: str, synonym: str, antonym: str) -> Action:
    return Action(_verb(verb), _verb(synonym), _verb(antonym))


def _things(kind: str, nouns: str) -> tuple[Thing, ...]:
    return tuple(Thing(noun, kind) for noun in _words(nouns))


AGENTS = _words(
    "gardener pilot teacher baker doctor nurse lawyer painter farmer soldier singer dancer writer waiter "
    "driver sailor judge engineer student tailor butcher barber banker plumber miner carpenter hunter clerk "
    "librarian photographer scientist musician poet actor merchant priest guard chef coach reporter"
)

TRAITS = _words("young tall quiet famous tired cheerful nervous clever lonely rich polite stubborn")

ACTIONS = (
    _action("buy bought", "purchase purchased", "sell sold"),
    _action("find found", "discover discovered", "lose lost"),
    _action("repair repaired", "fix fixed", "break broke broken"),
    _action("hide hid hidden", "conceal concealed", "display displayed"),
    _action("clean cleaned", "wash washed", "stain stained"),
    _action("keep kept", "retain retained", "discard discarded"),
    _action("lift lifted", "raise raised", "lower lowered"),
    _action("build built", "construct constructed", "destroy destroyed"),
    _action("praise praised", "applaud applauded", "criticize criticized"),
    _action("push pushed", "shove shoved", "pull pulled"),
    _action("admire admired", "adore adored", "despise despised"),
    _action("accept accepted", "welcome welcomed", "reject rejected"),
    _action("send sent", "mail mailed", "receive received"),
    _action("need needed", "require required", "avoid avoided"),
)

QUALITIES = (
    Quality("big", "large", "small"),
    Quality("old", "ancient", "new"),
    Quality("cheap", "inexpensive", "expensive"),
    Quality("heavy", "massive", "light"),
    Quality("pretty", "beautiful", "ugly"),
    Quality("clean", "spotless", "dirty"),
    Quality("strong", "sturdy", "fragile"),
    Quality("strange", "odd", "normal"),
    Quality("rare", "unusual", "common"),
    Quality("wet", "damp", "dry"),
)

THINGS = (
    *_things("musical instrument", "violin piano guitar flute trumpet drum harp banjo"),
    *_things("vehicle", "car truck bicycle bus motorcycle tractor wagon boat"),
    *_things("piece of furniture", "table chair sofa desk bed cabinet bench shelf"),
    *_things("tool", "hammer saw drill shovel wrench axe ladder rake"),
    *_things("piece of clothing", "shirt coat hat scarf jacket dress sweater skirt"),
    *_things("kitchen item", "kettle pan spoon plate bowl knife cup oven"),
)

PLACES = tuple(
    ("at the " + noun)
    for noun in _words("market harbor school station museum airport hospital castle farm office park library")
) + tuple(
    ("near the " + noun)
    for noun in _words("river bridge church forest lake garage tower hotel garden border beach theater")
)

TIMES = (
    *(f"on {day}" for day in _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")),
    *(f"in {month}" for month in _words("January March April June July August October December")),
    *("yesterday", "last night", "last week", "last winter", "last summer", "this morning"),
)

PURPOSES = (
    *(f"for a {who}" for who in _words("friend neighbor cousin customer colleague stranger")),
    *(f"because of {what}" for what in _words("a bet,an old promise,bad weather,a rumor,a letter,boredom", ",")),
)

GOOD = _words(
    "wonderful brilliant charming delightful superb moving funny gripping clever warm elegant fresh excellent "
    "beautiful touching thrilling smart graceful inspired lovely fantastic enjoyable perfect impressive"
)
BAD = _words(
    "terrible boring dull awful clumsy tedious lifeless stupid annoying stale bland dreadful horrible lazy "
    "painful shallow ugly pointless weak messy pathetic disappointing forgettable miserable"
)
WORKS = _words("film movie comedy drama thriller sequel documentary remake story picture show series")
ASPECTS = _words("plot script acting music ending dialogue cast pacing camera humor direction editing")
DEGREES = ("", "", "really", "truly", "utterly", "surprisingly", "quite", "very", "rather")

PURSUITS = (
    *(f"learn {what}" for what in _words("Spanish,physics,cooking,chess,programming,swimming,German,algebra", ",")),
    *(f"repair {what}" for what in _words("a bicycle,a laptop,an old radio,a leaking roof,a watch", ",")),
    *(f"grow {what}" for what in _words("tomatoes,roses,mushrooms,apple trees,potatoes,strawberries", ",")),
    *(f"start {what}" for what in _words("a bakery,a blog,a bookshop,a charity,a law firm,a band", ",")),
    *(f"train {what}" for what in _words("a puppy,a horse,a parrot,a neural network,for a marathon", ",")),
    *(f"sell {what}" for what in _words("a house,used cars,paintings,insurance,old coins,honey", ",")),
    *("lose weight", "invest in gold", "adopt a child", "become a pilot", "sleep better", "rent a boat"),
    *("write a novel", "get a visa", "find a job", "make cheese", "save water", "bake bread"),
)
MANNERS = (
    *(f"as {who}" for who in _words("a beginner,a student,an engineer,a single parent,a tourist,an adult", ",")),
    *("", "without any help", "on a small budget", "after retirement", "at the age of 40", "in winter"),
    *(f"in {n} {unit}" for n in ("two", "three", "six") for unit in ("days", "weeks", "months", "years")),
)
COUNTRIES = _words(
    "India Spain Canada Brazil Japan Kenya Poland Mexico Egypt Norway Turkey Peru Italy Greece Ireland Vietnam "
    "Australia Germany France Chile Sweden Morocco Portugal Thailand"
)
