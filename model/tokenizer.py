"""The tokenizer: the corpus's own BPE, or the characters of a text; both are `tokenizers` files, read the same way."""

from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from model.config import TrainerError

SEPARATOR = "<|endoftext|>"  # stands before every document


def load(path: Path) -> Tokenizer:
    """Read a tokenizer.json. Text that spells a special token is encoded as plain text. Raises TrainerError."""
    if not path.is_file():
        raise TrainerError(f"{path}: no tokenizer here; run `python -m pipeline publish` first, or set `tokenizer`")
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises bare Exception for a file it cannot read
        raise TrainerError(f"{path}: not a tokenizer file: {' '.join(str(error).split())}") from error
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def characters(text: str) -> Tokenizer:
    """Return the tokenizer whose tokens are the characters of `text`, in code point order."""
    tokenizer = Tokenizer(models.WordLevel({character: index for index, character in enumerate(sorted(set(text)))}))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def separator_id(tokenizer: Tokenizer) -> int | None:
    """Return the id of the document separator, or None for a tokenizer of characters."""
    return tokenizer.token_to_id(SEPARATOR)


def encode(tokenizer: Tokenizer, text: str, name: str) -> list[int]:
    """Encode one text. Raises TrainerError, naming it, where it has a character that the tokenizer lacks."""
    return encode_batch(tokenizer, [text], name)[0]


def encode_batch(tokenizer: Tokenizer, texts: list[str], name: str) -> list[list[int]]:
    """Encode texts, on all cores. Raises TrainerError as `encode` does."""
    try:
        return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    except Exception as error:  # the library raises bare Exception for a word without a token
        characters_in = [character for text in texts for character in text]
        half = next((character for character in characters_in if "\ud800" <= character <= "\udfff"), None)
        if half is not None:
            raise TrainerError(f"{name}: not Unicode text: it has {half!r}, half of a character") from error
        vocabulary = tokenizer.get_vocab()
        unknown = next((character for character in characters_in if character not in vocabulary), None)
        raise TrainerError(f"{name}: the run's tokenizer has no token for {unknown!r}") from error


def check_exact(tokenizer: Tokenizer, texts: list[str], rows: list[list[int]], name: str) -> None:
    """Raise TrainerError where a text does not come back from its tokens: then losses would not be of that text."""
    for text, back in zip(texts, tokenizer.decode_batch(rows, skip_special_tokens=False), strict=True):
        if text != back:
            pairs = enumerate(zip(text, back, strict=False))
            start = max(0, next((at for at, (a, b) in pairs if a != b), min(len(text), len(back))) - 10)
            raise TrainerError(
                f"tokenizer: it is not made for {name}: {text[start : start + 20]!r} comes back as "
                f"{back[start : start + 20]!r}; use the corpus's own, or another of bytes"
            )
