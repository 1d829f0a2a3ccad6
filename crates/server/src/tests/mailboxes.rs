//! Mailboxes by their names: what renaming takes along, and that a list has every mailbox that was made.

use std::fmt::Write;

use crate::tests::harness::{ALICE, TestServer};

const OPEN: &str = "registration = \"open\"";

/// The names in responses to `LIST`, which come sorted.
fn names(responses: &[String]) -> Vec<&str> {
    let listed = responses.iter().filter_map(|line| line.strip_prefix("* LIST "));
    listed.filter_map(|line| line.rsplit('"').nth(1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn renaming_takes_along_what_lies_below_also_without_a_mailbox_above() {
    let server = TestServer::start(OPEN).await;
    let mut client = server.imap(ALICE).await;
    for (command, completion) in [
        ("CREATE a/b", "OK"),
        ("CREATE a/b/c", "OK"),
        ("CREATE ab", "OK"),
        ("CREATE z/b", "OK"),
        // `a` is \Noselect: there is a/b, but no a.
        ("RENAME a x", "OK"),
        ("RENAME a y", "NO [NONEXISTENT]"),
        ("RENAME x x/y", "NO [CANNOT]"),
        ("RENAME x ab", "NO [ALREADYEXISTS]"),
        // z/b exists: nothing moves, x/b/c neither.
        ("RENAME x z", "NO [ALREADYEXISTS]"),
        ("RENAME x INBOX", "NO [ALREADYEXISTS]"),
    ] {
        client.send(&format!("t {command}")).await;
        let found = client.expect("t ").await;
        assert!(found.starts_with(&format!("t {completion}")), "{command}: {found}");
    }
    client.send("l LIST \"\" *").await;
    let listed = client.until("l OK").await;
    assert_eq!(names(&listed), ["INBOX", "ab", "x", "x/b", "x/b/c", "z", "z/b"]);
    // A mailbox with others below it; then one whose name below would get too long.
    client.send("r RENAME x/b deep/er").await;
    client.expect("r OK").await;
    client.send(&format!("r RENAME deep {}", "n".repeat(396))).await;
    client.expect("r NO [LIMIT]").await;
    client.send("l LIST \"\" *").await;
    let listed = client.until("l OK").await;
    assert_eq!(names(&listed), ["INBOX", "ab", "deep", "deep/er", "deep/er/c", "z", "z/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_with_all_its_keywords_refuses_another_and_nothing_else() {
    let server = TestServer::start(OPEN).await;
    let mut client = server.imap(ALICE).await;
    let keywords = |count: usize| (0..count).map(|number| format!("k{number} ")).collect::<String>();
    let append = |mailbox: &str, keywords: &str| {
        format!("t APPEND {mailbox} ({}) {{14+}}\r\nSubject: x\r\n\r\n", keywords.trim_end())
    };
    for (command, completion) in [
        (append("INBOX", &keywords(63)), "OK"),
        (append("INBOX", "a b"), "NO [LIMIT]"),
        ("t CREATE Other".to_owned(), "OK"),
        (append("Other", "a b"), "OK"),
        ("t SELECT Other".to_owned(), "OK"),
        ("t COPY 1 INBOX".to_owned(), "NO [LIMIT]"),
        ("t MOVE 1 INBOX".to_owned(), "NO [LIMIT]"),
        ("t STORE 1 FLAGS (K3 a)".to_owned(), "OK"),
        ("t COPY 1 INBOX".to_owned(), "OK"),
        ("t SELECT INBOX".to_owned(), "OK"),
        ("t STORE 1:2 +FLAGS (b)".to_owned(), "NO [LIMIT]"),
        ("t STORE 1:2 -FLAGS (b k1)".to_owned(), "OK"),
    ] {
        client.send(&command).await;
        let responses = client.until("t ").await;
        let found = responses.last().unwrap();
        assert!(found.starts_with(&format!("t {completion}")), "{command}: {found}");
    }
    client.send("f FETCH 2 FLAGS").await;
    let fetched = client.expect("* 2 FETCH").await;
    assert!(fetched.ends_with(" k3 a))"), "{fetched}");
    client.send("s SELECT INBOX").await;
    let selected = client.until("s OK").await;
    let permanent = selected.iter().find(|line| line.contains("PERMANENTFLAGS")).unwrap();
    assert!(permanent.contains(" k9 a)] "), "{permanent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_count_in_the_quota() {
    let server =
        TestServer::start("registration = \"open\"\nlimits = { quota = 40000, message_size = 30000 }").await;
    let mut client = server.imap(ALICE).await;
    let value = "x".repeat(25_000);
    for (name, completion) in [("one", "OK"), ("two", "NO [OVERQUOTA]")] {
        client.send(&format!("t SETMETADATA INBOX (/private/{name} {{25000+}}\r\n{value})")).await;
        let found = client.expect("t ").await;
        assert!(found.starts_with(&format!("t {completion}")), "{found}");
    }
    client.send("q GETQUOTAROOT INBOX").await;
    client.expect("* QUOTAROOT ").await;
    let quota = client.expect("* QUOTA ").await;
    assert!(quota.contains("(STORAGE 25 "), "{quota}");
    client.expect("q OK").await;
    client.send("t APPEND INBOX {20000}").await;
    client.expect("t NO [OVERQUOTA]").await;
    client.send("t SETMETADATA INBOX (/private/one NIL)").await;
    client.expect("t OK").await;
    assert_eq!(server.observed().store.usage(&ALICE.parse().unwrap()).unwrap().bytes, 0);
}

/// Rounds of eight mailboxes for each session. More were run once, see the commit that added this.
const ROUNDS: usize = 12;
/// Makes mailboxes and lists them in one go, as often as `ROUNDS`.
async fn make_and_list(server: &TestServer, session: usize) {
    let mut client = server.imap(&format!("user0000{}@chat.test", session / 2)).await;
    for round in 0..ROUNDS {
        let new: Vec<String> = (0..8).map(|number| format!("s{session}/r{round}-{number}")).collect();
        let (mut make, mut unmake) = (String::new(), String::new());
        for name in &new {
            write!(make, "c CREATE {name}\r\n").unwrap();
            write!(unmake, "d DELETE {name}\r\n").unwrap();
        }
        client.raw(format!("{make}l LIST \"\" *\r\n").as_bytes()).await;
        let responses = client.until("l OK").await;
        let made = responses.iter().filter(|line| line.starts_with("c OK")).count();
        assert_eq!(made, new.len(), "{responses:?}");
        let listed = names(&responses);
        for name in &new {
            assert!(listed.contains(&name.as_str()), "{name} is missing: {responses:?}");
        }
        client.raw(format!("{unmake}l LIST \"\" s{session}/*\r\n").as_bytes()).await;
        let responses = client.until("l OK").await;
        assert_eq!(names(&responses), [""; 0], "{responses:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_every_mailbox_that_was_made_before_it() {
    let server = TestServer::start(OPEN).await;
    // Two sessions each of two accounts.
    let session = |number| make_and_list(&server, number);
    tokio::join!(session(0), session(1), session(2), session(3));
}
