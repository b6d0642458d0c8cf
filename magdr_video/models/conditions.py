"""What a generator can be asked for, by name. Loads no torch.

Sources: the five attributes of StarGAN (Choi et al., CVPR 2018, section 5.1); the 17 action units
that OpenFace measures and GANimation (Pumarola et al., ECCV 2018) is trained on; prototypes of
emotions from EMFACS (Friesen and Ekman, 1983), reduced to those 17 units.
"""

from __future__ import annotations

from collections.abc import Sequence

from magdr_video.errors import SettingsError, nearest

ATTRIBUTES = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
"""StarGAN's labels in the order of the public checkpoints."""

HAIR_SUFFIX = "_Hair"

OPPOSITES = {"Female": "Male", "Old": "Young"}
"""Words that ask for the absence of an attribute."""

UNKNOWN = 0.5
"""Label of an attribute that was not asked for: between its absence (0) and its presence (1)."""

ACTION_UNITS = (
    "AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12",
    "AU14", "AU15", "AU17", "AU20", "AU23", "AU25", "AU26", "AU45",
)  # fmt: skip
"""The 17 units in OpenFace's column order, the order of every public checkpoint."""

EXPRESSIONS: dict[str, dict[str, float]] = {
    "neutral": {},
    "happy": {"AU06": 1.0, "AU12": 1.0, "AU25": 1.0},
    "smile": {"AU06": 0.5, "AU12": 0.8},
    "surprised": {"AU01": 1.0, "AU02": 1.0, "AU05": 1.0, "AU25": 1.0, "AU26": 1.0},
    "sad": {"AU01": 1.0, "AU04": 1.0, "AU15": 1.0, "AU17": 1.0},
    "angry": {"AU04": 1.0, "AU05": 0.5, "AU07": 1.0, "AU23": 1.0},
    "fearful": {
        "AU01": 1.0, "AU02": 0.6, "AU04": 0.6, "AU05": 1.0, "AU07": 0.5, "AU20": 1.0,
        "AU25": 0.6, "AU26": 0.6,
    },
    "disgusted": {"AU09": 1.0, "AU10": 1.0, "AU15": 0.6, "AU17": 0.6},
    "contemptuous": {"AU12": 0.4, "AU14": 1.0},
    "blink": {"AU45": 1.0},
    "open_mouth": {"AU25": 1.0, "AU26": 1.0},
}  # fmt: skip
"""Intensities in [0, 1] (OpenFace's 0..5 divided by 5); a unit that is not named is 0."""


def _words(text: str | Sequence[str]) -> list[str]:
    parts = text.split(",") if isinstance(text, str) else text
    return [part.strip() for part in parts if part.strip()]


def _known(word: str, allowed: Sequence[str], what: str) -> str:
    """The allowed word that equals `word` up to case, blanks and hyphens.

    Raises:
        SettingsError: there is none; the hint names the nearest.
    """
    plain = word.lower().replace(" ", "_").replace("-", "_")
    for option in allowed:
        if option.lower() == plain:
            return option
    raise SettingsError(f"'{word}' is no {what}", hint=nearest(word, allowed))


def condition_for_edit(
    names: str | Sequence[str],
    *,
    attributes: Sequence[str] = ATTRIBUTES,
    source: Sequence[float] | None = None,
) -> tuple[float, ...]:
    """The label (C,) that asks for the named attributes.

    The label is absolute, as in StarGAN: 1 for presence, 0 for absence; hair colours exclude each
    other. Attributes that are not named keep the source's labels. Those of a video's face are
    not known; without `source` the hair colours are then all 0 ("keep the hair") and the others
    0.5 ("leave as it is"), which the shipped weights are trained for. Public weights know only 0
    and 1: name every attribute there (`Blond_Hair,Female,Young`) to get their exact labels.

    Args:
        names: such as `Blond_Hair,Young`; `Female` and `Old` ask for the absence of the other.
        attributes: the C names that the generator was trained with, in order.
        source: the source's own labels (C,) in [0, 1], where they are known.

    Raises:
        SettingsError: a name is unknown, names contradict each other, or `source` has not C
            values.
    """
    if source is not None and len(source) != len(attributes):
        raise SettingsError(f"the source has {len(source)} labels, expected {len(attributes)}")
    words = [*attributes, *(word for word, of in OPPOSITES.items() if of in attributes)]
    asked: dict[str, float] = {}
    for name in _words(names):
        word = _known(name, words, "attribute of this generator")
        attribute, value = OPPOSITES.get(word, word), float(word not in OPPOSITES)
        if asked.setdefault(attribute, value) != value:
            raise SettingsError(f"'{', '.join(_words(names))}' asks for {attribute} and against it")
    hair = [name for name in asked if name.endswith(HAIR_SUFFIX)]
    if len(hair) > 1:
        raise SettingsError(f"hair has one colour, given {', '.join(hair)}", hint="name one")
    label = []
    for i, attribute in enumerate(attributes):
        is_hair = attribute.endswith(HAIR_SUFFIX)
        kept = source[i] if source is not None else (0.0 if is_hair else UNKNOWN)
        label.append(asked.get(attribute, 0.0 if is_hair and hair else kept))
    return tuple(label)


def condition_for_expression(
    text: str, *, strength: float = 1.0, units: Sequence[str] = ACTION_UNITS
) -> tuple[float, ...]:
    """The action units (C,) in [0, 1] of a named expression or of explicit intensities.

    Args:
        text: a key of `EXPRESSIONS`, or `AU12=0.8,AU25=0.5`, or both (`happy,AU45=1`): the
            stronger of two named expressions counts, an explicit value replaces both.
        strength: scales the named expressions; the result is clipped to [0, 1].
        units: the C units that the generator was trained with, in order.

    Raises:
        SettingsError: a name is unknown, or a value is no number in [0, 1].
    """
    named: dict[str, float] = {}
    explicit: dict[str, float] = {}
    for part in _words(text):
        if "=" in part:
            unit, _, value = part.partition("=")
            explicit[_known(unit.strip(), units, "action unit")] = _intensity(part, value)
            continue
        for unit, full in EXPRESSIONS[_known(part, tuple(EXPRESSIONS), "expression")].items():
            named[unit] = max(named.get(unit, 0.0), min(full * strength, 1.0))
    return tuple((named | explicit).get(unit, 0.0) for unit in units)


def _intensity(part: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise SettingsError(
            f"'{part}' is no intensity", hint="give a number in [0, 1], such as AU12=0.8"
        )
    return value
