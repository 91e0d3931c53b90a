"""What agents have asked of the operator, one order after the other; none keeps another agent's waiting."""

import asyncio
import logging

from horos_bus.operating import BadOrder
from horos_operator.cluster import ClusterError, NotLeadingError
from horos_operator.hands import LookAgainError
from horos_operator.parts import Parts
from horos_operator.society import Society

log = logging.getLogger("horos.operator")


async def obey_agents(society: Society, parts: Parts, namespace: str) -> None:
    """Carry out what waits in one namespace; what cannot be done now stays, and what its agent asked later.

    Raises the first error, of cluster, bus or one that nobody foresaw, after all that could be done was.
    """
    postponed: set[str] = set()
    trouble: Exception | None = None
    for order in await parts.manager.control(namespace).society_orders():
        if isinstance(order, BadOrder):
            await drop(parts, namespace, order)
            continue
        if order.agent in postponed:
            continue
        try:
            for key in await society.obey(namespace, order):
                parts.queue.add(key)
        except NotLeadingError:
            raise
        except LookAgainError as error:
            log.info("%s/%s: order %s waits: %s", namespace, order.agent, order.mid, error)
            postponed.add(order.agent)
        except ClusterError as error:
            if error.retry_after:
                # The cluster wants to be left alone, whoever asks.
                await asyncio.sleep(error.retry_after)
                raise
            trouble = trouble or error
            postponed.add(order.agent)
        except Exception as error:  # noqa: BLE001 - raised at the end
            # Agents wait for their answers without a deadline: whatever happens to one keeps back no other.
            trouble = trouble or error
            postponed.add(order.agent)
        finally:
            tell_relatives(parts)
    if trouble is not None:
        raise trouble


async def drop(parts: Parts, namespace: str, order: BadOrder) -> None:
    """Forget an order that nobody can read."""
    log.warning("%s: order %s cannot be read and is dropped: %s", namespace, order.id, order.why)
    await parts.manager.control(namespace).done(order)


def tell_relatives(parts: Parts) -> None:
    """Have a pass look at those that the change of a relative means something new for."""
    for key in parts.caches.stirred():
        parts.queue.add(key, urgent=False)
