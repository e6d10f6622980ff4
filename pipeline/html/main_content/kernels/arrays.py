"""What kernels take: memoryviews of arrays. Their elements' C types stand in the .pxd file beside each kernel."""

from collections.abc import Sequence
from typing import Any, Protocol, overload


class Integers(Protocol):
    """Whole numbers that can be written: int64, uint64 or flags."""

    def __getitem__(self, place: int, /) -> int: ...
    def __setitem__(self, place: int, value: int, /) -> None: ...
    def __len__(self) -> int: ...


class Floats(Protocol):
    """Floating-point numbers that can be written: float64 or float32."""

    @overload
    def __getitem__(self, place: int, /) -> float: ...
    @overload
    def __getitem__(self, places: slice, /) -> "Floats": ...
    def __setitem__(self, place: Any, value: Any, /) -> None: ...
    def __len__(self) -> int: ...


Bytes = Sequence[int]
