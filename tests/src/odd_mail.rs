//! Odd mail, invented after what mail programs write and what they stumble over: list and group syntax that is broken,
//! structures that are not closed, bytes that no header may hold.

use test_support::Random;

/// Messages each of which was once told wrongly, or could be.
pub const WRITTEN: &[&str] = &[
    "To: anna@example.org; ben@example.org; carl@example.org\n\nx\n",
    "To: undisclosed-recipients:\nCc: c@example.org\n\nx\n",
    "From: anna@example.org <anna@example.org>\nTo: \"ben@example.org\" <ben@example.org>\n\nx\n",
    "From: \"anna@home\" <\"anna@home\"@example.org>\nTo: anna@home@example.org\n\nx\n",
    "From: \"x\" <<anna@example.org>>\nTo: <mailto:anna@example.org>\n\nx\n",
    "To: a@example.org b@example.org\nCc: Anna Bell anna@example.org\nBcc: <a@x, Ben <b@y>\n\nx\n",
    "To: \"Anna <anna@example.org>, ben@example.org\nCc: Anna (work <a@x>, [b <c@z>\n\nx\n",
    "To: <@r,@s:a@x>, <@:b@x>, <@r s:c@x>, <>, Anna <>\nCc: g: h: a@x;; :;\n\nx\n",
    "To: an\rna@x, \u{1}b\u{7f}@y\r\r\n c\nFrom: \u{fc}@\u{e4} <\u{fc}@\u{e4}>\n\n",
    "To: =?utf-8?Q?Bell,_Anna?= <a@x>, =?utf-8?q?g:h?=: b@y, \"q\\\\\\\"\" <\"a\\\\\\\"b\"@x>\n\nx\n",
    "Content-Type: multipart/mixed; boundary*0=ab; boundary*1=cd\n\n--abcd\n\nx\n--abcd--\n",
    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822; name=\"fwd.eml\"\n\
     Content-Transfer-Encoding: base64 (c)\nContent-Disposition: attachment\n\nU3ViamVjdDogaW4NCg0KaGkNCg==\n--b--",
    "Content-Type: multipart/mixed; boundary=b\n\n--b words\n\none\n--b--words\nend\n",
    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b1\n\n--b1\n\nx\n--b\n\ny\n",
    "Content-Type: multipart/mixed; boundary=\"b \"\n\n--b\n--b\n\n--b--\n",
    "Content-Type: multipart/mixed (; boundary=b\n\n--b\n\n\n--b--\n",
    "Content-Type: multipart/mixed\n\n--b\n\nx\n",
    "Content-Type: message/rfc822\n\nTo: a: b: c\n",
    "Content-Type: message/rfc822\n\n",
    "Content-Type: text/plain; name*0*=utf-8''%C3; name*1=\"(\\\"\"; x=\u{fc}\nContent-Language: de (c), en,\n\
     Content-Disposition: \"a\\\"b\"; filename=\u{e9}\nContent-Location: \u{fc}\nContent-ID: \"\\\n\n",
    "Content-Type: \"te\\\"xt\"/\u{fc}; =; ;; x\nContent-Transfer-Encoding: \u{fc}\nContent-MD5: \\\n\nx",
    "Subject:\nDate:\nIn-Reply-To: \u{1}\nMessage-ID: \"\\\nSender: ,\nReply-To: ;\n\n",
    "\n",
    "no header at all",
];

/// The pieces of generated addresses.
const ADDRESSES: [&str; 34] = [
    "anna",
    "Bell",
    "ben@example.org",
    "<carl@example.org>",
    ".",
    "@",
    "@",
    "<",
    ">",
    ",",
    ";",
    ":",
    "\"",
    "(c)",
    ")",
    "[",
    "]",
    "\\",
    " ",
    " ",
    "\r\n\t",
    "\r",
    "\u{1}",
    "\u{fc}",
    "=?utf-8?q?a,b?=",
    "=?",
    "?=",
    "mailto:",
    "\"q r\"",
    "\"q\\\"\"",
    "'",
    "{5}",
    "NIL",
    "undisclosed-recipients:;",
];
/// The pieces of generated structures.
const STRUCTURE: [&str; 34] = [
    "Content-Type: multipart/mixed; boundary=b\r\n",
    "Content-Type: multipart/digest; boundary=b1\r\n",
    "Content-Type: message/rfc822\r\n",
    "Content-Type: text/plain; charset*0=u; charset*1*=tf-8\r\n",
    "Content-Type: ",
    "Content-Disposition: attachment; filename=x\r\n",
    "Content-Disposition: ",
    "Content-Transfer-Encoding: base64 (c)\r\n",
    "Content-Transfer-Encoding: ",
    "Content-Language: de, en\r\n",
    "Content-ID: <1>\r\n",
    "To: ",
    "Subject: ",
    "\r\n",
    "\r\n",
    "\r\n\r\n",
    "\r\n--b\r\n",
    "\r\n--b1\r\n",
    "\r\n--b--\r\n",
    "\r\n--b1 words\r\n",
    "\r\n\t",
    "text/html",
    "; name*0*=utf-8''%20",
    "; name*1=",
    "=",
    ";",
    "\"",
    "\\",
    "(",
    ")",
    "\u{fc}",
    "a@b",
    "words ",
    "{5}",
];

/// The written messages with line ends as in mail, and generated ones: the same for the same seed.
#[must_use]
pub fn odd_mail(seed: u64, generated: usize) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let written = WRITTEN.iter().map(|text| latin1(&text.replace("\r\n", "\n").replace('\n', "\r\n")));
    let mut messages: Vec<_> = written.collect();
    for _ in 0..generated {
        let mut header = String::new();
        for name in ["From", "Sender", "Reply-To", "To", "Cc", "Bcc"] {
            header += &format!("{name}: {}\r\n", pieces(&mut random, &ADDRESSES, 12));
        }
        messages.push(latin1(&format!("{header}{}", pieces(&mut random, &STRUCTURE, 40))));
    }
    messages
}

fn pieces(random: &mut Random, from: &[&str], most: usize) -> String {
    (0..random.below(most)).map(|_| *random.choose(from)).collect()
}

/// Each character as one byte: in one half of the messages a text in UTF-8 would be well-formed by chance.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?')).collect()
}
