//! Real Delta Chat cores against the daemon on this machine: pair by the window's links, make contact, talk, restart.

use anyhow::Result;
use hearth_tests::delta_chat::Person;
use hearth_tests::product::Daemon;
use hearth_tests::push_service::PushService;
use hearth_tests::story::{Limits, make_contact, send_file};
use serde_json::Value;

#[test]
fn two_people_pair_make_contact_and_exchange_texts_and_a_file() {
    Daemon::start("pairing", "").unwrap().play(story);
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

#[test]
fn a_sleeping_phone_is_woken_until_the_service_says_that_it_is_gone() {
    let service = PushService::start().unwrap();
    Daemon::start("pairing", &service.configuration()).unwrap().play(|daemon| wake(daemon, &service));
}

fn wake(daemon: &mut Daemon, service: &PushService) -> Result<()> {
    let limit = Limits::NATIVE.text;
    let anna = Person::pair("Anna", &daemon.pairing_link()?)?;
    let ben = Person::pair_with_push("Ben", &daemon.pairing_link()?, "fcm-chat.delta:a token of Google's")?;
    let (annas_chat, _) = make_contact(&anna, &ben, Limits::NATIVE)?;
    let token = service.next(limit)?;
    assert!(token.starts_with("openpgp:") && token.len() > 600, "the app encrypted its token: {token}");
    ben.sleep()?;
    daemon.wait_for_status(limit, |status| status["push"]["pending"] == 0)?;

    // The service is in trouble when a message comes, and the server dies; after that it is woken all the same.
    service.answer(500);
    let sent = anna.send(annas_chat, "Are you asleep?")?;
    anna.wait_until_sent(sent, limit)?;
    daemon.wait_for_status(limit, |status| status["push"]["failed"] != 0)?;
    daemon.kill();
    service.answer(200);
    service.forget();
    daemon.switch_on()?;
    assert_eq!(service.next(limit)?, token, "the same device again");
    daemon.wait_for_status(limit, |status| status["push"]["pending"] == 0)?;

    service.answer(410);
    let sent = anna.send(annas_chat, "Are you gone?")?;
    anna.wait_until_sent(sent, limit)?;
    let gone =
        |status: &Value| (&status["push"]["pending"], &status["push"]["gone"]) == (&0.into(), &1.into());
    daemon.wait_for_status(limit, gone)?;
    service.forget();
    let sent = anna.send(annas_chat, "Nobody is woken by this")?;
    anna.wait_until_sent(sent, limit)?;
    let status = daemon.status()?;
    assert!(gone(&status), "{status}");
    assert!(!daemon.log().contains(&token), "the token is in the log");
    Ok(())
}
