"""From a posted invoice to money that left: the real bank client, the bank's own ledger, its files through the door.

Nothing is told by hand: the order goes out as a delivery, the bank's reports and statements are pulled like any stream.
"""

from __future__ import annotations

from datetime import date

import pytest

from connectors.iso20022_bank.bank_bench import SECRET, Line
from support.house import House
from support.papers import invoice, order, receipt
from support.paying import OUR_ACCOUNT, THEIR_ACCOUNT, Treasury, paid_to
from tripartite.components.gateway import flows
from tripartite.connectors import registry
from tripartite.connectors.iso20022_bank import simulator
from tripartite.connectors.simulating import Fault
from tripartite.core import codec
from tripartite.core.objects.notice import PaymentReported
from tripartite.runtime.protocol import ClientPorts, Connection, Secret


class Bank:
    """A bank beside the house, on the house's own clock."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.bench = simulator.build({"client_secret": SECRET, "step_seconds": "1"}, seed=5)
        self.bench.clock = self.bench.wall = self._seconds
        connection = Connection(
            name="our_bank",
            kind="iso20022_bank",
            role="bank",
            base_url="https://bank.example/",
            secrets={"client_id": Secret("tripartite"), "client_secret": Secret(SECRET)},
        )
        ports = ClientPorts(Line(self.bench), house.clock.now, house.clock.sleep)
        house.remotes["our_bank"] = registry.connect(connection, ports)  # type: ignore[assignment]

    def _seconds(self) -> float:
        return self.house.clock.at.timestamp()

    async def days(self, steps: int = 30) -> None:
        """Time passes: the bank works, is asked and read, and everybody hears of it."""
        for _ in range(steps):
            self.house.clock.turn(60)
            self.bench.advance()
            await self.house.deliver("our_bank", "capture")
            for stream in ("payment_report", "bank_statement"):
                await flows.pull_stream(self.house.ports, self.house.door, "our_bank", stream)  # type: ignore[arg-type]
            await self.house.pump()

    def left(self) -> list[tuple[str, str]]:
        """What left our account by the bank's own books: (to whom, how much)."""
        booked = [each for each in self.bench.truth()["payments"].values() for _ in range(each["bookings"])]
        return sorted((each["creditor_account"], each["amount"]) for each in booked)


async def released(house: House) -> tuple[str, str]:
    """An invoice is posted, proposed and released by two: (payment, order)."""
    treasury = Treasury(house)
    await house.bring(paid_to(), order(), receipt())
    await house.bring_invoice(invoice(due_on=date(2026, 11, 20)), source_document="cap-1")
    await house.settle()
    built = await treasury.build()
    assert built.proposal is not None
    number = await treasury.released(built.proposal.number)
    payment = await house.value("SELECT number FROM payments.payment WHERE order_number = %s", number)
    return str(payment), number


async def test_a_released_payment_leaves_the_account_once_and_all_hear_that_it_is_paid(house: House) -> None:
    bank = Bank(house)
    payment, _ = await released(house)
    await bank.days()
    assert await Treasury(house).state(payment) == "executed"
    assert await Treasury(house).open_codes() == []
    assert bank.left() == [(THEIR_ACCOUNT, "47.60")]
    assert (
        await house.value("SELECT state FROM deliveries.delivery WHERE operation = 'send_payment_order'") == "settled"
    )
    told = [item for call in house.remotes["capture"].calls for item in call if item.operation == "report_payment"]
    notice = codec.decode(told[0].payload, PaymentReported)
    assert (notice.invoice_number, f"{notice.amount:.2f}", notice.source_document_id) == ("RE-1001", "47.60", "cap-1")
    assert OUR_ACCOUNT not in codec.encode(notice).decode()


@pytest.mark.parametrize("fault", ["commit_then_hang", "commit_then_5xx", "hang"])
async def test_a_lost_answer_of_the_bank_moves_the_money_once(house: House, fault: str) -> None:
    bank = Bank(house)
    payment, _ = await released(house)
    bank.bench.faults.append(Fault("upload", fault, times=1))
    await bank.days(60)
    assert await Treasury(house).state(payment) == "executed"
    assert bank.left() == [(THEIR_ACCOUNT, "47.60")]
