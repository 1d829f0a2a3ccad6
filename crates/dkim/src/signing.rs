//! A message on its way out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_types::UnixTime;
use message::Field;

use crate::body::{BodyHash, Hash};
use crate::canonical::Canonical;
use crate::message_reader::{MessageReader, Unreadable};
use crate::name::is_name;
use crate::signature::NAME_LIMIT;
use crate::signed_fields::{SignedFields, UnusableHeader};
use crate::signing_key::SigningKey;

/// Fields that are signed once more than they stand in the message: one that is added on the way makes the signature
/// invalid. They are those of RFC 6376 section 5.4.1, which other relays sign so, and those that Delta Chat acts on.
const SEALED: [&str; 30] = [
    "from",
    "reply-to",
    "subject",
    "date",
    "to",
    "cc",
    "message-id",
    "in-reply-to",
    "references",
    "resent-date",
    "resent-from",
    "resent-sender",
    "resent-to",
    "resent-cc",
    "resent-message-id",
    "list-id",
    "list-help",
    "list-unsubscribe",
    "list-subscribe",
    "list-post",
    "list-owner",
    "list-archive",
    "mime-version",
    "content-type",
    "autocrypt",
    "auto-submitted",
    "chat-version",
    "secure-join",
    "secure-join-invitenumber",
    "secure-join-auth",
];
/// Fields that are signed if they stand in the message; servers on the way may add them.
const SIGNED: [&str; 2] = ["sender", "content-transfer-encoding"];
/// The longest line of the field, in characters without the CR LF.
const LINE_LIMIT: usize = 76;

/// The signer of a message.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The domain in From, `d=`: a name, no address literal.
    pub domain: &'a str,
    /// The selector, `s=`, below which [`SigningKey::record`] is published.
    pub selector: &'a str,
    /// The key pair.
    pub key: &'a SigningKey,
}

/// The reason why a message cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The header section is larger than 1 MiB, or has more than 10 000 fields.
    #[error("signing a message: its header section is too large")]
    HeaderTooLarge,
    /// A line of the header section belongs to no field, or does not end.
    #[error("signing a message: its header section is malformed")]
    MalformedHeader,
    /// A CR or an LF stands alone.
    #[error("signing a message: a line does not end with CR LF")]
    BareLineEnd,
    /// There is no From field, or more than one.
    #[error("signing a message: it does not have exactly one From field")]
    Author,
    /// There are hundreds of fields to sign.
    #[error("signing a message: it repeats header fields too often")]
    TooManyFields,
    /// The domain or the selector is no name.
    #[error(
        "signing a message: the domain or the selector is no name in the DNS; see `domain` in the configuration"
    )]
    Identity,
    /// The crypto provider failed.
    #[error("signing a message: the DKIM key gave no signature")]
    Provider,
}

impl From<Unreadable> for SigningError {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::HeaderTooLarge => Self::HeaderTooLarge,
            Unreadable::BareLineEnd => Self::BareLineEnd,
        }
    }
}

impl From<UnusableHeader> for SigningError {
    fn from(unusable: UnusableHeader) -> Self {
        match unusable {
            UnusableHeader::Malformed => Self::MalformedHeader,
            UnusableHeader::TooLarge => Self::HeaderTooLarge,
        }
    }
}

/// Signs one message: [`Signing::push`] its bytes, then [`Signing::finish`].
#[derive(Debug)]
pub struct Signing {
    reader: MessageReader,
    body: BodyHash,
}

impl Signing {
    /// For one message, by `rsa-sha256` and `relaxed/relaxed`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a message that begins is no default of anything")]
    pub fn new() -> Self {
        Self { reader: MessageReader::new(), body: BodyHash::new(Canonical::Relaxed) }
    }

    /// Takes the next bytes of the message, dots unescaped; [`Signing::finish`] returns the first error.
    pub fn push(&mut self, bytes: &[u8]) {
        let body = self.reader.push(bytes);
        self.body.push(body);
    }

    /// The DKIM-Signature field, folded, with its CR LF: to be put before the message.
    ///
    /// `now` becomes `t=`, and other servers refuse a signature from the future: do not sign before the clock is right.
    ///
    /// # Errors
    ///
    /// When the message is none that should be sent, or when the identity cannot sign.
    pub fn finish(self, identity: Identity<'_>, now: UnixTime) -> Result<Vec<u8>, SigningError> {
        let section = self.reader.finish()?;
        let fields = SignedFields::parse(&section)?;
        if fields.count("from") != 1 {
            return Err(SigningError::Author);
        }
        if !is_name(identity.domain) || !is_name(identity.selector) {
            return Err(SigningError::Identity);
        }
        let names = names(&fields)?;
        let mut text = fields.write(names.iter().copied(), Canonical::Relaxed, None);
        let mut field = unsigned_field(identity, now, &names, &self.body.finish());
        let (name, value) = field.text.split_once(':').unwrap_or_default();
        let unsigned = Field { name: name.as_bytes(), value: value.as_bytes(), raw: field.text.as_bytes() };
        Canonical::Relaxed.write_unended(&unsigned, unsigned.value, &mut text);
        let signature = identity.key.sign(&text).ok_or(SigningError::Provider)?;
        field.pieces(&STANDARD.encode(signature));
        field.text.push_str("\r\n");
        Ok(field.text.into_bytes())
    }
}

/// The names for `h=`.
fn names(fields: &SignedFields<'_>) -> Result<Vec<&'static str>, SigningError> {
    let sealed = SEALED.iter().map(|name| (*name, fields.count(name) + 1));
    let signed = SIGNED.iter().map(|name| (*name, fields.count(name)));
    let names: Vec<&str> = sealed
        .chain(signed)
        .flat_map(|(name, times)| std::iter::repeat_n(name, times))
        .take(NAME_LIMIT + 1)
        .collect();
    if names.len() > NAME_LIMIT { Err(SigningError::TooManyFields) } else { Ok(names) }
}

/// The field up to its `b=`, which is empty.
fn unsigned_field(identity: Identity<'_>, now: UnixTime, names: &[&str], body: &Hash) -> FoldedField {
    let mut field = FoldedField::new("DKIM-Signature:");
    for tag in ["v=1;", "a=rsa-sha256;", "c=relaxed/relaxed;"] {
        field.word(tag);
    }
    field.word(&format!("d={};", identity.domain.to_ascii_lowercase()));
    field.word(&format!("s={};", identity.selector));
    field.word(&format!("t={};", now.0));
    field.word("h=");
    for (number, name) in names.iter().enumerate() {
        let last = number + 1 == names.len();
        field.piece(&format!("{name}{}", if last { ";" } else { ":" }));
    }
    field.word(&format!("bh={};", STANDARD.encode(body)));
    field.word("b=");
    field
}

/// A header field that is folded while it is written.
struct FoldedField {
    text: String,
    /// The length of the last line.
    line: usize,
}

impl FoldedField {
    fn new(name: &str) -> Self {
        Self { text: name.to_owned(), line: name.len() }
    }

    /// Appends a word behind a space, or on a line of its own.
    fn word(&mut self, word: &str) {
        if self.line + 1 + word.len() <= LINE_LIMIT {
            self.text.push(' ');
            self.line += 1;
        } else {
            self.fold();
        }
        self.append(word);
    }

    /// Appends a piece behind the last one, or on a line of its own.
    fn piece(&mut self, piece: &str) {
        if self.line + piece.len() > LINE_LIMIT {
            self.fold();
        }
        self.append(piece);
    }

    /// Appends a text that may be folded anywhere.
    fn pieces(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let room = LINE_LIMIT.saturating_sub(self.line);
            let (piece, after) = rest.split_at_checked(room).unwrap_or((rest, ""));
            self.append(piece);
            rest = after;
            if !rest.is_empty() {
                self.fold();
            }
        }
    }

    fn append(&mut self, text: &str) {
        self.text.push_str(text);
        self.line += text.len();
    }

    fn fold(&mut self) {
        self.text.push_str("\r\n\t");
        self.line = 1;
    }
}
