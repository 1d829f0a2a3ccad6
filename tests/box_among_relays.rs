//! The card image as one of the relays of an internet: its owner typed a name, a key for the name's records and the
//! authority that this internet trusts; real Delta Chat cores talk over it and another server.

use std::time::Duration;

use anyhow::{Context, Result};
use dns::RecordKind;
use hearth_tests::boxes::{self, LIMIT, ready};
use hearth_tests::delta_chat::Person;
use hearth_tests::house::{Answers, BOX, CABLE, House, ROUTER};
use hearth_tests::internet::hearth::Hearth;
use hearth_tests::internet::{AUTHORITATIVE, DYNAMIC_KEY, DYNAMIC_SECRET, Internet, play};
use hearth_tests::namespace::report;
use hearth_tests::owners_card::{SETTINGS, save};
use hearth_tests::story::{Limits, make_contact, read_and_delete, send_file};
use hearth_tests::time_server;
use hearth_tests::waiting::poll;
use lab::{Guest, Outside};

/// The card's name. The core takes the certificate that a server of such a name has signed itself.
const NAME: &str = "_card.dyn.example.org";
/// The longest wait for the records of a box that runs.
const RECORDS: Duration = Duration::from_secs(120);

#[test]
fn a_card_and_a_server_exchange_messages() {
    play("a_card_and_a_server_exchange_messages", |internet: &Internet| {
        let _house = House::build(Answers { names: Some(internet.names().address()), time: Some(ROUTER) })?;
        time_server::start(ROUTER, 0)?;
        // The card has to trust its authority: it is not one of those names for which a core takes any certificate.
        let other = Hearth::start(internet, "two.example.org")?;
        let ben = Person::pair("Ben", &other.account_of("ben")?.link()?)?;
        let folder = tempfile::tempdir()?;
        let card = folder.path().join("card.img");
        let builder = boxes::virt_image("box-among-relays")?.card(&card).outside(Outside::Cable(CABLE));
        let builder = builder.make_card()?;
        save(&card, SETTINGS, &settings(internet)?)?;
        let guest = builder.start()?;
        ready(&guest, LIMIT)?;
        wait_for_records(internet, &guest)?;

        let anna = Person::pair("Anna", &format!("dcaccount:{NAME}"))?;
        let (annas_chat, bens_chat) = make_contact(&anna, &ben, Limits::VIRT)?;
        read_and_delete(&anna, &ben, annas_chat, Limits::VIRT)?;
        send_file(&ben, bens_chat, &anna, Limits::VIRT)
    });
}

/// The lines of the owner.
fn settings(internet: &Internet) -> Result<String> {
    let roots = std::fs::read_to_string(internet.authority().roots())?;
    Ok(format!(
        "domain = \"{NAME}\"\nregistration = \"open\"\n\n[dns_provider]\nkind = \"rfc2136\"\n\
         server = \"{AUTHORITATIVE}\"\nkey_name = \"{DYNAMIC_KEY}\"\nkey = \"{DYNAMIC_SECRET}\"\n\n\
         [federation]\nprivate_networks = true\nroots = \"\"\"{roots}\"\"\"\n\n\
         [acme]\ndirectory = \"off\"\n\n[push]\nurl = \"\"\n"
    ))
}

/// Waits until others find the card, and the key of its signatures.
fn wait_for_records(internet: &Internet, guest: &Guest) -> Result<()> {
    let names = internet.names();
    let key = format!("hearth._domainkey.{NAME}");
    let mut last = Vec::new();
    let found = poll(RECORDS, "the card's records", || {
        last = [(NAME, RecordKind::A), (NAME, RecordKind::Mx), (&key, RecordKind::Txt)]
            .map(|(name, kind)| names.records(name, kind).unwrap_or_default())
            .into();
        Ok((last.iter().all(|records| !records.is_empty()) && last[0] == [BOX.to_string()]).then_some(()))
    });
    found.with_context(|| format!("{last:?}"))?;
    report(&format!("the card's records are there {:.1} s after power-on", guest.uptime().as_secs_f64()));
    Ok(())
}
