"""Hearth and Dovecot asked the same about the same mail, as argv says: PORT USER PASSWORD CORPUS.

CORPUS is the folder `resources` of the crate mail-parser. Dovecot's `imap` runs on its own, over a pipe, on a Maildir of
this run; it needs no configuration of the machine, but refuses to run as root, so that root becomes nobody. Prints every
difference as `MESSAGE<tab>ITEM<tab>HEARTH<tab>DOVECOT`, but for the kinds that differences.md names, which are taken out
here.
"""

import json
import os
import re
import shutil
import ssl
import sys
import tempfile
from pathlib import Path

from imapclient import IMAPClient
from imapclient.response_types import Address, BodyData

PORT, USER, PASSWORD, CORPUS = int(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])
ENVELOPE = ["date", "subject", "from_", "sender", "reply_to", "to", "cc", "bcc", "in_reply_to", "message_id"]
PLACEHOLDERS = {b"MISSING_MAILBOX": b"", b"MISSING_DOMAIN": b""}
SEARCHES = [
    [key, word] for key in ("SUBJECT", "FROM", "TO", "BODY", "TEXT") for word in ("the", "test", "example", "hello", "smith")
] + [["SENTSINCE", "1-Jan-2005"], ["HEADER", "Content-Type", "boundary"]]


def hearth():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = IMAPClient("127.0.0.1", PORT, ssl_context=context)
    client.login(USER, PASSWORD)
    client.select_folder("INBOX")
    return client


class Piped(IMAPClient):
    """A client over a pipe, which has no timeout to set."""

    def _set_read_timeout(self):
        pass


def dovecot(home):
    (home / "conf").write_text(
        f"mail_location = maildir:{home}/Maildir\nlog_path = /dev/null\nfirst_valid_uid = 1\nssl = no\n"
        "namespace inbox {\n  inbox = yes\n}\n"
    )
    command = f"env HOME={home} USER=somebody /usr/lib/dovecot/imap -c {home}/conf"
    if os.getuid() == 0:
        home.chmod(0o755)
        shutil.chown(home, "nobody")
        command = f"setpriv --reuid=nobody --regid=nogroup --clear-groups {command}"
    client = Piped(command, ssl=False, stream=True)
    client.select_folder("INBOX")
    return client


def messages():
    for file in sorted((CORPUS / "eml").rglob("*.eml")):
        yield str(file.relative_to(CORPUS).with_suffix("")), file.read_bytes()
    for number, case in enumerate(json.loads((CORPUS / "address.json").read_text())):
        while not isinstance(case, str):
            case = next(iter(case.values() if isinstance(case, dict) else case))
        yield f"address/{number}", b"To: " + re.sub(r"\n(?![ \t])", "\n ", case.strip()).encode() + b"\n\nx\n"


def wire(message):
    return re.sub(rb"\r*\n", b"\r\n", message).replace(b"\0", b"")


def envelope(told):
    """Without Dovecot's words for what is missing."""
    for name in ENVELOPE:
        value = getattr(told, name)
        if value and isinstance(value, tuple) and isinstance(value[0], Address):
            value = [(a.name, a.route, PLACEHOLDERS.get(a.mailbox, a.mailbox), PLACEHOLDERS.get(a.host, a.host)) for a in value]
        yield name, value


def lower(value):
    return value.lower() if isinstance(value, bytes) else value


def parameters(told):
    """In order of their names, and without the charset that is the default."""
    pairs = sorted((told[i].lower(), told[i + 1]) for i in range(0, len(told or ()), 2))
    return [pair for pair in pairs if pair[0] != b"charset" or pair[1].lower() != b"us-ascii"]


def extension(told):
    if not isinstance(told, (tuple, list)):
        return lower(told)
    if len(told) == 2 and isinstance(told[1], (tuple, list, type(None))):
        return lower(told[0]), parameters(told[1])
    return lower(told[0]) if len(told) == 1 else [lower(item) for item in told]


def structure(told):
    """Without the numbers of lines, and with a multipart that has no parts as what Hearth tells."""
    told = told if isinstance(told, BodyData) else BodyData.create(told)
    if isinstance(told[0], (list, tuple)):
        parts = [structure(part) for part in told[0]]
        if len(parts) == 1 and parts[0][:2] == [b"text", b"plain"] and parts[0][6] == 0:
            return ["hollow"]
        return [parts, lower(told[1]), parameters(told[2])] + [extension(item) for item in told[3:]]
    kind, rest = [lower(told[0]), lower(told[1])], list(told[7:])
    if kind == [b"application", b"octet-stream"] and (not told[2] or told[2][0] in (b"boundary", b"report-type")):
        return ["hollow"]
    single = kind + [parameters(told[2]), told[3], told[4], lower(told[5]), told[6]]
    if kind == [b"message", b"rfc822"]:
        single.append(structure(rest[1]))
        rest = rest[3:]
    elif kind[0] == b"text":
        rest = rest[1:]
    return single + [extension(item) for item in rest]


def sections(told, path=()):
    if isinstance(told[0], list):
        for number, part in enumerate(told[0], 1):
            yield from sections(part, (*path, str(number)))
    else:
        name = ".".join(path or ("1",))
        yield from (f"BODY.PEEK[{name}]", f"BODY.PEEK[{name}]<5.20>")


def append(client, message):
    uid = int(re.search(rb"APPENDUID \d+ (\d+)", client.append("INBOX", message)).group(1))
    client.noop()
    return uid


def differences(clients, message):
    uids = [append(client, message) for client in clients]
    told = [client.fetch([uid], ["ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE"])[uid] for client, uid in zip(clients, uids)]
    for (name, ours), (_, theirs) in zip(*(envelope(answer[b"ENVELOPE"]) for answer in told)):
        yield f"ENVELOPE {name.strip('_')}", ours, theirs
    yield "BODYSTRUCTURE", *(structure(answer[b"BODYSTRUCTURE"]) for answer in told)
    yield "RFC822.SIZE", *(answer[b"RFC822.SIZE"] for answer in told)
    items = [*sections(told[0][b"BODYSTRUCTURE"])][:40]
    items += ["BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODY.PEEK[HEADER.FIELDS (TO SUBJECT)]"]
    told = [client.fetch([uid], items)[uid] for client, uid in zip(clients, uids)]
    for item in items:
        key = item.replace(".PEEK", "").replace("<5.20>", "<5>").encode()
        yield item, *(answer.get(key) or b"" for answer in told)


def report(name, item, ours, theirs):
    if ours != theirs:
        print(name, item, *(re.sub(r"\s", " ", repr(told))[:2000] for told in (ours, theirs)), sep="\t")


def main():
    with tempfile.TemporaryDirectory() as home:
        clients = hearth(), dovecot(Path(home))
        names = []
        for name, message in messages():
            names.append(name)
            for item, ours, theirs in differences(clients, wire(message)):
                report(name, item, ours, theirs)
        for search in SEARCHES:
            ours, theirs = ({names[number - 1] for number in positions(client, search)} for client in clients)
            for name in sorted(ours ^ theirs):
                report(name, " ".join(["SEARCH", *search]), name in ours, name in theirs)
        assert len(names) > 100, "the corpus is not there"


def positions(client, search):
    """The sequence numbers found: both mailboxes have the same messages in the same order."""
    client.use_uid = False
    return client.search(search)


main()
