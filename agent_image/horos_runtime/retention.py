"""How much of a thread is kept for reading; pure."""

from horos_bus.records import CONTEXT_BYTES, CONTEXT_RECORDS
from horos_runtime.context import Context


def keep_from(context: Context, most_records: int = CONTEXT_RECORDS, most_bytes: int = CONTEXT_BYTES) -> int:
    """Say from which absolute index on a thread's records are kept; 0: all of them.

    What goes is told by the summary; where there is none, or it does not reach so far, whole exchanges go.
    """
    index = max(0, context.end - most_records)
    marks = context.compaction["marks"] if context.compaction else []
    noted_at, noted = marks[-1] if marks else (0, 0)
    if noted + context.bytes > most_bytes:
        # What memory holds may begin before the newest mark, where it was counted already.
        total = noted + sum(context.sizes(noted_at, context.end))
        index = max(index, _by_size(context, marks, total - most_bytes))
    if index <= context.through:
        return index
    return next((each.start for each in context.exchanges if each.start >= index), context.end)


def _by_size(context: Context, marks: list[list[int]], excess: int) -> int:
    """Find the first index before which there are so many bytes."""
    if excess <= 0:
        return 0
    for index, size in marks:
        if size >= excess:
            return index
    index, size = marks[-1] if marks else (context.first, 0)
    index = max(index, context.first)
    for length in context.sizes(index, context.end):
        if size >= excess:
            break
        size += length
        index += 1
    return index
