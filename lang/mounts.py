"""What a `RUN --mount=` asks for: its fields with their types and defaults.

The rules are those of BuildKit's `instructions/commands_runmount.go`; fields are
checked together, so their order does not matter.
"""

from __future__ import annotations

from lamina.lang import quirks
from lamina.lang.dialect import DOCKERFILE, Dialect
from lamina.lang.expand import expand
from lamina.lang.source import RecipeError
from lamina.lang.suggest import did_you_mean
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.lang.lines import Fragment
    from lamina.lang.source import Span
    from lamina.lang.words import Mount, Word

SPELLINGS = {
    "dst": "target",
    "destination": "target",
    "src": "source",
    "ro": "readonly",
    "rw": "readwrite",
}
_COMMON = frozenset({"type", "target", "readonly", "readwrite"})
_OWNED = frozenset({"id", "mode", "uid", "gid"})
FIELDS = {
    "bind": _COMMON | {"from", "source"},
    "cache": _COMMON | _OWNED | {"from", "source", "sharing"},
    "tmpfs": _COMMON | {"size"},
    "secret": _COMMON | _OWNED | {"source", "required", "env"},
    "ssh": _COMMON | _OWNED | {"source", "required"},
}
# What BuildKit, too, refuses in a mount of another type (see quirks.MOUNT_FIELDS).
_REFUSED = frozenset({"required", "size", "sharing"})
NEVER_IGNORED = {
    "bind": _REFUSED | {"mode", "uid", "gid"},
    "cache": _REFUSED,
    "tmpfs": _REFUSED | {"mode", "uid", "gid"},
    "secret": _REFUSED | {"from"},
    "ssh": _REFUSED,
}
FLAGS = frozenset({"readonly", "readwrite", "required"})
SHARINGS = ("shared", "private", "locked")
TRUE = ("", "1", "t", "true")
FALSE = ("0", "f", "false")
SIZES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@value
class MountOptions:
    """One mount of a RUN. Text that was not given is "", a number None."""

    type: str
    target: str
    source: str
    from_: str
    readonly: bool
    id: str
    sharing: str
    required: bool
    env: str
    mode: int | None
    uid: int | None
    gid: int | None
    # Bytes of a tmpfs; None is as large as the kernel lets it.
    size: int | None


def field_name(name: Fragment) -> str:
    """The one spelling of a field's name."""
    key = name.text.lower()
    key = SPELLINGS.get(key, key)
    known = frozenset().union(*FIELDS.values())
    if key not in known:
        raise RecipeError(
            f"A mount has no field {name.text}.",
            name.span,
            hint=did_you_mean(key, [*known, *SPELLINGS]),
        )
    return key


def check_mount(mount: Mount, dialect: Dialect = DOCKERFILE) -> Mount:
    """Refuse what is wrong whatever the variables hold; each field once."""
    seen = set()
    if dialect.keeps(quirks.MOUNT_REPEATS):
        mount = _last_of_each(mount)
    for name, word in mount.fields:
        if name in seen:
            raise RecipeError(f"{name}= is there twice.", _place(mount, word))
        seen.add(name)
        if name == "from" and word is not None and "$" in word.text:
            raise RecipeError(
                "from= does not expand variables.",
                word.span,
                hint="Name a stage: `FROM $IMAGE AS files`, then from=files.",
            )
    if not any(word is not None and word.parts for _, word in mount.fields):
        mount_options(mount, {}, dialect=dialect)
    return mount


def _last_of_each(mount: Mount) -> Mount:
    last = {name: place for place, (name, _) in enumerate(mount.fields)}
    fields = enumerate(mount.fields)
    return replace(
        mount, fields=tuple(field for n, field in fields if last[field[0]] == n)
    )


def _place(mount: Mount, word: Word | None) -> Span:
    return mount.span if word is None else word.span


def mount_options(
    mount: Mount,
    env: Mapping[str, str],
    escape: str = "\\",
    dialect: Dialect = DOCKERFILE,
) -> MountOptions:
    """The mount with its words expanded in `env`. Raises RecipeError at a field."""
    words = dict(mount.fields)
    texts = {
        name: "" if word is None else _text(name, word, env, escape)
        for name, word in mount.fields
    }
    reader = _Reader(mount, words, texts)
    kind = reader.choice("type", tuple(FIELDS))
    if dialect.keeps(quirks.MOUNT_ORDER):
        reader.check_order()
    for name in tuple(texts):
        if name not in FIELDS[kind]:
            if dialect.keeps(quirks.MOUNT_FIELDS) and name not in NEVER_IGNORED[kind]:
                del texts[name], words[name]
                continue
            raise reader.error(
                name, f"A mount of type {kind} has no {name}.", _belongs(name)
            )
        if words[name] is None and name not in FLAGS:
            raise reader.error(name, f"{name} needs a value.")
    reader.check_together(kind)
    return MountOptions(
        kind,
        texts.get("target", ""),
        texts.get("source", ""),
        texts.get("from", ""),
        reader.readonly(kind not in ("cache", "tmpfs")),
        texts.get("id", ""),
        reader.choice("sharing", SHARINGS),
        reader.truth("required", False),
        texts.get("env", ""),
        reader.number("mode", 8),
        reader.number("uid", 10),
        reader.number("gid", 10),
        reader.size("size"),
    )


def _belongs(name: str) -> str:
    """Which types of mounts have the field."""
    types = [kind for kind, fields in FIELDS.items() if name in fields]
    return f"{name}= is for mounts of type {' and '.join(types)}."


def _text(name: str, word: Word, env: Mapping[str, str], escape: str) -> str:
    return word.text if name == "from" else expand(word, env, escape)


@value
class _Reader:
    """The fields of one mount, and how to read each sort of them."""

    mount: Mount
    words: dict[str, Word | None]
    texts: dict[str, str]

    def error(self, name: str, message: str, hint: str = "") -> RecipeError:
        word = self.words.get(name)
        span = self.mount.span if word is None else word.span
        return RecipeError(message, span, hint=hint)

    def check_order(self) -> None:
        """Until `type=` a mount is one of type bind, which has none of these."""
        for name in self.texts:
            if name == "type":
                return
            if name in ("required", "size"):
                raise self.error(
                    name, f"{name} stands before type=.", "Put type= first."
                )

    def check_together(self, kind: str) -> None:
        """What one field asks of the others."""
        texts = self.texts
        if kind in ("bind", "cache", "tmpfs") and not texts.get("target"):
            raise self.error(
                "target",
                f"A mount of type {kind} needs a target.",
                "target=. is the working directory.",
            )
        if kind == "secret":
            if not any(texts.get(name) for name in ("id", "source", "target")):
                raise self.error("id", "A secret needs an id.")
            if texts.get("id") and texts.get("source"):
                raise self.error("source", "A secret has an id or a source, not both.")
        if "readonly" in texts and "readwrite" in texts:
            raise self.error("readwrite", "A mount is readonly or readwrite, not both.")

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        """The value of a field that has few; the first is the default."""
        text = self.texts.get(name, known[0]).lower()
        if text not in known:
            raise self.error(
                name,
                f"{name}= cannot be {text!r}.",
                did_you_mean(text, known) or f"It is one of {', '.join(known)}.",
            )
        return text

    def truth(self, name: str, default: bool) -> bool:
        text = self.texts.get(name)
        if text is None:
            return default
        if text.lower() not in TRUE + FALSE:
            raise self.error(name, f"{name}= is true or false, not {text!r}.")
        return text.lower() in TRUE

    def readonly(self, default: bool) -> bool:
        if "readwrite" in self.texts:
            return not self.truth("readwrite", False)
        return self.truth("readonly", default)

    def number(self, name: str, base: int) -> int | None:
        text = self.texts.get(name)
        if text is None:
            return None
        digits = "01234567" if base == 8 else "0123456789"
        if not text or text.strip(digits) or len(text) > 10:
            sort = "an octal number" if base == 8 else "a number"
            raise self.error(name, f"{name}= is {sort}, not {text!r}.")
        return int(text, base)

    def size(self, name: str) -> int | None:
        """Bytes, as `64m` or `1.5GiB` say them."""
        text = self.texts.get(name)
        if text is None:
            return None
        number = text.lower().rstrip("bikmgt ")
        unit = text.lower()[len(number) :].strip()
        if len(unit) > 1:
            unit = unit.removesuffix("b").removesuffix("i")
        whole, _, fraction = number.partition(".")
        if unit not in SIZES or not (whole + fraction).isdecimal() or len(number) > 20:
            raise self.error(
                name, f"{name}= is a size, not {text!r}.", "As in 64m, 1g."
            )
        return int(float(number) * SIZES[unit])
