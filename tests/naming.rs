//! A server that gets its name while it runs: a certificate from Pebble, and the accounts from before.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_tests::delta_chat::Person;
use hearth_tests::internet::hearth::Hearth;
use hearth_tests::internet::{AUTHORITATIVE, DYNAMIC_KEY, DYNAMIC_SECRET, Internet, play};
use hearth_tests::pebble::Pebble;
use hearth_tests::story::{Limits, make_contact};
use hearth_tests::waiting::poll;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use serde_json::Value;

const LIMITS: Limits = Limits::NATIVE;
/// The longest wait for a certificate.
const CERTIFICATE: Duration = Duration::from_secs(60);

/// A configuration with Pebble as the authority.
fn asking(pebble: &Pebble) -> String {
    let (directory, roots) = (pebble.directory(), pebble.roots().display());
    format!("[acme]\ndirectory = \"{directory}\"\nroots = \"{roots}\"\n")
}

fn naming(server: &Hearth) -> Result<Value> {
    Ok(serde_json::from_str(&server.hearth(&["name", "show", "--json"])?)?)
}

/// Waits until the sentences about the certificate say this.
fn wait_for_certificate(server: &Hearth, words: &str) -> Result<String> {
    let mut last = String::new();
    let found = poll(CERTIFICATE, "the certificate's state is as wanted", || {
        // While the server starts anew it does not answer.
        if let Ok(state) = naming(server) {
            last = state["certificate"].as_str().unwrap_or_default().to_owned();
        }
        Ok(last.contains(words).then(|| last.clone()))
    });
    found.with_context(|| format!("{words:?} is not in: {last}"))
}

/// The server's certificate, as a client sees it that trusts Pebble's and asks for this name.
fn certificate(server: &Hearth, pebble: &Pebble, name: &str) -> Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let roots = https_client::roots(Some(&runtime.block_on(pebble.issuer())?))?;
    let settings = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut socket = std::net::TcpStream::connect((server.host.address, 993))?;
    let mut client = ClientConnection::new(Arc::new(settings), ServerName::try_from(name.to_owned())?)?;
    while client.is_handshaking() {
        client.complete_io(&mut socket)?;
    }
    Ok(client.peer_certificates().context("a certificate")?[0].to_vec())
}

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
