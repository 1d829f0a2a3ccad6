//! A DKIM-Signature field, read (RFC 6376 section 3.5).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_types::UnixTime;

use crate::body::Hash;
use crate::canonical::Canonical;
use crate::name::{is_name, is_within, key_name};
use crate::public_key::Algorithm;
use crate::tags::{Tags, members, without_white};
use crate::verdict::Flaw;

/// The longest field read, in bytes.
const FIELD_LIMIT: usize = 64 * 1024;
/// The most names in `h=`. Ours has about fifty.
pub(crate) const NAME_LIMIT: usize = 250;
/// The longest signature, in bytes: that of an RSA key of 4096 bits.
const SIGNATURE_LIMIT: usize = 512;
/// Seconds by which a signer's clock may be ahead of ours.
const CLOCK_SKEW: u64 = 15 * 60;

/// A signature that might be valid.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) algorithm: Algorithm,
    /// `b=`
    pub(crate) bytes: Vec<u8>,
    /// `bh=`
    pub(crate) body_hash: Hash,
    /// The first half of `c=`.
    pub(crate) header: Canonical,
    /// The second half of it.
    pub(crate) body: Canonical,
    /// `d=`, a name.
    pub(crate) domain: String,
    /// The name of the key's record.
    pub(crate) key_name: String,
    /// The names in `h=`, in order, in lower case.
    pub(crate) signed: Vec<String>,
    /// The domain in `i=`, which is `d=` or below it.
    pub(crate) identity: String,
    /// `t=`
    made: Option<UnixTime>,
    /// `x=`
    expires: Option<UnixTime>,
}

impl Signature {
    /// Reads a field's value, still folded.
    pub(crate) fn parse(value: &[u8]) -> Result<Self, Flaw> {
        if value.len() > FIELD_LIMIT {
            return Err(Flaw::Syntax);
        }
        let tags = Tags::parse(value).map_err(|_| Flaw::Syntax)?;
        let required = |name: &str| tags.get(name).ok_or(Flaw::Syntax);
        if required("v")? != "1" {
            return Err(Flaw::Version);
        }
        let algorithm = Algorithm::of_signature(required("a")?).ok_or(Flaw::Algorithm)?;
        // Whatever is appended to a body that is signed in part is seen as part of the message (RFC 6376 section 8.2).
        if tags.get("l").is_some() {
            return Err(Flaw::BodyLength);
        }
        let queried = tags.get("q").is_none_or(|value| members(value).any(|method| method == "dns/txt"));
        if !queried {
            return Err(Flaw::QueryMethod);
        }
        let (header, body) = canonicalization(tags.get("c").unwrap_or("simple"))?;
        let domain = Some(required("d")?).filter(|name| is_name(name)).ok_or(Flaw::Syntax)?;
        let selector = Some(required("s")?).filter(|name| is_name(name)).ok_or(Flaw::Syntax)?;
        let signed = signed_names(required("h")?)?;
        let body_hash = base64(required("bh")?)?.try_into().map_err(|_| Flaw::Syntax)?;
        let bytes = base64(required("b")?)?;
        if bytes.is_empty() || bytes.len() > SIGNATURE_LIMIT {
            return Err(Flaw::Syntax);
        }
        Ok(Self {
            algorithm,
            bytes,
            body_hash,
            header,
            body,
            identity: identity(tags.get("i"), domain)?,
            key_name: key_name(selector, domain).ok_or(Flaw::Syntax)?,
            domain: domain.to_owned(),
            signed,
            made: tags.get("t").map(seconds).transpose()?,
            expires: tags.get("x").map(seconds).transpose()?,
        })
    }

    /// Whether `d=` is this domain, exactly but for case.
    pub(crate) fn is_of(&self, domain: &str) -> bool {
        self.domain.eq_ignore_ascii_case(domain)
    }

    /// Whether the signature may be used now: after `t=` and before `x=`, as far as it has them.
    pub(crate) fn in_time(&self, now: UnixTime) -> Result<(), Flaw> {
        let UnixTime(now) = now;
        if self.made.is_some_and(|made| made.0 > now.saturating_add(CLOCK_SKEW)) {
            return Err(Flaw::FromTheFuture);
        }
        let before_made = |expires: UnixTime| self.made.is_some_and(|made| expires <= made);
        if self.expires.is_some_and(|expires| expires.0 <= now || before_made(expires)) {
            return Err(Flaw::Expired);
        }
        Ok(())
    }
}

/// The value of a signature field with that of `b=` deleted, white space around it included, and without the line end
/// (RFC 6376 section 3.7).
pub(crate) fn without_signature(value: &[u8]) -> Vec<u8> {
    let value = value.strip_suffix(b"\r\n").unwrap_or(value);
    let mut rest = Vec::with_capacity(value.len());
    for (number, specification) in value.split(|byte| *byte == b';').enumerate() {
        if number > 0 {
            rest.push(b';');
        }
        let name_length = specification.iter().position(|byte| *byte == b'=').unwrap_or(specification.len());
        let (name, _) = specification.split_at_checked(name_length).unwrap_or((specification, &[]));
        if name.trim_ascii() == b"b" {
            rest.extend_from_slice(name);
            rest.push(b'=');
        } else {
            rest.extend_from_slice(specification);
        }
    }
    rest
}

/// `sig-c-tag = %x63 [FWS] "=" [FWS] sig-c-tag-alg [ "/" sig-c-tag-alg ]`
fn canonicalization(value: &str) -> Result<(Canonical, Canonical), Flaw> {
    let form = |name: &str| match name {
        "simple" => Ok(Canonical::Simple),
        "relaxed" => Ok(Canonical::Relaxed),
        _ => Err(Flaw::Canonicalization),
    };
    let (header, body) = value.split_once('/').unwrap_or((value, "simple"));
    Ok((form(header)?, form(body)?))
}

/// `sig-h-tag = %x68 [FWS] "=" [FWS] hdr-name *( [FWS] ":" [FWS] hdr-name )`
fn signed_names(value: &str) -> Result<Vec<String>, Flaw> {
    let names: Vec<String> =
        members(value).take(NAME_LIMIT + 1).map(|name| name.to_ascii_lowercase()).collect();
    let is_field_name = |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if names.len() > NAME_LIMIT || !names.iter().all(is_field_name) {
        return Err(Flaw::Syntax);
    }
    // RFC 6376 section 5.4: without it, anybody could be the author of the same signed message.
    if names.iter().any(|name| name == "from") { Ok(names) } else { Err(Flaw::FromNotSigned) }
}

/// `sig-i-tag = %x69 [FWS] "=" [FWS] [ Local-part ] "@" domain-name`
fn identity(value: Option<&str>, domain: &str) -> Result<String, Flaw> {
    let Some(value) = value else { return Ok(domain.to_owned()) };
    let value = without_white(value);
    let (_, name) = value.rsplit_once('@').ok_or(Flaw::Syntax)?;
    if is_name(name) && is_within(name, domain) { Ok(name.to_owned()) } else { Err(Flaw::Identity) }
}

/// 1*12DIGIT
fn seconds(value: &str) -> Result<UnixTime, Flaw> {
    let digits = (1..=12).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| digits).map(UnixTime).ok_or(Flaw::Syntax)
}

fn base64(value: &str) -> Result<Vec<u8>, Flaw> {
    STANDARD.decode(without_white(value)).map_err(|_| Flaw::Syntax)
}
