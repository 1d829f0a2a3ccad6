//! ENVELOPE (RFC 3501 section 7.4.2) from a header.

use message::address::{self, Entry};

use super::header::{self, Field};
use crate::respond::string;

/// Writes the envelope.
pub(crate) fn write(header: &[u8]) -> Vec<u8> {
    let fields = header::fields(header);
    let from = addresses(&fields, "From");
    // RFC 3501: if sender or reply-to are missing, they are the same as from.
    let or_from = |name| match addresses(&fields, name) {
        found if found == b"NIL" => from.clone(),
        found => found,
    };
    let items = [
        text(&fields, "Date"),
        text(&fields, "Subject"),
        from.clone(),
        or_from("Sender"),
        or_from("Reply-To"),
        addresses(&fields, "To"),
        addresses(&fields, "Cc"),
        addresses(&fields, "Bcc"),
        text(&fields, "In-Reply-To"),
        text(&fields, "Message-ID"),
    ];
    [b"(".as_slice(), &items.join(&b' '), b")"].concat()
}

/// RFC 3501: nstring
pub(crate) fn nstring(value: Option<Vec<u8>>) -> Vec<u8> {
    value.map_or_else(|| b"NIL".to_vec(), |value| string(&value))
}

fn text(fields: &[Field<'_>], name: &str) -> Vec<u8> {
    let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
    nstring(field.map(|field| header::unfolded(field.value)))
}

/// RFC 3501: "(" 1*address ")" / nil. Several fields of the same name count as one.
fn addresses(fields: &[Field<'_>], name: &str) -> Vec<u8> {
    let named = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
    let entries = named.flat_map(|field| address::parse(&header::unfolded(field.value)));
    let written: Vec<u8> = entries.flat_map(write_entry).collect();
    if written.is_empty() { b"NIL".to_vec() } else { [b"(".as_slice(), &written, b")"].concat() }
}

/// RFC 3501: address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"
fn write_entry(entry: Entry) -> Vec<u8> {
    let items = [entry.name, entry.route, entry.mailbox, entry.host].map(nstring);
    [b"(".as_slice(), &items.join(&b' '), b")"].concat()
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn an_envelope_has_ten_items() {
        let header = b"Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\n\
            From: Fred Foobar <foobar@Blurdybloop.example>\r\n\
            Subject: afternoon\r\n meeting\r\n\
            To: mooch@owatagu.example\r\n\
            Cc: <@relay.example,@hub.example:old@owatagu.example>\r\n\
            Message-Id: <B27397-0100000@Blurdybloop.example>\r\n\r\n";
        let from = r#"(("Fred Foobar" NIL "foobar" "Blurdybloop.example"))"#;
        assert_eq!(
            String::from_utf8(write(header)).unwrap(),
            format!(
                "(\"Mon, 7 Feb 1994 21:52:25 -0800 (PST)\" \"afternoon meeting\" {from} {from} {from} \
                 ((NIL NIL \"mooch\" \"owatagu.example\")) \
                 ((NIL \"@relay.example,@hub.example\" \"old\" \"owatagu.example\")) NIL NIL \"<B27397-0100000@Blurdybloop.example>\")"
            )
        );
        assert_eq!(write(b"\r\n"), b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    }

    fn check(field: &str, expected: &str) {
        let (name, _) = field.split_once(':').unwrap();
        let place = ["To", "Cc", "Bcc"].iter().position(|known| *known == name).unwrap();
        let mut items = ["NIL"; 3];
        items[place] = expected;
        assert_eq!(
            String::from_utf8_lossy(&write(field.as_bytes())),
            format!("(NIL NIL NIL NIL NIL {} NIL NIL)", items.join(" ")),
        );
    }

    #[test]
    fn marks_of_groups_come_in_pairs() {
        check(
            "To: anna@x; ben@y; carl@z",
            r#"((NIL NIL "anna" "x")(NIL NIL "ben" "y")(NIL NIL "carl" "z"))"#,
        );
        check("To: undisclosed-recipients:", r#"((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))"#);
        check(
            "Cc: =?utf-8?q?Gr=C3=BC=C3=9Fe?=: a@x\r\nCc: b@y;",
            r#"((NIL NIL "=?utf-8?q?Gr=C3=BC=C3=9Fe?=" NIL)(NIL NIL "a" "x")(NIL NIL NIL NIL)(NIL NIL "b" "y"))"#,
        );
        let many = format!("Cc: g: {}\r\n", "a@x,".repeat(2_000));
        let written = write(many.as_bytes());
        assert!(written.ends_with(br#"(NIL NIL "a" "x")(NIL NIL NIL NIL)) NIL NIL NIL)"#));
    }

    #[test]
    fn names_and_local_parts_keep_their_characters() {
        check("To: \"a@home\" <\"a@home\"@x>, a@b@x", r#"(("a@home" NIL "a@home" "x")(NIL NIL "a@b" "x"))"#);
        check("To: anna@x <anna@x>", r#"(("anna@x" NIL "anna" "x"))"#);
        check("Bcc: <mailto:anna@x>, \"x\" <<ben@y>>", r#"((NIL NIL "mailto:anna" "x")("x" NIL "ben" "y"))"#);
        check("To: \"a \\\\ \\\" b\" <a@x>", r#"(("a \\ \" b" NIL "a" "x"))"#);
        check("To: an\rna@x\0ben@y", r#"(("an" NIL "na" "x")(NIL NIL "ben" "y"))"#);
        check("To: Gr\u{fc}n <a@x>", "(({5}\r\nGr\u{fc}n NIL \"a\" \"x\"))");
    }
}
