//! The DNS records of a mail domain, and the findings of the network's self-check, on the control socket.

use serde::{Deserialize, Serialize};

/// The records to publish for a mail domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainRecords {
    /// The mail domain.
    pub domain: String,
    /// Its records, the indispensable ones first.
    pub records: Vec<DomainRecord>,
    /// Sentences about the domain or the check as a whole.
    pub notes: Vec<String>,
}

/// A record to publish (RFC 1035 section 3.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainRecord {
    /// The whole name, without a dot at its end.
    pub name: String,
    /// The name as web panels want it: relative to the mail domain, `@` for the domain itself.
    pub relative: String,
    /// The type, for example `TXT`.
    pub kind: String,
    /// The data in the notation of a zone file, but of a TXT record the text in one piece without quotes. Where
    /// [`DomainRecord::is_known`] is false, the words for what stands here.
    pub value: String,
    /// Whether the server knows the data. It does not know the address of a router, for example.
    pub is_known: bool,
    /// The importance of the record.
    pub need: Need,
    /// The use of the record, a sentence.
    pub why: String,
    /// The comparison with what is published; none if that was not asked for.
    pub published: Option<Published>,
}

/// The importance of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Without it the server exchanges no mail with others.
    Indispensable,
    /// Some servers take mail less gladly without it.
    Recommended,
    /// For the convenience of some programs.
    Optional,
}

/// The comparison of a record with what is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The judgement.
    pub state: FindingState,
    /// The judgement in words.
    pub sentence: String,
    /// Whether mail does not work until this is mended.
    pub blocks: bool,
}

/// A finding of the network's self-check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The part that was looked at, in a few words.
    pub subject: String,
    /// The judgement.
    pub state: FindingState,
    /// The judgement in words.
    pub sentence: String,
    /// The thing to do about it.
    pub advice: Option<String>,
}

/// A judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingState {
    /// All is well.
    Good,
    /// It works, but could be better.
    Note,
    /// It does not work.
    Bad,
    /// It could not be found out.
    Unknown,
}
