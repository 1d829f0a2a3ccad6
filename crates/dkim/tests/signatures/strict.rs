//! Messages that must be refused although their signature fits, and the tolerance beside each rule.

use dkim::{Flaw, KeyAnswer, Verdict};

use crate::forge::{KEY_NAME, MESSAGE, NOW, check, forge, judge, read, record};

/// The tags that every signature here needs.
const TAGS: &str = "v=1; a=ed25519-sha256; d=box.test; s=s";

#[track_caller]
fn with_tags(tags: &str, expected: Result<(), Flaw>) {
    check(&forge(tags, "From:To:Subject", MESSAGE), expected);
}

#[track_caller]
fn with_more_tags(tags: &str, expected: Result<(), Flaw>) {
    with_tags(&format!("{TAGS}; {tags}"), expected);
}

#[track_caller]
fn with_record(record: &str, expected: Result<(), Flaw>) {
    let expected = expected.map_or_else(Verdict::Invalid, |()| Verdict::Valid);
    let message = forge(TAGS, "From:To", MESSAGE);
    assert_eq!(judge(message.as_bytes(), "box.test", &[(KEY_NAME, record)]), expected, "{record}");
}

/// The record's `p=`.
fn key() -> String {
    record().split_once("p=").unwrap().1.to_owned()
}

#[test]
fn usual_signatures_are_valid() {
    with_tags(TAGS, Ok(()));
    with_tags("s=s; a=ed25519-sha256; d=BOX.test; v=1", Ok(()));
    with_more_tags("c=simple", Ok(()));
    with_more_tags("c=simple/simple; q=dns/txt; z=From:x|To:y; unknown=\"x\"", Ok(()));
    with_more_tags("t=1800000000; x=1800000001", Ok(()));
    with_more_tags("q=other:dns/txt", Ok(()));
}

#[test]
fn the_domain_is_the_authors_exactly() {
    for domain in ["mail.box.test", "test", "other.test", "xbox.test"] {
        let message = forge(&TAGS.replace("box.test", domain), "From:To", MESSAGE);
        check(&message, Err(Flaw::OtherDomain));
    }
    assert_eq!(
        judge(forge(TAGS, "From", MESSAGE).as_bytes(), "mail.box.test", &[]),
        Verdict::Invalid(Flaw::OtherDomain)
    );
}

#[test]
fn the_author_is_signed_and_the_only_one() {
    check(&forge(TAGS, "To:Subject", MESSAGE), Err(Flaw::FromNotSigned));
    check(&forge(TAGS, "fRoM", MESSAGE), Ok(()));
    let signed = forge(TAGS, "From:To", MESSAGE);
    check(&format!("From: evil@evil.test\r\n{signed}"), Err(Flaw::Author));
    check(&signed.replace("To: ben", "from : evil@evil.test\r\nTo: ben"), Err(Flaw::Author));
    check(&forge(TAGS, "From:To", "To: ben@other.test\r\n\r\n"), Err(Flaw::Author));
}

#[test]
fn a_field_named_once_more_than_it_stands_cannot_be_added() {
    let sealed = forge(TAGS, "From:Reply-To:To", MESSAGE);
    check(&sealed, Ok(()));
    check(&format!("Reply-To: evil@evil.test\r\n{sealed}"), Err(Flaw::Signature));
    // One that is not named can; the one that was signed is the lowest.
    check(&format!("To: evil@evil.test\r\n{sealed}"), Ok(()));
    check(&sealed.replace("\r\n\r\nHello", "\r\nTo: evil@evil.test\r\n\r\nHello"), Err(Flaw::Signature));
}

#[test]
fn weak_and_unknown_methods_are_refused() {
    for algorithm in ["rsa-sha1", "rsa-md5", "ed25519-sha1", "RSA-SHA256", "rsa-sha256 x", ""] {
        let tags = TAGS.replace("ed25519-sha256", algorithm);
        check(&forge(&tags, "From:To", MESSAGE), Err(Flaw::Algorithm));
    }
    with_tags(&TAGS.replace("ed25519-sha256", "rsa-sha256"), Err(Flaw::KeyUse));
    with_more_tags("q=http", Err(Flaw::QueryMethod));
    for form in ["nofws", "simple/nofws", "relaxed/", "/simple", "simple/simple/simple", "Simple"] {
        with_more_tags(&format!("c={form}"), Err(Flaw::Canonicalization));
    }
}

#[test]
fn a_body_is_signed_as_a_whole() {
    for length in ["0", "5", "8", "1000000", "", "x"] {
        with_more_tags(&format!("l={length}"), Err(Flaw::BodyLength));
    }
    check(&format!("{}more\r\n", forge(TAGS, "From", MESSAGE)), Err(Flaw::BodyHash));
}

#[test]
fn a_signature_has_its_time() {
    with_more_tags("t=1800000900", Ok(()));
    with_more_tags("t=1800000901", Err(Flaw::FromTheFuture));
    with_more_tags("t=1802600000", Err(Flaw::FromTheFuture));
    with_more_tags("x=1800000000", Err(Flaw::Expired));
    with_more_tags("t=1700000000; x=1700600000", Err(Flaw::Expired));
    with_more_tags("t=1800000800; x=1800000800", Err(Flaw::Expired));
    for number in ["", "-1", "1.5", "1800000000000", "0x10", "1 2"] {
        with_more_tags(&format!("t={number}"), Err(Flaw::Syntax));
        with_more_tags(&format!("x={number}"), Err(Flaw::Syntax));
    }
}

#[test]
fn an_identity_is_of_the_domain() {
    for identity in ["@box.test", "anna@box.test", "anna@phone.Box.test", "a=20b@box.test"] {
        with_more_tags(&format!("i={identity}"), Ok(()));
    }
    for identity in ["@other.test", "anna@xbox.test", "anna@test", "anna@box.test.evil.test"] {
        with_more_tags(&format!("i={identity}"), Err(Flaw::Identity));
    }
    with_more_tags("i=box.test", Err(Flaw::Syntax));
    with_more_tags("i=", Err(Flaw::Syntax));
}

#[test]
fn malformed_signatures_are_refused() {
    for tags in [
        "a=ed25519-sha256; d=box.test; s=s",
        "v=1; d=box.test; s=s",
        "v=1; a=ed25519-sha256; s=s",
        "v=1; a=ed25519-sha256; d=box.test",
        "v=1; v=1; a=ed25519-sha256; d=box.test; s=s",
        "v=1; a=ed25519-sha256; d=box.test; d=box.test; s=s",
        "v=1; a=ed25519-sha256; d=box.test; s=s; bh=x",
        "v=1;; a=ed25519-sha256; d=box.test; s=s",
        "v=1; a=ed25519-sha256; d=box.test; s=s; x",
        "v=1; a=ed25519-sha256; d=box.test; s=s; x=\u{e9}",
        "v=1; a=ed25519-sha256; d=box..test; s=s",
        "v=1; a=ed25519-sha256; d=box.test.; s=s",
        "v=1; a=ed25519-sha256; d=[192.0.2.1]; s=s",
        "v=1; a=ed25519-sha256; d=box.test; s=s/../t",
        "v=1; a=ed25519-sha256; d=box.test; s=",
    ] {
        with_tags(tags, Err(Flaw::Syntax));
    }
    with_tags(&TAGS.replace("v=1", "v=2"), Err(Flaw::Version));
    with_tags(&TAGS.replace("v=1", "v=01"), Err(Flaw::Version));
    let names = vec!["From"; 251].join(":");
    check(&forge(TAGS, &names, MESSAGE), Err(Flaw::Syntax));
    check(&forge(TAGS, "From::To", MESSAGE), Err(Flaw::Syntax));
    check(&forge(TAGS, "From:To", MESSAGE).replace("; b=", "; b=?"), Err(Flaw::Syntax));
    check(&format!("DKIM-Signature:\r\n{MESSAGE}"), Err(Flaw::Syntax));
    let long = format!("z={}", "x".repeat(64 * 1024));
    with_more_tags(&long, Err(Flaw::Syntax));
}

#[test]
fn a_key_is_for_this_use() {
    let key = key();
    let (begin, end) = key.split_at(10);
    for record in [
        format!("p={key}"),
        format!("k=ed25519;p={key};"),
        format!("v=DKIM1;k=ed25519;h=sha1:sha256;s=email;t=s;n=note;p={key}"),
        format!("v=DKIM1;k=ed25519;s=tlsrpt:*;t=x:s;p={key}"),
        format!("\"v=DKIM1; k=ed25519; \" \"p={begin} {end}\""),
        format!("v=DKIM1;\r\n\tk = ed25519; p={begin}\t{end}"),
    ] {
        let expected = if record.contains("ed25519") { Ok(()) } else { Err(Flaw::KeyUse) };
        with_record(&record, expected);
    }
    for (tags, flaw) in [
        ("v=DKIM1;k=rsa", Flaw::KeyUse),
        ("v=DKIM1;k=ED25519", Flaw::KeyUse),
        ("v=DKIM1;k=ed25519;h=sha1", Flaw::KeyUse),
        ("v=DKIM1;k=ed25519;h=", Flaw::KeyUse),
        ("v=DKIM1;k=ed25519;s=other", Flaw::KeyUse),
        ("v=DKIM1;k=ed25519;t=y", Flaw::KeyOnTrial),
        ("v=DKIM1;k=ed25519;t=s:y", Flaw::KeyOnTrial),
        ("v=DKIM2;k=ed25519", Flaw::KeyRecord),
        ("v=dkim1;k=ed25519", Flaw::KeyRecord),
        ("k=ed25519;v=DKIM1", Flaw::KeyRecord),
        ("v=DKIM1;k=ed25519;k=ed25519", Flaw::KeyRecord),
        ("v=DKIM1;;k=ed25519", Flaw::KeyRecord),
        ("v=DKIM1;k=ed25519;p=", Flaw::KeyRecord),
        ("some text", Flaw::KeyRecord),
        ("v=spf1 a ~all;k=ed25519", Flaw::KeyRecord),
    ] {
        with_record(&format!("{tags};p={key}"), Err(flaw));
    }
    for (key, flaw) in [
        ("p=", Flaw::RevokedKey),
        ("p=;", Flaw::RevokedKey),
        ("n=x", Flaw::KeyRecord),
        ("p=?", Flaw::KeyRecord),
        ("p=AAAA", Flaw::KeyRecord),
        ("p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", Flaw::Signature),
    ] {
        with_record(&format!("v=DKIM1;k=ed25519;{key}"), Err(flaw));
    }
    with_record(&format!("{}; n={}", record(), "x".repeat(8 * 1024)), Err(Flaw::KeyRecord));
}

#[test]
fn a_key_may_forbid_sub_domains() {
    let strict = format!("v=DKIM1;k=ed25519;t=s;p={}", key());
    for (identity, expected) in [
        ("anna@box.test", Verdict::Valid),
        ("anna@BOX.test", Verdict::Valid),
        ("anna@a.box.test", Verdict::Invalid(Flaw::Identity)),
    ] {
        let message = forge(&format!("{TAGS}; i={identity}"), "From", MESSAGE);
        assert_eq!(judge(message.as_bytes(), "box.test", &[(KEY_NAME, &strict)]), expected, "{identity}");
    }
}

#[test]
fn three_records_are_looked_at() {
    let message = forge(TAGS, "From", MESSAGE);
    let record = record();
    let with = |before: usize| {
        let mut records = vec![(KEY_NAME, "v=spf1 -all"); before];
        records.push((KEY_NAME, &record));
        judge(message.as_bytes(), "box.test", &records)
    };
    assert_eq!(with(2), Verdict::Valid);
    assert_eq!(with(3), Verdict::Invalid(Flaw::KeyRecord));
}

#[test]
fn a_key_that_cannot_be_asked_for_is_a_question_for_later() {
    let answer = |message: &str, answer: KeyAnswer| {
        read(message.as_bytes(), 0).judge("box.test", NOW, |_| answer.clone())
    };
    let message = forge(TAGS, "From", MESSAGE);
    assert_eq!(answer(&message, KeyAnswer::Unavailable), Verdict::Unavailable);
    assert_eq!(answer(&message, KeyAnswer::Absent), Verdict::Invalid(Flaw::NoKey));
    assert_eq!(answer(&message, KeyAnswer::Records(vec![])), Verdict::Invalid(Flaw::NoKey));
    // What is wrong in any case stays so, and what is right in one case is right.
    let changed = message.replace("Hello", "Hallo");
    assert_eq!(answer(&changed, KeyAnswer::Unavailable), Verdict::Invalid(Flaw::BodyHash));
    let two = forge(&TAGS.replace("s=s", "s=unavailable"), "From", &message);
    let judged = read(two.as_bytes(), 0).judge("box.test", NOW, |name| match name {
        KEY_NAME => KeyAnswer::Records(vec![record()]),
        _ => KeyAnswer::Unavailable,
    });
    assert_eq!(judged, Verdict::Valid);
    let judged = read(two.as_bytes(), 0).judge("box.test", NOW, |name| match name {
        KEY_NAME => KeyAnswer::Absent,
        _ => KeyAnswer::Unavailable,
    });
    assert_eq!(judged, Verdict::Unavailable);
}

#[test]
fn signatures_of_others_and_broken_ones_beside_a_valid_one_do_no_harm() {
    let valid = forge(TAGS, "From:To", MESSAGE);
    for tags in ["v=1; a=rsa-sha1; d=box.test; s=s", "v=1; a=ed25519-sha256; d=list.test; s=s", "nonsense"] {
        check(&forge(tags, "From", &valid), Ok(()));
        check(&valid.replacen("From: ", &format!("DKIM-Signature: {tags}; b=\r\nFrom: "), 1), Ok(()));
    }
}

#[test]
fn the_number_of_signatures_is_bounded() {
    // Five of the domain are tried, each with a key of its own.
    let many = |others: usize, domain: &str| {
        (0..others).fold(forge(TAGS, "From", MESSAGE), |message, number| {
            forge(&format!("v=1; a=ed25519-sha256; d={domain}; s=s{number}"), "From", &message)
        })
    };
    check(&many(4, "box.test"), Ok(()));
    check(&many(5, "box.test"), Err(Flaw::NoKey));
    assert_eq!(read(many(200, "box.test").as_bytes(), 0).key_names("box.test", NOW).len(), 5);
    // Twenty of whichever domain are read.
    check(&many(19, "list.test"), Ok(()));
    check(&many(20, "list.test"), Err(Flaw::OtherDomain));
    let same = forge(TAGS, "From", &forge(TAGS, "From", MESSAGE));
    assert_eq!(read(same.as_bytes(), 0).key_names("BOX.test", NOW), [KEY_NAME]);
}

#[test]
fn a_signature_never_signs_its_own_field() {
    let inner = forge(TAGS, "From", MESSAGE);
    check(&forge(TAGS, "From:DKIM-Signature", &inner), Ok(()));
    // The signature below, which is covered, may not be taken away.
    let both =
        forge(TAGS, "From:DKIM-Signature", &forge(&TAGS.replace("box.test", "list.test"), "From", MESSAGE));
    check(&both, Ok(()));
    check(&both.replace("DKIM-Signature: v=1; a=ed25519-sha256; d=list.test", "X: y"), Err(Flaw::Signature));
}

#[test]
fn a_message_that_two_programs_read_differently_is_refused() {
    let valid = forge(TAGS, "From", MESSAGE);
    for (from, to) in
        [("Hello", "Hel\rlo"), ("Hello", "Hel\nlo"), ("To: ben", "To:\rben"), ("To: ben", "To: x\nX: y")]
    {
        check(&valid.replace(from, to), Err(Flaw::BareLineEnd));
    }
    check(&format!("{valid}\r"), Err(Flaw::BareLineEnd));
    for line in ["no field\r\n", ": x\r\n", "N\u{e4}me: x\r\n"] {
        check(&valid.replace("To: ben", &format!("{line}To: ben")), Err(Flaw::MalformedHeader));
    }
    check(&format!(" x\r\n{valid}"), Err(Flaw::MalformedHeader));
    let (header, _) = valid.split_once("\r\n\r\n").unwrap();
    check(header, Err(Flaw::MalformedHeader));
    check("", Err(Flaw::Author));
    check("\r\n", Err(Flaw::Author));
    for many in [format!("X: {}\r\n", "x".repeat(1024 * 1024)), "X:\r\n".repeat(10_000)] {
        let large = format!("{many}{valid}");
        assert_eq!(judge(large.as_bytes(), "box.test", &[]), Verdict::Invalid(Flaw::HeaderTooLarge));
    }
}
