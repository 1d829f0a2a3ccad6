//! The order of decisions, and the words in which they are told.

use std::time::Duration;

use mail_types::Address;
use relay_policy::{
    Admitted, Cleartext, Content, Inspected, Origin, Refusal, judge_incoming, judge_outgoing, may_send_as,
};

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn message(from: &str, content: Content) -> Inspected {
    Inspected { from: address(from), content, says_encrypted: false, hops: 0, automatic: false }
}

#[track_caller]
fn outgoing(content: Content, from: &str, recipients: &[&str], expected: Result<(), &str>) {
    let recipients: Vec<Address> = recipients.iter().map(|text| address(text)).collect();
    let result = judge_outgoing(&message(from, content), &address("anna@box.test"), &recipients);
    assert_eq!(result.map_err(|refusal| refusal.reply().to_string()), expected.map_err(str::to_owned));
}

#[test]
fn what_goes_out_is_encrypted_and_from_its_sender() {
    let (clear, forged) = (
        Err("523 Encryption Needed: Invalid Unencrypted Mail"),
        Err("500 Invalid FROM <eve@box.test> for <anna@box.test>"),
    );
    outgoing(Content::Encrypted, "anna@box.test", &["ben@other.test"], Ok(()));
    outgoing(Content::SecureJoinRequest, "anna@box.test", &["ben@other.test"], Ok(()));
    outgoing(Content::Clear, "anna@box.test", &["ben@box.test"], clear);
    outgoing(Content::Clear, "anna@box.test", &["anna@box.test"], clear);
    outgoing(Content::Bounce, "anna@box.test", &["ben@box.test"], clear);
    outgoing(Content::Encrypted, "eve@box.test", &["ben@box.test"], forged);
    outgoing(Content::Clear, "eve@box.test", &["ben@box.test"], forged);
    outgoing(Content::SetupMessage, "anna@box.test", &["anna@box.test"], Ok(()));
    outgoing(Content::SetupMessage, "anna@box.test", &["ben@box.test"], clear);
    outgoing(Content::SetupMessage, "anna@box.test", &["anna@box.test", "ben@box.test"], clear);
}

#[test]
fn mail_that_was_meant_to_be_encrypted_is_told_so() {
    let anna = address("anna@box.test");
    let message = Inspected { says_encrypted: true, ..message("anna@box.test", Content::Clear) };
    assert_eq!(judge_outgoing(&message, &anna, &[]), Err(Refusal::EncryptedOtherwise));
}

#[test]
fn what_comes_in_is_encrypted_or_wanted_and_then_its_origin_is_checked() {
    let (anna, sender) = ("anna@other.test", address("anna@other.test"));
    let dkim = |bounce_to| Ok(Admitted { bounce_to, origin: Origin::NeedsDkim("other.test".to_owned()) });
    let judge = |content, sender: Option<&Address>, cleartext| {
        judge_incoming(&message(anna, content), sender, cleartext)
    };
    assert_eq!(judge(Content::Encrypted, Some(&sender), Cleartext::Refused), dkim(Some(sender.clone())));
    assert_eq!(
        judge(Content::SecureJoinRequest, Some(&sender), Cleartext::Refused),
        dkim(Some(sender.clone()))
    );
    assert_eq!(judge(Content::Bounce, None, Cleartext::Refused), dkim(None));
    assert_eq!(judge(Content::Clear, Some(&sender), Cleartext::Refused), Err(Refusal::Unencrypted));
    for content in [Content::SetupMessage, Content::EncryptedWithArmourHeaders] {
        assert_eq!(judge(content, Some(&sender), Cleartext::Refused), Err(Refusal::Unencrypted));
    }
    assert_eq!(judge(Content::Clear, Some(&sender), Cleartext::Accepted), dkim(Some(sender)));
    // A forwarder's envelope sender wrote nothing and gets no bounce.
    let forwarder = address("srs@forward.test");
    assert_eq!(judge(Content::Encrypted, Some(&forwarder), Cleartext::Refused), dkim(None));
}

#[test]
fn an_address_literal_has_no_key_to_check() {
    let message = message("anna@[192.0.2.1]", Content::Encrypted);
    let admitted = judge_incoming(&message, None, Cleartext::Refused).unwrap();
    assert_eq!(admitted.origin, Origin::Unchecked);
}

#[test]
fn only_the_own_address_may_be_the_sender() {
    let anna = address("anna@box.test");
    assert_eq!(may_send_as(&anna, Some(&address("ANNA@box.test"))), Ok(()));
    assert!(may_send_as(&anna, Some(&address("anna+x@box.test"))).is_err());
    let refusal = may_send_as(&anna, Some(&address("eve@box.test"))).unwrap_err();
    assert_eq!(refusal.reply().code(), 553);
    assert_eq!(may_send_as(&anna, None).unwrap_err().reply().code(), 553);
}

#[test]
fn refusals_say_what_other_programs_look_for() {
    for (refusal, expected) in [
        (Refusal::NoDkimSignature, "554 5.7.1 No DKIM signature found"),
        (Refusal::NoValidDkimSignature, "554 5.7.1 No valid DKIM signature found"),
        (
            Refusal::EncryptedOtherwise,
            "523 Encryption Needed: Invalid Unencrypted Mail (it says that it is encrypted, but is not one \
             armoured OpenPGP message with integrity protection, SEIPD, and nothing around it)",
        ),
        (
            Refusal::ArmourHeaders,
            "554 5.7.1 The message is encrypted, but beside its armour are lines that anybody can read \
             (Version:, Comment:): switch them off in the mail program (GnuPG: no-emit-version, no-comments)",
        ),
        (
            Refusal::MailboxFull(address("x@box.test")),
            "552 5.2.2 <x@box.test>: Quota exceeded (mailbox for user is full): its owner must fetch or delete messages first",
        ),
        (
            Refusal::NoSuchUser(address("x@box.test")),
            "550 5.1.1 <x@box.test>: User doesn't exist: the address is wrong, or no longer in use",
        ),
        (
            Refusal::NobodyReached {
                first: Box::new(Refusal::NoTransport(address("x@other.test"))),
                others: 2,
            },
            "550 5.4.4 <x@other.test>: This server sends to no other servers, only within its own \
             (nor can 2 more be reached)",
        ),
        (Refusal::RelayDenied, "554 5.7.1 Relay access denied"),
        (
            Refusal::OriginUnclear("other.test".parse().unwrap()),
            "451 4.7.5 The DKIM keys of other.test could not be looked up, please try again later",
        ),
        (
            Refusal::SignedLater("other.test".parse().unwrap()),
            "451 4.7.5 The DKIM signature of other.test is from the future by this server's clock, please try \
             again later",
        ),
        (
            Refusal::OwnAddress(address("x@[192.0.2.1]")),
            "554 5.7.1 <x@[192.0.2.1]>: Sender address rejected: users of this server log in to send",
        ),
        (Refusal::TooManyHops, "554 5.4.6 Too many hops: the message goes round in a loop"),
        (
            Refusal::Blocked(address("x@other.test")),
            "554 5.7.1 <x@other.test>: Sender address rejected: blocked by the owner of this server",
        ),
        (
            Refusal::TooMuchFromDomain("other.test".parse().unwrap(), Duration::from_millis(1500)),
            "450 4.7.1: Too much mail from other.test, try again in 2 s",
        ),
        (
            Refusal::TooMuchFromNetwork(Duration::ZERO),
            "450 4.7.1: Too much mail from your network, try again in 1 s",
        ),
        (Refusal::Busy, "451 4.3.2 Too many messages at once, please try again later"),
        (Refusal::Malformed, "500 Failed to parse message: malformed header or line end"),
        (Refusal::HeaderTooLarge, "552 5.3.4 Message header section exceeds maximum size"),
    ] {
        assert_eq!(refusal.reply().to_string(), expected);
    }
}
