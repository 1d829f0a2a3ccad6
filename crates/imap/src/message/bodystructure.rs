//! BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2) from the tree of parts.

use message::parameters::{self, Parameterised};

use super::envelope;
use super::header;
use super::structure::{Entity, Kind, Walker};
use crate::respond::string;

/// The form of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extensions {
    /// `BODY`
    Omit,
    /// `BODYSTRUCTURE`
    Tell,
}

/// Writes the structure of an entity and its parts.
pub(crate) fn write(entity: &Entity, extensions: Extensions) -> Vec<u8> {
    match &entity.kind {
        Kind::Multipart(parts) => multipart(entity, parts, extensions),
        Kind::Leaf => single(entity, None, extensions),
        Kind::Message(message) => single(entity, Some(message), extensions),
    }
}

/// RFC 3501: body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]
fn multipart(entity: &Entity, parts: &[Entity], extensions: Extensions) -> Vec<u8> {
    let mut written = b"(".to_vec();
    for part in parts {
        written.extend(write(part, extensions));
    }
    let subtype = entity.content_type.media_type().map_or(b"mixed".as_slice(), |(_, subtype)| subtype);
    let mut items = vec![text(&subtype.to_ascii_uppercase())];
    if extensions == Extensions::Tell {
        items.push(parameters(&entity.content_type));
        items.extend(common_extensions(entity));
    }
    written.push(b' ');
    written.extend(items.join(&b' '));
    written.push(b')');
    written
}

/// RFC 3501: body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]
fn single(entity: &Entity, message: Option<&Entity>, extensions: Extensions) -> Vec<u8> {
    let (kind, subtype) = media_type(entity);
    // RFC 3501 wants an envelope and a structure of every message, also of one whose transfer encoding (which RFC 2046
    // section 5.2.1 forbids) or depth hides them: those of an empty one.
    let hidden =
        (message.is_none() && kind == b"MESSAGE" && subtype == b"RFC822").then(|| Walker::new().finish());
    let message = message.or(hidden.as_ref());
    let encoding = header::transfer_encoding(&entity.head).unwrap_or_else(|| b"7BIT".to_vec());
    let mut items = vec![
        text(&kind),
        text(&subtype),
        parameters(&entity.content_type),
        field(entity, "Content-ID"),
        field(entity, "Content-Description"),
        text(&encoding),
        (entity.body.end - entity.body.start).to_string().into_bytes(),
    ];
    if let Some(message) = message {
        items.push(envelope::write(&message.head));
        items.push(write(message, extensions));
    }
    if message.is_some() || kind == b"TEXT" {
        items.push(entity.lines.to_string().into_bytes());
    }
    if extensions == Extensions::Tell {
        items.push(field(entity, "Content-MD5"));
        items.extend(common_extensions(entity));
    }
    [b"(".as_slice(), &items.join(&b' '), b")"].concat()
}

/// The media type as told: a multipart without parts must not look like one with parts.
fn media_type(entity: &Entity) -> (Vec<u8>, Vec<u8>) {
    let (kind, subtype) = entity.content_type.media_type().unwrap_or((b"text", b"plain"));
    let (kind, subtype) = (kind.to_ascii_uppercase(), subtype.to_ascii_uppercase());
    let hollow = entity.kind == Kind::Leaf && kind == b"MULTIPART";
    if hollow { (b"APPLICATION".to_vec(), b"OCTET-STREAM".to_vec()) } else { (kind, subtype) }
}

/// RFC 3501: body-fld-param = "(" string SP string *(SP string SP string) ")" / nil
fn parameters(value: &Parameterised) -> Vec<u8> {
    if value.parameters.is_empty() {
        return b"NIL".to_vec();
    }
    let pairs: Vec<Vec<u8>> =
        value.parameters.iter().flat_map(|(name, value)| [text(name), text(value)]).collect();
    [b"(".as_slice(), &pairs.join(&b' '), b")"].concat()
}

/// RFC 3501: body-fld-dsp SP body-fld-lang SP body-fld-loc
fn common_extensions(entity: &Entity) -> [Vec<u8>; 3] {
    let disposition = value(entity, "Content-Disposition").map(|value| parameters::parse(&value));
    let disposition = match disposition.filter(|disposition| !disposition.value.is_empty()) {
        Some(disposition) => {
            [b"(".as_slice(), &text(&disposition.value), b" ", &parameters(&disposition), b")"].concat()
        }
        None => b"NIL".to_vec(),
    };
    [disposition, languages(entity), field(entity, "Content-Location")]
}

/// RFC 3501: body-fld-lang = nstring / "(" string *(SP string) ")"
fn languages(entity: &Entity) -> Vec<u8> {
    let tags =
        value(entity, "Content-Language").map(|value| parameters::languages(&value)).unwrap_or_default();
    let tags: Vec<_> = tags.iter().map(|tag| text(tag)).collect();
    match tags.as_slice() {
        [] => b"NIL".to_vec(),
        [tag] => tag.clone(),
        tags => [b"(".as_slice(), &tags.join(&b' '), b")"].concat(),
    }
}

/// RFC 3501: nstring
fn field(entity: &Entity, name: &str) -> Vec<u8> {
    value(entity, name).map_or_else(|| b"NIL".to_vec(), |value| text(&value))
}

fn value(entity: &Entity, name: &str) -> Option<Vec<u8>> {
    header::find(&entity.head, name)
        .map(|field| header::unfolded(field.value))
        .filter(|value| !value.is_empty())
}

/// RFC 3501: string. Clients read those of a structure as UTF-8 (imap-proto, of Delta Chat, takes no other response for
/// one), so that other bytes, which no header may hold unencoded, are told as the characters of ISO 8859-1.
fn text(value: &[u8]) -> Vec<u8> {
    if value.is_ascii() {
        return string(value);
    }
    let mut text = String::new();
    for chunk in value.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().copied().map(char::from));
    }
    string(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Extensions, Walker, write};

    fn check(message: &str, extensions: Extensions, expected: &str) {
        let mut walker = Walker::new();
        walker.feed(message.replace('\n', "\r\n").as_bytes());
        assert_eq!(String::from_utf8(write(&walker.finish(), extensions)).unwrap(), expected);
    }

    #[test]
    fn text_tells_its_lines() {
        check(
            "Subject: x\n\none\ntwo\n",
            Extensions::Omit,
            r#"("TEXT" "PLAIN" ("charset" "us-ascii") NIL NIL "7BIT" 10 2)"#,
        );
        check(
            "Content-Type: image/png; name=\"a b.png\"\nContent-Transfer-Encoding: base64\n\
             Content-Disposition: attachment; filename=\"a b.png\"\nContent-ID: <1>\n\nAAAA\n",
            Extensions::Tell,
            r#"("IMAGE" "PNG" ("name" "a b.png") "<1>" NIL "BASE64" 6 NIL ("attachment" ("filename" "a b.png")) NIL NIL)"#,
        );
    }

    #[test]
    fn parts_nest() {
        let message = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhi\n--b\n\
             Content-Type: message/rfc822\n\nSubject: in\n\ntext\n--b--\n";
        let text = r#"("TEXT" "PLAIN" ("charset" "us-ascii") NIL NIL "7BIT" 2 1)"#;
        let inner = r#"("TEXT" "PLAIN" ("charset" "us-ascii") NIL NIL "7BIT" 4 1)"#;
        let envelope = r#"(NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL)"#;
        let nested = format!(r#"("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 19 {envelope} {inner} 3)"#);
        check(message, Extensions::Omit, &format!(r#"({text}{nested} "MIXED")"#));
    }

    #[test]
    fn an_encoded_message_is_told_as_a_message() {
        check(
            "Content-Type: message/rfc822; name=\"fwd.eml\"\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogaW4NCg0KaGkNCg==\n",
            Extensions::Omit,
            r#"("MESSAGE" "RFC822" ("name" "fwd.eml") NIL NIL "BASE64" 30 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("TEXT" "PLAIN" ("charset" "us-ascii") NIL NIL "7BIT" 0 0) 1)"#,
        );
    }

    #[test]
    fn a_boundary_in_pieces_is_joined() {
        check(
            "Content-Type: multipart/mixed; boundary*0=ab; boundary*1=cd\n\n--abcd\n\nx\n--abcd--\n",
            Extensions::Omit,
            r#"(("TEXT" "PLAIN" ("charset" "us-ascii") NIL NIL "7BIT" 1 1) "MIXED")"#,
        );
    }

    #[test]
    fn fields_may_have_comments_and_lists() {
        check(
            "Content-Type: text/plain (c); charset*0=ut; charset*1=f-8 (c); name*0*=utf-8''a%20; name*1=\"b c\"\n\
             Content-Transfer-Encoding: (c) base64; trailing\n\
             Content-Disposition: inline (c); filename=\"(x;y)\"\n\
             Content-Language: de (German), en\nContent-Location: (c)\n\nAAAA\n",
            Extensions::Tell,
            r#"("TEXT" "PLAIN" ("charset" "utf-8" "name*" "utf-8''a%20b%20c") NIL NIL "BASE64" 6 1 NIL ("inline" ("filename" "(x;y)")) ("de" "en") "(c)")"#,
        );
        check(
            "Content-Type: image/png\nContent-Language: de\nContent-Transfer-Encoding: (c)\n\n",
            Extensions::Tell,
            r#"("IMAGE" "PNG" NIL NIL NIL "7BIT" 0 NIL NIL "de" NIL)"#,
        );
    }

    #[test]
    fn a_structure_is_utf_8() {
        let mut walker = Walker::new();
        walker.feed(b"Content-Type: image/png; name=\"Gr\xfc\xc3\x9f\"\r\nContent-ID: \xff\r\n\r\n");
        let written = String::from_utf8(write(&walker.finish(), Extensions::Omit)).unwrap();
        assert_eq!(
            written,
            "(\"IMAGE\" \"PNG\" (\"name\" {6}\r\nGr\u{fc}\u{df}) {2}\r\n\u{ff} NIL \"7BIT\" 0)"
        );
    }

    #[test]
    fn what_has_no_parts_is_no_multipart() {
        check(
            "Content-Type: multipart/mixed\n\nx\n",
            Extensions::Omit,
            r#"("APPLICATION" "OCTET-STREAM" NIL NIL NIL "7BIT" 3)"#,
        );
    }
}
