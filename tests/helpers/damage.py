"""Files as a failing disk, a full one or a careless copy leaves them."""

from collections.abc import Iterator

FIRST_BYTES = 200


def damaged(whole: bytes) -> Iterator[bytes]:
    """Nothing, halves, and every bit of the first bytes turned."""
    yield b""
    for length in (1, len(whole) // 2, len(whole) - 2):
        yield whole[:length]
    for bit in range(8 * min(FIRST_BYTES, len(whole))):
        turned = bytearray(whole)
        turned[bit // 8] ^= 1 << bit % 8
        yield bytes(turned)
