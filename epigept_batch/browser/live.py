"""What-if questions from the page, and answers window by window. Uses Starlette.

An answer is a stream of lines, each a JSON object: first what was understood, then the bins of each window as soon as
they are predicted, then the end. The page cancels by closing the connection, which ends the prediction after the window
that is being computed.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from anyio.to_thread import run_sync
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from epigept_batch.errors import EpiGePTError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from starlette.requests import Request

    from epigept_batch.prediction.what_if import Piece
    from epigept_batch.tiling import Region

ASK, ABOUT = "live", "live.json"
"""URLs of the questions, and of what can be asked."""
MOST_BYTES = 100_000
"""Size of the largest question."""
LINES = "application/x-ndjson"
JSON = "application/json"


@dataclass(frozen=True)
class Question:
    """What a person asks about a region.

    Attributes:
        sample: Name of the sample.
        region: The region, in samtools notation.
        settings: Changes of factors as for --set, such as `GATA1=0,TP53*2`; empty for none.
        variant: A change of the sequence, see `variants.typed`; empty for none.
    """

    sample: str
    region: str
    settings: str = ""
    variant: str = ""


@dataclass(frozen=True, eq=False)
class Answer:
    """An answer in the making.

    Attributes:
        region: The region that was understood.
        windows: Number of windows that are computed.
        changes: What changes, one sentence each.
        pieces: Yields the bins of each window in order, in the space of the tracks; close it to stop.
    """

    region: Region
    windows: int
    changes: tuple[str, ...]
    pieces: Generator[Piece, None, None]


class Live(Protocol):
    """Answers questions."""

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks of the model."""

    @property
    def bin_bp(self) -> int:
        """Base pairs per bin."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the answers, one sentence each."""

    def expression(self) -> Mapping[str, Mapping[str, float]]:
        """Return the TPM of each factor in each sample."""

    def ask(self, question: Question) -> Answer:
        """Check a question, and begin to answer it; may be called from any thread.

        Raises:
            EpiGePTError: It cannot be answered.
        """


def live_routes(live: Live) -> list[Route]:
    """Return the routes of what-if questions."""

    async def about(_request: Request) -> Response:
        return JSONResponse({"expression": live.expression(), "notes": live.notes})

    async def ask(request: Request) -> Response:
        try:
            question = await _question(request)
            answer = await run_sync(live.ask, question)
        except EpiGePTError as error:  # no status of an error, because browsers would log one for each typing mistake
            return Response(_line({"error": str(error)}), media_type=LINES)
        except (ValueError, TypeError, RecursionError):
            return PlainTextResponse("not a question of this page\n", status_code=400)
        return StreamingResponse(_lines(live, answer), media_type=LINES)

    return [Route(f"/{ABOUT}", about), Route(f"/{ASK}", ask, methods=["POST"])]


async def _question(request: Request) -> Question:
    """Read a question.

    Raises:
        ValueError: It is not JSON, or too large.
        TypeError: It has other fields, or they are not texts.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != JSON:
        raise ValueError
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BYTES:
            raise ValueError
    fields: dict[str, Any] = json.loads(content)
    question = Question(**fields)
    if not all(isinstance(value, str) for value in fields.values()):
        raise TypeError
    return question


async def _lines(live: Live, answer: Answer) -> AsyncIterator[bytes]:
    """Yield the lines of an answer, and stop predicting when nobody reads on."""
    contig = answer.region.contig
    try:
        yield _line({"contig": contig, "windows": answer.windows, "changes": answer.changes, "bin_bp": live.bin_bp})
        done = 0
        while (piece := await run_sync(next, answer.pieces, None)) is not None:
            done += 1
            yield _line({"first_bin": piece.first_bin, "tracks": _by_track(live.tracks, piece.values)})
        yield _line({"end": done})
    except EpiGePTError as error:
        yield _line({"error": str(error)})
    finally:
        with anyio.CancelScope(shield=True):
            await run_sync(answer.pieces.close)


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, allow_nan=False).encode() + b"\n"


def _by_track(tracks: tuple[str, ...], values: NDArray[np.float32]) -> dict[str, dict[str, list[float | None]]]:
    """Return the bins of each track as they are and changed; None for those without a value."""
    return {
        name: {"as_is": _bins(values[0, :, number]), "changed": _bins(values[1, :, number])}
        for number, name in enumerate(tracks)
    }


def _bins(values: NDArray[np.float32]) -> list[float | None]:
    found: list[float] = values.tolist()
    return [None if math.isnan(value) else value for value in found]
