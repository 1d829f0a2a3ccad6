//! The state of a message in an app at its default settings, when it cannot be delivered or is one of many: with
//! `force_encryption` (chatmail/core 2.65) it ignores bounces, so the reply to DATA is all that a person sees.

use anyhow::{Context, Result, ensure};
use hearth_tests::delta_chat::Person;
use hearth_tests::namespace::report;
use hearth_tests::product::Daemon;
use hearth_tests::story::{Limits, make_contact};
use hearth_tests::waiting::now;
use test_support::Random;

const LIMITS: Limits = Limits::NATIVE;

/// Two people who know each other; the second one's chat with the first is not needed.
fn two(daemon: &Daemon) -> Result<(Person, Person, u64)> {
    let anna = Person::pair("Anna", &daemon.pairing_link()?)?;
    let ben = Person::pair("Ben", &daemon.pairing_link()?)?;
    let (chat, _) = make_contact(&anna, &ben, LIMITS)?;
    Ok((anna, ben, chat))
}

fn join(daemon: &Daemon, name: &str) -> Result<Person> {
    Person::pair(name, &daemon.account_of(name)?.link()?)
}

#[test]
fn a_message_to_an_account_that_is_gone_is_marked_as_failed_with_the_reason() {
    Daemon::start("open", "").unwrap().play(|daemon| {
        let (anna, ben) = (join(daemon, "Anna")?, join(daemon, "Ben")?);
        let chat = anna.chat_with(&ben)?;
        anna.wait_until_sent(anna.send(chat, "Hello!")?, LIMITS.text)?;
        ben.sleep()?;
        // Anna's app makes her account anew; Ben's would, too, if it were awake.
        daemon.start_afresh()?;
        let error = anna.wait_until_failed(anna.send(chat, "Are you still there?")?, LIMITS.file)?;
        report(&format!("the app shows: {error}"));
        ensure!(error.contains(&format!("<{}>: User doesn't exist", ben.address()?)), "{error}");
        Ok(())
    });
}

#[test]
fn a_message_to_another_server_is_marked_as_failed_with_the_reason() {
    Daemon::start("open", "").unwrap().play(|daemon| {
        let elsewhere = Daemon::start_elsewhere("elsewhere.test")?;
        let (anna, carla) = (join(daemon, "Anna")?, join(&elsewhere, "Carla")?);
        let chat = anna.chat_with(&carla)?;
        let error = anna.wait_until_failed(anna.send(chat, "Hello?")?, LIMITS.text)?;
        report(&format!("the app shows: {error}"));
        ensure!(
            error.contains("<carla0000@elsewhere.test>: This server sends to no other servers"),
            "{error}"
        );
        // In a group it stops nobody else.
        let family = [join(daemon, "Dora")?, carla];
        let group = anna.create_group("Family", &family)?;
        anna.wait_until_sent(anna.send(group, "Is everybody here?")?, LIMITS.text)?;
        family[0].wait_for_message(LIMITS.text, |message| message.text == "Is everybody here?")?;
        Ok(())
    });
}

#[test]
fn a_message_to_a_full_mailbox_is_marked_as_failed_with_the_reason() {
    full_mailbox(70_000, "quota = 400000\nmessage_size = 399999\n");
}

/// From 140 kB the core sends a small message first, which makes a placeholder, and the file in a second one
/// (chatmail/core, `src/download.rs`). The placeholder still fits, so it is the second refusal that the app must show.
#[test]
fn a_file_whose_placeholder_alone_fits_is_marked_as_failed_with_the_reason() {
    full_mailbox(200_000, "quota = 900000\nmessage_size = 899999\n");
}

fn full_mailbox(size: usize, limits: &str) {
    Daemon::start("pairing", &format!("[limits]\n{limits}")).unwrap().play(|daemon| {
        let (anna, ben, chat) = two(daemon)?;
        // A phone that is away deletes nothing.
        ben.sleep()?;
        let picture = tempfile::Builder::new().suffix(".bin").tempfile()?;
        std::fs::write(picture.path(), Random::new(1).bytes(size))?;
        let failed = (0..10).find_map(|_| {
            let sent = anna.send_file(chat, picture.path()).ok()?;
            anna.wait_until_sent(sent, LIMITS.file).err().map(|_| sent)
        });
        let error = anna.wait_until_failed(failed.context("ten files do not fit")?, LIMITS.text)?;
        report(&format!("the app shows: {error}"));
        ensure!(error.contains("Quota exceeded (mailbox for user is full)"), "{error}");
        Ok(())
    });
}

#[test]
fn a_hundred_messages_at_once_meet_no_limit() {
    Daemon::start("pairing", "").unwrap().play(|daemon| {
        let (anna, ben, chat) = two(daemon)?;
        let start = now();
        let mut last = 0;
        for number in 1..=100 {
            last = anna.send(chat, &format!("photo {number}"))?;
        }
        anna.wait_until_sent(last, LIMITS.file)?;
        ben.wait_for_message(LIMITS.file, |message| message.text == "photo 100")?;
        report(&format!("a hundred messages took {:.1} s", start.elapsed().as_secs_f64()));
        let errors = anna.last_errors();
        ensure!(!errors.contains("Too much mail"), "{errors}");
        Ok(())
    });
}
