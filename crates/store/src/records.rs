//! The values of the key space. Frequent records are packed by hand, rare ones are JSON.
//!
//! A field may be added at the end of a packed record (older releases ignore what follows) or to a JSON record
//! (older releases ignore names that they do not know); none may be taken away or change its meaning.

use mail_types::{CompactFlags, Day, Keyword, KeywordDictionary, ModSeq, Uid, UidValidity, UnixTime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec::{Fields, put_string};
use crate::error::{Error, Result};
use crate::message_list::MessageEntry;
use crate::types::{AccountState, OutboundDraft, SpecialUse};

/// A message's body: id, size in bytes, CRC-32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BodyRef {
    pub(crate) body: u64,
    pub(crate) size: u64,
    pub(crate) crc: u32,
}

/// A message's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MessageRecord {
    pub(crate) body: BodyRef,
    pub(crate) modseq: ModSeq,
    pub(crate) internal_date: UnixTime,
    /// On disk only where it differs from `internal_date`, or where keywords follow it.
    pub(crate) arrived: UnixTime,
    /// The keywords by their places in the mailbox's dictionary.
    pub(crate) flags: CompactFlags,
    /// Keywords that have no place yet, as records of format 1 hold them. They are read, and never written.
    pub(crate) named: Vec<Keyword>,
}

impl MessageRecord {
    /// The bytes on disk. Format 1 had a list of names where the zero is; a reader of format 1 finds none there, takes the
    /// time of arrival, and ignores the keywords behind it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(56);
        out.extend_from_slice(&self.body.body.to_le_bytes());
        out.extend_from_slice(&self.body.size.to_le_bytes());
        out.extend_from_slice(&self.body.crc.to_le_bytes());
        out.extend_from_slice(&self.modseq.0.to_le_bytes());
        out.extend_from_slice(&self.internal_date.0.to_le_bytes());
        out.push(self.flags.system_bits());
        out.push(0);
        let keywords = self.flags.keyword_bits();
        if keywords != 0 || self.arrived != self.internal_date {
            out.extend_from_slice(&self.arrived.0.to_le_bytes());
        }
        if keywords != 0 {
            out.extend_from_slice(&keywords.to_le_bytes());
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let body = BodyRef { body: fields.u64()?, size: fields.u64()?, crc: fields.u32()? };
        let modseq = ModSeq(fields.u64()?);
        let internal_date = UnixTime(fields.u64()?);
        let system = fields.u8()?;
        let count = fields.u8()?;
        let mut named = Vec::new();
        for _ in 0..count {
            let text = String::from_utf8(fields.string()?.to_vec()).ok()?;
            named.push(Keyword::try_from(text).ok()?);
        }
        let arrived = fields.u64().map_or(internal_date, UnixTime);
        let flags = CompactFlags::from_bits(system, fields.u64().unwrap_or(0));
        Some(Self { body, modseq, internal_date, arrived, flags, named })
    }

    /// The record with the places of its named keywords, as far as the dictionary knows them.
    pub(crate) fn placed(mut self, dictionary: &KeywordDictionary) -> Self {
        for keyword in std::mem::take(&mut self.named) {
            self.flags = self.flags.with(dictionary.flag(&keyword).unwrap_or_default());
        }
        self
    }

    /// The part of it that readers see.
    pub(crate) fn entry(self, uid: Uid, dictionary: &KeywordDictionary) -> MessageEntry {
        let Self { body, modseq, internal_date, arrived, flags, .. } = self.placed(dictionary);
        MessageEntry { uid, flags, size: body.size, internal_date, arrived, modseq }
    }
}

/// A mailbox's dictionary of keywords: the names in their order.
pub(crate) fn encode_dictionary(dictionary: &KeywordDictionary) -> Vec<u8> {
    let mut out = Vec::new();
    for keyword in dictionary.iter() {
        put_string(&mut out, keyword.as_str().as_bytes());
    }
    out
}

/// A mailbox's dictionary from its bytes, which passed a checksum.
pub(crate) fn decode_dictionary(bytes: &[u8]) -> Result<KeywordDictionary> {
    let unknown = || Error::Bug("a dictionary of keywords has an unknown shape");
    let mut fields = Fields::new(bytes);
    let mut dictionary = KeywordDictionary::default();
    while !fields.is_empty() {
        let name = std::str::from_utf8(fields.string().ok_or_else(unknown)?).map_err(|_| unknown())?;
        dictionary.add(&name.parse().map_err(|_| unknown())?).map_err(|_| unknown())?;
    }
    Ok(dictionary)
}

/// A mailbox's counters. They change with every message, so they are apart from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    /// The mailbox's account.
    pub(crate) account: u64,
    pub(crate) uid_validity: UidValidity,
    pub(crate) uid_next: Uid,
    pub(crate) modseq: ModSeq,
    pub(crate) messages: u32,
    pub(crate) bytes: u64,
    /// The XOR of the hashes of all message records: an index that lost one of them cannot have it right.
    pub(crate) hash: u64,
}

impl Counters {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(44);
        out.extend_from_slice(&self.account.to_le_bytes());
        out.extend_from_slice(&self.uid_validity.get().to_le_bytes());
        out.extend_from_slice(&self.uid_next.get().to_le_bytes());
        out.extend_from_slice(&self.modseq.0.to_le_bytes());
        out.extend_from_slice(&self.messages.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&self.hash.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        Some(Self {
            account: fields.u64()?,
            uid_validity: UidValidity::new(fields.u32()?)?,
            uid_next: Uid::new(fields.u32()?)?,
            modseq: ModSeq(fields.u64()?),
            messages: fields.u32()?,
            bytes: fields.u64()?,
            hash: fields.u64()?,
        })
    }
}

/// An account, or the tombstone of a deleted one, which keeps its name from being given out again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(crate) enum AccountRecord {
    Account {
        id: u64,
        password_hash: String,
        created: Day,
        last_login: Day,
        #[serde(default)]
        state: AccountState,
        /// Releases that do not know it drop it with the next change of the record, and check the hash.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        minted_verifier: Option<String>,
        /// The highest UIDVALIDITY given out to one of its mailboxes.
        last_uid_validity: u32,
    },
    Retired {
        day: Day,
    },
}

/// A mailbox's name and properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MailboxRecord {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) special_use: Option<SpecialUse>,
}

/// An entry of the outbound queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutboundRecord {
    pub(crate) body: BodyRef,
    pub(crate) draft: OutboundDraft,
}

/// A pending push; written with every message of an account that has tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PushRecord {
    pub(crate) since: UnixTime,
    /// The body of the message that asked for it last.
    pub(crate) body: u64,
}

impl PushRecord {
    pub(crate) fn encode(self) -> Vec<u8> {
        [self.since.0.to_le_bytes(), self.body.to_le_bytes()].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        Some(Self { since: UnixTime(fields.u64()?), body: fields.u64()? })
    }
}

/// An invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InviteRecord {
    pub(crate) uses_left: u32,
    pub(crate) created: UnixTime,
    pub(crate) expires: UnixTime,
}

/// A JSON record's bytes.
pub(crate) fn to_json<T: Serialize>(record: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|_| Error::Bug("a record cannot be written as JSON"))
}

/// A JSON record from its bytes; they passed a checksum, so anything else is a mistake of ours.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|_| Error::Bug("a record has an unknown shape"))
}

#[cfg(test)]
mod tests {
    use super::{
        AccountRecord, BodyRef, MessageRecord, decode_dictionary, encode_dictionary, from_json, to_json,
    };
    use mail_types::{CompactFlags, KeywordDictionary, ModSeq, UnixTime};

    const SEEN_AND_DRAFT: u8 = 17;

    #[test]
    fn an_account_without_a_minted_password_is_written_as_by_older_releases() {
        let old = br#"{"kind":"account","id":1,"password_hash":"h","created":20000,"last_login":20000,"state":"active","last_uid_validity":3}"#;
        let mut record: AccountRecord = from_json(old).unwrap();
        assert_eq!(to_json(&record).unwrap(), old);
        if let AccountRecord::Account { minted_verifier, .. } = &mut record {
            *minted_verifier = Some("v".to_owned());
        }
        assert_eq!(from_json::<AccountRecord>(&to_json(&record).unwrap()).unwrap(), record);
    }

    fn record() -> MessageRecord {
        MessageRecord {
            body: BodyRef { body: 77, size: 12, crc: 5 },
            modseq: ModSeq(9),
            internal_date: UnixTime(1_800_000_000),
            arrived: UnixTime(1_800_000_000),
            flags: CompactFlags::from_bits(SEEN_AND_DRAFT, 0),
            named: Vec::new(),
        }
    }

    #[test]
    fn a_message_record_survives_its_bytes_and_ignores_what_a_newer_release_appended() {
        let without = record().encode();
        assert_eq!(MessageRecord::decode(&without), Some(record()));
        assert_eq!(MessageRecord::decode(&without[..without.len() - 1]), None);
        let appended = MessageRecord { arrived: UnixTime(1_900_000_000), ..record() };
        let bytes = appended.encode();
        assert_eq!((bytes.len(), MessageRecord::decode(&bytes)), (without.len() + 8, Some(appended.clone())));
        for arrived in [appended.arrived, record().internal_date] {
            let flags = CompactFlags::from_bits(SEEN_AND_DRAFT, u64::MAX);
            let flagged = MessageRecord { arrived, flags, ..record() };
            let mut bytes = flagged.encode();
            assert_eq!(bytes.len(), without.len() + 16);
            bytes.extend_from_slice(b"future");
            assert_eq!(MessageRecord::decode(&bytes), Some(flagged));
        }
    }

    #[test]
    fn the_names_of_format_1_get_their_places() {
        let mut bytes = record().encode();
        let count = bytes.len() - 1;
        bytes[count] = 2;
        for name in ["$Forwarded", "unknown"] {
            bytes.extend_from_slice(&u32::try_from(name.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(name.as_bytes());
        }
        let mut dictionary = KeywordDictionary::default();
        dictionary.add(&"other".parse().unwrap()).unwrap();
        dictionary.add(&"$forwarded".parse().unwrap()).unwrap();
        let placed = MessageRecord::decode(&bytes).unwrap().placed(&dictionary);
        assert_eq!(placed, MessageRecord { flags: CompactFlags::from_bits(SEEN_AND_DRAFT, 2), ..record() });
        assert_eq!(decode_dictionary(&encode_dictionary(&dictionary)).unwrap(), dictionary);
    }
}
