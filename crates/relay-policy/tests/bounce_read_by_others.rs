//! Our bounces as somebody else's parser reads them: mail-parser, which shares no code with ours.

use mail_parser::{MessageParser, MimeHeaders};
use mail_types::UnixTime;
use relay_policy::{Bounce, FailedRecipient};

#[test]
fn another_parser_finds_the_report_its_status_and_the_original_message_id() {
    let domain = "hearth.test".parse().unwrap();
    let to = "anna@hearth.test".parse().unwrap();
    let failed = [FailedRecipient {
        address: "nobody@hearth.test".parse().unwrap(),
        status: (5, 1, 1),
        diagnostic: smtp::Reply::new(550, "5.1.1 User doesn't exist"),
    }];
    let original = b"From: <anna@hearth.test>\r\nMessage-ID: <m1@hearth.test>\r\n\r\nsecret body\r\n";
    let now = UnixTime(1_795_000_000);
    let report = Bounce { domain: &domain, to: &to, failed: &failed, original, now, random: [7; 16] }.write();

    let message = MessageParser::default().parse(&report).unwrap();
    let from = message.from().and_then(|from| from.first()).and_then(|from| from.address());
    assert_eq!(from, Some("MAILER-DAEMON@hearth.test"));
    let kind = message.content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("report")));
    assert_eq!(kind.attribute("report-type"), Some("delivery-status"));
    let kinds: Vec<_> = message.parts.iter().filter_map(|part| part.content_type()?.subtype()).collect();
    assert_eq!(kinds, ["report", "plain", "delivery-status", "rfc822-headers"]);
    let text = |number: usize| String::from_utf8_lossy(message.parts[number].contents()).into_owned();
    assert!(text(1).contains("nobody@hearth.test"), "{}", text(1));
    assert!(text(2).contains("Final-Recipient: rfc822; nobody@hearth.test"), "{}", text(2));
    assert!(
        text(3).contains("Message-ID: <m1@hearth.test>") && !text(3).contains("secret body"),
        "{}",
        text(3)
    );
}

#[test]
fn a_bounce_keeps_within_the_size_that_was_told_before() {
    let domain = "hearth.test".parse().unwrap();
    let to = "anna@hearth.test".parse().unwrap();
    let label = "a".repeat(60);
    let original = b"X: y\r\n".repeat(50_000);
    for count in [1, 10, 100, 5_000] {
        let far = |number| FailedRecipient {
            address: format!("user{number:060}@{label}.{label}.{label}.test").parse().unwrap(),
            status: (5, 4, 4),
            diagnostic: smtp::Reply::new(550, &"x".repeat(500)),
        };
        let failed: Vec<_> = (0..count).map(far).collect();
        for original in [&original[..0], &original[..7_000], &original] {
            let now = UnixTime(1_795_000_000);
            let bounce = Bounce { domain: &domain, to: &to, failed: &failed, original, now, random: [7; 16] };
            let size = u64::try_from(bounce.write().len()).unwrap();
            assert!(size <= Bounce::size_limit(count, original.len() as u64), "{count}: {size}");
        }
    }
}
