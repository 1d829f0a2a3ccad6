//! Pairing as a person does it: the LED watched and the button pressed at the GPIO lines, the code read off the screen,
//! an account made with it.

use std::time::Duration;

use anyhow::{Context, Result};
use hearth_tests::boxes::{self, LIMIT, PRESS, ready, rhythm};
use hearth_tests::mail::Account;
use lab::{Guest, Machine, Model, Snapshots};
use pairing::LedState;

#[test]
fn the_first_account_closes_the_first_window_and_the_button_opens_the_next_on_virt() -> Result<()> {
    pairs_by_button(&boxes::pi_image(Machine::Virt, "pairing-virt")?.start()?)
}

#[test]
fn the_first_account_closes_the_first_window_and_the_button_opens_the_next_on_a_pi_3() -> Result<()> {
    pairs_by_button(&boxes::pi_image(Machine::Raspi3b(Model::ThreeB), "pairing-raspi3b")?.start()?)
}

#[test]
fn a_long_press_counts_down_and_letting_go_in_time_keeps_everything() -> Result<()> {
    let guest = boxes::pi_image(Machine::Virt, "pairing-long-press")?.start()?;
    let first = first_account(&guest)?;
    let mark = guest.mark();
    guest.hold()?;
    guest.wait_for_led(&rhythm(LedState::ResetCountdown), LIMIT)?;
    guest.release()?;
    guest.wait_for_led(&rhythm(LedState::Ready), LIMIT)?;
    assert!(
        guest.lines_after(mark).0.iter().all(|line| !line.text.contains("Pairing link: ")),
        "a long press opens no window"
    );
    first.log_in()?;
    Ok(())
}

#[test]
fn a_restored_snapshot_is_the_box_as_it_was() -> Result<()> {
    let mut guest = boxes::pi_image(Machine::Virt, "pairing-snapshot")?.snapshots(Snapshots::On).start()?;
    let first = first_account(&guest)?;
    guest.save("one-account")?;
    let mark = guest.mark();
    guest.press(PRESS)?;
    let second = Account::from_link(&guest.wait_for_pairing_link(Some(mark), LIMIT)?)?;
    second.log_in()?;
    guest.restore("one-account")?;
    first.log_in()?;
    assert!(second.log_in().is_err(), "the second account was made after the snapshot");
    guest
        .wait_for_led(&rhythm(LedState::Ready), LIMIT)
        .context("the window was closed when the snapshot was taken")
}

#[test]
#[ignore = "long: the window stays open for five minutes"]
fn a_window_nobody_uses_closes_after_five_minutes() -> Result<()> {
    let guest = boxes::pi_image(Machine::Virt, "pairing-timeout")?.start()?;
    first_account(&guest)?;
    let mark = guest.mark();
    guest.press(PRESS)?;
    let link = guest.wait_for_pairing_link(Some(mark), LIMIT)?;
    guest.wait_for_led(&rhythm(LedState::PairingOpen), LIMIT)?;
    guest.wait_for_led(&rhythm(LedState::Ready), LIMIT + Duration::from_secs(300))?;
    assert!(Account::from_link(&link)?.log_in().is_err(), "the window is closed");
    Ok(())
}

/// Goes through the first boot's window.
fn first_account(guest: &Guest) -> Result<Account> {
    ready(guest, LIMIT)?;
    let account = Account::from_link(&guest.wait_for_pairing_link(None, LIMIT)?)?;
    guest.wait_for_led(&rhythm(LedState::PairingOpen), LIMIT)?;
    account.log_in()?;
    guest.wait_for_led(&rhythm(LedState::AccountCreated), LIMIT)?;
    guest.wait_for_led(&rhythm(LedState::Ready), LIMIT)?;
    assert!(account.stranger().log_in().is_err(), "the window is closed");
    Ok(account)
}

fn pairs_by_button(guest: &Guest) -> Result<()> {
    let first = first_account(guest)?;
    let mark = guest.mark();
    guest.press(PRESS)?;
    let second = Account::from_link(&guest.wait_for_pairing_link(Some(mark), LIMIT)?)?;
    assert_ne!(first.address, second.address, "every press makes fresh credentials");
    guest.wait_for_led(&rhythm(LedState::PairingOpen), LIMIT)?;
    second.log_in()?;
    guest.wait_for_led(&rhythm(LedState::AccountCreated), LIMIT)?;
    first.log_in()?;
    Ok(())
}
