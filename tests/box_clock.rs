//! The clock of a box that has no battery: wrong at the start, right by the time server of its home, kept over a power cut;
//! and the words of a box that nobody tells the time.
//!
//! Needs root, for a network of the test's own; without it the tests say so and pass.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_tests::boxes::{self, LIMIT, number_after, ready};
use hearth_tests::house::{Answers, BOX, CABLE, House, ROUTER};
use hearth_tests::mail::{Account, encrypted};
use hearth_tests::namespace::{alone, report};
use hearth_tests::owners_card::{SETTINGS, save};
use hearth_tests::{time_server, web};
use host::clock::since_1970;
use lab::{GuestBuilder, Outside};
use mail_types::UnixTime;

/// The seconds by which the time server is ahead of this machine, in whose time the image was built: 400 days.
const AHEAD: u64 = 400 * 86_400;
/// The words of the time client when it has the time.
const RIGHT: &str = "time servers agree that it was ";
/// From the start of the box to the complaint that nobody tells the time.
const PATIENCE: Duration = Duration::from_secs(150);

#[test]
fn a_box_learns_the_time_and_keeps_it_over_a_power_cut() {
    at_home("a_box_learns_the_time_and_keeps_it_over_a_power_cut", Some(ROUTER), |builder, _| {
        time_server::start(ROUTER, i64::try_from(AHEAD)?)?;
        let mut guest = builder.start()?;
        ready(&guest, LIMIT)?;
        let behind = number_after(&guest, RIGHT, LIMIT)?;
        let line = guest.wait_for(RIGHT, LIMIT)?;
        report(&format!("{:.1} s after power-on: {}", line.at.as_secs_f64(), line.text));
        ensure!(behind > 300.0 * 86_400.0, "{}", line.text);
        shows_the_time_ahead()?;

        guest.cut_power();
        guest.power_on()?;
        guest.wait_for("hearth: the clock is set to the time of the last start", LIMIT)?;
        let behind = number_after(&guest, RIGHT, LIMIT)?;
        ensure!(behind < 3600.0, "after a power cut it was {behind} s behind");
        shows_the_time_ahead()
    });
}

#[test]
#[ignore = "long: the box is patient for more than two minutes"]
fn a_box_without_a_time_server_says_what_waits() {
    at_home("a_box_without_a_time_server_says_what_waits", None, |builder, card| {
        save(
            &card,
            SETTINGS,
            "domain = \"_family.example.org\"\nregistration = \"open\"\n[acme]\ndirectory = \"off\"\n",
        )?;
        let guest = builder.start()?;
        ready(&guest, LIMIT)?;
        guest.wait_for("no time server", LIMIT)?;
        let anna = Account::at(BOX, "annaanna0@_family.example.org", "a long password");
        anna.log_in()?;
        anna.submit(&["ben@elsewhere.example.net"], &encrypted(&anna.address, "1@x"))?;
        let line = guest.wait_for("no time server on the internet has told the time yet", LIMIT)?;
        ensure!(line.at >= PATIENCE, "it complains {} s after power-on", line.at.as_secs());
        Ok(())
    });
}

/// Runs a body with a card at home, where nobody answers to names and perhaps somebody knows the time.
fn at_home(test: &str, time: Option<Ipv4Addr>, body: impl FnOnce(GuestBuilder, PathBuf) -> Result<()>) {
    if !rustix::process::geteuid().is_root() {
        return report(&format!("{test}: NOT RUN: it needs root, for a network of its own"));
    }
    alone(test, || {
        let _house = House::build(Answers { names: None, time })?;
        let folder = tempfile::tempdir()?;
        let card = folder.path().join("card.img");
        let builder = boxes::virt_image(&format!("box-clock-{}", time.map_or("silence", |_| "time")))?;
        body(builder.card(&card).outside(Outside::Cable(CABLE)).make_card()?, card)
    });
}

/// The web server of the box names the day on which the time server is.
fn shows_the_time_ahead() -> Result<()> {
    let day = |text: &str| message::date::day(text.as_bytes());
    let ahead = || day(&message::date::write_date_time(UnixTime(since_1970().as_secs() + AHEAD)));
    let before = ahead();
    let answer = web::get_from(BOX, 80, "/")?;
    let said = answer.header("Date").context("a date in the answer")?;
    ensure!([before, ahead()].contains(&day(said)), "{said}");
    Ok(())
}
