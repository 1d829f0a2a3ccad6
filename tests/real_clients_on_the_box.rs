//! The main story on the card image itself: real Delta Chat cores pair with a box in QEMU by the links on its screen,
//! make contact, and exchange texts and a 5 MB file through it; then its plug is pulled, and it still knows them.

use anyhow::Result;
use hearth_tests::boxes::{self, LIMIT, PRESS, ready};
use hearth_tests::delta_chat::Person;
use hearth_tests::story::{Limits, make_contact, send_file};
use lab::{Guest, Machine, Model};

#[test]
fn the_story_on_virt() -> Result<()> {
    let mut guest = boxes::pi_image(Machine::Virt, "story-virt")?.start()?;
    let (anna, ben) = pair_two(&guest)?;
    let (annas_chat, bens_chat) = make_contact(&anna, &ben, Limits::VIRT)?;
    send_file(&ben, bens_chat, &anna, Limits::VIRT)?;

    guest.cut_power();
    guest.power_on()?;
    ready(&guest, LIMIT)?;
    anna.send(annas_chat, "Was that a power cut?")?;
    ben.wait_for_message(Limits::VIRT.text * 3, |message| message.text == "Was that a power cut?")?;
    Ok(())
}

#[test]
fn the_story_on_a_pi_3() -> Result<()> {
    let guest = boxes::pi_image(Machine::Raspi3b(Model::ThreeB), "story-raspi3b")?.start()?;
    let (anna, ben) = pair_two(&guest)?;
    let (_, bens_chat) = make_contact(&anna, &ben, Limits::RASPI3B)?;
    send_file(&ben, bens_chat, &anna, Limits::RASPI3B)
}

/// The first person comes by the first boot's window, the second by the button.
fn pair_two(guest: &Guest) -> Result<(Person, Person)> {
    ready(guest, LIMIT)?;
    let anna = Person::pair("Anna", &guest.wait_for_pairing_link(None, LIMIT)?)?;
    let mark = guest.mark();
    guest.press(PRESS)?;
    let ben = Person::pair("Ben", &guest.wait_for_pairing_link(Some(mark), LIMIT)?)?;
    Ok((anna, ben))
}
