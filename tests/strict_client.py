"""A strict client: IMAPClient against a server, as argv says: HOST PORT USER PASSWORD.

Reads the structure and the parts of every message in the inbox; fails when its parser does, or by assertion.
"""

import ssl
import sys

from imapclient import IMAPClient
from imapclient.response_types import Address, BodyData

HOST, PORT, USER, PASSWORD = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
ITEMS = ["ENVELOPE", "BODYSTRUCTURE", "BODY", "BODY.PEEK[1]", "BODY.PEEK[1.MIME]", "BODY.PEEK[TEXT]<1000000.10>"]


def envelope(told):
    for members in (told.from_, told.sender, told.reply_to, told.to, told.cc, told.bcc):
        in_group = False
        for member in members or ():
            assert isinstance(member, Address), member
            if member.host is None:
                assert in_group == (member.mailbox is None), members
                in_group = not in_group
            else:
                assert member.mailbox is not None, members
        assert not in_group, members


def structure(told):
    assert isinstance(told, BodyData), told
    if told.is_multipart:
        assert told[0], told
        for part in told[0]:
            structure(part)
    else:
        kind, subtype, size = told[0], told[1], told[6]
        assert isinstance(kind, bytes) and isinstance(subtype, bytes) and isinstance(size, int), told


def main():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = IMAPClient(HOST, PORT, ssl_context=context)
    client.login(USER, PASSWORD)
    client.select_folder("INBOX", readonly=True)
    uids = client.search()
    assert uids
    for uid in uids:
        try:
            told = client.fetch([uid], ITEMS)[uid]
            envelope(told[b"ENVELOPE"])
            structure(told[b"BODYSTRUCTURE"])
            structure(told[b"BODY"])
            assert told[b"BODY[TEXT]<1000000>"] == b""
        except Exception as error:
            header = client.fetch([uid], ["BODY.PEEK[]"])[uid][b"BODY[]"]
            raise AssertionError(f"not understood: {error!r}: {header!r}") from error
    client.logout()


main()
