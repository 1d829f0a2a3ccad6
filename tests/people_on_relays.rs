//! People whose phones are at different servers: two Hearths and a relay as others run it. Real Delta Chat cores.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_tests::delta_chat::Person;
use hearth_tests::internet::hearth::Hearth;
use hearth_tests::internet::reference::ReferenceRelay;
use hearth_tests::internet::{Internet, play};
use hearth_tests::namespace::report;
use hearth_tests::story::{Limits, make_contact, read_and_delete, send_film};
use hearth_tests::waiting::pause;
use serde_json::json;

const LIMITS: Limits = Limits::NATIVE;
/// The time in which two versions of a key may bear the same date, and some more.
const KEY_RESOLUTION: Duration = Duration::from_millis(1500);

/// Anna at one Hearth, Ben at another. Names with an underscore let the core take certificates of a test's authority.
struct Couple {
    annas: Hearth,
    bens: Hearth,
    anna: Person,
    ben: Person,
}

impl Couple {
    fn new(internet: &Internet) -> Result<Self> {
        let (annas, bens) = (Hearth::start(internet, "_one.test")?, Hearth::start(internet, "_two.test")?);
        let anna = Person::pair("Anna", "dcaccount:_one.test")?;
        let ben = Person::pair("Ben", "dcaccount:_two.test")?;
        Ok(Self { annas, bens, anna, ben })
    }
}

#[test]
fn people_at_two_servers_make_contact_read_and_delete() {
    play("people_at_two_servers_make_contact_read_and_delete", |internet: &Internet| {
        let Couple { anna, ben, .. } = &Couple::new(internet)?;
        let (chat, _) = make_contact(anna, ben, LIMITS)?;
        read_and_delete(anna, ben, chat, LIMITS)
    });
}

#[test]
fn a_film_of_twenty_megabytes_crosses_from_server_to_server() {
    play("a_film_of_twenty_megabytes_crosses_from_server_to_server", |internet: &Internet| {
        let Couple { anna, ben, .. } = &Couple::new(internet)?;
        let (chat, _) = make_contact(anna, ben, LIMITS)?;
        send_film(anna, chat, ben, 20_000_000, LIMITS)
    });
}

#[test]
fn a_group_spans_two_hearths_and_a_relay_of_today() {
    play("a_group_spans_two_hearths_and_a_relay_of_today", |internet: &Internet| {
        let relay = ReferenceRelay::start(internet, "relay.test", &["carla"])?;
        let couple = Couple::new(internet)?;
        let carla = Person::pair("Carla", &relay.account("carla").link()?)?;
        make_contact(&couple.anna, &carla, LIMITS)?;
        carla.join(&couple.ben.invite()?, LIMITS.text).context("Carla scans Ben's code")?;
        let members = [couple.ben, carla];
        let group = couple.anna.create_group("Family", &members)?;
        couple.anna.send(group, "Dinner is ready")?;
        for member in &members {
            let invitation =
                member.wait_for_message(LIMITS.text, |message| message.text == "Dinner is ready")?;
            ensure!(invitation.encrypted, "no padlock");
            member.accept(invitation.chat)?;
            let answer = format!("Coming from {}", member.address()?);
            member.send(invitation.chat, &answer)?;
            couple.anna.wait_for_message(LIMITS.text, |message| message.text == answer)?;
            for other in members.iter().filter(|other| !std::ptr::eq(*other, member)) {
                other.wait_for_message(LIMITS.text, |message| message.text == answer)?;
            }
        }
        Ok(())
    });
}

#[test]
fn the_app_shows_that_an_address_elsewhere_is_wrong() {
    play("the_app_shows_that_an_address_elsewhere_is_wrong", |internet: &Internet| {
        let mut couple = Couple::new(internet)?;
        let Couple { anna, ben, bens, .. } = &mut couple;
        let (chat, _) = make_contact(anna, ben, LIMITS)?;
        let elsewhere = Hearth::start(internet, "_gone.test")?;
        let dora = Person::pair("Dora", "dcaccount:_gone.test")?;
        let nowhere = anna.chat_with(&dora)?;
        drop(elsewhere);
        internet.names().remove("_gone.test")?;
        let error = anna.wait_until_failed(anna.send(nowhere, "Hello?")?, LIMITS.text)?;
        report(&format!("for a domain that does not exist, the app shows: {error}"));
        ensure!(error.contains("_gone.test does not exist"), "{error}");
        ben.sleep()?;
        bens.start_afresh()?;
        let error = anna.wait_until_failed(anna.send(chat, "Are you still there?")?, LIMITS.text)?;
        report(&format!("for an account that is gone, the app shows: {error}"));
        ensure!(error.contains("User doesn't exist"), "{error}");
        Ok(())
    });
}

#[test]
fn a_profile_with_two_relays_gets_its_mail_while_one_is_off() {
    play("a_profile_with_two_relays_gets_its_mail_while_one_is_off", |internet: &Internet| {
        let mut couple = Couple::new(internet)?;
        let Couple { anna, ben, annas, .. } = &mut couple;
        let _third = Hearth::start(internet, "_three.test")?;
        let (annas_chat, bens_chat) = make_contact(anna, ben, LIMITS)?;
        // Core dates its key, which names the relays, in whole seconds: a second version of the same second is no newer one.
        pause(KEY_RESOLUTION);
        anna.call("add_transport_from_qr", [json!("dcaccount:_three.test")])?;
        // Ben's app learns of the second address by a message.
        anna.send(annas_chat, "I have a second relay")?;
        ben.wait_for_message(LIMITS.text, |message| message.text == "I have a second relay")?;
        annas.stop()?;
        ben.send(bens_chat, "And I have the message").context("sending")?;
        anna.wait_for_message(LIMITS.file, |message| message.text == "And I have the message")?;
        Ok(())
    });
}
