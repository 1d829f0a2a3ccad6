//! The whole way of a household: a card that nobody has touched but for a name and a key, behind a home router, and outside
//! of it an authority, name servers, time servers and another relay. People outside talk over it, and go on when the
//! router's address has changed.
//!
//! The core's own roots cannot be changed: it cannot join by `dcaccount:` where the certificate is Pebble's. A client that
//! trusts Pebble gets the account instead, and the core a link with it.

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dns::RecordKind;
use hearth_tests::boxes;
use hearth_tests::delta_chat::Person;
use hearth_tests::home_router::{BOX, HomeRouter, OUTSIDE, Switches};
use hearth_tests::internet::hearth::Hearth;
use hearth_tests::internet::{AUTHORITATIVE, DYNAMIC_KEY, DYNAMIC_SECRET, Internet, play};
use hearth_tests::namespace::report;
use hearth_tests::naming::certificate_at;
use hearth_tests::owners_card::{SETTINGS, save};
use hearth_tests::pebble::{Options, Pebble};
use hearth_tests::story::{Limits, make_contact};
use hearth_tests::time_server;
use hearth_tests::waiting::{now, poll};
use http_body_util::Full;
use https_client::{HttpsClient, RequestLimits, roots};
use hyper::Request;
use hyper::body::Bytes;
use lab::Guest;
use serde_json::Value;
use tls::Roots;

/// The name that the owner has typed.
const NAME: &str = "home.dyn.example.org";
/// The address of the other relay: one of the internet, as a box takes it.
const OTHER: Ipv4Addr = Ipv4Addr::new(5, 6, 8, 9);
/// The router's later address.
const MOVED: &str = "5.6.7.3";
/// The ports that a box wants forwarded.
const PORTS: [u16; 5] = [25, 80, 443, 465, 993];
/// The longest time from power-on to the certificate in use.
const TO_CERTIFICATE: Duration = Duration::from_secs(120);
/// The longest time from the change of the router's address to the change of the record.
const TO_NEW_ADDRESS: Duration = Duration::from_secs(60);
/// Added to both, for a machine that is busy with other things.
const SLACK: Duration = Duration::from_secs(120);
/// The bounds of a request for an account.
const LIMITS: RequestLimits = RequestLimits { time: Duration::from_secs(30), bytes: 4096 };

#[test]
fn a_name_and_a_key_are_all_that_an_owner_types() {
    play("a_name_and_a_key_are_all_that_an_owner_types", |internet: &Internet| {
        let Some(mut home) = HomeRouter::build_for_guest(OUTSIDE, internet.names().address())? else {
            return Ok(());
        };
        home.start(Switches::ALL)?;
        tell_the_time(internet)?;
        let pebble = Pebble::start_among_with(internet, at(internet.host_without_names("ca.test")?.address))?;
        trust_certificates_of(&pebble, internet)?;
        let other = Hearth::start_at(internet, other(internet)?, "")?;
        let ben = Person::pair("Ben", &other.account_of("ben")?.link()?)?;
        let folder = tempfile::tempdir()?;
        let guest = switch_on(&home, &folder.path().join("card.img"), &settings(internet, &pebble)?)?;

        wait_for_certificate(internet, &home, &guest, &pebble)?;
        let anna = Person::pair("Anna", &account(&pebble)?)?;
        let (annas_chat, bens_chat) = make_contact(&anna, &ben, Limits::VIRT)?;

        home.move_outside(OUTSIDE, MOVED)?;
        let moved = now();
        wait_for_address(internet, MOVED, TO_NEW_ADDRESS + SLACK)?;
        report(&format!(
            "the name leads to the router's new address after {:.1} s",
            moved.elapsed().as_secs_f64()
        ));
        ben.send(bens_chat, "You have moved?")?;
        anna.wait_for_message(Limits::VIRT.file, |message| message.text == "You have moved?")?;
        anna.send(annas_chat, "I have noticed nothing")?;
        ben.wait_for_message(Limits::VIRT.text, |message| message.text == "I have noticed nothing")?;
        certificate_at(MOVED.parse()?, &pebble, NAME).map(drop)
    });
}

/// Time servers under the names that every box asks.
fn tell_the_time(internet: &Internet) -> Result<()> {
    for number in 0..4 {
        let name = format!("{number}.debian.pool.ntp.org");
        let address = internet.host_without_names(&name)?.address;
        internet.names().add(&format!("{name}. A {address}"))?;
        time_server::start(address, 0)?;
    }
    Ok(())
}

/// An authority that others reach.
fn at(address: Ipv4Addr) -> Options {
    Options { address, ..Options::default() }
}

/// The authority's roots are those of this internet, too.
fn trust_certificates_of(pebble: &Pebble, internet: &Internet) -> Result<()> {
    let issuer = std::fs::read(pebble.issuer()?)?;
    File::options().append(true).open(internet.authority().roots())?.write_all(&issuer)?;
    Ok(())
}

/// A place for the other relay.
fn other(internet: &Internet) -> Result<hearth_tests::internet::Host> {
    let host = internet.host_at("two.example.org", OTHER)?;
    internet.names().add(&format!("two.example.org. A {OTHER}\ntwo.example.org. MX 10 two.example.org."))?;
    Ok(host)
}

/// The lines of the owner: name and key, and what makes this internet another than the real one.
fn settings(internet: &Internet, pebble: &Pebble) -> Result<String> {
    let text = |file: &Path| std::fs::read_to_string(file);
    let (servers, authority) = (text(internet.authority().roots())?, text(pebble.roots())?);
    Ok(format!(
        "domain = \"{NAME}\"\nregistration = \"open\"\n\n[dns_provider]\nkind = \"rfc2136\"\n\
         server = \"{AUTHORITATIVE}\"\nkey_name = \"{DYNAMIC_KEY}\"\nkey = \"{DYNAMIC_SECRET}\"\n\n\
         [federation]\nroots = \"\"\"{servers}\"\"\"\n\n\
         [acme]\ndirectory = \"{}\"\nroots = \"\"\"{authority}\"\"\"\n\n[push]\nurl = \"\"\n",
        pebble.directory()
    ))
}

/// Switches on a box with a fresh card, at home.
fn switch_on(home: &HomeRouter, card: &Path, settings: &str) -> Result<Guest> {
    let builder = boxes::virt_image("whole-way")?.card(card).outside(HomeRouter::cable()).make_card()?;
    save(card, SETTINGS, settings)?;
    home.inside(|| Ok(builder.start()?))
}

/// Waits until the name leads to the router, the ports to the box, and its certificate is the authority's.
fn wait_for_certificate(
    internet: &Internet,
    home: &HomeRouter,
    guest: &Guest,
    pebble: &Pebble,
) -> Result<()> {
    wait_for_address(internet, OUTSIDE, TO_CERTIFICATE + SLACK)?;
    let name = guest.uptime();
    home.wait_for_forwarded(BOX[0], &PORTS)?;
    let ports = guest.uptime();
    let mut last = None;
    let found = poll(TO_CERTIFICATE + SLACK, "the certificate is in use", || {
        last = certificate_at(OUTSIDE.parse()?, pebble, NAME).err();
        Ok(last.is_none().then_some(()))
    });
    found.with_context(|| format!("{last:?}"))?;
    report(&format!(
        "seconds from power-on: name {:.1}, ports {:.1}, certificate in use {:.1}",
        name.as_secs_f64(),
        ports.as_secs_f64(),
        guest.uptime().as_secs_f64()
    ));
    Ok(())
}

fn wait_for_address(internet: &Internet, address: &str, limit: Duration) -> Result<()> {
    poll(limit, &format!("{NAME} leads to {address}"), || {
        let found = internet.names().records(NAME, RecordKind::A).unwrap_or_default();
        Ok((found == [address]).then_some(()))
    })
}

/// A link with an account that the box has made for a client that trusts Pebble (chatmail's `POST /new`).
fn account(pebble: &Pebble) -> Result<String> {
    let trusted = roots(Some(&Roots::File(pebble.issuer()?)))?;
    let request = Request::post(format!("https://{NAME}/new")).body(Full::<Bytes>::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async { HttpsClient::new(trusted)?.send(request, LIMITS).await })?;
    ensure!(answer.status().is_success(), "POST /new: {}", answer.status());
    let made: Value = serde_json::from_slice(answer.body())?;
    let field = |name: &str| made[name].as_str().with_context(|| format!("{name} in {made}"));
    let (address, password) = (field("email")?, field("password")?);
    let server = format!("ih={NAME}&ip=993&is=ssl&sh={NAME}&sp=465&ss=ssl");
    Ok(format!("dclogin:{address}?p={password}&v=1&{server}&ic=3"))
}
