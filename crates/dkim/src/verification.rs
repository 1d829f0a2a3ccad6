//! A message on its way in.

use mail_types::UnixTime;

use crate::body::{BodyHash, Hash};
use crate::canonical::Canonical;
use crate::key_record::KeyRecord;
use crate::message_reader::{MessageReader, Unreadable};
use crate::signature::{Signature, without_signature};
use crate::signed_fields::{SignedFields, UnusableHeader};
use crate::verdict::{Flaw, KeyAnswer, Verdict};

/// The field's name, in lower case.
const FIELD: &str = "dkim-signature";
/// The most signature fields read, from the top. Servers on the way add some, each above the author's.
const FIELD_LIMIT: usize = 20;
/// The most signatures of the author's domain that are tried: each costs a question to the DNS.
const SIGNATURE_LIMIT: usize = 5;
/// The most records of a key's name that are looked at.
const RECORD_LIMIT: usize = 3;

/// Reads one message: [`Verification::push`] its bytes, then [`Verification::finish`].
#[derive(Debug)]
pub struct Verification {
    reader: MessageReader,
    /// The signatures in the header section, from the moment it is whole.
    header: Option<Result<Header, Flaw>>,
}

impl Verification {
    /// For one message.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a message that begins is no default of anything")]
    pub fn new() -> Self {
        Self { reader: MessageReader::new(), header: None }
    }

    /// Takes the next bytes of the message, dots unescaped.
    pub fn push(&mut self, bytes: &[u8]) {
        let body = self.reader.push(bytes);
        if self.header.is_none() {
            self.header = self.reader.section().map(Header::parse);
        }
        if let Some(Ok(header)) = &mut self.header {
            header.hashes.iter_mut().for_each(|hash| hash.push(body));
        }
    }

    /// The signatures of the message, which is whole.
    #[must_use]
    pub fn finish(self) -> Signatures {
        Signatures(self.read())
    }

    fn read(self) -> Result<Message, Flaw> {
        let section = self.reader.finish()?;
        let header = self.header.unwrap_or_else(|| Header::parse(&section))?;
        let hashes = header.hashes.into_iter().map(|hash| (hash.canonical(), hash.finish())).collect();
        Ok(Message { section, signatures: header.signatures, hashes })
    }
}

impl From<Unreadable> for Flaw {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::HeaderTooLarge => Self::HeaderTooLarge,
            Unreadable::BareLineEnd => Self::BareLineEnd,
        }
    }
}

impl From<UnusableHeader> for Flaw {
    fn from(unusable: UnusableHeader) -> Self {
        match unusable {
            UnusableHeader::Malformed => Self::MalformedHeader,
            UnusableHeader::TooLarge => Self::HeaderTooLarge,
        }
    }
}

/// A signature field with its number among the fields.
#[derive(Debug)]
struct SignatureField {
    number: usize,
    read: Result<Signature, Flaw>,
}

/// The part of a header section that matters to its body.
#[derive(Debug)]
struct Header {
    signatures: Vec<SignatureField>,
    /// One for each canonical form that some signature has.
    hashes: Vec<BodyHash>,
}

impl Header {
    fn parse(section: &[u8]) -> Result<Self, Flaw> {
        let fields = SignedFields::parse(section)?;
        if fields.count("from") != 1 {
            return Err(Flaw::Author);
        }
        let signatures: Vec<SignatureField> = fields
            .named(FIELD)
            .take(FIELD_LIMIT)
            .map(|(number, field)| SignatureField { number, read: Signature::parse(field.value) })
            .collect();
        let is_wanted = |canonical: &Canonical| {
            signatures.iter().any(|field| field.read.as_ref().is_ok_and(|read| read.body == *canonical))
        };
        let wanted = [Canonical::Simple, Canonical::Relaxed].into_iter().filter(is_wanted);
        let hashes = wanted.map(BodyHash::new).collect();
        Ok(Self { signatures, hashes })
    }
}

/// The signatures of a message that was read to its end.
#[derive(Debug)]
pub struct Signatures(Result<Message, Flaw>);

#[derive(Debug)]
struct Message {
    section: Vec<u8>,
    signatures: Vec<SignatureField>,
    hashes: Vec<(Canonical, Hash)>,
}

impl Signatures {
    /// Whether the message has no DKIM-Signature field. One that cannot be read at all may have some.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_ok_and(|message| message.signatures.is_empty())
    }

    /// The names of the TXT records to ask the DNS for, before [`Signatures::judge`]: each once, in lower case, without a
    /// dot at the end, at most five. They are the keys of those signatures of the author's domain (the domain in From)
    /// that are valid if the key says so.
    #[must_use]
    pub fn key_names(&self, author_domain: &str, now: UnixTime) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let Ok(message) = &self.0 else { return names };
        for (_, signature) in message.tried(author_domain) {
            if message.fits(signature, now).is_ok() && !names.contains(&signature.key_name) {
                names.push(signature.key_name.clone());
            }
        }
        names
    }

    /// Judges the message of an author at this domain. `key` answers for each of [`Signatures::key_names`].
    pub fn judge(&self, author_domain: &str, now: UnixTime, key: impl Fn(&str) -> KeyAnswer) -> Verdict {
        match &self.0 {
            Err(flaw) => Verdict::Invalid(*flaw),
            Ok(message) if message.signatures.is_empty() => Verdict::NoSignature,
            Ok(message) => match SignedFields::parse(&message.section) {
                Ok(fields) => message.judge(&fields, author_domain, now, key),
                Err(unusable) => Verdict::Invalid(unusable.into()),
            },
        }
    }
}

impl Message {
    /// The verdict about a message that has some signature: the first that is valid, or else one that might be.
    fn judge(
        &self,
        fields: &SignedFields<'_>,
        author_domain: &str,
        now: UnixTime,
        key: impl Fn(&str) -> KeyAnswer,
    ) -> Verdict {
        let mut failure = None;
        for (number, signature) in self.tried(author_domain) {
            let verdict = match self.fits(signature, now) {
                Ok(()) => judge_by_key(fields, number, signature, key(&signature.key_name)),
                Err(flaw) => Verdict::Invalid(flaw),
            };
            match verdict {
                Verdict::Valid => return Verdict::Valid,
                Verdict::Unavailable => failure = Some(Verdict::Unavailable),
                verdict => failure = failure.or(Some(verdict)),
            }
        }
        let unread = self.signatures.iter().find_map(|field| field.read.as_ref().err());
        failure.unwrap_or(Verdict::Invalid(*unread.unwrap_or(&Flaw::OtherDomain)))
    }

    /// The signatures of a domain that are tried, from the top, with the numbers of their fields.
    fn tried<'a>(&'a self, domain: &'a str) -> impl Iterator<Item = (usize, &'a Signature)> {
        let read = self.signatures.iter().filter_map(|field| Some((field.number, field.read.as_ref().ok()?)));
        read.filter(move |(_, signature)| signature.is_of(domain)).take(SIGNATURE_LIMIT)
    }

    /// Whether a signature can be valid, as far as that can be said without its key.
    fn fits(&self, signature: &Signature, now: UnixTime) -> Result<(), Flaw> {
        signature.in_time(now)?;
        let signed = self.hashes.contains(&(signature.body, signature.body_hash));
        if signed { Ok(()) } else { Err(Flaw::BodyHash) }
    }
}

/// Judges a signature that fits the body by the answer about its key.
fn judge_by_key(
    fields: &SignedFields<'_>,
    number: usize,
    signature: &Signature,
    answer: KeyAnswer,
) -> Verdict {
    let records = match answer {
        KeyAnswer::Records(records) => records,
        KeyAnswer::Absent => return Verdict::Invalid(Flaw::NoKey),
        KeyAnswer::Unavailable => return Verdict::Unavailable,
    };
    let mut first = None;
    for record in records.iter().take(RECORD_LIMIT) {
        match judge_by_record(fields, number, signature, record) {
            Ok(()) => return Verdict::Valid,
            Err(flaw) => first = first.or(Some(flaw)),
        }
    }
    Verdict::Invalid(first.unwrap_or(Flaw::NoKey))
}

fn judge_by_record(
    fields: &SignedFields<'_>,
    number: usize,
    signature: &Signature,
    record: &str,
) -> Result<(), Flaw> {
    let record = KeyRecord::parse(record, signature.algorithm)?;
    if record.exact_identity && !signature.is_of(&signature.identity) {
        return Err(Flaw::Identity);
    }
    let names = signature.signed.iter().map(String::as_str);
    let mut text = fields.write(names, signature.header, Some(number));
    let (_, field) = fields.named(FIELD).find(|(other, _)| *other == number).ok_or(Flaw::MalformedHeader)?;
    signature.header.write_unended(&field, &without_signature(field.value), &mut text);
    if record.key.has_signed(&text, &signature.bytes) { Ok(()) } else { Err(Flaw::Signature) }
}
