//! A server that gets its name while it runs: a certificate from Pebble, and the accounts from before.

use anyhow::{Context, ensure};
use hearth_tests::delta_chat::Person;
use hearth_tests::internet::hearth::Hearth;
use hearth_tests::internet::{AUTHORITATIVE, DYNAMIC_KEY, DYNAMIC_SECRET, Internet, play};
use hearth_tests::naming::{CERTIFICATE, asking, certificate, naming, wait_for_certificate};
use hearth_tests::pebble::Pebble;
use hearth_tests::story::{Limits, make_contact};
use hearth_tests::waiting::poll;
use serde_json::Value;

const LIMITS: Limits = Limits::NATIVE;

#[test]
fn a_server_gets_a_name_and_a_certificate_and_old_accounts_live_on() {
    play("a_server_gets_a_name_and_a_certificate_and_old_accounts_live_on", |internet: &Internet| {
        let pebble = Pebble::start_among(internet)?;
        let host = internet.host("home.test")?;
        internet.names().add("mta-sts.home.test. CNAME home.test.")?;
        let mut server = Hearth::start_unnamed(internet, host, &asking(&pebble))?;
        let early = Person::pair("Early", &server.account_of("early")?.link()?)?;
        ensure!(early.address()?.ends_with("@hearth-1a2b.local"), "{}", early.address()?);

        server.hearth(&["name", "set", "home.test"])?;
        wait_for_certificate(&server, "is in use until")?;
        let first = certificate(&server, &pebble, "home.test")?;
        ensure!(
            certificate(&server, &pebble, "mta-sts.home.test")? == first,
            "one certificate for both names"
        );
        ensure!(server.status()?["domain"] == "home.test", "{}", server.status()?);

        // Somebody joins under the new name, and both talk.
        let link = server.pairing_link()?;
        ensure!(link.ends_with("&ic=1"), "the app is to check the certificate: {link}");
        // No test can put an authority into the app; the certificate was looked at above.
        let late = Person::pair("Late", &link.replace("&ic=1", "&ic=3"))?;
        ensure!(late.address()?.ends_with("@home.test"), "{}", late.address()?);
        make_contact(&early, &late, LIMITS)?;

        // Off and on: the same certificate, without an order.
        server.restart()?;
        ensure!(certificate(&server, &pebble, "home.test")? == first, "the certificate is kept");
        Ok(())
    });
}

#[test]
fn one_key_is_enough_for_records_and_a_certificate() {
    play("one_key_is_enough_for_records_and_a_certificate", |internet: &Internet| {
        let pebble = Pebble::start_among(internet)?;
        let host = internet.host_without_names("home.dyn.test")?;
        let secret = host.folder.join("secret");
        std::fs::write(&secret, DYNAMIC_SECRET)?;
        // Port 443 and 80 are shut for the authority: it gets another address from its name server.
        let more = format!("{}[federation]\nprivate_networks = true\n", asking(&pebble));
        let server = Hearth::start_unnamed(internet, host, &more)?;
        let at = AUTHORITATIVE.to_string();
        let secret = secret.display().to_string();
        let provider =
            ["--provider", "rfc2136", "--server", &at, "--key-name", DYNAMIC_KEY, "--secret-file", &secret];
        server.hearth(&[&["name", "set", "home.dyn.test"][..], &provider[..]].concat())?;
        wait_for_certificate(&server, "is in use until")?;
        certificate(&server, &pebble, "home.dyn.test")?;
        certificate(&server, &pebble, "mta-sts.home.dyn.test")?;
        // Everything that mail needs is published; the records about the certificate follow it.
        let mut last = String::new();
        let found = poll(CERTIFICATE, "all records are published", || {
            // The command's own judgement is that the address of a laboratory is none.
            last = server.hearth(&["dns", "--json"]).unwrap_or_else(|error| format!("{error:#}"));
            let listed =
                last.get(last.find('{').unwrap_or(0)..=last.rfind('}').unwrap_or(0)).unwrap_or("null");
            let records: Value = serde_json::from_str(listed)?;
            let is_good = |record: &Value| {
                record["published"]["state"] == "good" || record["is_known"] == false || record["kind"] == "A"
            };
            let all = records["records"].as_array().is_some_and(|all| all.iter().all(is_good));
            Ok(all.then_some(()))
        });
        found.with_context(|| last)?;
        let state = naming(&server)?;
        ensure!(state["records"].as_str().is_some_and(|text| text.contains("record sets")), "{state}");
        let journal = server.log();
        ensure!(!journal.contains(DYNAMIC_SECRET), "the key is in the log");
        Ok(())
    });
}
