//! Dynamic updates (RFC 2136) over TCP, signed with a key that the server shares (TSIG, RFC 8945).

mod codes;
mod numbers;
mod reading;
mod tsig;
mod writing;

use std::time::Duration;

use host::locks::Mutex;
use mail_types::UnixTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use codes::{ResponseCode, failure, unsigned};
use numbers::SOA;
use reading::Message;
use tsig::Unverified;

use crate::error::UpdateError;
use crate::name::RecordName;
use crate::rdata::RecordKind;
use crate::records::RecordSet;
use crate::settings::{Access, ProviderSettings, Server, TsigKey};

/// The longest time for connecting and for each answer.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// The most texts of others that are kept at a name.
const TEXTS_LIMIT: usize = 32;

/// A name server that takes updates, with the credentials for one name.
pub(crate) struct Rfc2136 {
    server: Server,
    key: TsigKey,
    /// The owner's name.
    name: RecordName,
    /// The zone that the name is in, once it is known.
    zone: Mutex<Option<RecordName>>,
}

impl Rfc2136 {
    pub(crate) fn new(server: Server, zone: Option<RecordName>, key: TsigKey, name: RecordName) -> Self {
        Self { server, key, name, zone: Mutex::new(zone) }
    }

    /// Replaces record sets, all or none. Texts of others at the owner's name stay.
    ///
    /// # Errors
    ///
    /// When the server does not do it, or its answer does not come or is not signed as it should be.
    pub(crate) async fn replace(&self, sets: &[RecordSet], now: UnixTime) -> Result<(), UpdateError> {
        let mut connection = Connection::open(&self.server).await?;
        let known = self.zone.lock().clone();
        let zone = match known {
            Some(zone) => zone,
            None => self.find_zone(&mut connection, now).await?,
        };
        let is_shared = |set: &RecordSet| set.name == self.name && set.kind == RecordKind::Txt;
        let foreign = if sets.iter().any(is_shared) {
            self.foreign_texts(&mut connection, now).await?
        } else {
            Vec::new()
        };
        let id = identifier()?;
        let update = writing::update(id, &zone, sets, |set| if is_shared(set) { &foreign } else { &[] });
        let update = update.ok_or_else(|| {
            UpdateError::Records("The records do not fit into one update (64 KiB).".to_owned())
        })?;
        outcome(self.exchange(&mut connection, update, now).await, &zone)?;
        *self.zone.lock() = Some(zone);
        Ok(())
    }

    /// Asks for the zone that the owner's name is in: that of an SOA record at the name, or at one above it.
    async fn find_zone(&self, connection: &mut Connection, now: UnixTime) -> Result<RecordName, UpdateError> {
        let mut place = Some(self.name.clone());
        while let Some(name) = place {
            let question = writing::question(identifier()?, &name, SOA);
            let zone = match self.exchange(connection, question, now).await {
                Ok(answer) => answer.start_of_authority().filter(|zone| self.name.is_in(zone)),
                // Some servers do not sign what they refuse, as they do with names of other zones.
                Err(Unverified::Unsigned(code)) if code != ResponseCode::NO_ERROR => None,
                Err(Unverified::Unsigned(code)) => return Err(unsigned(code, &name)),
                Err(Unverified::Failed(error)) => return Err(error),
            };
            if let Some(zone) = zone {
                return Ok(zone);
            }
            place = name.parent();
        }
        let words = format!("The name server has no zone that {} is in: enter the zone.", self.name);
        Err(UpdateError::NoSuchName(words))
    }

    /// The data of the texts at the owner's name but for SPF records.
    async fn foreign_texts(
        &self,
        connection: &mut Connection,
        now: UnixTime,
    ) -> Result<Vec<Vec<u8>>, UpdateError> {
        let question = writing::question(identifier()?, &self.name, RecordKind::Txt.number());
        let answer = self.exchange(connection, question, now).await;
        let answer = answer.map_err(|error| error.into_failure(&self.name))?;
        let texts = answer.data(&self.name, RecordKind::Txt.number()).filter(|data| !is_spf(data));
        Ok(texts.take(TEXTS_LIMIT).map(<[u8]>::to_vec).collect())
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        message: Vec<u8>,
        now: UnixTime,
    ) -> Result<Message, Unverified> {
        let request = tsig::sign(message, &self.key, now)?;
        let answer = connection.exchange(&request.bytes).await?;
        tsig::verify(&answer, &request, &self.key, now)
    }
}

/// The outcome of an update of a zone.
fn outcome(answer: Result<Message, Unverified>, zone: &RecordName) -> Result<(), UpdateError> {
    match answer {
        Ok(Message { code: ResponseCode::NO_ERROR, .. }) => Ok(()),
        Ok(Message { code, .. }) => Err(failure(code, zone)),
        Err(error) => Err(error.into_failure(zone)),
    }
}

impl Unverified {
    fn into_failure(self, zone: &RecordName) -> UpdateError {
        match self {
            Self::Unsigned(code) => unsigned(code, zone),
            Self::Failed(error) => error,
        }
    }
}

/// Whether the first string of a text begins as an SPF record does (RFC 7208 section 4.5).
fn is_spf(data: &[u8]) -> bool {
    let string = data.split_first().and_then(|(length, rest)| rest.get(..usize::from(*length)));
    let string = string.unwrap_or_default().to_ascii_lowercase();
    string == b"v=spf1" || string.starts_with(b"v=spf1 ")
}

fn identifier() -> Result<u16, UpdateError> {
    let bytes =
        host::entropy::bytes().map_err(|error| UpdateError::Trouble(error.to_string(), TIME_LIMIT))?;
    Ok(u16::from_be_bytes(bytes))
}

/// Reads the answer of a name server to an update of these settings, which had this identifier and was sent now. For tests
/// of the reader: the answer must be signed with the key of the settings.
///
/// # Errors
///
/// When it is not signed as it should be, or is a failure.
pub fn read(settings: &ProviderSettings, id: u16, answer: &[u8], now: UnixTime) -> Result<(), UpdateError> {
    let Access::Rfc2136 { key, .. } = &settings.access else {
        return Err(UpdateError::Credentials("These settings have no key.".to_owned()));
    };
    let request = tsig::sign(writing::question(id, &settings.name, SOA), key, now)?;
    outcome(tsig::verify(answer, &request, key, now), &settings.name)
}

/// A connection to a name server: messages with their length in front (RFC 1035 section 4.2.2).
struct Connection(TcpStream);

impl Connection {
    async fn open(server: &Server) -> Result<Self, UpdateError> {
        let connected = TcpStream::connect((server.host.as_str(), server.port));
        let stream = tokio::time::timeout(TIME_LIMIT, connected).await.map_err(|_| silence())?;
        let stream = stream.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        Ok(Self(stream))
    }

    async fn exchange(&mut self, message: &[u8]) -> Result<Vec<u8>, UpdateError> {
        let exchanged = async {
            let length = u16::try_from(message.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
            self.0.write_all(&[&length.to_be_bytes(), message].concat()).await?;
            // A message has 64 KiB at most.
            let mut answer = vec![0; usize::from(self.0.read_u16().await?)];
            self.0.read_exact(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(TIME_LIMIT, exchanged).await.map_err(|_| silence())?;
        answer.map_err(unreachable)
    }
}

fn silence() -> UpdateError {
    UpdateError::Unreachable(format!("The name server does not answer within {TIME_LIMIT:?}."))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreachable(error: std::io::Error) -> UpdateError {
    UpdateError::Unreachable(format!("The name server cannot be reached by TCP: {error}"))
}
