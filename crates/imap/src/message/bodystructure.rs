//! BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2) from the tree of parts.

use message::parameters::{self, Parameterised};

use super::envelope::{self, nstring};
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
    let mut items = vec![string(&subtype.to_ascii_uppercase())];
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
    let encoding = field(entity, "Content-Transfer-Encoding").unwrap_or_else(|| b"7BIT".to_vec());
    let mut items = vec![
        string(&kind),
        string(&subtype),
        parameters(&entity.content_type),
        nstring(field(entity, "Content-ID")),
        nstring(field(entity, "Content-Description")),
        string(&encoding.to_ascii_uppercase()),
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
        items.push(nstring(field(entity, "Content-MD5")));
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
        value.parameters.iter().flat_map(|(name, value)| [string(name), string(value)]).collect();
    [b"(".as_slice(), &pairs.join(&b' '), b")"].concat()
}

/// RFC 3501: body-fld-dsp SP body-fld-lang SP body-fld-loc
fn common_extensions(entity: &Entity) -> [Vec<u8>; 3] {
    let disposition = match field(entity, "Content-Disposition").map(|value| parameters::parse(&value)) {
        Some(value) if !value.value.is_empty() => {
            [b"(".as_slice(), &string(&value.value), b" ", &parameters(&value), b")"].concat()
        }
        _ => b"NIL".to_vec(),
    };
    [disposition, nstring(field(entity, "Content-Language")), nstring(field(entity, "Content-Location"))]
}

fn field(entity: &Entity, name: &str) -> Option<Vec<u8>> {
    header::find(&entity.head, name)
        .map(|field| header::unfolded(field.value))
        .filter(|value| !value.is_empty())
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
    fn what_has_no_parts_is_no_multipart() {
        check(
            "Content-Type: multipart/mixed\n\nx\n",
            Extensions::Omit,
            r#"("APPLICATION" "OCTET-STREAM" NIL NIL NIL "7BIT" 3)"#,
        );
    }
}
