//! Commands as values: made by `parse`, carried out by `act`.

use std::collections::BTreeSet;

use mail_types::{Flags, ModSeq, Secret, UidValidity, UnixTime};

use crate::frame::Announcement;
use crate::mail::{Access, FlagChange, MetadataDepth, MetadataOwner, SpecialUse, Subscription};
use crate::mailbox_name::MailboxName;
use crate::search_key::SearchKey;
use crate::sequence::{Numbering, SequenceSet};

/// A command with all its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `CAPABILITY`
    Capability,
    /// `NOOP`
    Noop,
    /// `CHECK`
    Check,
    /// `LOGOUT`
    Logout,
    /// `ID`; its parameters are checked and dropped.
    Id,
    /// `STARTTLS`
    StartTls,
    /// `LOGIN`
    Login(Credentials),
    /// `AUTHENTICATE PLAIN`, with the initial response of RFC 4959, still in base64.
    AuthenticatePlain(Option<Vec<u8>>),
    /// `AUTHENTICATE` with a mechanism that is not offered.
    AuthenticateOther,
    /// `ENABLE`
    Enable(Vec<String>),
    /// `SELECT` and `EXAMINE`
    Select(Select),
    /// `CREATE`
    Create(Create),
    /// `DELETE`
    Delete(MailboxName),
    /// `RENAME`
    Rename { from: MailboxName, to: MailboxName },
    /// `SUBSCRIBE` and `UNSUBSCRIBE`
    Subscribe(MailboxName, Subscription),
    /// `LIST` and `LSUB`
    List(List),
    /// `NAMESPACE`
    Namespace,
    /// `STATUS`
    Status(MailboxName, Vec<StatusItem>),
    /// `APPEND`, up to its message
    Append(Append),
    /// `IDLE`
    Idle,
    /// `GETQUOTAROOT`
    QuotaRoot(MailboxName),
    /// `GETQUOTA`
    Quota(Vec<u8>),
    /// `SETQUOTA`
    SetQuota,
    /// `GETMETADATA`
    GetMetadata(GetMetadata),
    /// `SETMETADATA`
    SetMetadata(SetMetadata),
    /// `CLOSE`
    Close,
    /// `UNSELECT`
    Unselect,
    /// `EXPUNGE`, or `UID EXPUNGE` with its set.
    Expunge(Option<SequenceSet>),
    /// `FETCH` and `UID FETCH`
    Fetch(Fetch),
    /// `STORE` and `UID STORE`
    Store(Store),
    /// `SEARCH` and `UID SEARCH`
    Search(Search),
    /// `COPY`, `MOVE` and their `UID` forms.
    CopyMove(CopyMove),
}

/// Authentication identity and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: Secret,
}

/// `SELECT` or `EXAMINE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Select {
    pub(crate) mailbox: MailboxName,
    pub(crate) access: Access,
    pub(crate) tracking: SelectTracking,
}

/// The parameters of `SELECT` and `EXAMINE` (RFC 7162 sections 3.1.8 and 3.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SelectTracking {
    /// None.
    Plain,
    /// `(CONDSTORE)`
    Condstore,
    /// `(QRESYNC (...))`
    Qresync(Qresync),
}

/// The parameter `QRESYNC`: the state of the mailbox in the client's cache (RFC 7162 section 3.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Qresync {
    pub(crate) uid_validity: UidValidity,
    pub(crate) since: ModSeq,
    /// The UIDs in the cache; `None` stands for all.
    pub(crate) known: Option<SequenceSet>,
}

/// `CREATE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Create {
    pub(crate) mailbox: MailboxName,
    pub(crate) special_use: Option<SpecialUse>,
}

/// `LIST` with the options of RFC 5258, or `LSUB`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) kind: ListKind,
    pub(crate) reference: String,
    pub(crate) patterns: Vec<String>,
    pub(crate) select: BTreeSet<ListSelect>,
    pub(crate) returns: BTreeSet<ListReturn>,
    /// `RETURN (STATUS (...))` of RFC 5819.
    pub(crate) status: Vec<StatusItem>,
}

/// The two listing commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListKind {
    /// `LIST`
    List,
    /// `LSUB`
    Lsub,
}

/// Selection options of `LIST` (RFC 5258 section 3.1, RFC 6154 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ListSelect {
    /// `SUBSCRIBED`
    Subscribed,
    /// `REMOTE`, which makes no difference here.
    Remote,
    /// `RECURSIVEMATCH`
    RecursiveMatch,
    /// `SPECIAL-USE`
    SpecialUse,
}

/// Return options of `LIST` (RFC 5258 section 3.2, RFC 6154 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ListReturn {
    /// `SUBSCRIBED`
    Subscribed,
    /// `CHILDREN`; these attributes are always returned.
    Children,
    /// `SPECIAL-USE`; these attributes are always returned.
    SpecialUse,
}

/// A status data item (RFC 3501 section 6.3.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StatusItem {
    /// `MESSAGES`
    Messages,
    /// `RECENT`
    Recent,
    /// `UIDNEXT`
    UidNext,
    /// `UIDVALIDITY`
    UidValidity,
    /// `UNSEEN`
    Unseen,
    /// `DELETED`
    Deleted,
    /// `SIZE` (RFC 8438)
    Size,
    /// `HIGHESTMODSEQ` (RFC 7162)
    HighestModSeq,
}

/// `APPEND` without its message, which is streamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Append {
    pub(crate) mailbox: MailboxName,
    pub(crate) flags: Flags,
    pub(crate) date: Option<UnixTime>,
    pub(crate) literal: Announcement,
}

/// `GETMETADATA` (RFC 5464 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GetMetadata {
    pub(crate) of: MetadataOwner,
    /// The mailbox name as the client wrote it, repeated in the response: Delta Chat compares.
    pub(crate) name: Vec<u8>,
    pub(crate) entries: Vec<String>,
    pub(crate) depth: MetadataDepth,
    pub(crate) max_size: Option<u32>,
}

/// `SETMETADATA` (RFC 5464 section 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetMetadata {
    pub(crate) of: MetadataOwner,
    pub(crate) entries: Vec<(String, Option<Vec<u8>>)>,
}

/// `FETCH`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) set: SequenceSet,
    pub(crate) numbering: Numbering,
    pub(crate) items: Vec<FetchItem>,
    pub(crate) changed_since: Option<ModSeq>,
    pub(crate) vanished: Vanished,
}

/// The modifier `VANISHED` of `UID FETCH` (RFC 7162 section 3.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vanished {
    /// Given: expunged UIDs are reported.
    Report,
    /// Not given.
    Omit,
}

/// A fetch data item (RFC 3501 section 6.4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FetchItem {
    /// `UID`
    Uid,
    /// `FLAGS`: the resulting flags.
    Flags,
    /// `INTERNALDATE`
    InternalDate,
    /// `RFC822.SIZE`
    Size,
    /// `MODSEQ`
    ModSeq,
    /// `ENVELOPE`
    Envelope,
    /// `BODY`
    Body,
    /// `BODYSTRUCTURE`
    BodyStructure,
    /// `BODY[...]` and its old names.
    Section(FetchSection),
}

/// `BODY[section]<partial>`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FetchSection {
    pub(crate) section: Section,
    /// The partial specifier: first byte, from 0, and number of bytes.
    pub(crate) partial: Option<(u32, u32)>,
    pub(crate) seen: MarkSeen,
    pub(crate) name: SectionName,
}

/// The effect of fetching a section on `\Seen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarkSeen {
    /// `BODY[...]` sets the flag.
    Yes,
    /// `BODY.PEEK[...]` does not.
    No,
}

/// The name of the section in the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SectionName {
    /// `BODY[...]`
    Body,
    /// `RFC822`
    Rfc822,
    /// `RFC822.HEADER`
    Rfc822Header,
    /// `RFC822.TEXT`
    Rfc822Text,
}

/// A section specification (RFC 3501 section 6.4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// The part specifier; empty for the message itself.
    pub(crate) path: Vec<u32>,
    pub(crate) text: SectionText,
}

/// The text of a part or a message that a section names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SectionText {
    /// The whole body of the part, or the whole message.
    Whole,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS (...)`
    Fields(Vec<String>),
    /// `HEADER.FIELDS.NOT (...)`
    FieldsNot(Vec<String>),
    /// `TEXT`
    Text,
    /// `MIME`
    Mime,
}

/// `STORE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Store {
    pub(crate) set: SequenceSet,
    pub(crate) numbering: Numbering,
    pub(crate) change: FlagChange,
    pub(crate) response: StoreResponse,
    pub(crate) unchanged_since: Option<ModSeq>,
}

/// The untagged response that `STORE` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreResponse {
    /// `FLAGS`
    Flags,
    /// `FLAGS.SILENT`: none.
    Silent,
}

/// `SEARCH`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Search {
    pub(crate) numbering: Numbering,
    pub(crate) key: SearchKey,
    /// The options of `RETURN`, with which the response is `ESEARCH` (RFC 4731); `None` for `SEARCH`.
    pub(crate) returns: Option<BTreeSet<SearchReturn>>,
    pub(crate) charset: Charset,
}

/// Result options of `SEARCH` (RFC 4731 section 3.1), in the order of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SearchReturn {
    /// `MIN`
    Min,
    /// `MAX`
    Max,
    /// `COUNT`
    Count,
    /// `ALL`
    All,
}

/// The charset of the search texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    /// UTF-8 or US-ASCII.
    Known,
    /// Any other: `BADCHARSET`.
    Unknown,
}

/// `COPY` or `MOVE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopyMove {
    pub(crate) set: SequenceSet,
    pub(crate) numbering: Numbering,
    pub(crate) to: MailboxName,
    pub(crate) originals: Originals,
}

/// The fate of the source messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Originals {
    /// `COPY` keeps them.
    Keep,
    /// `MOVE` expunges them (RFC 6851 section 3.3).
    Remove,
}

/// The states in which a command is legal (RFC 3501 sections 3 and 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Legal {
    /// In every state.
    Always,
    /// Before login only.
    NotAuthenticated,
    /// After login, with or without a selected mailbox.
    Authenticated,
    /// With a selected mailbox.
    Selected,
}

impl Command {
    /// The states in which the command is legal.
    pub(crate) fn legal(&self) -> Legal {
        match self {
            Self::Capability | Self::Noop | Self::Logout | Self::Id => Legal::Always,
            Self::StartTls | Self::Login(_) | Self::AuthenticatePlain(_) | Self::AuthenticateOther => {
                Legal::NotAuthenticated
            }
            Self::Create(_)
            | Self::Delete(_)
            | Self::Rename { .. }
            | Self::Subscribe(..)
            | Self::List(_)
            | Self::Namespace
            | Self::Status(..)
            | Self::Append(_)
            | Self::Enable(_)
            | Self::Select(_)
            | Self::Idle
            | Self::QuotaRoot(_)
            | Self::Quota(_)
            | Self::SetQuota
            | Self::GetMetadata(_)
            | Self::SetMetadata(_) => Legal::Authenticated,
            Self::Check
            | Self::Close
            | Self::Unselect
            | Self::Expunge(_)
            | Self::Fetch(_)
            | Self::Store(_)
            | Self::Search(_)
            | Self::CopyMove(_) => Legal::Selected,
        }
    }
}
