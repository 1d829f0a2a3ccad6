//! Use in a family besides texting: groups, large films, second devices, read receipts, deleting. Real Delta Chat
//! cores against the daemon on this machine.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use hearth_tests::core_process::CoreProcess;
use hearth_tests::delta_chat::Person;
use hearth_tests::namespace::report;
use hearth_tests::product::Daemon;
use hearth_tests::story::{Limits, make_contact, read_and_delete, send_film};
use hearth_tests::waiting::{now, poll};
use serde_json::json;

const LIMITS: Limits = Limits::NATIVE;

fn with_server(body: impl FnOnce(&mut Daemon) -> Result<()>) {
    Daemon::start("open", "[limits]\nconnections_per_address = 500\n").unwrap().play(body);
}

/// People who share a core process, as many as there are names.
fn people(daemon: &Daemon, core: &Arc<CoreProcess>, names: &[&str]) -> Result<Vec<Person>> {
    let join = |name: &&str| Person::pair_in(core, name, &daemon.account_of(name)?.link()?);
    names.iter().map(join).collect()
}

/// Sends to a group and waits until every other member has it.
fn reaches_all(people: &[Person], chat: u64, text: &str) -> Result<()> {
    let (sender, others) = people.split_first().context("a group")?;
    sender.send(chat, text)?;
    for person in others {
        person.wait_for_message(LIMITS.file, |message| message.text == text && message.encrypted)?;
    }
    Ok(())
}

#[test]
fn a_group_of_ten_hears_each_other() {
    with_server(|daemon| {
        let names = ["Anna", "Ben", "Carla", "Dora", "Emil", "Fritz", "Greta", "Hanna", "Ida", "Jan"];
        let people = people(daemon, &CoreProcess::start()?, &names)?;
        let chat = people[0].create_group("Family", &people[1..])?;
        reaches_all(&people, chat, "Dinner is ready")?;
        for person in &people[1..] {
            let invitation =
                person.wait_for_message(LIMITS.text, |message| message.text == "Dinner is ready")?;
            person.accept(invitation.chat)?;
            person.send(invitation.chat, &format!("Coming, {:?}", person.address()?))?;
        }
        for person in &people[1..] {
            let text = format!("Coming, {:?}", person.address()?);
            people[0].wait_for_message(LIMITS.file, |message| message.text == text)?;
        }
        Ok(())
    });
}

#[test]
fn a_film_of_twenty_megabytes_arrives_whole() {
    with_server(|daemon| {
        let people = people(daemon, &CoreProcess::start()?, &["Anna", "Ben"])?;
        let (chat, _) = make_contact(&people[0], &people[1], LIMITS)?;
        send_film(&people[0], chat, &people[1], 20_000_000, LIMITS)
    });
}

#[test]
fn reading_and_deleting_reach_the_other_side() {
    with_server(|daemon| {
        let people = people(daemon, &CoreProcess::start()?, &["Anna", "Ben"])?;
        let (anna, ben) = (&people[0], &people[1]);
        let (chat, _) = make_contact(anna, ben, LIMITS)?;
        read_and_delete(anna, ben, chat, LIMITS)?;

        // A phone alone deletes from the server what it has fetched, so both mailboxes end up empty.
        ben.wait_for(LIMITS.text, "ImapMessageDeleted", |_| Some(()))?;
        let mut mailbox = daemon.account_of("Ben")?.log_in()?;
        poll(LIMITS.text, "Ben's mailbox is empty", || {
            let status = mailbox.command("STATUS INBOX (MESSAGES)")?;
            Ok(status.iter().any(|response| response.text.contains("(MESSAGES 0)")).then_some(()))
        })
    });
}

#[test]
fn a_second_device_sees_what_the_first_does() {
    with_server(|daemon| {
        let people = people(daemon, &CoreProcess::start()?, &["Anna", "Ben"])?;
        let (anna, ben) = (&people[0], &people[1]);
        let (annas_chat, bens_chat) = make_contact(anna, ben, LIMITS)?;
        let tablet = anna.second_device("Anna's tablet")?;

        ben.send(bens_chat, "To both devices")?;
        let on_phone = anna.wait_for_message(LIMITS.text, |message| message.text == "To both devices")?;
        let on_tablet = tablet.wait_for_message(LIMITS.text, |message| message.text == "To both devices")?;

        anna.read(on_phone.id)?;
        tablet.wait_for(LIMITS.text, "MsgsNoticed", |event| {
            (event["chatId"] == on_tablet.chat).then_some(())
        })?;

        anna.send(annas_chat, "Sent by the phone")?;
        tablet.wait_for_message(LIMITS.text, |message| message.text == "Sent by the phone")?;
        ben.wait_for_message(LIMITS.text, |message| message.text == "Sent by the phone")?;
        Ok(())
    });
}

#[test]
fn a_second_device_keeps_pace_while_the_first_one_reads() {
    with_server(|daemon| {
        let people = people(daemon, &CoreProcess::start()?, &["Anna", "Ben"])?;
        let (anna, ben) = (&people[0], &people[1]);
        let (_, bens_chat) = make_contact(anna, ben, LIMITS)?;
        let tablet = anna.second_device("Anna's tablet")?;
        for round in 0..3 {
            for number in 0..10 {
                ben.send(bens_chat, &format!("message {round}.{number}"))?;
            }
            for number in 0..10 {
                let text = format!("message {round}.{number}");
                anna.read(anna.wait_for_message(LIMITS.text, |message| message.text == text)?.id)?;
            }
            let last = format!("message {round}.9");
            tablet.wait_for_message(LIMITS.text, |message| message.text == last)?;
        }
        for person in [anna, &tablet] {
            let errors = person.last_errors();
            ensure!(
                !errors.contains("does not contain size") && !errors.contains("IMAP got rate limited"),
                "{errors}"
            );
        }
        Ok(())
    });
}

#[test]
#[ignore = "long: fifty cores' accounts, minutes"]
fn fifty_phones_come_back_after_a_restart() {
    with_server(|daemon| {
        let names: Vec<String> = (0..50).map(|number| format!("phone{number:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let people = people(daemon, &CoreProcess::start()?, &names)?;
        let chat = people[0].create_group("Everybody", &people[1..])?;
        reaches_all(&people, chat, "Before the restart")?;
        daemon.kill();
        let start = now();
        daemon.switch_on()?;
        reaches_all(&people, chat, "After the restart")?;
        let (seconds, cpu) = (start.elapsed().as_secs_f64(), daemon.cpu_seconds()?);
        report(&format!(
            "fifty phones back and told after {seconds:.1} s, with {cpu:.2} s of the server's CPU"
        ));
        let status = daemon.status()?;
        ensure!(status["accounts"] == json!(50), "{status}");
        Ok(())
    });
}
