"""An ordinary client: Python's imaplib against a server, as argv says: HOST PORT USER PASSWORD.

Appends, reads, searches, flags, copies, moves, deletes, waits; a second connection watches. Fails by assertion.
"""

import imaplib
import ssl
import sys

HOST, PORT, USER, PASSWORD = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]

LETTER = (
    b"From: Anna <anna@example.org>\r\nTo: ben@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\nletter number %d\r\n--b\r\nContent-Type: application/pdf; name=x.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n"
)


def connect():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = imaplib.IMAP4_SSL(HOST, PORT, ssl_context=context)
    ok(client.login(USER, PASSWORD))
    return client


def ok(reply):
    status, data = reply
    assert status == "OK", reply
    return data


def uids(client, *criteria):
    return ok(client.uid("SEARCH", *criteria))[0].split()


def mailboxes(anna):
    ok(anna.create("Archive/2026"))
    listed = b" ".join(ok(anna.list()))
    assert b'"Archive/2026"' in listed and b"\\HasChildren" in listed, listed
    ok(anna.subscribe("Archive/2026"))
    assert any(b"Archive/2026" in line for line in ok(anna.lsub()))


def messages(anna):
    for number in range(5):
        ok(anna.append("INBOX", r"(\Seen)" if number == 0 else None, None, LETTER % number))
    assert ok(anna.select("INBOX")) == [b"5"]
    assert len(uids(anna, "UNSEEN")) == 4
    assert len(uids(anna, "BODY", '"number 3"')) == 1
    anna.literal = "GRÜSSE".lower().replace("ss", "ß").encode()
    assert len(uids(anna, "CHARSET", "UTF-8", "SUBJECT")) == 5
    assert len(uids(anna, "SENTON", "21-Nov-2026", "NOT", "SUBJECT", "nothing")) == 5
    (structure,) = ok(anna.fetch("1", "(ENVELOPE BODYSTRUCTURE)"))
    assert b'("APPLICATION" "PDF" ("name" "x.pdf")' in structure, structure
    assert ok(anna.fetch("2", "(BODY.PEEK[1])"))[0][1] == b"letter number 1"
    assert ok(anna.fetch("2", "(RFC822)"))[0][1] == LETTER % 1
    assert len(uids(anna, "UNSEEN")) == 3


def two_connections(anna, ben):
    assert ok(ben.select("INBOX")) == [b"5"]
    ok(anna.store("3", "+FLAGS", r"(\Deleted $Work)"))
    assert ok(anna.expunge()) == [b"3"]
    ok(ben.noop())
    assert ben.response("EXPUNGE")[1] == [b"3"]
    ok(ben.copy("1:2", "Archive/2026"))
    ok(ben.uid("MOVE", "4", "Archive/2026"))
    (status,) = ok(ben.status("Archive/2026", "(MESSAGES UIDNEXT)"))
    assert status.endswith(b"(MESSAGES 3 UIDNEXT 4)"), status
    ok(anna.noop())
    assert anna.response("EXPUNGE")[1] == [b"3"]
    ben.send(b"wait IDLE\r\n")
    assert ben.readline().startswith(b"+")
    ok(anna.append("INBOX", None, None, LETTER % 9))
    assert ben.readline() == b"* 4 EXISTS\r\n"
    # Either of the two was the first to hear of it.
    assert ben.readline() in (b"* 0 RECENT\r\n", b"* 1 RECENT\r\n")
    ben.send(b"DONE\r\n")
    assert ben.readline().startswith(b"wait OK")


def large(anna):
    message = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 625_000
    ok(anna.append("INBOX", None, None, message))
    ok(anna.noop())
    (found,) = uids(anna, "LARGER", "1000000")
    assert ok(anna.uid("FETCH", found, "(BODY.PEEK[])"))[0][1] == message
    assert ok(anna.uid("FETCH", found, "(BODY.PEEK[1]<16.16>)"))[0][1] == b"0123456789abcdef"
    ok(anna.uid("STORE", found, "+FLAGS.SILENT", r"(\Deleted)"))
    ok(anna.close())
    assert ok(anna.select("INBOX")) == [b"4"]


def main():
    anna, ben = connect(), connect()
    mailboxes(anna)
    messages(anna)
    two_connections(anna, ben)
    large(anna)
    ok(anna.rename("Archive/2026", "Old"))
    ok(anna.delete("Old"))
    assert anna.select("Old")[0] == "NO"
    anna.logout()
    ben.logout()


main()
