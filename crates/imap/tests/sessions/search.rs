//! `SEARCH` with every key.

use imap::MailboxName;
use mail_types::{Flags, SystemFlag, UnixTime};

use crate::each_seed;
use crate::world::{Parser, World};

const LETTER: &str = "\
From: Anna Beispiel <anna@chat.example>
To: ben@chat.example
Cc: cleo@chat.example
Bcc: <ada (of) @ (the) home.test>
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus Wien
Date: Sat, 21 Nov 2026 23:30:00 +0100
X-Mark: here

We met at the Naschmarkt.
";

const PARTS: &str = "\
From: ben@chat.example
Subject: parts
Date: 1 Jan 2020 00:00:00 +0000
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

K=E4se und Br=
ot
--b
Content-Type: text/plain
Content-Transfer-Encoding: base64
Content-Description: a secret

TmFzY2htYXJrdA==
--b
Content-Type: image/png

Naschmarkt
--b--
";

/// INBOX holds three messages: 42 is a letter, 43 has parts, 44 is short and flagged.
fn fill(world: &mut World) {
    let inbox = MailboxName::inbox();
    world.toy.deliver(LETTER);
    let mut flags: Flags = [SystemFlag::Seen, SystemFlag::Answered].into_iter().collect();
    flags.keywords.insert("$Forwarded".parse().unwrap());
    let body = PARTS.replace('\n', "\r\n").into_bytes();
    world.toy.add(&inbox, flags, UnixTime(1_577_836_800), body);
    let flags = [SystemFlag::Deleted, SystemFlag::Flagged, SystemFlag::Draft].into_iter().collect();
    world.toy.add(&inbox, flags, UnixTime(1_795_356_513), b"\r\nshort".to_vec());
}

fn check(world: &mut World, phone: usize, keys: &str, expected: &str) {
    world.send(phone, format!("t SEARCH {keys}\r\n").as_bytes());
    let space = if expected.is_empty() { "" } else { " " };
    assert_eq!(
        world.heard(phone),
        format!("* SEARCH{space}{expected}\r\nt OK Search completed\r\n"),
        "{keys}"
    );
}

#[test]
fn keys_that_the_view_answers() {
    each_seed(|world| {
        fill(world);
        let phone = world.select();
        for (keys, expected) in [
            ("ALL", "1 2 3"),
            ("SEEN", "2"),
            ("UNSEEN", "1 3"),
            ("ANSWERED", "2"),
            ("UNANSWERED UNDELETED", "1"),
            ("DELETED", "3"),
            ("FLAGGED DRAFT", "3"),
            ("UNFLAGGED", "1 2"),
            ("UNDRAFT", "1 2"),
            ("NEW", ""),
            ("RECENT", ""),
            ("OLD", "1 2 3"),
            ("KEYWORD $forwarded", "2"),
            ("UNKEYWORD $Forwarded", "1 3"),
            ("2:*", "2 3"),
            ("1,3 NOT DELETED", "1"),
            ("UID 43:100", "2 3"),
            ("OR SEEN DELETED", "2 3"),
            ("NOT (OR SEEN DELETED)", "1"),
            ("LARGER 100", "1 2"),
            ("SMALLER 100", "3"),
            ("BEFORE 1-Jan-2021", "2"),
            ("ON 22-Nov-2026", "1 3"),
            ("SINCE \"22-Nov-2026\" DELETED", "3"),
            ("CHARSET utf-8 ALL ", "1 2 3"),
        ] {
            check(world, phone, keys, expected);
        }
        assert!(!world.toy.asked.contains(&"OpenMessage".to_owned()));
    });
}

#[test]
fn numbers_without_a_message_match_nothing() {
    each_seed(|world| {
        let phone = world.select();
        // In an empty mailbox.
        for keys in ["*", "1", "NOT *", "NOT 7", "1:*", "UID *", "NOT UID 1:*", "OR 1 NOT 1"] {
            check(world, phone, keys, "");
        }
        fill(world);
        let phone = world.select();
        for (keys, expected) in [
            ("2,9999", "2"),
            ("NOT 2,9999", "1 3"),
            ("NOT (2,9999)", "1 3"),
            ("9999", ""),
            ("NOT 9999", "1 2 3"),
            ("9999:2", "2 3"),
            ("NOT 9999:2", "1"),
            ("3:2,*:1,4294967295", "1 2 3"),
            ("9999:*", "3"),
            ("*", "3"),
            ("NOT *", "1 2"),
            ("OR 1 9999", "1"),
            ("OR NOT 2,9999 9999", "1 3"),
            ("OR NOT 9999 9999", "1 2 3"),
            ("2,9999 NOT 3,9999", "2"),
            ("UID 43,9999", "2"),
            ("NOT UID 43,9999", "1 3"),
            ("UID 9999:43", "2 3"),
            ("UID 9999", ""),
            ("NOT UID 9999", "1 2 3"),
            ("UID 9999:*", "3"),
        ] {
            check(world, phone, keys, expected);
        }
        world.send(phone, b"u UID SEARCH NOT 2,9999\r\n");
        assert_eq!(world.heard(phone), "* SEARCH 42 44\r\nu OK Search completed\r\n");
    });
}

#[test]
fn keys_that_need_the_header_or_the_body() {
    each_seed(|world| {
        fill(world);
        let phone = world.select();
        for (keys, expected) in [
            ("FROM anna", "1"),
            ("FROM \"anna beispiel\"", "1"),
            ("TO ben", "1"),
            ("CC CLEO@chat", "1"),
            ("BCC nobody", ""),
            ("BCC ada@home.test", "1"),
            ("BCC \"(of)\"", "1"),
            ("SUBJECT grüße", "1"),
            ("SUBJECT {8+}\r\nGrüße ", "1"),
            ("HEADER x-mark here", "1"),
            ("HEADER X-MARK \"\"", "1"),
            ("HEADER Content-Type mixed", "2"),
            ("SENTON 21-Nov-2026", "1"),
            ("SENTBEFORE 2-Jan-2020", "2"),
            ("SENTSINCE 1-Jan-2020", "1 2"),
            ("BODY naschmarkt", "1 2"),
            ("BODY käse", "2"),
            ("BODY Brot", "2"),
            ("BODY anna", ""),
            ("TEXT anna", "1"),
            ("TEXT secret", "2"),
            ("TEXT short", "3"),
            ("NOT BODY naschmarkt", "3"),
            ("OR BODY wien SUBJECT wien", "1"),
            ("BODY naschmarkt BODY käse", "2"),
            ("SEEN FROM anna", ""),
        ] {
            check(world, phone, keys, expected);
        }
    });
}

#[test]
fn results_come_in_the_form_asked_for() {
    each_seed(|world| {
        world.parser = Parser::Any;
        fill(world);
        let phone = world.select();
        world.play(
            phone,
            r#"
            C: a UID SEARCH UNSEEN
            S: * SEARCH 42 44
            S: a OK Search completed
            C: b UID SEARCH RETURN (MIN MAX COUNT ALL) ALL
            S: * ESEARCH (TAG "b") UID MIN 42 MAX 44 COUNT 3 ALL 42:44
            S: b OK Search completed
            C: c SEARCH RETURN () SEEN
            S: * ESEARCH (TAG "c") ALL 2
            S: c OK Search completed
            C: d SEARCH RETURN (COUNT MIN) NEW
            S: * ESEARCH (TAG "d") COUNT 0
            S: d OK Search completed
            C: e SEARCH MODSEQ 12
            S: * OK [HIGHESTMODSEQ 13] Highest
            S: * SEARCH 2 3 (MODSEQ 13)
            S: e OK Search completed
            C: f SEARCH MODSEQ "/flags/\\draft" all 99
            S: * SEARCH
            S: f OK Search completed
            C: g SEARCH RETURN (ALL) MODSEQ 13
            S: * ESEARCH (TAG "g") ALL 3 MODSEQ 13
            S: g OK Search completed
            C: g2 SEARCH RETURN (MIN) MODSEQ 11
            S: * ESEARCH (TAG "g2") MIN 1 MODSEQ 11
            S: g2 OK Search completed
            C: g3 SEARCH RETURN (MIN MAX) NOT MODSEQ 13
            S: * ESEARCH (TAG "g3") MIN 1 MAX 2 MODSEQ 12
            S: g3 OK Search completed
            C: g4 SEARCH RETURN (MIN COUNT) MODSEQ 11
            S: * ESEARCH (TAG "g4") MIN 1 COUNT 3 MODSEQ 13
            S: g4 OK Search completed
            C: h SEARCH CHARSET KOI8-R ALL
            S: h NO [BADCHARSET (US-ASCII UTF-8)] This charset is not known
            C: i SEARCH FROM
            S: i BAD a space is missing
            C: j SEARCH
            S: j BAD a search key is missing
            C: k SEARCH ON 31-Feb-2020
            S: k BAD a date is malformed
        "#,
        );
    });
}

#[test]
fn a_message_that_is_gone_is_not_found_and_that_is_said() {
    each_seed(|world| {
        fill(world);
        let phone = world.select();
        world.slow = true;
        world.change(|toy| toy.remove(&MailboxName::inbox(), 42));
        world.play(
            phone,
            "C: a SEARCH BODY naschmarkt\nS: * SEARCH 2\nS: a OK [EXPUNGEISSUED] Search completed",
        );
    });
}

#[test]
fn nested_and_countless_keys_meet_their_limits() {
    let mut world = World::new(1);
    let phone = world.select();
    world.send(phone, format!("a SEARCH {}ALL\r\n", "NOT ".repeat(100)).as_bytes());
    assert_eq!(world.heard(phone), "a BAD there are too many search keys\r\n");
    world.send(phone, format!("b SEARCH{}\r\n", " ALL".repeat(2_000)).as_bytes());
    assert_eq!(world.heard(phone), "b BAD there are too many search keys\r\n");
    world.send(phone, format!("c SEARCH {}ALL{}\r\n", "(".repeat(5_000), ")".repeat(5_000)).as_bytes());
    assert_eq!(world.heard(phone), "c BAD there are too many search keys\r\n");
}

/// Messages in a charset, with a text of the subject and one of the body.
const CHARSETS: [(&str, &str, &str); 3] = [
    (
        "Subject: =?gb2312?B?1tDOxLLiytQ=?=\nContent-Type: text/plain; charset=gb2312\n\
         Content-Transfer-Encoding: base64\n\n1tDOxNX9zsQ=\n",
        "中文测试",
        "正文",
    ),
    (
        "Subject: =?koi8-r?B?8NLJ18XU?=\nContent-Type: text/plain; charset=koi8-r\n\
         Content-Transfer-Encoding: base64\n\n8NLJ18XUIM3J0g==\n",
        "ПРИВЕТ",
        "мир",
    ),
    (
        "Subject: =?windows-1252?Q?5_=80?=\nContent-Type: text/plain; charset=windows-1252\n\
         Content-Transfer-Encoding: quoted-printable\n\nKosten 5 =80 und =84so=93\n",
        "5 €",
        "„so“",
    ),
];

#[test]
fn text_is_found_in_any_charset() {
    each_seed(|world| {
        for (message, ..) in CHARSETS {
            world.toy.deliver(message);
        }
        let phone = world.select();
        for (number, (_, subject, body)) in (1..).zip(CHARSETS) {
            for (key, text) in [("SUBJECT", subject), ("TEXT", subject), ("BODY", body), ("TEXT", body)] {
                let key = format!("CHARSET UTF-8 {key} {{{}+}}\r\n{text}", text.len());
                check(world, phone, &key, &number.to_string());
            }
        }
        check(world, phone, "CHARSET UTF-8 TEXT {7+}\r\nGr\u{fc}\u{df}e", "");
    });
}

/// The text `Grüße, мир` or one of its words, written in headers of a part as programs write them: header fields of the
/// part, its body, and a text to be found.
const WRITTEN_ODDLY: [(&str, &str, &str); 24] = [
    ("Content-Transfer-Encoding: base64 (comment)", "R3LDvMOfZQ==", "grüße"),
    ("Content-Transfer-Encoding: (comment) base64", "R3LDvMOfZQ==", "grüße"),
    ("Content-Transfer-Encoding:base64;", "R3LDvMOfZQ==", "grüße"),
    ("Content-Transfer-Encoding: \"base64\"", "R3LDvMOfZQ==", "grüße"),
    ("Content-Transfer-Encoding: Base64\n\t", "R3LDvMOfZQ==", "grüße"),
    ("Content-Transfer-Encoding: base64, 7bit", "R3LDvMOfZQ==", "grüße"),
    ("Content-Transfer-Encoding : base64", "R3LDvMOfZQ==", "grüße"),
    ("Content-Transfer-Encoding: base64", "R3LDvMOfZQ", "grüße"),
    ("Content-Transfer-Encoding: quoted-printable;", "Gr=C3=BC=C3=9Fe", "grüße"),
    ("Content-Transfer-Encoding: quoted-printable; x=y", "Gr=C3=BC=C3=\n=9Fe", "grüße"),
    ("Content-Transfer-Encoding: Quoted-Printable.", "Gr=C3=BC=C3=9Fe", "grüße"),
    ("Content-Transfer-Encoding: quoted-printable", "Gr=c3=bc=c3=9fe", "grüße"),
    ("Content-Type: text/plain; charset=koi8-r (Cyrillic)\nContent-Transfer-Encoding: base64", "zcny", "мир"),
    ("Content-Type: text/plain; charset=\"koi8-r\"\nContent-Transfer-Encoding: base64", "zcny", "мир"),
    ("Content-Type: text/plain; (x) charset = koi8-r ;\nContent-Transfer-Encoding: base64", "zcny", "мир"),
    ("Content-Type: text/plain; charset='koi8-r'\nContent-Transfer-Encoding: base64", "zcny", "мир"),
    (
        "Content-Type: text/plain; charset*=us-ascii'en'koi8-r\nContent-Transfer-Encoding: base64",
        "zcny",
        "мир",
    ),
    (
        "Content-Type: text/plain; charset=KOI8-R; charset=utf-8\nContent-Transfer-Encoding: base64",
        "zcny",
        "мир",
    ),
    ("Content-Type: text/plain; charset=utf8\nContent-Transfer-Encoding: base64", "0LzQuNGA", "мир"),
    ("Content-Type: text/plain; charset=cp1251\nContent-Transfer-Encoding: base64", "7Ojw", "мир"),
    ("Content-Type: text/plain; charset=x-cp1251\nContent-Transfer-Encoding: base64", "7Ojw", "мир"),
    (
        "Content-Type: text/plain; charset=ks_c_5601-1987\nContent-Transfer-Encoding: base64",
        "vsiz5w==",
        "안녕",
    ),
    ("Content-Type: text\nContent-Transfer-Encoding: base64", "R3LDvMOfZQ==", "grüße"),
    ("Content-Type: text/plain charset=koi8-r\nContent-Transfer-Encoding: base64", "zcny", "мир"),
];

#[test]
fn text_is_found_however_its_encoding_is_written() {
    let mut world = World::new(4);
    for (fields, body, _) in WRITTEN_ODDLY {
        world.toy.deliver(&format!("Subject: x\n{fields}\n\n{body}\n"));
    }
    let phone = world.select();
    for (number, (fields, _, text)) in (1_usize..).zip(WRITTEN_ODDLY) {
        world.send(phone, format!("t SEARCH {number} BODY {{{}+}}\r\n{text}\r\n", text.len()).as_bytes());
        assert_eq!(world.heard(phone), format!("* SEARCH {number}\r\nt OK Search completed\r\n"), "{fields}");
    }
}

/// Subjects, and a text to be found in each.
const SUBJECTS: [(&str, &str); 18] = [
    ("=?utf-8*en?Q?Gr=C3=BC=C3=9Fe?=", "grüße"),
    ("=?UTF-8*de-AT?b?R3LDvMOfZQ==?=", "grüße"),
    ("=?utf-8?B?R3LDvMOfZQ?=", "grüße"),
    ("=?utf-8?b?R3LD?= =?utf-8?b?vMOfZQ==?=", "grüße"),
    ("=?utf-8?q?Gr=C3?=\n =?UTF-8*de?b?vMOfZQ==?=", "grüße"),
    ("=?utf-8?q?Gr=C3?=\n\t\n =?utf-8?q?=BC=C3=9Fe?=", "grüße"),
    ("=?koi8-r?B?zcny?=", "мир"),
    ("=?windows-1251?Q?=EC=E8=F0?=", "мир"),
    ("=?cp1251?Q?=EC=E8=F0?=", "мир"),
    ("=?x-gbk?b?1tDOxA==?=", "中文"),
    ("=?gb2312?b?1g==?= =?gb2312?b?0M7E?=", "中文"),
    ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?= x", "日本 x"),
    ("=?iso-2022-jp?B?GyRCRnwbKEI=?= =?iso-2022-jp?B?GyRCS1wbKEI=?=", "日本"),
    ("=?ks_c_5601-1987?B?vsiz5w==?=", "안녕"),
    ("=?macintosh?Q?Gr=9F=A7e?=", "grüße"),
    ("=?utf-8?Q?Gr=C3=BC=C3=9Fe_?==?utf-8?Q?f=C3=BCr?=", "grüße für"),
    ("\"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=\"", "grüße"),
    ("Re:=?utf-8?Q?Gr=C3=BC=C3=9Fe?=!", "re:grüße!"),
];

#[test]
fn subjects_are_found_however_their_words_are_encoded() {
    let mut world = World::new(4);
    for (subject, _) in SUBJECTS {
        world.toy.deliver(&format!("Subject: {subject}\n\nbody\n"));
    }
    let phone = world.select();
    for (number, (subject, text)) in (1_usize..).zip(SUBJECTS) {
        for key in ["SUBJECT", "TEXT"] {
            world
                .send(phone, format!("t SEARCH {number} {key} {{{}+}}\r\n{text}\r\n", text.len()).as_bytes());
            assert_eq!(
                world.heard(phone),
                format!("* SEARCH {number}\r\nt OK Search completed\r\n"),
                "{subject}"
            );
        }
    }
}
