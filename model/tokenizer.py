"""The tokenizer: the corpus's own BPE, or the characters of a text. Both are files of the library `tokenizers`."""

from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from model.config import TrainerError

SEPARATOR = "<|endoftext|>"  # the token before every document

# The token before every document, and the one after it: of the pipeline, GPT-2 and Qwen; Llama 3; Llama 2.
DOCUMENT_MARKS = {SEPARATOR: SEPARATOR, "<|begin_of_text|>": "<|end_of_text|>", "<s>": "</s>"}


def load_tokenizer_file(path: Path) -> Tokenizer:
    """Read a tokenizer.json. Text that spells a special token is encoded as plain text. Raises TrainerError."""
    if not path.is_file():
        raise TrainerError(f"{path}: no tokenizer here; run `gristmill publish` first, or set `tokenizer`")
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises a bare Exception for a file that it cannot read
        raise TrainerError(f"{path}: not a tokenizer file: {' '.join(str(error).split())}") from error
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def make_character_tokenizer(text: str) -> Tokenizer:
    """Return a tokenizer whose tokens are the characters of `text`, in code point order."""
    vocabulary = {character: index for index, character in enumerate(sorted(set(text)))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def find_separator_id(tokenizer: Tokenizer) -> int | None:
    """Return the id of the document separator, or None for a tokenizer of characters."""
    marks = find_document_marks(tokenizer)
    found: int | None = tokenizer.token_to_id(marks[0]) if marks is not None else None
    return found


def find_document_marks(tokenizer: Tokenizer) -> tuple[str, str] | None:
    """Return the tokens before and after a document, or None for a tokenizer of characters."""
    known = (marks for marks in DOCUMENT_MARKS.items() if None not in map(tokenizer.token_to_id, marks))
    return next(known, None)


def encode_text(tokenizer: Tokenizer, text: str, name: str) -> list[int]:
    """Return the token ids of one text. Raises TrainerError, with `name`, for a character without a token."""
    return encode_texts(tokenizer, [text], name)[0]


def encode_texts(tokenizer: Tokenizer, texts: list[str], name: str) -> list[list[int]]:
    """Return the token ids of each text, computed on all cores. Raises TrainerError as `encode_text` does."""
    try:
        return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    except Exception as error:  # the library raises a bare Exception for a word without a token
        characters = [character for text in texts for character in text]
        surrogate = next((character for character in characters if "\ud800" <= character <= "\udfff"), None)
        if surrogate is not None:
            raise TrainerError(f"{name}: not Unicode text: it has {surrogate!r}, half of a character") from error
        vocabulary = tokenizer.get_vocab()
        unknown = next((character for character in characters if character not in vocabulary), None)
        raise TrainerError(f"{name}: the run's tokenizer has no token for {unknown!r}") from error


def check_round_trip(tokenizer: Tokenizer, texts: list[str], rows: list[list[int]], name: str) -> None:
    """Raise TrainerError if a text is not equal to its decoded tokens. Its losses would be those of another text."""
    for text, back in zip(texts, tokenizer.decode_batch(rows, skip_special_tokens=False), strict=True):
        if text != back:
            pairs = enumerate(zip(text, back, strict=False))
            start = max(0, next((at for at, (a, b) in pairs if a != b), min(len(text), len(back))) - 10)
            raise TrainerError(
                f"tokenizer: it does not fit {name}: {text[start : start + 20]!r} comes back as "
                f"{back[start : start + 20]!r}; use the corpus's own, or another one of bytes"
            )
