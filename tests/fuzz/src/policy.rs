//! The encryption gate and the header clean-up: any bytes as a message. The policies of MTA-STS: any bytes as one.
//! The judgement of published records: any bytes as theirs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipc::reachability::FindingState;
use mail_parser::{MessageParser, MimeHeaders, PartType};
use relay_policy::reachability::{
    Context, DomainFacts, KeyRole, PublicKeyRecord, Seen, domain_records, judge,
};
use relay_policy::{
    Content, HeaderCleanup, Inspected, Inspection, POLICY_LIMIT, Policy, PolicyId, PolicyMode, Purpose,
    Refusal,
};
use test_support::pieces;

/// A message is judged the same however it comes in pieces. One without a single packet is never encrypted; and what is
/// encrypted here is to another parser, too: `multipart/encrypted` with two parts (RFC 3156 section 4).
pub(crate) fn gate(data: &[u8]) {
    for start in [Inspection::outgoing, Inspection::incoming] {
        let whole = inspect(start(), data, 0);
        for seed in [1, 2] {
            assert_eq!(inspect(start(), data, seed), whole, "cutting matters");
        }
        let has = |word: &[u8]| data.windows(word.len()).any(|part| part == word);
        if matches!(&whole, Ok(Inspected { content: Content::Encrypted, .. })) {
            assert!(has(b"-----BEGIN PGP MESSAGE-----"), "encrypted without armour");
            let agreed = is_encrypted_to_mail_parser(data) || is_folded_beside_equals(data);
            assert!(agreed, "another parser sees another message");
            if let Some(Some(first)) = armoured(data) {
                assert!(first & 0x80 != 0, "no OpenPGP packet begins with {first:#x}");
            }
        }
    }
}

/// Whether mail-parser, which shares no code with the gate, sees `multipart/encrypted` with exactly two parts
/// (RFC 3156 section 4).
fn is_encrypted_to_mail_parser(data: &[u8]) -> bool {
    MessageParser::default().parse(data).is_some_and(|message| {
        let root = message.root_part();
        let kind = root.content_type().map(|kind| (kind.ctype(), kind.subtype().unwrap_or_default()));
        let named = kind.is_some_and(|(kind, subtype)| {
            kind.eq_ignore_ascii_case("multipart") && subtype.eq_ignore_ascii_case("encrypted")
        });
        named && matches!(&root.body, PartType::Multipart(parts) if parts.len() == 2)
    })
}

/// The one exception: RFC 822 section 3.1.4 lets white space, and with it a fold, stand beside the `=` of a parameter, and
/// mail-parser ends the parameter there. It then sees one text: the armour, and around it the little clear text that the
/// gate lets pass as preamble and epilogue.
fn is_folded_beside_equals(data: &[u8]) -> bool {
    let content_type = message::fields(data).filter_map(Result::ok).find(|field| field.is("Content-Type"));
    let pieces: Vec<&[u8]> = content_type
        .map(|field| field.value.trim_ascii_end().split(|byte| *byte == b'=').collect())
        .unwrap_or_default();
    let folded = |blank: &[u8]| blank.contains(&b'\n');
    pieces.windows(2).any(|pair| {
        let (left, right) = (pair[0], pair[1]);
        folded(&left[left.trim_ascii_end().len()..])
            || folded(&right[..right.len() - right.trim_ascii_start().len()])
    })
}

/// The first byte in the armour of an encrypted message as another parser reads it, if it finds an armour.
fn armoured(data: &[u8]) -> Option<Option<u8>> {
    let message = MessageParser::new().parse(data)?;
    let kind = message.root_part().content_type()?;
    let parts = message.root_part().sub_parts()?;
    let encrypted =
        kind.ctype() == "multipart" && kind.subtype().is_some_and(|it| it.eq_ignore_ascii_case("encrypted"));
    let [_, second] = parts else { return None };
    let text = String::from_utf8_lossy(message.part(*second)?.contents()).into_owned();
    let (_, armour) = text.split_once("-----BEGIN PGP MESSAGE-----").filter(|_| encrypted)?;
    let (_, lines) =
        armour.replace('\r', "").split_once("\n\n").map(|(a, b)| (a.to_owned(), b.to_owned()))?;
    let digits: Vec<u8> = lines.bytes().filter(|byte| !byte.is_ascii_whitespace()).take(4).collect();
    Some(STANDARD.decode(digits).ok().and_then(|bytes| bytes.first().copied()))
}

fn inspect(mut inspection: Inspection, data: &[u8], cuts: u64) -> Result<Inspected, Refusal> {
    for piece in pieces(data, cuts) {
        inspection.push(piece);
    }
    inspection.finish()
}

/// Cleaning is the same however the message is cut, changes nothing the second time, and leaves the body as it is.
pub(crate) fn cleanup(data: &[u8]) {
    for purpose in [Purpose::Submission, Purpose::LocalDelivery, Purpose::SubmissionToLocal] {
        let once = clean(purpose, data, 0);
        for seed in [1, 2] {
            assert_eq!(clean(purpose, data, seed), once, "cutting matters");
        }
        assert_eq!(clean(purpose, &once, 0), once, "cleaning twice changes something");
        if let Some(body) = body(data) {
            assert!(once.ends_with(body), "the body was touched");
        }
    }
}

fn clean(purpose: Purpose, data: &[u8], cuts: u64) -> Vec<u8> {
    let (mut cleanup, mut clean) = (HeaderCleanup::new(purpose), Vec::new());
    for piece in pieces(data, cuts) {
        cleanup.push(piece, &mut clean);
    }
    cleanup.finish(&mut clean);
    clean
}

/// The body with the empty line before it.
fn body(data: &[u8]) -> Option<&[u8]> {
    let at = data.windows(4).position(|part| part == b"\r\n\r\n")?;
    data.get(at + 2..)
}

/// Each line is a record in the place of each that should be there. A sentence about it is short and on one line; a key is
/// right only if it is there in one piece.
pub(crate) fn published_records(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let found: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let facts = DomainFacts {
        domain: "box.test".to_owned(),
        keys: vec![PublicKeyRecord {
            name: "s._domainkey.box.test".to_owned(),
            text: "v=DKIM1;k=rsa;p=MIIBIjANBgkqhkiG9w0".to_owned(),
            role: KeyRole::Current,
        }],
        policy_id: Some("0a1b".to_owned()),
        imaps: Some(993),
        ..DomainFacts::default()
    };
    let context = Context { own: &[], addresses: &[] };
    for record in domain_records(&facts) {
        let judged = judge(&record, &Seen::Records(found.clone()), &context);
        assert!(judged.sentence.len() < 4000 && !judged.sentence.contains('\n'), "{judged:?}");
        assert!(!judged.blocks || judged.state == FindingState::Bad, "{judged:?}");
        let is_key = record.name.contains("_domainkey");
        if is_key && judged.state == FindingState::Good {
            assert!(found.len() == 1 && text.contains("MIIBIjANBgkqhkiG9w0"), "{judged:?}");
        }
    }
}

/// A policy names a host or is given up, lives for a year at most, and allows none of the hosts that an attacker could have:
/// no wildcard of it covers a whole top-level domain's hosts, an empty name or a literal. Line ends make no difference, and a
/// TXT record has an identifier only with its version in front.
pub(crate) fn mta_sts(data: &[u8]) {
    if let Ok(policy) = Policy::parse(data) {
        assert!(data.len() <= POLICY_LIMIT);
        assert!(policy.max_age() <= 31_557_600);
        for host in ["", ".", "*", ".test", "a..test", "[192.0.2.1]"] {
            assert!(!policy.allows(host), "{host:?} is no host");
        }
        let text = std::str::from_utf8(data).unwrap();
        let named = text.lines().filter_map(|line| line.strip_prefix("mx:"));
        let mut allowed = named.map(|value| value.trim_matches([' ', '\t']).replace('*', "label"));
        assert!(policy.mode() == PolicyMode::None || allowed.clone().next().is_some());
        assert!(allowed.all(|host| policy.allows(&host)), "what is named is allowed");
        let other_ends = text.replace("\r\n", "\n").replace('\n', "\r\n");
        assert_eq!(Policy::parse(other_ends.as_bytes()), Ok(policy));
    }
    let text = String::from_utf8_lossy(data).into_owned();
    if PolicyId::find(std::slice::from_ref(&text)).is_some() {
        assert!(text.starts_with("v=STSv1") && text.contains("id="));
        assert_eq!(PolicyId::find(&[text.clone(), text]), None, "two are none");
    }
}
