"""Signs and verifies mail by dkimpy. Asked and answers in JSON, one object a line; bytes are in base64."""

import base64
import json
import sys

import dkim


def verify(question):
    """Whether the first signature of a message is valid. Tells of the reason, if it is not even one."""
    records = {name + ".": record for name, record in question["records"].items()}

    def ask(name, timeout=5):
        record = records.get(name.decode())
        return record and record.encode()

    try:
        return {"valid": dkim.DKIM(base64.b64decode(question["message"])).verify(0, dnsfunc=ask)}
    except dkim.DKIMException as error:
        return {"valid": False, "error": repr(error)}


def sign(question):
    """The signature field of a message."""
    key = base64.encodebytes(base64.b64decode(question["key"]))
    pem = b"-----BEGIN RSA PRIVATE KEY-----\n" + key + b"-----END RSA PRIVATE KEY-----\n"
    field = dkim.sign(
        base64.b64decode(question["message"]),
        question["selector"].encode(),
        question["domain"].encode(),
        pem,
        canonicalize=(question["header"].encode(), question["body"].encode()),
    )
    return {"field": base64.b64encode(field).decode()}


for line in sys.stdin:
    question = json.loads(line)
    print(json.dumps(sign(question) if "key" in question else verify(question)), flush=True)
