"""dkimpy, as a second opinion about signatures (RFC 6376), and Python's own client to hand a message to a server.

dkim_tool.py sign DOMAIN SELECTOR KEY < MESSAGE     the message with a signature, relaxed/relaxed
dkim_tool.py verify < MESSAGE                       ends with 0 if the first signature is right; keys by this host's resolver
dkim_tool.py send SERVER FROM TO... < MESSAGE       over port 25 with STARTTLS, as it is; prints a refusal
dkim_tool.py post SERVER FROM TO... < MESSAGE       by `POST /mxdeliv`; prints a refusal
"""

import http.client
import re
import smtplib
import ssl
import sys

import dkim


def sign(message, domain, selector, key):
    with open(key, "rb") as file:
        private = file.read()
    header = dkim.sign(message, selector.encode(), domain.encode(), private, canonicalize=(b"relaxed", b"relaxed"))
    sys.stdout.buffer.write(header + message)


def verify(message):
    checked = dkim.DKIM(message)
    right = checked.verify()
    print(f"{'right' if right else 'wrong'} by {checked.domain.decode()}, {checked.signature_fields}")
    return 0 if right else 1


def any_certificate():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def send(message, server, sender, *recipients):
    with smtplib.SMTP(server, 25, local_hostname="sender.test", timeout=60) as client:
        client.starttls(context=any_certificate())
        try:
            client.sendmail(sender, recipients, message)
        except smtplib.SMTPRecipientsRefused as refusal:
            code, text = next(iter(refusal.recipients.values()))
        except smtplib.SMTPResponseException as refusal:
            code, text = refusal.smtp_code, refusal.smtp_error
        else:
            return 0
    print(code, text.decode())
    return 1


def post(message, server, sender, *recipients):
    connection = http.client.HTTPSConnection(server, context=any_certificate(), timeout=60)
    connection.putrequest("POST", "/mxdeliv")
    connection.putheader("X-MAIL-FROM", sender)
    for recipient in recipients:
        connection.putheader("X-MAIL-TO", recipient)
    stuffed = re.sub(rb"(?m)^\.", b"..", message)
    connection.putheader("Content-Length", str(len(stuffed)))
    connection.endheaders(stuffed)
    response = connection.getresponse()
    text = response.read().decode()
    if response.status // 100 == 2:
        return 0
    print(response.status, text)
    return 1


if __name__ == "__main__":
    action = {"sign": sign, "verify": verify, "send": send, "post": post}[sys.argv[1]]
    sys.exit(action(sys.stdin.buffer.read(), *sys.argv[2:]))
