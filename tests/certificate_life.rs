//! The certificate of a server over its life: renewals, other names, an authority that is away, power cuts, a clock that is
//! not right yet.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_tests::internet::hearth::Hearth;
use hearth_tests::internet::{Internet, play};
use hearth_tests::mail::encrypted;
use hearth_tests::naming::{asking, certificate, naming, wait_for_certificate, wait_for_words};
use hearth_tests::pebble::{BLOCKED, Options, Pebble};
use hearth_tests::waiting::poll;

const NAME: &str = "home.test";
/// A wait of the server after a failure, and some more.
const PATIENCE: Duration = Duration::from_secs(180);

fn start(internet: &Internet, pebble: &Pebble) -> Result<Hearth> {
    let host = internet.host(NAME)?;
    internet.names().add(&format!("mta-sts.{NAME}. CNAME {NAME}."))?;
    Hearth::start_unnamed(internet, host, &asking(pebble))
}

/// The public point of a certificate's P-256 key (RFC 5480 section 2.2).
fn key(certificate: &[u8]) -> Result<Vec<u8>> {
    let start = [3, 66, 0, 4];
    let place = certificate.windows(4).position(|window| window == start).context("a P-256 key")?;
    Ok(certificate.get(place + 4..place + 68).context("a whole key")?.to_vec())
}

/// Attempts that the log tells of.
fn attempts(server: &Hearth) -> usize {
    server.log().matches("asking for a certificate").count()
}

#[test]
fn renewals_keep_the_key_and_every_connection() {
    play("renewals_keep_the_key_and_every_connection", |internet: &Internet| {
        let options = Options { validity: Duration::from_secs(40), ..Options::default() };
        let pebble = Pebble::start_among_with(internet, options)?;
        let server = start(internet, &pebble)?;
        server.hearth(&["name", "set", NAME])?;
        wait_for_certificate(&server, "is in use until")?;
        let account = server.account_at(NAME, "anna")?;
        let mut idle = account.log_in()?;
        idle.idle()?;
        let mut seen = vec![certificate(&server, &pebble, NAME)?];
        while seen.len() < 4 {
            let next = poll(PATIENCE, "a renewal", || {
                let shown = certificate(&server, &pebble, NAME)?;
                Ok((Some(&shown) != seen.last()).then_some(shown))
            })?;
            seen.push(next);
        }
        let keys = seen.iter().map(|certificate| key(certificate)).collect::<Result<Vec<_>>>()?;
        ensure!(keys.windows(2).all(|pair| pair[0] == pair[1]), "a renewal changed the key");
        ensure!(attempts(&server) == 4, "{} attempts", attempts(&server));
        // The connection from before the first renewal still waits for mail, and gets it.
        account.submit(&[&account.address], &encrypted(&account.address, "late@home.test"))?;
        idle.wait_for_mail()
    });
}

#[test]
fn names_come_and_go_and_each_has_its_key() {
    play("names_come_and_go_and_each_has_its_key", |internet: &Internet| {
        let pebble = Pebble::start_among(internet)?;
        let server = start(internet, &pebble)?;
        let address = server.host.address;
        internet.names().add(&format!("other.test. A {address}\n{BLOCKED}. A {address}"))?;
        server.hearth(&["name", "set", BLOCKED])?;
        let told = wait_for_certificate(&server, "issues no certificates for this name")?;
        ensure!(told.contains("The next attempt begins"), "{told}");
        server.wait_for_status(PATIENCE, |status| {
            status["troubles"].to_string().contains("issues no certificates")
        })?;
        let mut seen = Vec::new();
        for name in [NAME, "other.test", NAME] {
            server.hearth(&["name", "set", name])?;
            wait_for_certificate(&server, "is in use until")?;
            ensure!(naming(&server)?["domain"] == name, "{}", naming(&server)?);
            seen.push(certificate(&server, &pebble, name)?);
        }
        ensure!(key(&seen[0])? != key(&seen[1])?, "two names have one key");
        ensure!(seen[0] == seen[2], "the first name's certificate is used again");
        ensure!(attempts(&server) == 3, "{} attempts", attempts(&server));
        Ok(())
    });
}

#[test]
fn an_authority_that_is_away_is_told_and_asked_again() {
    play("an_authority_that_is_away_is_told_and_asked_again", |internet: &Internet| {
        let mut pebble = Pebble::start_among(internet)?;
        pebble.stop();
        let mut server = start(internet, &pebble)?;
        server.hearth(&["name", "set", NAME])?;
        let told = wait_for_certificate(&server, "cannot be reached")?;
        ensure!(told.contains("of its own"), "the server still serves: {told}");
        pebble.resume()?;
        wait_for_words(&server, "certificate", "is in use until", PATIENCE)?;
        certificate(&server, &pebble, NAME)?;
        // A power cut in the middle of the next order: it is counted, and another one follows.
        server.hearth(&["name", "set", "other.test"])?;
        poll(PATIENCE, "an order has begun", || Ok((attempts(&server) >= 3).then_some(())))?;
        server.kill();
        internet.names().add(&format!("other.test. A {}", server.host.address))?;
        server.switch_on()?;
        wait_for_words(&server, "certificate", "is in use until", PATIENCE)?;
        certificate(&server, &pebble, "other.test")?;
        ensure!(attempts(&server) <= 5, "{} attempts", attempts(&server));
        let accounts = pebble.log().matches("There are now 2 accounts").count();
        ensure!(accounts == 0, "one account is enough");
        Ok(())
    });
}

#[test]
fn a_box_whose_clock_is_not_right_asks_for_nothing() {
    play("a_box_whose_clock_is_not_right_asks_for_nothing", |internet: &Internet| {
        let pebble = Pebble::start_among(internet)?;
        let mut server = start(internet, &pebble)?;
        server.restart_as_on_a_box()?;
        server.hearth(&["name", "set", NAME])?;
        let told = wait_for_certificate(&server, "The time is not known yet")?;
        ensure!(attempts(&server) == 0, "{told}");
        server.say_as_init(r#"{"clock_is_right":"time_servers"}"#)?;
        wait_for_certificate(&server, "is in use until")?;
        ensure!(attempts(&server) == 1, "{} attempts", attempts(&server));
        Ok(())
    });
}
