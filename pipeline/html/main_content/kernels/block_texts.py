"""The characters and words of blocks: counted by class, and hashed."""

from pipeline.html.main_content.kernels.arrays import Bytes, Integers

MASK = 0xFFFFFFFFFFFFFFFF  # 64-bit numbers wrap around
HIGHEST_UNIT = 0xFFFF


def count_classes(
    units: Bytes, lengths: Integers, table: Bytes, classes: int, counts: Integers, last: Integers
) -> None:
    """Count the characters of each class, of which there are so many, in each text: texts x classes.

    `units` are the texts' characters in UTF-16, `lengths` how many each text has, `table` a unit's class. `last` is
    written: the class of a text's last character, 0 where it is empty.
    """
    start = at = 0
    for number in range(len(lengths)):
        found = 0
        for place in range(start, start + lengths[number]):
            found = table[units[place]]
            counts[at + found] += 1
        start += lengths[number]
        last[number] = found
        at += classes


def hash_words(
    units: Bytes, letters: Bytes, letter_factors: Bytes, place_factors: Bytes, factors: Bytes, bits: int,
    singles: Integers, blocks: Integers, values: Integers,
) -> int:  # fmt: skip
    """Write the hash values, of so many bits, of the words, the pairs of words and the short texts, each with the
    number of its text; return how many these are, at most two a character and one a text.

    `units` are the texts' characters in UTF-16, a 0 after each. `letters` of a unit: its lower case; 0 for no part of a
    word; with a bit above 16 for a character that is a word by itself. Letters far from the beginning of a word share
    the last of the `letter_factors`. Texts of more words than `place_factors`, but one, are not short. `factors` are
    for pairs, for words and pairs, for short texts, and for what any of them becomes; `singles` has room for a text's
    words.
    """
    longest = len(letter_factors) - 1
    shift = 64 - bits
    number = words = length = at = 0
    single = 0
    for unit in units:
        letter = letters[unit]
        if letter == 0:
            length = 0
            if unit == 0:
                if words:
                    singles[words] = single & MASK
                    at = hash_text(number, words, singles, place_factors, factors, shift, at, blocks, values)
                words = 0
                number += 1
        elif letter <= HIGHEST_UNIT:
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
            single = (letter & HIGHEST_UNIT) * letter_factors[0]
            length = 0
    return at


def hash_text(
    number: int, words: int, singles: Integers, place_factors: Bytes, factors: Bytes, shift: int, at: int,
    blocks: Integers, values: Integers,
) -> int:  # fmt: skip
    """Write the hash values of one text, of which `singles` has the words from 1 on; return where the next begins."""
    of_pairs = factors[0]
    of_words = factors[1]
    last = factors[3]
    short = words < len(place_factors)
    whole = before = 0
    for place in range(1, words + 1):
        single = singles[place]
        mixed = (single * of_words) & MASK
        values[at] = (((mixed ^ (mixed >> 29)) * last) & MASK) >> shift
        blocks[at] = number
        at += 1
        if place > 1:
            mixed = ((((before * of_pairs) & MASK) ^ single) * of_words) & MASK
            values[at] = (((mixed ^ (mixed >> 29)) * last) & MASK) >> shift
            blocks[at] = number
            at += 1
        if short:
            whole += single * place_factors[place - 1]
        before = single
    if short:
        mixed = ((whole & MASK) * factors[2]) & MASK
        values[at] = (((mixed ^ (mixed >> 29)) * last) & MASK) >> shift
        blocks[at] = number
        at += 1
    return at
