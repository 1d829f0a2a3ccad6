//! Messages that pass without encryption: requests to join, messages to oneself, bounces. And those that do not parse.

use relay_policy::{Bounce, Content, FailedRecipient, Inspected, Inspection, Refusal};

use crate::message::{Encrypted, Way, check, inspect, inspect_bytes};

const REQUEST: &str = "From: =?utf-8?q?Anna?= <anna@box.test>\n\
    Secure-Join: vc-request\n\
    Secure-Join-Invitenumber: abc\n\
    Content-Type: multipart/mixed; boundary=\"j\"\n\
    \n\
    \n\
    --j\n\
    Content-Type: text/plain; charset=\"utf-8\"\n\
    Content-Transfer-Encoding: 7bit\n\
    \n\
    Secure-Join: vc-request\n\
    \n\
    --j--\n";

#[test]
fn a_request_to_join_is_recognised_by_header_and_body() {
    let (request, clear) = (Content::SecureJoinRequest, Content::Clear);
    check(REQUEST, request, request);
    check(&REQUEST.replace("vc-request", "vg-request"), request, request);
    check(
        &REQUEST.replace("Secure-Join: vc-request\n\n--j--", "secure-join: VC-REQUEST\n--j--"),
        request,
        request,
    );
    // Later steps have to be encrypted.
    check(&REQUEST.replace("vc-request", "vc-request-with-auth"), clear, clear);
    check(&REQUEST.replacen("vc-request", "vc-auth-required", 1), clear, clear);
    check(&REQUEST.replacen("vc-request", "VC-request", 1), clear, clear);
    check(&REQUEST.replacen("Secure-Join: vc-request\n", "", 1), clear, clear);
    check(
        &REQUEST.replace("Secure-Join: vc-request\n\n--j", "Secure-Join: vc-request and more\n\n--j"),
        clear,
        clear,
    );
    check(&REQUEST.replace("text/plain", "text/html"), clear, clear);
    check(&REQUEST.replace("multipart/mixed", "text/plain"), clear, clear);
    let second = "\n--j\nContent-Type: text/plain\n\nclear text\n--j--\n";
    check(&REQUEST.replace("\n--j--\n", second), clear, clear);
}

#[test]
fn a_setup_message_is_recognised_by_its_header() {
    let text = "From: anna@box.test\nSubject: Autocrypt Setup Message\nContent-Type: multipart/mixed; boundary=x\n\n";
    check(text, Content::SetupMessage, Content::SetupMessage);
    check(&text.replace("Message", "message"), Content::Clear, Content::Clear);
    check(&text.replace("mixed", "alternative"), Content::Clear, Content::Clear);
}

#[test]
fn our_own_bounce_passes_as_one_and_tells_what_failed() {
    let (domain, to) = ("box.test".parse().unwrap(), "anna@other.test".parse().unwrap());
    let failed = [FailedRecipient {
        address: "nobody@box.test".parse().unwrap(),
        status: (5, 1, 1),
        diagnostic: smtp::Reply::new(550, "5.1.1 User doesn't exist"),
    }];
    let bounce = Bounce {
        domain: &domain,
        to: &to,
        failed: &failed,
        original: b"From: anna@other.test\r\nMessage-ID: <1@other.test>\r\nReferences: <0@x>\r\n\t<00@x>\r\n\r\nbody",
        now: mail_types::UnixTime(1_750_000_000),
        random: [7; 16],
    };
    let bytes = bounce.write();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert_eq!(
        text.replace("\r\n", "\n"),
        "From: Mail Delivery System <MAILER-DAEMON@box.test>\n\
         To: <anna@other.test>\n\
         Subject: Undelivered Mail Returned to Sender\n\
         Date: Sun, 15 Jun 2025 15:06:40 +0000\n\
         Message-ID: <07070707070707070707070707070707@box.test>\n\
         Auto-Submitted: auto-replied\n\
         MIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status;\n\
         \tboundary=\"hearth-07070707070707070707070707070707\"\n\
         \n\
         --hearth-07070707070707070707070707070707\n\
         Content-Type: text/plain; charset=us-ascii\n\
         \n\
         This is the mail delivery system of your relay.\n\
         \n\
         Your message could not be delivered to:\n\
         \n\
         <nobody@box.test>: 550 5.1.1 User doesn't exist\n\
         \n\
         --hearth-07070707070707070707070707070707\n\
         Content-Type: message/delivery-status\n\
         \n\
         Reporting-MTA: dns; box.test\n\
         \n\
         Final-Recipient: rfc822; nobody@box.test\n\
         Action: failed\n\
         Status: 5.1.1\n\
         Diagnostic-Code: smtp; 550 5.1.1 User doesn't exist\n\
         \n\
         --hearth-07070707070707070707070707070707\n\
         Content-Type: text/rfc822-headers\n\
         \n\
         From: anna@other.test\n\
         Message-ID: <1@other.test>\n\
         References: <0@x>\n\
         \t<00@x>\n\
         \n\
         --hearth-07070707070707070707070707070707--\n"
    );
    let from = "mailer-daemon@box.test".parse().unwrap();
    let expected =
        Inspected { from, content: Content::Bounce, says_encrypted: false, hops: 0, automatic: true };
    assert_eq!(inspect_bytes(Way::In, &bytes), Ok(expected));
    for part in ["Auto-Submitted: auto-replied\r\n", "MAILER-DAEMON@"] {
        let other = text.replace(part, if part.ends_with('@') { "daemon@" } else { "" });
        assert_eq!(
            inspect_bytes(Way::In, other.as_bytes()).map(|message| message.content),
            Ok(Content::Clear)
        );
    }
}

#[test]
fn bounces_of_a_box_without_a_name_have_valid_headers() {
    let (to, original) = ("anna@other.test".parse().unwrap(), &b"X: y"[..]);
    for (domain, id) in [("[192.0.2.1]", "@192.0.2.1>"), ("[IPv6:2001:db8::1]", "@IPv6.2001.db8..1>")] {
        let domain = domain.parse().unwrap();
        let (now, random) = (mail_types::UnixTime(0), [0; 16]);
        let bounce = Bounce { domain: &domain, to: &to, failed: &[], original, now, random }.write();
        let text = String::from_utf8(bounce.clone()).unwrap();
        assert!(text.contains(id), "{text}");
        assert_eq!(inspect_bytes(Way::In, &bounce).map(|message| message.from.domain().clone()), Ok(domain));
    }
}

#[test]
fn from_is_read_in_its_usual_forms() {
    for (field, expected) in [
        ("anna@box.test", "anna@box.test"),
        ("<Anna@BOX.test>", "anna@box.test"),
        ("\"Anna, B. <x@y>\" <anna@box.test>", "anna@box.test"),
        ("Anna (at home) <anna@box.test>", "anna@box.test"),
        ("=?utf-8?b?w4TDpA==?=\n <anna@box.test>", "anna@box.test"),
        ("anna@[192.0.2.1]", "anna@[192.0.2.1]"),
    ] {
        let from = inspect(Way::In, &format!("From: {field}\n\n")).map(|message| message.from.to_string());
        assert_eq!(from, Ok(expected.to_owned()), "{field}");
    }
}

#[test]
fn without_one_clear_author_nothing_passes() {
    let invalid = |value: &str| Err(Refusal::InvalidFrom(value.to_owned()));
    assert_eq!(inspect(Way::Out, "To: x\n\n"), invalid(""));
    assert_eq!(inspect(Way::Out, "From: Anna\n\n"), invalid("Anna"));
    assert_eq!(inspect(Way::Out, "From: anna@box.test\nFrom: eve@box.test\n\n"), invalid(""));
    // Two readers may take two of them for the author.
    let two = "<anna@box.test>, <boss@box.test>";
    assert_eq!(inspect(Way::Out, &format!("From: {two}\n\n")), invalid(two));
    let long = "x".repeat(300);
    assert_eq!(inspect(Way::Out, &format!("From: {long}\n\n")), invalid(&"x".repeat(100)));
    assert_eq!(invalid("Anna").unwrap_err().reply().to_string(), "500 Invalid FROM header: Anna");
}

#[test]
fn broken_headers_and_line_ends_are_malformed() {
    let message = Encrypted::default();
    let text = message.text();
    for broken in [
        text.replacen("To: <ben@box.test>", "no field", 1),
        format!(" continued\n{text}"),
        format!("\u{e9}: x\n{text}"),
        format!(": x\n{text}"),
    ] {
        assert_eq!(inspect(Way::Out, &broken), Err(Refusal::Malformed), "{broken}");
    }
    assert_eq!(inspect_bytes(Way::In, b"From: anna@box.test\nTo: x\r\n\r\n"), Err(Refusal::Malformed));
    assert_eq!(inspect_bytes(Way::In, b"From: anna@box.test\r\n\r\nx\ry\r\n"), Err(Refusal::Malformed));
    let large = format!("From: anna@box.test\n{}", "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n".repeat(32_000));
    let large = large.replace('\n', "\r\n");
    for (mut inspection, limit) in
        [(Inspection::outgoing(), 1024 * 1024), (Inspection::incoming(), 128 * 1024)]
    {
        large.as_bytes()[..limit + 1000].chunks(10_000).for_each(|bytes| inspection.push(bytes));
        assert_eq!(inspection.finish(), Err(Refusal::HeaderTooLarge));
    }
}

#[test]
fn the_way_of_a_message_and_whether_a_program_wrote_it_are_told() {
    for (fields, hops, automatic) in [
        ("", 0, false),
        ("Received: by a\n\tfor b\nreceived: by b\nX-Received: by c\n", 2, false),
        ("Auto-Submitted: auto-generated\n", 0, true),
        ("Auto-Submitted: no\n", 0, false),
        ("Auto-Submitted: no\nAuto-Submitted: no\n", 0, true),
    ] {
        let inspected = inspect(Way::In, &format!("{fields}From: a@b.test\n\n")).unwrap();
        assert_eq!((inspected.hops, inspected.automatic), (hops, automatic), "{fields}");
    }
}
