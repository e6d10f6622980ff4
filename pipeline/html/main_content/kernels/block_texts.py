"""The characters and words of blocks: counted by class, and hashed."""

from pipeline.html.main_content.kernels.arrays import Bytes, Integers

MASK = 0xFFFFFFFFFFFFFFFF  # 64-bit numbers wrap around


def count_classes(
    units: Bytes, lengths: Integers, table: Bytes, frequent: int, classes: int, counts: Integers, last: Integers
) -> None:
    """Count the characters of each class, of which there are so many, in each text: texts x classes.

    `units` are the texts' characters in UTF-16, with one between two texts, `lengths` how many each text has, `table` a
    unit's class. `counts` are 0 at first; the class that is `frequent` is what is left. `last` becomes the class of a
    text's last character, 0 where it is empty.
    """
    start = at = 0
    for number in range(len(lengths)):
        found = rare = 0
        end = start + lengths[number]
        for unit in units[start:end]:
            found = table[unit]
            if found != frequent:
                counts[at + found] += 1
                rare += 1
        counts[at + frequent] = end - start - rare
        last[number] = found
        start = end + 1
        at += classes


def hash_text_words(
    letters: Bytes, lengths: Integers, read: Integers, dense: int, letter_factors: Bytes, place_factors: Bytes,
    pair_factor: int, singles: Integers, owners: Integers, values: Integers, wholes: Integers, sizes: Integers,
) -> int:  # fmt: skip
    """Write the hashes of the words of texts and of the pairs of words, each with the number of its text, its owner;
    return how many there are, at most two a letter. Of each text, `wholes` gets the hash of its first words, for which
    there are `place_factors`, and `sizes` how many words it has.

    `letters` are the texts' characters in lower case, with one between two texts: 0 for what is no part of a word,
    `dense` more for what is a word by itself. `lengths` says how many each text has, `read` how many of these are read.
    Letters far from the beginning of a word share the last of the `letter_factors`. `singles` has room for a text's
    words and one more.
    """
    longest = len(letter_factors) - 1
    start = at = 0
    for number in range(len(lengths)):
        words = length = 0
        single = 0
        for letter in letters[start : start + read[number]]:
            if letter == 0:
                length = 0
            elif letter < dense:
                if length == 0:
                    singles[words] = single & MASK
                    words += 1
                    single = 0
                single += letter * letter_factors[length]
                if length < longest:
                    length += 1
            else:
                singles[words] = single & MASK
                words += 1
                single = (letter - dense) * letter_factors[0]
                length = 0
        singles[words] = single & MASK
        at = write_words(number, words, pair_factor, place_factors, singles, at, owners, values, wholes)
        sizes[number] = words
        start += lengths[number] + 1
    return at


def write_words(
    number: int, words: int, pair_factor: int, place_factors: Bytes, singles: Integers, at: int, owners: Integers,
    values: Integers, wholes: Integers,
) -> int:  # fmt: skip
    """Write the hashes of one text, of which `singles` has the words from 1 on; return where the next begins."""
    whole = 0
    first = len(place_factors)
    before = 0
    for place in range(words):
        single = singles[place + 1]
        owners[at] = number
        values[at] = single
        at += 1
        if place:
            owners[at] = number
            values[at] = ((before * pair_factor) & MASK) ^ single
            at += 1
        if place < first:
            whole += single * place_factors[place]
        before = single
    wholes[number] = whole & MASK
    return at
