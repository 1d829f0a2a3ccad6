//! Real Delta Chat cores against the daemon on this machine: pair by the window's links, make contact, talk, restart.

use anyhow::Result;
use hearth_tests::delta_chat::Person;
use hearth_tests::product::Daemon;
use hearth_tests::story::{Limits, make_contact, send_file};

#[test]
fn two_people_pair_make_contact_and_exchange_texts_and_a_file() {
    let mut daemon = Daemon::start("pairing", "").unwrap();
    if let Err(error) = story(&mut daemon) {
        panic!("{error:?}\nThe daemon's log ends with:{}", daemon.log_tail());
    }
}

fn story(daemon: &mut Daemon) -> Result<()> {
    let anna = Person::pair("Anna", &daemon.pairing_link()?)?;
    let ben = Person::pair("Ben", &daemon.pairing_link()?)?;
    assert_ne!(anna.address()?, ben.address()?, "each code makes one account");

    let (annas_chat, bens_chat) = make_contact(&anna, &ben, Limits::NATIVE)?;
    send_file(&ben, bens_chat, &anna, Limits::NATIVE)?;

    // The server dies without warning and comes back; nobody has to do anything.
    daemon.kill();
    daemon.switch_on()?;
    assert_eq!(daemon.status()?["accounts"], 2);
    anna.send(annas_chat, "Are you still there?")?;
    ben.wait_for_message(Limits::NATIVE.text * 3, |message| message.text == "Are you still there?")?;
    Ok(())
}
