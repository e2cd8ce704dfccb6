"""The bank's own words: namespaces of the messages, names of the files, and the JSON of its file service.

Words to know:
    MsgId         the name of one file; ours in pain.001 (the number of the order), the bank's in what it sends
    PmtInfId      one block of a file: one debit account, one day. An order of ours is one block, named as the file is
    EndToEndId    one transfer, from us to the creditor's statement: the number of the payment
    InstrId       the same between us and the bank; we write the EndToEndId again
    UETR          the transfer's UUID in SWIFT's tracker
    AcctSvcrRef   the bank's reference of a booking

The messages are XML and have no shapes here: the readers take elements by their names in the schema. Of the file
service's JSON a field without a default is promised; one that we do not know is let pass.
"""

from __future__ import annotations

import msgspec

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"
ORDER_MESSAGE = "pain.001.001.09"
REPORT_MESSAGES = ("pain.002.001.03", "pain.002.001.12")
STATEMENT_MESSAGES = ("camt.053.001.02", "camt.053.001.08")
NOTIFICATION_MESSAGES = ("camt.054.001.02", "camt.054.001.08")

NOT_PROVIDED = "NOTPROVIDED"  # the literal that stands where an end-to-end id or an agent should


class Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int = 300


class Taken(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to an upload: the file is in the bank's hands, and nothing else is said."""

    file_id: str
    message_id: str
    status: str = "RCVD"


class FileState(msgspec.Struct, frozen=True, rename="camel"):
    """What became of one of our files, by its message id. `status` is a group status of pain.002."""

    message_id: str
    file_id: str
    status: str
    reason: str = ""
    detail: str = ""
    sha256: str = ""


class FileEntry(msgspec.Struct, frozen=True, rename="camel"):
    """One file that waits for us. `type` is its message name, `created_at` the bank's time of it."""

    file_id: str
    type: str
    created_at: str
    sha256: str = ""
    size: int = 0


class FileList(msgspec.Struct, frozen=True, rename="camel"):
    """One page of files by rising `created_at`; `next` is the mark of the following page, empty on the last."""

    files: tuple[FileEntry, ...]
    next: str | None = None


class Trouble(msgspec.Struct, frozen=True):
    """The bank's no, in its words: an ISO reason code or one of the service's own."""

    code: str
    message: str = ""
