"""One run cut into N jobs: each extracts a shard of the inputs into the same output, and `dedup` goes on with all.

The jobs know nothing of each other: a shard follows from the sorted inputs, its number and the number of shards. Each
leaves a record in `.work/input_shards/`. By it `dedup` knows whether all inputs are done, and which shard is missing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple, TypeVar

from pipeline.io.output import WORK, Output, fingerprint_value

INPUT_SHARDS = f"{WORK}/input_shards"
MOST_SHARDS = 100_000  # more than there are files in a month of Common Crawl
MOST_NAMED = 10  # missing shards in a message
WRITTEN = re.compile(r"(\d+)/(\d+)")
RECORD = re.compile(r"(\d+)-of-(\d+)\.json")
Item = TypeVar("Item")


@dataclass(frozen=True, order=True)
class InputShard:
    """The shard `number`, from 1, of `count` shards."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "InputShard":
        """Return the shard that `I/N` names. Raises ValueError with one line."""
        match = WRITTEN.fullmatch(text)
        shard = cls(*map(int, match.groups())) if match and len(text) < 20 else cls(0, 0)
        if not 1 <= shard.number <= shard.count <= MOST_SHARDS:
            raise ValueError(f"{text!r} is no shard: give I/N, for example 3/8, with I from 1 to N")
        return shard

    def __str__(self) -> str:
        """Return the shard as a user writes it."""
        return f"{self.number}/{self.count}"

    @property
    def name(self) -> str:
        """Return the shard's name in names of files."""
        return f"{self.number}-of-{self.count}"

    def select(self, items: Sequence[Item]) -> list[Item]:
        """Return the items of this shard: every `count`-th one."""
        return list(items[self.number - 1 :: self.count])


ALL_INPUTS = InputShard(1, 1)  # of a run that is not cut


class ShardRecord(NamedTuple):
    """Which inputs a shard has, the fingerprint of all inputs, and that of the settings."""

    files: list[str]
    inputs: str
    settings: str


def record_input_shard(shard: InputShard, names: Sequence[str], settings: str, output: Output) -> None:
    """Write down which inputs a shard has. `names` are those of all inputs, `settings` is their fingerprint."""
    record = ShardRecord(shard.select(names), fingerprint_value(list(names)), settings)
    output.write_json(record._asdict(), INPUT_SHARDS, f"{shard.name}.json")


class FoundShards(NamedTuple):
    """What the records of an output say."""

    names: list[str]  # of all inputs, in their order; [] unless every shard is done
    settings: str
    problem: str  # one line that says which shards are missing; "" where none is, or where there is no record


def find_input_shards(output: Output) -> FoundShards:
    """Read the records of an output, and tell whether all inputs are done."""
    records = read_shard_records(output)
    if not records:
        return FoundShards([], "", "")
    done = {name.removesuffix(".json") for name in output.list(f"{WORK}/extract", ".json")}
    problems = []
    for count in sorted({shard.count for shard in records}, reverse=True):
        shards = [InputShard(number, count) for number in range(1, count + 1)]
        found = [records[shard] for shard in shards if shard in records]
        missing = [s for s in shards if s not in records or not done.issuperset(records[s].files)]
        settings = found[0].settings
        if not missing and len({(record.inputs, record.settings) for record in found}) == 1:
            return FoundShards(interleave_names(found), settings, "")
        problems.append((len(missing), describe_problem(missing, count)))
    return FoundShards([], "", min(problems)[1])


def read_shard_records(output: Output) -> dict[InputShard, ShardRecord]:
    """Return the records of an output."""
    records: dict[InputShard, ShardRecord] = {}
    for name in output.list(INPUT_SHARDS, ".json"):
        if match := RECORD.fullmatch(name):
            records[InputShard(*map(int, match.groups()))] = ShardRecord(**output.read_json(INPUT_SHARDS, name))
    return records


def interleave_names(records: Sequence[ShardRecord]) -> list[str]:
    """Return the names of all inputs in their order, from the records of all shards in theirs."""
    rows = zip_longest(*(record.files for record in records))
    return [name for row in rows for name in row if name is not None]


def describe_problem(missing: Sequence[InputShard], count: int) -> str:
    """Return one line about shards that are not done; without any, the shards do not have the same inputs."""
    if not missing:
        return f"the {count} shards were not made of the same inputs; run each again with the same config"
    named = ", ".join(map(str, missing[:MOST_NAMED])) + ", ..." * (len(missing) > MOST_NAMED)
    return (
        f"{len(missing)} of {count} shards of the inputs are not extracted ({named}); run `gristmill extract` with "
        f"--shard {missing[0]}" + (" and the others" if len(missing) > 1 else "") + " again"
    )
