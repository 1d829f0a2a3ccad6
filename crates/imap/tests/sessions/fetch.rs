//! `FETCH` with everything there is to fetch.

use crate::each_seed;
use crate::world::{Parser, World};

const MULTIPART: &str = "\
From: Anna <anna@chat.example>
Subject: parts
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8

hello
--b
Content-Type: message/rfc822

Subject: inner
X: y

inside
--b--
";

#[test]
fn parts_of_a_message() {
    each_seed(|world| {
        world.parser = Parser::Any;
        world.toy.deliver(MULTIPART);
        let phone = world.select();
        world.play(
            phone,
            r#"
            C: a FETCH 1 (BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT] BODY.PEEK[2.1])
            S: * 1 FETCH (BODY[1] {5}
            S: hello BODY[1.MIME] {43}
            S: Content-Type: text/plain; charset=utf-8
            S:
            S:  BODY[2.HEADER] {24}
            S: Subject: inner
            S: X: y
            S:
            S:  BODY[2.TEXT] {6}
            S: inside BODY[2.1] {6}
            S: inside)
            S: a OK Fetch completed
            C: b FETCH 1 (BODY.PEEK[2.HEADER.FIELDS (x)] BODY.PEEK[2.HEADER.FIELDS.NOT ("X")] BODY.PEEK[3] BODY.PEEK[1.HEADER])
            S: * 1 FETCH (BODY[2.HEADER.FIELDS (x)] {8}
            S: X: y
            S:
            S:  BODY[2.HEADER.FIELDS.NOT (X)] {18}
            S: Subject: inner
            S:
            S:  BODY[3] NIL BODY[1.HEADER] NIL)
            S: b OK Fetch completed
            C: c FETCH 1 (BODY.PEEK[1]<1.3> BODY.PEEK[]<0.4> BODY.PEEK[]<9999.4> BODY.PEEK[HEADER.FIELDS (SUBJECT)]<0.7>)
            S: * 1 FETCH (BODY[1]<1> {3}
            S: ell BODY[]<0> {4}
            S: From BODY[]<9999> "" BODY[HEADER.FIELDS (SUBJECT)]<0> {7}
            S: Subject)
            S: c OK Fetch completed
            C: d FETCH 1 FULL
            S: * 1 FETCH (FLAGS () INTERNALDATE "22-Nov-2026 14:08:33 +0000" RFC822.SIZE 224 ENVELOPE (NIL "parts" (("Anna" NIL "anna" "chat.example")) (("Anna" NIL "anna" "chat.example")) (("Anna" NIL "anna" "chat.example")) NIL NIL NIL NIL NIL) BODY (("TEXT" "PLAIN" ("charset" "utf-8") NIL NIL "7BIT" 5 1)("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 30 (NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL) ("TEXT" "PLAIN" ("charset" "us-ascii") NIL NIL "7BIT" 6 1) 4) "MIXED"))
            S: d OK Fetch completed
        "#,
        );
    });
}

/// A literal of no bytes makes some telephones wait for ever.
#[test]
fn what_is_empty_is_a_quoted_string() {
    each_seed(|world| {
        world.parser = Parser::Any;
        world.toy.deliver("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b--\n");
        world.toy.deliver("Subject: no body\n\n");
        let phone = world.select();
        world.play(
            phone,
            r#"
            C: a FETCH 1 (BODY.PEEK[1] BODY.PEEK[1]<0.9> BODY.PEEK[1]<1000.10> BODY.PEEK[TEXT]<1000.10>)
            S: * 1 FETCH (BODY[1] "" BODY[1]<0> "" BODY[1]<1000> "" BODY[TEXT]<1000> "")
            S: a OK Fetch completed
            C: b FETCH 2 (BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[HEADER.FIELDS (To)]<2.1> BODY.PEEK[2])
            S: * 2 FETCH (BODY[TEXT] "" BODY[1] "" BODY[HEADER.FIELDS (To)]<2> "" BODY[2] NIL)
            S: b OK Fetch completed
            C: c FETCH 2 RFC822.TEXT
            S: * 2 FETCH (RFC822.TEXT "" FLAGS (\Seen))
            S: c OK Fetch completed
        "#,
        );
    });
}

#[test]
fn reading_marks_as_seen_unless_peeking() {
    each_seed(|world| {
        world.toy.deliver("Subject: x\n\nbody\n");
        world.toy.deliver("Subject: y\n\nbody\n");
        let phone = world.select();
        world.play(
            phone,
            r"
            C: a FETCH 1 (RFC822.HEADER RFC822.SIZE)
            S: * 1 FETCH (RFC822.HEADER {14}
            S: Subject: x
            S:
            S:  RFC822.SIZE 20)
            S: a OK Fetch completed
            C: b FETCH 1 RFC822.TEXT
            S: * 1 FETCH (RFC822.TEXT {6}
            S: body
            S:  FLAGS (\Seen))
            S: b OK Fetch completed
            C: c UID FETCH 42:43 (FLAGS BODY[TEXT]<0.2>)
            S: * 1 FETCH (UID 42 FLAGS (\Seen) BODY[TEXT]<0> {2}
            S: bo)
            S: * 2 FETCH (UID 43 FLAGS (\Seen) BODY[TEXT]<0> {2}
            S: bo)
            S: c OK Fetch completed
            C: d FETCH 1:2 FAST
            S: * 1 FETCH (FLAGS (\Seen) …
            S: * 2 FETCH (FLAGS (\Seen) …
            S: d OK Fetch completed
        ",
        );
        world.play(
            phone,
            r"
            C: e STORE 1:2 -FLAGS.SILENT (\Seen)
            S: e OK Store completed
            C: f EXAMINE INBOX
            S: * OK [CLOSED] Previous mailbox is now closed
            S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
            S: * OK [PERMANENTFLAGS ()] Flags permitted
            S: * 2 EXISTS
            S: * 0 RECENT
            S: * OK [UNSEEN 1] First unseen
            S: * OK [UIDVALIDITY 1718000000] UIDs valid
            S: * OK [UIDNEXT 44] Predicted next UID
            S: * OK [HIGHESTMODSEQ …
            S: f OK [READ-ONLY] Examine completed
            C: g FETCH 1 RFC822.TEXT
            S: * 1 FETCH (RFC822.TEXT {6}
            S: body
            S:  FLAGS ())
            S: g OK Fetch completed
            C: h STORE 1 FLAGS (\Seen)
            S: h NO The mailbox is read-only
            C: i EXPUNGE
            S: i NO The mailbox is read-only
        ",
        );
    });
}

#[test]
fn a_message_larger_than_any_buffer_comes_whole() {
    let mut world = World::new(5);
    world.parser = Parser::Any;
    let body = format!("Subject: x\n\n{}", "0123456789abcde\n".repeat(40_000));
    world.toy.deliver(&body);
    let phone = world.select();
    world.send(phone, b"a UID FETCH 42 (BODY.PEEK[] BODY.PEEK[1] BODY)\r\n");
    let heard = world.heard(phone);
    let body = body.replace('\n', "\r\n");
    let (header, text) = body.split_at(14);
    let expected = format!(
        "* 1 FETCH (UID 42 BODY[] {{{}}}\r\n{header}{text} BODY[1] {{{}}}\r\n{text} BODY (\"TEXT\" \"PLAIN\" \
         (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" {} 40000))\r\na OK Fetch completed\r\n",
        body.len(),
        text.len(),
        text.len()
    );
    assert!(heard == expected, "{} bytes heard, {} expected", heard.len(), expected.len());
}

#[test]
fn a_header_longer_than_the_first_look_is_found() {
    let mut world = World::new(5);
    world.toy.deliver(&format!("{}Subject: x\n\nbody\n", "X-Filler: 0123456789\n".repeat(20_000)));
    let phone = world.select();
    world.send(phone, b"a FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]\r\n");
    assert!(world.heard(phone).contains("{14}\r\nSubject: x\r\n\r\n)"));
}

#[test]
fn numbers_that_do_not_exist() {
    each_seed(|world| {
        world.toy.deliver("Subject: x\n\nbody\n");
        let phone = world.select();
        world.play(
            phone,
            r"
            C: a FETCH 2 FLAGS
            S: a BAD There is no message with such a number
            C: b FETCH 1:500 FLAGS
            S: * 1 FETCH (FLAGS ())
            S: b OK Fetch completed
            C: c UID FETCH 7 FLAGS
            S: c OK Fetch completed
            C: d FETCH 0 FLAGS
            S: d BAD message numbers begin with 1
            C: e FETCH 1 (FLAGS NONSENSE)
            S: e BAD there is no such thing to fetch
            C: f UID FETCH 100:* FLAGS
            S: * 1 FETCH (UID 42 FLAGS ())
            S: f OK Fetch completed
            C: g FETCH 1,2 FLAGS
            S: g BAD There is no message with such a number
            C: h FETCH 500:1 FLAGS
            S: * 1 FETCH (FLAGS ())
            S: h OK Fetch completed
            C: i STORE 1,2 +FLAGS (\Seen)
            S: i BAD There is no message with such a number
            C: j COPY 1,2 INBOX
            S: j BAD There is no message with such a number
            C: k MOVE 2:3,1 INBOX
            S: k BAD There is no message with such a number
            C: l UID STORE 7,9999 +FLAGS (\Seen)
            S: l OK Store completed
            C: m UID COPY 9999 INBOX
            S: m OK Copy completed
            C: n UID MOVE 7 INBOX
            S: n OK Move completed
            C: o FETCH 1 FLAGS
            S: * 1 FETCH (FLAGS ())
            S: o OK Fetch completed
        ",
        );
    });
}

#[test]
fn no_number_exists_in_an_empty_mailbox() {
    each_seed(|world| {
        let phone = world.select();
        world.play(
            phone,
            r"
            C: a FETCH * FLAGS
            S: a OK Fetch completed
            C: b FETCH 1:* FLAGS
            S: b OK Fetch completed
            C: c FETCH 1 FLAGS
            S: c BAD There is no message with such a number
            C: d UID FETCH 1:* FLAGS
            S: d OK Fetch completed
            C: e UID STORE * +FLAGS (\Seen)
            S: e OK Store completed
            C: f COPY 1:* INBOX
            S: f OK Copy completed
        ",
        );
    });
}

#[test]
fn a_full_disk_does_not_keep_anybody_from_reading() {
    let mut world = World::new(5);
    world.toy.deliver("Subject: x\n\nbody\n");
    let phone = world.select();
    world.toy.refuse = Some(imap::CommandFailure::OverQuota);
    world.play(
        phone,
        r"
        C: a FETCH 1 BODY[TEXT]
        S: * 1 FETCH (BODY[TEXT] {6}
        S: body
        S:  FLAGS ())
        S: a OK Fetch completed
        C: b STORE 1 +FLAGS (\Seen)
        S: b NO [OVERQUOTA] There is no room left in the account.
    ",
    );
}
