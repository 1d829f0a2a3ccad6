//! The owner's files on a card that boots: left alone as samples, taken over when something is typed, masked and answered,
//! and told when they have an error; the same whenever the plug is pulled.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_tests::boxes::{self, LIMIT, ready};
use hearth_tests::mail::Account;
use hearth_tests::namespace::report;
use hearth_tests::owners_card::{REPORT, SETTINGS, TUNNEL, holds, is_sound, read, save};
use hearth_tests::waiting::{pause, poll};
use lab::Guest;
use tempfile::TempDir;

const NAME: &str = "_family.example.org";
const SECRET: &str = "Xk3-9Vb_yT7q0LwZsE2mHn5rJc8dAfGu";
/// A key of nobody.
const KEY: &str = "qL3nTzVd0mYhXw8uJr5kCsEb2GfPaN1oRi4vD7xKt6c=";
/// The report about a tunnel in whose file all is well.
const TUNNEL_WELL: &str = "The tunnel of wireguard.conf is set up.";
/// The report about a file in which all is well.
const WELL: &str = "The settings in hearth.toml are in force.";
/// The words about the tunnel that is there.
const NOBODY: &str = "the tunnel's other end does not answer";
/// The number of cards whose plug is pulled, each later in its first boot.
const CUTS: u32 = 10;
/// From one such moment to the next.
const BETWEEN_CUTS: Duration = Duration::from_millis(600);

/// The lines that an owner types.
fn typed() -> String {
    format!(
        "domain = \"{NAME}\"\r\nregistration = \"open\"\r\n\r\n[dns_provider]\r\ntoken = \"{SECRET}\"\r\n\
         [acme]\r\ndirectory = \"off\"\r\n"
    )
}

/// The tunnel that the owner was given; nobody is at its other end.
fn provided() -> String {
    let other = "Zm9yIHRoZSBvdGhlciBlbmQgb2YgdGhlIHR1bm5lbC4=";
    format!(
        "[Interface]\r\nPrivateKey = {KEY}\r\nAddress = 203.0.113.7/32\r\n\r\n[Peer]\r\nPublicKey = {other}\r\n\
         AllowedIPs = 0.0.0.0/0\r\nEndpoint = 10.0.2.2:51820\r\n"
    )
}

/// The same without the secrets.
fn masked(text: &str) -> String {
    [SECRET, KEY].iter().fold(text.to_owned(), |text, secret| text.replace(secret, &"*".repeat(secret.len())))
}

/// The owner's work on a computer.
fn type_both(card: &Path) -> Result<()> {
    save(card, SETTINGS, &typed())?;
    save(card, TUNNEL, &provided())
}

/// A card that was never in a box.
struct FreshCard {
    folder: TempDir,
    name: &'static str,
}

impl FreshCard {
    fn new(name: &'static str) -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir()?, name })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("card.img")
    }

    /// Prepares the card, and boots it.
    fn boot(&self, prepare: impl FnOnce(&Path) -> Result<()>) -> Result<Guest> {
        let builder = boxes::virt_image(self.name)?.card(self.path()).make_card()?;
        prepare(&self.path())?;
        Ok(builder.start()?)
    }
}

#[test]
fn a_card_nobody_has_changed_is_left_alone() -> Result<()> {
    let card = FreshCard::new("owner-file-sample")?;
    let samples = |card: &Path| anyhow::Ok([read(card, SETTINGS)?, read(card, TUNNEL)?]);
    let mut before = None;
    let guest = card.boot(|card| {
        before = Some(samples(card)?);
        Ok(())
    })?;
    ready(&guest, LIMIT)?;
    ensure!(wait_for_report(&card.path(), WELL)?.trim_end() == WELL, "nothing is said about a tunnel");
    ensure!(before == Some(samples(&card.path())?), "the samples were changed");
    complains_of_nothing(&guest)?;
    is_sound(&card.path())
}

#[test]
fn what_an_owner_types_is_in_force_and_its_secret_leaves_the_card() -> Result<()> {
    let card = FreshCard::new("owner-file-typed")?;
    let mut guest = card.boot(type_both)?;
    ready(&guest, LIMIT)?;
    is_taken(&guest, &card.path())?;
    complains_of_nothing(&guest)?;
    guest.wait_for(NOBODY, LIMIT)?;
    report(&format!(
        "the owner's file: in force and masked {:.1} s after power-on",
        guest.uptime().as_secs_f64()
    ));

    // Later files with an error are told, and change nothing.
    guest.cut_power();
    save(&card.path(), SETTINGS, &masked(&typed()).replace("\"open\"", "\"everybody\""))?;
    save(&card.path(), TUNNEL, &masked(&provided()).replace("Address", "Adress"))?;
    guest.power_on()?;
    ready(&guest, LIMIT)?;
    wait_for_report(&card.path(), "hearth.toml was NOT taken over, and nothing was changed:")?;
    let said = read(&card.path(), REPORT)?;
    for words in ["registration", "everybody", "and the tunnel stays as it was:", "wireguard.conf, line 3: "]
    {
        ensure!(said.contains(words), "{words}: {said}");
    }
    for words in ["hearth.toml has errors", "wireguard.conf has errors", NOBODY] {
        guest.wait_for(words, LIMIT)?;
    }
    log_in(&guest, "benbenben")?;
    is_sound(&card.path())
}

#[test]
#[ignore = "long: twenty boots"]
fn a_plug_that_is_pulled_in_the_first_boot_changes_nothing_of_the_end() -> Result<()> {
    for cut in 0..CUTS {
        let card = FreshCard::new("owner-file-cuts")?;
        let mut guest = card.boot(type_both)?;
        // After the data partition is there the file is read, taken over, masked and answered.
        guest.wait_for("hearth: this is ", LIMIT)?;
        pause(BETWEEN_CUTS * cut);
        guest.cut_power();
        let before = read(&card.path(), SETTINGS)?;
        let words =
            format!("cut {:.1} s after the data partition is there", (BETWEEN_CUTS * cut).as_secs_f64());
        report(&format!("{words}: {}", if before == typed() { "not masked yet" } else { "masked" }));
        guest.power_on()?;
        ready(&guest, LIMIT).context(words.clone())?;
        is_taken(&guest, &card.path()).context(words)?;
    }
    Ok(())
}

/// The owner's settings are in force, the card has no secret and a report, and is sound.
fn is_taken(guest: &Guest, card: &Path) -> Result<()> {
    wait_for_report(card, WELL)?;
    for (name, text) in [(SETTINGS, typed()), (TUNNEL, provided())] {
        ensure!(read(card, name)? == masked(&text), "{}", read(card, name)?);
    }
    for secret in [SECRET, KEY] {
        ensure!(!holds(card, secret)?, "a secret is still on the card");
    }
    ensure!(read(card, REPORT)?.contains(TUNNEL_WELL), "{}", read(card, REPORT)?);
    log_in(guest, "annaanna0")?;
    is_sound(card)
}

/// Anybody may have an account under the owner's name.
fn log_in(guest: &Guest, name: &str) -> Result<()> {
    let port = |port| guest.port(port).context("a forwarded port");
    let account = Account {
        address: format!("{name}@{NAME}"),
        password: "a long password".to_owned(),
        server: std::net::Ipv4Addr::LOCALHOST,
        imaps_port: port(993)?,
        submissions_port: port(465)?,
    };
    // The server starts anew with the settings; a box that was switched on a moment ago is slow.
    let mut last = None;
    let logged_in = poll(Duration::from_secs(60), "a login under the owner's name", || {
        last = account.log_in().err();
        Ok(last.is_none().then_some(()))
    });
    logged_in.with_context(|| format!("{last:?}"))
}

/// Waits until the report on the card begins so, and gives the whole of it.
fn wait_for_report(card: &Path, words: &str) -> Result<String> {
    let mut last = String::new();
    let found = poll(LIMIT, words, || {
        last = read(card, REPORT)?;
        Ok(last.starts_with(words).then(|| last.clone()))
    });
    found.with_context(|| last.trim_end().to_owned())
}

/// No line on the console tells of a trouble.
fn complains_of_nothing(guest: &Guest) -> Result<()> {
    const SIGNS: [&str; 8] =
        ["cannot", "failed", "error", "refused", "dropped", "not read", "not answered", "too long"];
    let lines = guest.lines();
    let said = |line: &str| line.contains("hearth") && SIGNS.iter().any(|sign| line.contains(sign));
    let complaints: Vec<&str> =
        lines.iter().map(|line| line.text.as_str()).filter(|line| said(line)).collect();
    ensure!(complaints.is_empty(), "{complaints:#?}");
    Ok(())
}
