//! Messages to inspect, and the inspection in pieces.

use relay_policy::{Content, Inspected, Inspection, Refusal};
use test_support::Random;

/// Written by GnuPG 2.2 with a public key: an old-format session key, then new-format data.
pub(crate) const GPG_TO_KEY: &str = "-----BEGIN PGP MESSAGE-----

hQEMA5gLvPYSkzdMAQf/Tv00gyOyVvYJK1IPxxZjRgwc5bUlbS9a69NwZMI79rps
YrpFPmmiuf+4nh6acs6p33SG9ftLv1WsMzPoG84HeG6vi0GyN4TtGXjtJsYZPTfN
rUyR4HHMZ2HuHFMSzHUCdQb91fXxfvHynC+o3WtJ1AyP6u1uQ9S8Vbv33bNKK/H9
Ov8kOyvp0mOsxtpXbegfF442F+tyBO23P6XGQxbahQrTRL/Z2gjX8/CQbgpEKJUF
Ye1T1l6789nqWOxQMaR9L6ykv/HsRyJfMw3V3kr7mdvxKOCf7E1sOhXXrgoPQeqv
0oMYNwRKM/ArvhcQX5Yy1YL84E4ObhkTbsX2L2lLitI+AQgsDCDFBJ71j58EvOn1
EUgBxC8I5RlXh1ySzRrYb9yRCxnAVRHdMhgvzP5Mj2F8AG+5EGI8/v2Hax0WQTI=
=SJn5
-----END PGP MESSAGE-----
";

/// The same with a password: an old-format symmetric session key.
pub(crate) const GPG_TO_PASSWORD: &str = "-----BEGIN PGP MESSAGE-----

jA0ECQMCwLLoHphun7v/0jgBm+5rKgSEMtRhXFqJkBiG00ry/YbBmHPwE3Is+ZUA
zNjSy5PXab2es/jsMooWY1pzB62AwRflXA==
=qa/w
-----END PGP MESSAGE-----
";

/// A multipart/encrypted message with everything replaceable.
#[derive(Clone)]
pub(crate) struct Encrypted {
    pub(crate) header: String,
    pub(crate) preamble: String,
    pub(crate) first_header: String,
    pub(crate) first_body: String,
    pub(crate) second_header: String,
    pub(crate) second_body: String,
    pub(crate) end: String,
}

impl Default for Encrypted {
    fn default() -> Self {
        Self {
            header: "From: <anna@box.test>\n\
                     To: <ben@box.test>\n\
                     Subject: [...]\n\
                     MIME-Version: 1.0\n\
                     Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\n\
                     \tboundary=\"b\"\n"
                .to_owned(),
            preamble: String::new(),
            first_header: "Content-Type: application/pgp-encrypted; charset=\"utf-8\"\n\
                           Content-Description: PGP/MIME version identification\n\
                           Content-Transfer-Encoding: 7bit\n"
                .to_owned(),
            first_body: "Version: 1\n".to_owned(),
            second_header: "Content-Type: application/octet-stream; name=\"encrypted.asc\";\n\
                            \tcharset=\"utf-8\"\n\
                            Content-Disposition: inline; filename=\"encrypted.asc\";\n\
                            Content-Transfer-Encoding: 7bit\n"
                .to_owned(),
            second_body: GPG_TO_KEY.to_owned(),
            end: "\n--b--\n".to_owned(),
        }
    }
}

impl Encrypted {
    pub(crate) fn text(&self) -> String {
        let Self { header, preamble, first_header, first_body, second_header, second_body, end } = self;
        format!(
            "{header}\n{preamble}\n--b\n{first_header}\n{first_body}\n--b\n{second_header}\n{second_body}{end}"
        )
    }
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Out,
    In,
}

/// Inspects a message written with LF line ends, whole and in random pieces; all must say the same.
#[track_caller]
pub(crate) fn inspect(way: Way, text: &str) -> Result<Inspected, Refusal> {
    inspect_bytes(way, text.replace('\n', "\r\n").as_bytes())
}

#[track_caller]
pub(crate) fn inspect_bytes(way: Way, bytes: &[u8]) -> Result<Inspected, Refusal> {
    let start = || match way {
        Way::Out => Inspection::outgoing(),
        Way::In => Inspection::incoming(),
    };
    let mut whole = start();
    whole.push(bytes);
    let whole = whole.finish();
    for seed in 1..=8 {
        let (mut random, mut inspection, mut rest) = (Random::new(seed), start(), bytes);
        while !rest.is_empty() {
            // The first seed goes byte by byte.
            let most = if seed == 1 { 1 } else { rest.len().min(200) };
            let (now, later) = rest.split_at(1 + random.below(most));
            inspection.push(now);
            rest = later;
        }
        assert_eq!(inspection.finish(), whole, "split by seed {seed}");
    }
    whole
}

/// The classes of a message from anna@box.test, as outgoing and as incoming mail.
#[track_caller]
pub(crate) fn check(text: &str, out: Content, incoming: Content) {
    for (way, content) in [(Way::Out, out), (Way::In, incoming)] {
        let from = "anna@box.test".parse().unwrap();
        let inspected = inspect(way, text).map(|Inspected { from, content, .. }| (from, content));
        assert_eq!(inspected, Ok((from, content)), "{way:?}\n{text}");
    }
}
