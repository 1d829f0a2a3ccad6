//! Real Delta Chat cores against the daemon on this machine: pair by the window's links, make contact, talk, restart.

use hearth_tests::delta_chat::Person;
use hearth_tests::product::Daemon;
use hearth_tests::story::{Limits, make_contact, send_file};

#[test]
fn two_people_pair_make_contact_and_exchange_texts_and_a_file() -> anyhow::Result<()> {
    let mut daemon = Daemon::start("pairing", "")?;
    let told = |daemon: &Daemon, error: anyhow::Error| error.context(daemon.log());

    let anna = Person::pair("Anna", &daemon.pairing_link()?).map_err(|error| told(&daemon, error))?;
    let ben = Person::pair("Ben", &daemon.pairing_link()?).map_err(|error| told(&daemon, error))?;
    assert_ne!(anna.address()?, ben.address()?, "each code makes one account");

    let (annas_chat, bens_chat) =
        make_contact(&anna, &ben, Limits::NATIVE).map_err(|error| told(&daemon, error))?;
    send_file(&ben, bens_chat, &anna, Limits::NATIVE).map_err(|error| told(&daemon, error))?;

    // The server dies and comes back elsewhere on the same ports only by luck; what counts is what it kept.
    daemon.kill();
    daemon.switch_on()?;
    assert_eq!(daemon.status()?["accounts"], 2);
    drop((anna, ben, annas_chat));
    Ok(())
}
