//! The signed messages that the RFCs print.

use dkim::{Flaw, Verdict};

use crate::forge::judge;
use crate::oracle::is_valid;

/// RFC 8463 appendix A.3: two signatures, by Ed25519 and by RSA.
const FOOTBALL: &str = "\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r
 d=football.example.com; i=@football.example.com;\r
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r
 subject : date : message-id : from : subject : date;\r
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r
 d=football.example.com; i=@football.example.com;\r
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r
 date : message-id : from : subject : date;\r
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r
From: Joe SixPack <joe@football.example.com>\r
To: Suzie Q <suzie@shopping.example.net>\r
Subject: Is dinner ready?\r
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r
Message-ID: <20030712040037.46341.5F8J@football.example.com>\r
\r
Hi.\r
\r
We lost the game.  Are you hungry yet?\r
\r
Joe.\r
";
/// The keys of RFC 8463 appendix A.2.
const ED25519: (&str, &str) = (
    "brisbane._domainkey.football.example.com",
    "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
);
const RSA: (&str, &str) = (
    "test._domainkey.football.example.com",
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16J\
     Yi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/\
     K4w3QIDAQAB",
);

#[test]
fn both_signatures_of_rfc_8463_are_valid() {
    for keys in [&[ED25519, RSA][..], &[ED25519], &[RSA]] {
        assert_eq!(judge(FOOTBALL.as_bytes(), "football.example.com", keys), Verdict::Valid, "{keys:?}");
    }
}

#[test]
fn a_changed_word_is_noticed() {
    let author = "football.example.com";
    let keys = [ED25519, RSA];
    let body = FOOTBALL.replace("lost the game", "won the game");
    assert_eq!(judge(body.as_bytes(), author, &keys), Verdict::Invalid(Flaw::BodyHash));
    let subject = FOOTBALL.replace("dinner ready", "lunch ready");
    assert_eq!(judge(subject.as_bytes(), author, &keys), Verdict::Invalid(Flaw::Signature));
    // What the relaxed form allows.
    let spaces = FOOTBALL.replace("game.  Are", "game. \t Are").replace("Subject: Is", "SUBJECT :\r\n\tIs ");
    assert_eq!(judge(spaces.as_bytes(), author, &keys), Verdict::Valid);
    assert_eq!(judge(FOOTBALL.as_bytes(), "example.com", &keys), Verdict::Invalid(Flaw::OtherDomain));
}

#[test]
fn the_oracle_agrees() {
    for keys in [&[ED25519, RSA][..], &[ED25519], &[RSA]] {
        assert!(is_valid(FOOTBALL.as_bytes(), "football.example.com", keys), "{keys:?}");
    }
    assert!(!is_valid(FOOTBALL.as_bytes(), "football.example.com", &[]));
    assert!(!is_valid(FOOTBALL.replace("lost", "won").as_bytes(), "football.example.com", &[ED25519, RSA]));
}
