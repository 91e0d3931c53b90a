"""One thread as memory holds it: its records from some index on, and what is made of each, once."""

from collections.abc import Iterable, Sequence

from horos_runtime.exchanges import Exchange, ExchangeList
from horos_runtime.records import Record, dump


class Context:
    """Append-only records of a thread; all indexes are absolute, `first` is that of the oldest one here."""

    def __init__(self, first: int = 0, records: Iterable[Record] = ()) -> None:
        self.first = first
        self.records: list[Record] = []
        self.compaction: Record | None = None
        """The newest one, which says how all that lies before it is shown."""
        self.bytes = 0
        """What the records here take in Redis."""
        self._sizes: list[int] = []
        self._exchanges = ExchangeList()
        self.extend(records)

    @property
    def end(self) -> int:
        """The index of the next record."""
        return self.first + len(self.records)

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """The records as the model reads them, oldest first."""
        return self._exchanges.items

    @property
    def through(self) -> int:
        """Records before this index are told by the summary."""
        return self.compaction["through"] if self.compaction else 0

    def extend(self, records: Iterable[Record]) -> None:
        """Add the newest records."""
        added = list(records)
        sizes = [len(dump(record)) for record in added]
        self._exchanges.extend(added, self.end)
        self.records += map(_without_reasoning, added)
        self._sizes += sizes
        self.bytes += sum(sizes)
        for record in added:
            if record["role"] == "compaction":
                self.compaction = record

    def since(self, index: int) -> list[Record]:
        """List the records from an index on."""
        return self.records[max(0, index - self.first) :]

    def sizes(self, start: int, end: int) -> list[int]:
        """Say what each record of a stretch takes in Redis."""
        return self._sizes[self._places(start, end)]

    def forget_before(self, index: int) -> None:
        """Drop the records before an index from memory."""
        if gone := self.sizes(self.first, index):
            self.bytes -= sum(gone)
            del self.records[: len(gone)], self._sizes[: len(gone)]
            self.first += len(gone)
            self._exchanges.drop_before(index)

    def _places(self, start: int, end: int) -> slice:
        return slice(max(0, start - self.first), max(0, end - self.first))


def _without_reasoning(record: Record) -> Record:
    """Leave out what only people read: it lies in Redis, and memory is for the model."""
    if "reasoning" not in record:
        return record
    kept = record.copy()
    del kept["reasoning"]
    return kept
