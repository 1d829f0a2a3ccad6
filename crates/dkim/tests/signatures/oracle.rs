//! mail-auth as a second opinion: it shares no code with the crate here but the crypto provider.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use mail_auth::common::cache::NoCache;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::hickory_resolver::TokioResolver;
use mail_auth::hickory_resolver::config::ResolverConfig;
use mail_auth::hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::{
    AuthenticatedMessage, DkimResult, DnsError, Error, MessageAuthenticator, Parameters, ResolverCache, Txt,
};

/// A resolver that knows no server and is never asked.
static AUTHENTICATOR: LazyLock<MessageAuthenticator> = LazyLock::new(|| {
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let config = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
    let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    MessageAuthenticator(resolver.with_tls_config(tls).build().unwrap())
});

/// The names of keys, each with its record. There are no others.
struct Records<'a>(&'a [(&'a str, &'a str)]);

impl ResolverCache<Box<str>, Txt> for Records<'_> {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let is_it = |known: &str| Borrow::<Q>::borrow(&Box::<str>::from(format!("{known}."))) == name;
        let record = self.0.iter().find(|(known, _)| is_it(known));
        let key = record.map(|(_, record)| DomainKey::parse(record.as_bytes()));
        Some(match key {
            Some(Ok(key)) => key.into(),
            Some(Err(error)) => Txt::Error(error),
            None => Txt::Error(Error::Dns(DnsError::InvalidRecordType)),
        })
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// Whether a signature of this domain is valid. Time is the machine's clock, and many rules are laxer than ours.
pub(crate) fn is_valid(message: &[u8], domain: &str, records: &[(&str, &str)]) -> bool {
    let Some(message) = AuthenticatedMessage::parse(message) else { return false };
    let records = Records(records);
    let parameters: Parameters<
        '_,
        _,
        NoCache<_, _>,
        NoCache<_, _>,
        NoCache<_, _>,
        NoCache<_, _>,
        NoCache<_, _>,
    > = Parameters::new(&message);
    let mut verified = Box::pin(AUTHENTICATOR.verify_dkim(parameters.with_txt_cache(&records)));
    // With all answers at hand there is nothing to wait for.
    let Poll::Ready(outputs) = verified.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        unreachable!("mail-auth waits for something")
    };
    outputs.iter().any(|output| {
        let of_domain = output.signature().is_some_and(|signature| signature.d.eq_ignore_ascii_case(domain));
        of_domain && *output.result() == DkimResult::Pass
    })
}

/// Whether the oracle reads the message by the letter of RFC 6376 section 3.4.
///
/// In the relaxed form it takes a form feed in a header field for white space, does not know a field with white space
/// before its colon, and keeps lines of white space at the end of a body.
pub(crate) fn is_comparable(message: &[u8]) -> bool {
    let end = message::section_length(message).unwrap_or(message.len());
    let (header, body) = message.split_at_checked(end).unwrap_or((message, &[]));
    let odd_name =
        |field: message::Field<'_>| field.raw.get(field.name.len()).is_some_and(|byte| *byte != b':');
    let odd_header = header.contains(&b'\x0c') || message::fields(header).flatten().any(odd_name);
    let last = body.split(|byte| *byte == b'\n').rfind(|line| !matches!(*line, b"" | b"\r"));
    !odd_header && last.is_none_or(|line| !line.trim_ascii().is_empty())
}
