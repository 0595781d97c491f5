"""Feather files (Arrow's IPC format) to tables, unpacked within bounds.

A record batch is preceded by a flatbuffer that says where its buffers lie; a packed buffer begins with the size that it
unpacks into. So what a file becomes is known before anything is unpacked. The batches are read as a stream, as the
sizes were: the list of batches at the end of the file, which may say otherwise, is not used.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from nextbar.bars.bounds import largest_unpacked, too_large
from nextbar.bars.levels import index_as_columns
from nextbar.bars.table import Table
from nextbar.errors import DataError, first_line

_MAGIC = b"ARROW1\0\0"
_OLD = b"FEA1"


def read_feather(data: bytes, source: str) -> Table:
    """The table in the bytes of a Feather file of version 2.

    Raises:
        DataError: it is none, it is damaged, or it unpacks into too much.
    """
    import pyarrow
    import pyarrow.ipc

    if data[:4] == _OLD:
        raise DataError(f"{source}: a Feather file of version 1, which is not read; write it again as version 2")
    if data[:8] != _MAGIC:
        raise DataError(f"{source}: not a Feather file")
    allowed = largest_unpacked(len(data))
    stream = pyarrow.py_buffer(data)[8:]
    try:
        if sum(_sizes(stream)) > allowed:
            raise too_large(source, f"its {len(data):,} bytes unpack into", allowed)
        with pyarrow.ipc.open_stream(stream) as reader:
            plain = [field for field in reader.schema if _plain(field.type)]
            batches = list(reader)
        rows = sum(batch.num_rows for batch in batches)
        if 8 * rows * max(len(plain), 1) > allowed:
            raise too_large(source, f"its {len(data):,} bytes unpack into", allowed)
        if len(plain) < len(reader.schema):
            odd = next(field for field in reader.schema if not _plain(field.type))
            raise DataError(f"{source}: column {odd.name!r} is of type {odd.type}, should be numbers, text or dates")
        whole = pyarrow.Table.from_batches(batches, reader.schema)
        whole.validate(full=True)  # text that is not UTF-8 would fail wherever it is looked at
        frame = whole.to_pandas()
    except DataError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, struct.error, IndexError) as error:
        raise DataError(f"{source}: not a sound Feather file, or cut off ({first_line(error)})") from error
    except Exception as error:  # what pandas wrote about its columns is not checked when read, and fails anywhere
        raise DataError(
            f"{source}: the pandas metadata of the Feather file is damaged ({type(error).__name__}: "
            f"{first_line(error)}); write the file again"
        ) from error
    return Table.of(source, index_as_columns(frame, "date"))


def _plain(kind: Any) -> bool:
    """Whether a column of this type has a value a row that is no larger than it is in the file."""
    from pyarrow import types

    numbers = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    texts = types.is_string(kind) or types.is_large_string(kind)
    return numbers or texts or types.is_temporal(kind)


def _sizes(stream: Any) -> Iterator[int]:
    """Bytes that each batch of an IPC stream unpacks into."""
    import pyarrow.ipc

    for message in pyarrow.ipc.MessageReader.open_stream(stream):
        body = message.body
        yield (len(body) if body is not None else 0) + sum(_declared(bytes(message.metadata), body))


def _declared(metadata: bytes, body: Any) -> Iterator[int]:
    """Sizes that the packed buffers of one message say they unpack into."""
    message = struct.unpack_from("<I", metadata, 0)[0]
    kind, header = _field(metadata, message, 1), _field(metadata, message, 2)
    if not kind or not header or metadata[kind] not in (2, 3):  # dictionary batch, record batch
        return
    batch = header + struct.unpack_from("<I", metadata, header)[0]
    if metadata[kind] == 2:
        inner = _field(metadata, batch, 1)
        batch = inner + struct.unpack_from("<I", metadata, inner)[0]
    buffers = _field(metadata, batch, 2)
    if not buffers or not _field(metadata, batch, 3):  # without compression the body is all there is
        return
    start = buffers + struct.unpack_from("<I", metadata, buffers)[0]
    for at in range(struct.unpack_from("<I", metadata, start)[0]):
        offset, length = struct.unpack_from("<qq", metadata, start + 4 + 16 * at)
        if length >= 8:
            yield max(0, struct.unpack_from("<q", body, offset)[0])


def _field(metadata: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table lies; 0 where it has none."""
    signs = table - struct.unpack_from("<i", metadata, table)[0]
    size = struct.unpack_from("<H", metadata, signs)[0]
    at = 4 + 2 * number
    within = struct.unpack_from("<H", metadata, signs + at)[0] if at < size else 0
    return table + within if within else 0
