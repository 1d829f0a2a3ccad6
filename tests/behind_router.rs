//! A server with a name behind a home router: Debian's `miniupnpd` translates and forwards, authority and name servers are
//! outside.
//!
//! Needs root, `ip`, `nft` and `miniupnpd`; without them the tests say so and pass.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, ensure};
use hearth_tests::home_router::{BOX, HomeRouter, OUTSIDE, Switches};
use hearth_tests::internet::hearth::Hearth;
use hearth_tests::internet::{Host, Internet, play};
use hearth_tests::namespace::report;
use hearth_tests::naming::{asking, certificate_at, naming, wait_for_certificate, wait_for_words};
use hearth_tests::pebble::{Options, Pebble};
use hearth_tests::providers::DynDns2;
use hearth_tests::waiting::{now, poll};

const NAME: &str = "home.dyn.test";
/// The address of the line's far end, and another one of the router.
const PROVIDER: &str = "5.6.7.1/24";
const MOVED: &str = "5.6.7.3";
/// The ports of the server that are to be forwarded.
const PORTS: [u16; 5] = [25, 80, 443, 465, 993];
/// The time until a change of the router is noticed, and some more.
const PATIENCE: Duration = Duration::from_secs(150);

/// A home whose box has a server in it.
struct Home {
    pebble: Pebble,
    provider: DynDns2,
    server: Hearth,
    router: HomeRouter,
}

impl Home {
    /// None, and a word about it, where no router can be built.
    fn start(internet: &Internet, outside: &str, switches: Switches) -> Result<Option<Self>> {
        let Some(mut router) = HomeRouter::build(outside)? else { return Ok(None) };
        router.connect_outside(PROVIDER)?;
        router.start(switches)?;
        let address = internet.names().address();
        let pebble = Pebble::start_among_with(internet, Options { address, ..Options::default() })?;
        let provider = DynDns2::start(internet, address, NAME)?;
        let host = Host { address: BOX[0].parse()?, ..internet.host_without_names(NAME)? };
        let more = format!("{}[router]\nport_mapping = true\n", asking(&pebble));
        let server = router.inside(|| Hearth::start_unnamed(internet, host, &more))?;
        Ok(Some(Self { pebble, provider, server, router }))
    }

    fn set_name(&self) -> Result<()> {
        let secret = self.server.host.folder.join("secret");
        std::fs::write(&secret, "a password")?;
        let (url, secret) = (self.provider.url(), secret.display().to_string());
        let provider = ["--provider", "dyndns2", "--url", &url, "--user", "anna", "--secret-file", &secret];
        self.server.hearth(&[&["name", "set", NAME][..], &provider[..]].concat()).map(drop)
    }

    /// The certificate, as a phone outside gets it.
    fn certificate(&self, outside: &str) -> Result<Vec<u8>> {
        certificate_at(outside.parse::<Ipv4Addr>()?, &self.pebble, NAME)
    }
}

#[test]
fn a_name_behind_a_router_gets_ports_an_address_and_a_certificate_and_keeps_them() {
    let test = "a_name_behind_a_router_gets_ports_an_address_and_a_certificate_and_keeps_them";
    play(test, |internet: &Internet| {
        let Some(mut home) = Home::start(internet, OUTSIDE, Switches::ALL)? else { return Ok(()) };
        let begun = now();
        home.set_name()?;
        wait_for_certificate(&home.server, "is in use until")?;
        report(&format!(
            "behind a router, from the name to the certificate: {:.1} s",
            (now() - begun).as_secs_f32()
        ));
        let first = home.certificate(OUTSIDE)?;
        home.router.wait_for_forwarded(BOX[0], &PORTS)?;
        let state = naming(&home.server)?;
        ensure!(state["addresses"].as_str().is_some_and(|text| text.contains(OUTSIDE)), "{state}");
        ensure!(state["ports"].as_str().is_some_and(|text| text.contains("forwards")), "{state}");
        report(&home.server.hearth(&["name", "show"])?);

        // It has another address outside.
        let _ = home.provider.requests();
        home.router.move_outside(OUTSIDE, MOVED)?;
        wait_for_words(&home.server, "addresses", MOVED, PATIENCE)?;
        poll(PATIENCE, "phones find the server at its new address", || {
            Ok(home.certificate(MOVED).ok().filter(|seen| *seen == first).map(drop))
        })?;
        poll(PATIENCE, "the provider was told", || Ok((!home.provider.requests().is_empty()).then_some(())))?;

        // The router has lost everything, and gets it back; nobody else hears of it.
        let _ = home.provider.requests();
        home.router.start(Switches::ALL)?;
        poll(PATIENCE, "all ports are forwarded again", || {
            Ok((home.router.forwarded(BOX[0])? == PORTS).then_some(()))
        })?;
        ensure!(home.certificate(MOVED)? == first, "another certificate");
        ensure!(home.provider.requests().is_empty(), "the address is the same");

        home.server.stop()?;
        ensure!(home.router.forwarded(BOX[0])?.is_empty(), "mappings are left behind");
        Ok(())
    });
}

#[test]
fn a_router_that_refuses_or_stands_behind_another_is_told_with_what_to_do() {
    let test = "a_router_that_refuses_or_stands_behind_another_is_told_with_what_to_do";
    play(test, |internet: &Internet| {
        let refusing = Switches { more: "deny 0-65535 0.0.0.0/0 0-65535", ..Switches::ALL };
        let Some(mut home) = Home::start(internet, OUTSIDE, refusing)? else { return Ok(()) };
        home.set_name()?;
        let told = wait_for_words(&home.server, "ports", "refuses to forward ports", PATIENCE)?;
        ensure!(told.contains("443") && told.contains("in the router's settings"), "{told}");
        // The second attempt, a minute later, asks at port 80, of whose refusal the authority says more.
        let outside = "cannot be reached from outside";
        let told = wait_for_words(&home.server, "certificate", outside, PATIENCE)?;
        report(&home.server.hearth(&["name", "show"])?);
        ensure!(told.contains("router"), "{told}");

        // Its owner has listened: the ports open, and the certificate comes without a person.
        home.router.start(Switches::ALL)?;
        wait_for_words(&home.server, "certificate", "is in use until", PATIENCE * 4)?;

        home.router.move_outside(OUTSIDE, "100.64.0.2")?;
        let told = wait_for_words(&home.server, "ports", "provider", PATIENCE * 2)?;
        report(&home.server.hearth(&["name", "show"])?);
        ensure!(told.contains("CGNAT"), "{told}");
        Ok(())
    });
}
