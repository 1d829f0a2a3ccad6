//! The answers about a message, and those that they need.

/// The answer of the DNS to the name of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyAnswer {
    /// The TXT records at the name, each with its strings joined. The first three are looked at.
    Records(Vec<String>),
    /// There are none: the name does not exist, or has no TXT record.
    Absent,
    /// No answer for now.
    Unavailable,
}

/// The judgement of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A signature of the author's domain is valid.
    Valid,
    /// The message has no DKIM-Signature field.
    NoSignature,
    /// No signature of the author's domain is valid.
    Invalid(Flaw),
    /// A signature might be valid, but its key could not be asked for: try again later.
    Unavailable,
}

/// The reason why a message, or its first signature of the author's domain, does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Flaw {
    /// The header section is larger than 1 MiB, or has more than 10 000 fields.
    #[error("the header section is too large")]
    HeaderTooLarge,
    /// A line of the header section belongs to no field, or does not end.
    #[error("the header section is malformed")]
    MalformedHeader,
    /// A CR or an LF stands alone.
    #[error("a line does not end with CR LF")]
    BareLineEnd,
    /// There is no From field, or more than one: the signed one might not be the one that is shown.
    #[error("the message does not have exactly one From field")]
    Author,
    /// No signature has the author's domain in `d=`.
    #[error("no signature is of the author's domain")]
    OtherDomain,
    /// The signature is no tag list, has a tag twice or lacks one, or a value is malformed.
    #[error("the signature is malformed")]
    Syntax,
    /// `v=` is not 1.
    #[error("the signature's version is unknown")]
    Version,
    /// `a=` is neither `rsa-sha256` nor `ed25519-sha256`.
    #[error("the signature's algorithm is unknown or broken")]
    Algorithm,
    /// `c=` has an unknown name.
    #[error("the signature's canonicalization is unknown")]
    Canonicalization,
    /// `l=`: only the beginning of the body is signed.
    #[error("the body is signed in part")]
    BodyLength,
    /// `h=` does not have From.
    #[error("From is not signed")]
    FromNotSigned,
    /// `i=` is outside of `d=`, or below it although the key allows no sub-domains.
    #[error("the signature's identity is outside of its domain")]
    Identity,
    /// `q=` has no method that is known.
    #[error("the signature's key is not in the DNS")]
    QueryMethod,
    /// `t=` is more than 15 minutes ahead.
    #[error("the signature is from the future")]
    FromTheFuture,
    /// `x=` is past, or not after `t=`.
    #[error("the signature has expired")]
    Expired,
    /// `bh=` is the hash of another body.
    #[error("the body is not the one that was signed")]
    BodyHash,
    /// The key's name has no TXT record.
    #[error("the signature's key does not exist")]
    NoKey,
    /// The key's record is malformed.
    #[error("the record of the signature's key is malformed")]
    KeyRecord,
    /// The key's record has an empty `p=`.
    #[error("the signature's key was revoked")]
    RevokedKey,
    /// The key is not for this algorithm (`k=`, `h=`) or not for mail (`s=`).
    #[error("the signature's key is for another use")]
    KeyUse,
    /// The key is on trial (flag `y` of `t=`): the message counts as unsigned.
    #[error("the signature's key is on trial")]
    KeyOnTrial,
    /// An RSA key is shorter than 1024 bits, or longer than 4096.
    #[error("the signature's key is too short or too long")]
    KeySize,
    /// The key did not sign these header fields.
    #[error("the signature does not fit")]
    Signature,
}
