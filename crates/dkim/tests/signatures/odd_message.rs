//! Messages for signers that nobody would write.

use test_support::Random;

/// Odd, but well-formed: line ends are CR LF, every header line belongs to a field, one is From.
pub(crate) fn odd_message(random: &mut Random) -> Vec<u8> {
    const FIELDS: [&str; 10] = [
        "To: ben@other.test\r\n",
        "TO :\tcarla@other.test \t\r\n",
        "Subject:  a  b\t \r\n",
        "subject:\r\n folded\r\n\t \r\n  twice \r\n",
        "Date:\r\n",
        "Date: \r\n",
        "X-Other: \u{e4}\u{0}\u{c}\u{b}x\r\n",
        "X-Other:x\u{c}\r\n",
        "Content-Type: text/plain\r\n",
        "DKIM-Signature: v=1; a=rsa-sha1; d=box.test\r\n",
    ];
    const BODY: [&str; 9] = ["a", "word", " ", "\t", "\r\n", "\r\n", ".", "\u{e9}\u{0}\u{c}", "0123456789"];
    let mut message = Vec::new();
    let count = random.below(6);
    let from = random.below(count + 1);
    for number in 0..=count {
        let field: &[u8] = if number == from {
            b"From: Anna <anna@box.test>\r\n"
        } else {
            random.choose(&FIELDS).as_bytes()
        };
        message.extend_from_slice(field);
    }
    message.extend_from_slice(b"\r\n");
    for _ in 0..random.below(30) {
        message.extend_from_slice(random.choose(&BODY).as_bytes());
    }
    message.extend_from_slice(b"\r\n");
    message
}
