//! One token at deSEC, and everything else by itself: address, records, certificate.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dns::RecordKind;
use hearth_tests::internet::hearth::Hearth;
use hearth_tests::internet::{Internet, play};
use hearth_tests::naming::{asking, certificate, naming, wait_for_certificate, wait_for_words};
use hearth_tests::pebble::Pebble;
use hearth_tests::providers::{AddressService, Desec};
use hearth_tests::waiting::{now, poll};
use hearth_tests::web::get_from;
use test_support::http_server::Reply;

const NAME: &str = "smith.dyn.test";
/// The public addresses of the home, one after the other.
const ADDRESSES: [&str; 2] = ["5.6.7.8", "5.6.7.9"];
/// The longest time from another address to its record.
const MINUTE: Duration = Duration::from_secs(60);

/// A server behind a router that others have set, with a provider, an authority and an address service.
struct Home<'a> {
    internet: &'a Internet,
    pebble: Pebble,
    desec: Desec,
    outside: AddressService,
    server: Hearth,
}

impl<'a> Home<'a> {
    fn start(internet: &'a Internet) -> Result<Self> {
        let pebble = Pebble::start_among(internet)?;
        let (desec, outside) = (Desec::start(internet)?, AddressService::start(ADDRESSES[0])?);
        let more = format!("{}[router]\naddress_service = \"{}\"\n", asking(&pebble), outside.url());
        let server = Hearth::start_unnamed(internet, internet.host_without_names(NAME)?, &more)?;
        Ok(Self { internet, pebble, desec, outside, server })
    }

    fn secret(&self, text: &str) -> Result<PathBuf> {
        let file = self.server.host.folder.join("secret");
        std::fs::write(&file, text)?;
        Ok(file)
    }

    fn set_name(&self, token: &str) -> Result<()> {
        let (url, file) = (self.desec.url(), self.secret(token)?.display().to_string());
        let provider = ["--provider", "desec", "--url", &url, "--secret-file", &file];
        self.server.hearth(&[&["name", "set", NAME][..], &provider[..]].concat()).map(drop)
    }

    /// The public addresses in the records, as everybody sees them.
    fn published(&self) -> Result<Vec<String>> {
        self.internet.names().records(NAME, RecordKind::A)
    }

    fn wait_for_published(&self, address: &str, limit: Duration) -> Result<()> {
        poll(limit, &format!("the record says {address}"), || {
            Ok((self.published().unwrap_or_default() == [address]).then_some(()))
        })
        .with_context(|| format!("{:?}", naming(&self.server)))
    }

    /// The numbers of reading and of writing requests so far.
    fn requests(&self) -> (usize, usize) {
        let requests = self.desec.requests();
        let writes = requests.iter().filter(|request| request.method == "PATCH").count();
        (requests.len() - writes, writes)
    }
}

#[test]
fn a_token_leads_to_records_and_a_certificate_and_follows_the_address() {
    play("a_token_leads_to_records_and_a_certificate_and_follows_the_address", |internet: &Internet| {
        let home = Home::start(internet)?;
        let begun = now();
        // The provider has enough in the middle, and takes the same later.
        home.desec.answer_next(Reply::RetryAfter(429, "2", throttled()));
        home.set_name(home.desec.token())?;
        wait_for_certificate(&home.server, "is in use until")?;
        hearth_tests::namespace::report(&format!(
            "from the name to the certificate: {:.1} s",
            (now() - begun).as_secs_f32()
        ));
        for name in [NAME, "mta-sts.smith.dyn.test"] {
            certificate(&home.server, &home.pebble, name)?;
        }
        ensure!(home.published()? == [ADDRESSES[0]], "{:?}", home.published()?);
        wait_for_words(&home.server, "records", "record sets", MINUTE)?;

        // Everything is at rest when the records about the certificate are out, too.
        poll(MINUTE, "the record about the key is published", || {
            let model = home.desec.model.lock().expect("no panic");
            Ok(model.zone_file().iter().any(|line| line.contains(" TLSA ")).then_some(()))
        })?;
        let first = home.requests();
        home.outside.tell(Some(ADDRESSES[1]))?;
        home.wait_for_published(ADDRESSES[1], MINUTE)?;
        ensure!(home.requests() == (0, 1), "one request, and it writes; before: {first:?}");

        // A service that is away for a while takes no address out of the records, nor does a restart.
        home.outside.tell(None)?;
        let _ = home.outside.requests();
        poll(
            MINUTE * 2,
            "the service was asked",
            || Ok((!home.outside.requests().is_empty()).then_some(())),
        )?;
        let mut home = home;
        home.server.restart()?;
        poll(
            MINUTE * 2,
            "the service was asked",
            || Ok((!home.outside.requests().is_empty()).then_some(())),
        )?;
        ensure!(home.published()? == [ADDRESSES[1]], "{:?}", home.published()?);
        ensure!(home.requests() == (0, 0), "nothing has changed");
        ensure!(!home.server.log().contains(home.desec.token()), "the token is in the log");
        Ok(())
    });
}

#[test]
fn a_wrong_token_is_told_wherever_the_owner_looks_until_the_right_one_comes() {
    play(
        "a_wrong_token_is_told_wherever_the_owner_looks_until_the_right_one_comes",
        |internet: &Internet| {
            let home = Home::start(internet)?;
            home.set_name("hush-wrong_token")?;
            let words = wait_for_words(&home.server, "records", "token", MINUTE)?;
            let status = home.server.wait_for_status(MINUTE, |status| {
                status["troubles"].to_string().contains("does not know the token")
            })?;
            ensure!(!status.to_string().contains("hush"), "{status}");
            let page = get_from(home.server.host.address, 80, "/network")?.body;
            ensure!(page.contains("does not know the token"), "{words}: {page}");
            let shown = home.server.hearth(&["name", "show"])?;
            ensure!(shown.contains("does not know the token"), "{shown}");
            let writes = home.requests();
            ensure!(writes.0 <= 2, "the provider is left alone: {writes:?}");

            home.set_name(home.desec.token())?;
            home.wait_for_published(ADDRESSES[0], MINUTE)?;
            let well = home
                .server
                .wait_for_status(MINUTE, |status| !status["troubles"].to_string().contains("token"))?;
            ensure!(!well.to_string().contains("hush"), "{well}");
            Ok(())
        },
    );
}

fn throttled() -> String {
    "{\"detail\": \"Request was throttled. Expected available in 2 seconds.\"}".to_owned()
}
