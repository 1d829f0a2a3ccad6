//! The grammar, row by row.

use mail_types::Secret;

use super::{Malformed, command};
use crate::command::{Command, Credentials};
use crate::fault::Fault;

fn check(line: &str, expected: Result<Command, &'static str>) {
    let parsed = command(format!("t {line}\r\n").as_bytes());
    let found = parsed.map(|tagged| tagged.command).map_err(|malformed| malformed.fault);
    assert_eq!(found, expected.map_err(Fault::Syntax), "{line:?}");
}

#[test]
fn what_has_no_tag_is_reported_without_one() {
    let malformed =
        |tag: Option<&str>, reason| Malformed { tag: tag.map(str::to_owned), fault: Fault::Syntax(reason) };
    assert_eq!(command(b"\r\n"), Err(malformed(None, "the tag is missing")));
    assert_eq!(command(b"+ x\r\n"), Err(malformed(None, "the tag is missing")));
    assert_eq!(command(b"a\r\n"), Err(malformed(Some("a"), "a space is missing")));
    assert_eq!(command(b"a nonsense\r\n"), Err(malformed(Some("a"), "unknown command")));
}

#[test]
fn login_takes_atoms_strings_and_literals() {
    let login = |user: &str, password: &str| {
        Ok(Command::Login(Credentials { user: user.to_owned(), password: Secret::new(password) }))
    };
    check("LOGIN a@b.c secret", login("a@b.c", "secret"));
    check(r#"login "abc@chat.example" "Zk3\"\\x""#, login("abc@chat.example", r#"Zk3"\x"#));
    check("LOGIN {3}\r\na@b {4+}\r\np w!", login("a@b", "p w!"));
    check("LOGIN a", Err("a space is missing"));
    check(r#"LOGIN a "b"#, Err("a quoted string is not closed"));
    check("LOGIN a b c", Err("there is more than the command takes"));
}

#[test]
fn id_takes_pairs_or_nil() {
    check(r#"ID ("name" "Delta Chat")"#, Ok(Command::Id));
    check("ID NIL", Ok(Command::Id));
    check(r#"ID ("name" NIL "x" "y" )"#, Ok(Command::Id));
    check("ID ()", Ok(Command::Id));
    check(r#"ID ("name")"#, Err("a space is missing"));
}
