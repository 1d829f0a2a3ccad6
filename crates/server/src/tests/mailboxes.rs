//! Mailboxes by their names: what renaming takes along.

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
