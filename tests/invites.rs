//! A real Delta Chat core comes in by an invite that `hearth invite` made, through the page that its link opens.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hearth_tests::delta_chat::Person;
use hearth_tests::product::Daemon;
use serde_json::Value;

#[test]
fn an_invite_lets_one_phone_in_and_the_next_one_is_told_why_not() {
    Daemon::start("invite", "").unwrap().play(story);
}

fn story(daemon: &mut Daemon) -> Result<()> {
    let told = daemon.hearth(&["invite", "new"])?;
    ensure!(told.contains("lets 1 person in until") && told.contains('█'), "no code in {told}");
    let link = told.lines().find_map(|line| line.strip_prefix("Invite link: ")).context("a link")?;

    // Somebody looks at the link, a messenger shows a preview of it: nothing happens.
    ensure!(browse("GET", link)?.contains("Make my account"));
    ensure!(daemon.status()?["accounts"] == 0);

    let page = browse("POST", link)?;
    let login = page.split('"').find(|part| part.starts_with("dclogin:")).context("a login link")?;
    let anna = Person::pair("Anna", &login.replace("&amp;", "&"))?;
    ensure!(daemon.status()?["accounts"] == 1 && anna.address()?.ends_with("@hearth.test"));
    ensure!(browse("POST", link)?.contains("This invite has been used already."));

    let second: Value = serde_json::from_str(&daemon.hearth(&["invite", "new", "--uses", "3", "--json"])?)?;
    let list: Value = serde_json::from_str(&daemon.hearth(&["invite", "list", "--json"])?)?;
    let id = second["id"].as_str().context("an ID")?;
    // Both may expire in the same second, and then either may stand first.
    let of = |wanted: bool| list.as_array()?.iter().find(|invite| (invite["id"] == id) == wanted);
    let (first, second_one) = of(false).zip(of(true)).context("two invites")?;
    ensure!(first["state"] == "used_up" && second_one["uses_left"] == 3, "{list}");
    daemon.hearth(&["invite", "revoke", id])?;
    ensure!(!daemon.hearth(&["invite", "list"])?.contains(id));
    let link = second["link"].as_str().context("a link")?;
    ensure!(browse("POST", link)?.contains("This invite is not known here."));

    // A hang-up asks for the certificate to be looked at; it ended the daemon once.
    let hung_up = Command::new("kill").args(["-HUP", &daemon.id()?.to_string()]).status()?;
    ensure!(hung_up.success() && daemon.status()?["accounts"] == 1);
    // Ended by the hang-up, whenever that reached it, it would not end well now.
    daemon.stop()?;
    ensure!(!daemon.log().contains(link.rsplit('=').next().context("a token")?), "a token is in the log");
    Ok(())
}

/// The server's answer to a browser that opens this link.
fn browse(method: &str, link: &str) -> Result<String> {
    let (host, path) =
        link.strip_prefix("http://").and_then(|rest| rest.split_once('/')).context("a web link")?;
    let mut stream = TcpStream::connect(host)?;
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
